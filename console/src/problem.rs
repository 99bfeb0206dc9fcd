//! What the API refuses, in words.

use maud::{Markup, html};
use poem::http::StatusCode;
use serde::Deserialize;

/// Why there is no page.
pub(crate) enum Failure {
    /// Nobody is signed in, or not any more.
    SignIn,
    /// The API has refused.
    Refused(Box<Problem>),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

/// A problem as RFC 9457 has it, as far as people read it.
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<Mistake>,
    #[serde(default)]
    request_id: String,
}

#[derive(Debug, Deserialize)]
struct Mistake {
    detail: String,
    #[serde(default)]
    pointer: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, title: &str, detail: &str) -> Self {
        let (title, detail) = (title.to_owned(), detail.to_owned());
        Self { status: status.as_u16(), title, detail, errors: Vec::new(), request_id: String::new() }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "There is no such page",
            "The address may be mistyped, or from another version.",
        )
    }

    /// An answer that is no problem and nothing that the page understands either.
    pub(crate) fn unreadable(status: StatusCode) -> Self {
        let detail = format!("The API's answer ({status}) is not the one that this page expects.");
        Self::new(StatusCode::BAD_GATEWAY, "The answer cannot be read", &detail)
    }

    /// One sentence for a part of a page.
    pub(crate) fn sentence(&self) -> &str {
        match self.status {
            403 => "Your role does not allow to see this.",
            _ if self.detail.is_empty() => &self.title,
            _ => &self.detail,
        }
    }

    pub(crate) fn show(&self) -> Markup {
        html! {
            h1 { (self.title) }
            div.notice.red role="alert" {
                p { (self.detail) }
                @if self.status == 403 { p { "You are signed in, and your role does not allow this." } }
                @if !self.errors.is_empty() {
                    ul { @for mistake in &self.errors { li { code { (mistake.pointer) } " " (mistake.detail) } } }
                }
            }
            p.muted {
                "Status " (self.status)
                @if !self.request_id.is_empty() { ", request " code { (self.request_id) } }
            }
            p { a href=(crate::place::ROOT) { "Back to the overview" } }
        }
    }
}
