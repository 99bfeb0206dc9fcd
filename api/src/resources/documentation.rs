//! The document, and a page to read and try it with; everything it needs is in the binary.

use std::sync::LazyLock;

use poem::Request;
use poem_openapi::{ApiResponse, OpenApi, param::Query, payload::PlainText};

use super::Tag;
use crate::{
    document::{self, ContractName},
    openapi::{Served, ServedResponse},
    problem::Refused,
};

/// Nothing is fetched from another host. The page styles its elements inline, which scripts are not allowed to be.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The script and the styles of Swagger UI, cut out of the one page that poem-openapi would serve: as files of their
/// own they can be cached, and the page needs no inline script.
static SWAGGER_UI: LazyLock<(Served, Served)> = LazyLock::new(|| {
    let page = document::service(()).swagger_ui_html();
    let script = between(&page, "<script charset=\"UTF-8\">", "</script>");
    (Served::new(script), Served::new(between(&page, "<style charset=\"UTF-8\">", "</style>")))
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

/// Kept, and asked for again each time: an upgrade is seen at once.
const REVALIDATED: &str = "public, no-cache";

pub(crate) struct Documentation;

#[OpenApi(tag = "Tag::Operations")]
impl Documentation {
    /// This document
    ///
    /// OpenAPI 3.1, the same that is committed under `openapi/`; with `contract` only what belongs to that one.
    #[oai(path = "/openapi.json", method = "get", operation_id = "openapi")]
    async fn openapi(
        &self,
        request: &Request,
        /// Whose document; that of everything when it is left out.
        contract: Query<Option<ContractName>>,
    ) -> Result<ServedResponse, Refused> {
        Ok(document::document(contract.0.map(|name| name.0)).answer(request, "application/json", REVALIDATED))
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
    async fn script(&self, request: &Request) -> Result<ServedResponse, Refused> {
        Ok(SWAGGER_UI.0.answer(request, "text/javascript; charset=utf-8", CACHED))
    }

    /// Its styles
    #[oai(path = "/docs/swagger-ui.css", method = "get", operation_id = "docs_styles", hidden = true)]
    async fn styles(&self, request: &Request) -> Result<ServedResponse, Refused> {
        Ok(SWAGGER_UI.1.answer(request, "text/css; charset=utf-8", CACHED))
    }
}
