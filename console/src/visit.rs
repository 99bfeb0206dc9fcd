//! A browser at one of our addresses, and where that leads.

use poem::http::HeaderValue;

use crate::{api::Api, browser::Fields, layout::Page};

/// A browser at one of our addresses.
pub(crate) struct Visit {
    pub(crate) api: Api,
    /// Where it is, with its query.
    pub(crate) address: String,
    pub(crate) query: Fields,
    /// What was filled in; none when the page is only read.
    pub(crate) form: Option<Fields>,
}

/// What a visit comes to.
pub(crate) enum Outcome {
    Page(Page),
    /// For somebody who is not signed in.
    Bare(Page),
    SeeOther(String, Vec<HeaderValue>),
}

impl From<Page> for Outcome {
    fn from(page: Page) -> Self {
        Self::Page(page)
    }
}

impl Outcome {
    pub(crate) fn see_other(path: impl Into<String>) -> Self {
        Self::SeeOther(path.into(), Vec::new())
    }
}
