//! What an installation shows of itself: that it is a playground, that it is reached by HTTPS only, and what it keeps for
//! its operators.

use maud::html;
use poem::{
    Response,
    http::{HeaderName, HeaderValue, header},
};

use crate::edge::{Contract, EdgeState, HttpConfig};

/// Says in every answer of a playground that it is one.
const MODE: HeaderName = HeaderName::from_static("quittance-mode");

/// A year: what has been reached by HTTPS once is reached by nothing else.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Whether a path is kept from the public.
pub(super) fn hides(config: &HttpConfig, path: &str) -> bool {
    let is_docs = path == "/openapi.json" || path == "/docs" || path.starts_with("/docs/");
    (!config.metrics && path == "/metrics") || (!config.docs && is_docs)
}

/// Marks an answer of this contract; every page of a playground says at its top that it is one.
pub(super) async fn show(state: &EdgeState, contract: &Contract, mut response: Response) -> Response {
    if state.base_url().starts_with("https://") {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    if !state.is_development() {
        return response;
    }
    response.headers_mut().insert(MODE, HeaderValue::from_static("development"));
    let is_page = response.content_type().is_some_and(|kind| kind.starts_with("text/html"));
    if !is_page {
        return response;
    }
    let sentence = (contract.no_money)(response.header(header::CONTENT_LANGUAGE));
    let (parts, body) = response.into_parts();
    let page = body.into_string().await.unwrap_or_default();
    let banner = html! { p.development role="note" { (sentence) } }.into_string();
    Response::from_parts(parts, page.replacen("<body>", &format!("<body>\n{banner}"), 1).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_keep_what_they_configure_to_keep() {
        let open = HttpConfig::default();
        let closed = HttpConfig { metrics: false, docs: false, ..HttpConfig::default() };
        for path in ["/metrics", "/docs", "/docs/start.js", "/openapi.json"] {
            assert!(hides(&closed, path) && !hides(&open, path), "{path}");
        }
        for path in ["/health/live", "/", "/docsearch", "/api/v1/payments"] {
            assert!(!hides(&closed, path), "{path}");
        }
    }
}
