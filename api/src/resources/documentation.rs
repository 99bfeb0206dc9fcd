//! The document, and a page to read and try it with; everything it needs is in the binary.

use poem_openapi::{OpenApi, payload::Json, types::Any};
use serde_json::Value;

use super::Tag;
use crate::{document, problem::Refused};

pub(crate) struct Documentation;

#[OpenApi(tag = "Tag::Operations")]
impl Documentation {
    /// This document
    ///
    /// OpenAPI 3.1, the same that is committed as `openapi/quittance.json`.
    #[oai(path = "/openapi.json", method = "get", operation_id = "openapi")]
    async fn openapi(&self) -> Result<Json<Any<Value>>, Refused> {
        Ok(Json(Any(document::openapi_document())))
    }
}
