//! What the browser sends and gets.

use maud::Markup;
use poem::{
    Request, Response,
    http::{HeaderValue, StatusCode, header},
};

use crate::{place::ROOT, problem::Problem};

/// Only our own styles, pictures and scripts, in nobody's frame, and only forms of ours.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; \
                      frame-ancestors 'none'; form-action 'self'";

/// The largest form: reasons and filters are short.
const FORM_MAX: usize = 64 << 10;

/// Names and values, of an address or of a form.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn of_query(request: &Request) -> Self {
        Self::read(request.uri().query().unwrap_or_default().as_bytes())
    }

    pub(crate) async fn of_form(request: &mut Request) -> Result<Self, Problem> {
        let body = request.take_body().into_bytes_limit(FORM_MAX).await;
        let too_large = |_| {
            let detail = "Forms of the console are at most 64 KiB long.";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The form is too long", detail)
        };
        Ok(Self::read(&body.map_err(too_large)?))
    }

    fn read(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    /// The value without spaces around it; empty when it is missing.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// These of them, for a query.
    pub(crate) fn only<'a>(&'a self, names: &[&'a str]) -> Vec<(&'a str, &'a str)> {
        names.iter().map(|name| (*name, self.get(name))).collect()
    }
}

/// A whole page, which no cache keeps.
pub(crate) fn page(status: StatusCode, page: Markup) -> Response {
    Response::builder()
        .status(status)
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        // Without any referrer browsers would call our own forms' origin `null`, which the API refuses.
        .header(header::REFERRER_POLICY, "same-origin")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::CACHE_CONTROL, "no-store")
        .body(page.into_string())
}

/// Sends the browser to a page of ours; anywhere else becomes the overview.
pub(crate) fn see_other(path: &str, cookies: Vec<HeaderValue>) -> Response {
    let location = HeaderValue::from_str(own(path)).unwrap_or(HeaderValue::from_static(ROOT));
    let mut response =
        Response::builder().status(StatusCode::SEE_OTHER).header(header::CACHE_CONTROL, "no-store").finish();
    response.headers_mut().insert(header::LOCATION, location);
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The path, if it is one of the console's.
pub(crate) fn own(path: &str) -> &str {
    let rest = path.strip_prefix(ROOT);
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) { path } else { ROOT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for path in ["https://evil.example", "//evil.example", "/consoles", "", "/api", "javascript:alert(1)"] {
            assert_eq!(own(path), ROOT, "{path}");
        }
        assert_eq!(own("/console/dead-letters?queue=a"), "/console/dead-letters?queue=a");
    }
}
