//! The document, and a page to read and try it with; everything it needs is in the binary.

use std::sync::LazyLock;

use poem_openapi::{
    ApiResponse, OpenApi,
    payload::{Json, PlainText},
    types::Any,
};
use serde_json::Value;

use super::Tag;
use crate::{document, problem::Refused};

/// Nothing is fetched from another host. The page styles its elements inline, which scripts are not allowed to be.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The script and the styles of Swagger UI, cut out of the one page that poem-openapi would serve: as files of their
/// own they can be cached, and the page needs no inline script.
static SWAGGER_UI: LazyLock<(String, String)> = LazyLock::new(|| {
    let page = document::service(()).swagger_ui_html();
    (between(&page, "<script charset=\"UTF-8\">", "</script>"), between(&page, "<style charset=\"UTF-8\">", "</style>"))
});

fn between(page: &str, start: &str, end: &str) -> String {
    let rest = page.split_once(start).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or("", |(inner, _)| inner).to_owned()
}

/// A file of the page.
#[derive(ApiResponse)]
pub(crate) enum DocsFile {
    /// The page.
    #[oai(status = 200, content_type = "text/html; charset=utf-8")]
    Html(PlainText<&'static str>, #[oai(header = "Content-Security-Policy")] String),
    /// Its styles.
    #[oai(status = 200, content_type = "text/css; charset=utf-8")]
    Css(PlainText<&'static str>, #[oai(header = "Cache-Control")] String),
    /// A script of it.
    #[oai(status = 200, content_type = "text/javascript; charset=utf-8")]
    Script(PlainText<&'static str>, #[oai(header = "Cache-Control")] String),
}

/// Where to go on.
#[derive(ApiResponse)]
pub(crate) enum Elsewhere {
    /// There.
    #[oai(status = 303)]
    SeeOther(#[oai(header = "Location")] String),
}

const CACHED: &str = "public, max-age=3600";

pub(crate) struct Documentation;

#[OpenApi(tag = "Tag::Operations")]
impl Documentation {
    /// This document
    ///
    /// OpenAPI 3.1, the same that is committed as `openapi/quittance.json`.
    #[oai(path = "/openapi.json", method = "get", operation_id = "openapi", actual_type = "Json<Any<Value>>")]
    async fn openapi(&self) -> Result<PlainText<&'static str>, Refused> {
        Ok(PlainText(document::text()))
    }

    /// Whoever opens the address alone wants to know what is here
    #[oai(path = "/", method = "get", operation_id = "root", hidden = true)]
    async fn root(&self) -> Result<Elsewhere, Refused> {
        Ok(Elsewhere::SeeOther("/docs".to_owned()))
    }

    /// The page
    #[oai(path = "/docs", method = "get", operation_id = "docs", hidden = true)]
    async fn page(&self) -> Result<DocsFile, Refused> {
        Ok(DocsFile::Html(PlainText(include_str!("../assets/docs.html")), POLICY.to_owned()))
    }

    /// What starts it
    #[oai(path = "/docs/start.js", method = "get", operation_id = "docs_start", hidden = true)]
    async fn start(&self) -> Result<DocsFile, Refused> {
        Ok(DocsFile::Script(PlainText(include_str!("../assets/docs.js")), CACHED.to_owned()))
    }

    /// Swagger UI
    #[oai(path = "/docs/swagger-ui.js", method = "get", operation_id = "docs_script", hidden = true)]
    async fn script(&self) -> Result<DocsFile, Refused> {
        Ok(DocsFile::Script(PlainText(SWAGGER_UI.0.as_str()), CACHED.to_owned()))
    }

    /// Its styles
    #[oai(path = "/docs/swagger-ui.css", method = "get", operation_id = "docs_styles", hidden = true)]
    async fn styles(&self) -> Result<DocsFile, Refused> {
        Ok(DocsFile::Css(PlainText(SWAGGER_UI.1.as_str()), CACHED.to_owned()))
    }
}
