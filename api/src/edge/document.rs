//! The OpenAPI document: what poem-openapi generates, finished to valid 3.1.

mod answers;
mod contract;
mod example;
mod finish;
mod served;
mod webhooks;

pub(crate) use contract::ContractName;
pub(crate) use served::{Served, ServedAnswer, document};

use std::{collections::BTreeMap, sync::LazyLock};

use poem_openapi::{
    LicenseObject, OpenApi, OpenApiService,
    registry::{MetaSchema, Registry},
};
use serde_json::Value;

use crate::{edge::Contract, problem::Code, routes::Api};

/// Every schema by its name; requests are checked against these very schemas.
pub(crate) fn schemas() -> &'static BTreeMap<String, MetaSchema> {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let mut registry = Registry::new();
        Api::register(&mut registry);
        registry
    });
    &REGISTRY.schemas
}

/// Whether an object may have fields beyond those that its schema names.
pub(crate) fn open_ended(schema: &MetaSchema) -> bool {
    schema.properties.is_empty() || schema.additional_properties.is_some()
}

/// A service around the API; its title and version are the document's.
pub(crate) fn service<T>(api: T) -> OpenApiService<T, ()> {
    OpenApiService::new(api, "Quittance", env!("CARGO_PKG_VERSION"))
        .summary("Payments for marketplaces and shops")
        .description(description())
        .license(LicenseObject::new("MIT OR Apache-2.0").identifier("MIT OR Apache-2.0"))
        .server("/")
}

/// The document, as it is served and committed: the same bytes for the same source.
#[must_use]
pub fn openapi_document() -> Value {
    finish::finish(generated())
}

/// The part of it that is one contract's.
#[must_use]
pub fn openapi_document_of(contract: &Contract) -> Value {
    contract::part(openapi_document(), contract)
}

/// The document as text, of the whole or of one contract.
fn text(contract: Option<&Contract>) -> String {
    format!("{:#}\n", contract.map_or_else(openapi_document, openapi_document_of))
}

/// Every path of the document.
#[cfg(test)]
pub(crate) fn paths() -> Vec<String> {
    openapi_document()["paths"].as_object().into_iter().flat_map(|paths| paths.keys().cloned()).collect()
}

fn generated() -> Value {
    serde_json::from_str(&service(Documented).webhooks::<webhooks::Announced>().spec()).unwrap_or_default()
}

/// The API's description without an instance of it.
struct Documented;

impl OpenApi for Documented {
    fn meta() -> Vec<poem_openapi::registry::MetaApi> {
        Api::meta()
    }

    fn register(registry: &mut Registry) {
        Api::register(registry);
    }

    fn add_routes(
        self,
        _: &mut std::collections::HashMap<
            String,
            std::collections::HashMap<poem::http::Method, poem::endpoint::BoxEndpoint<'static>>,
        >,
    ) {
    }
}

fn description() -> String {
    let codes: Vec<String> = Code::ALL
        .iter()
        .map(|code| format!("| `{}` | {} | {} |", code.word(), code.status().as_u16(), code.title()))
        .collect();
    format!(
        "{}\n\n| code | status | meaning |\n|---|---|---|\n{}\n",
        include_str!("document/description.md"),
        codes.join("\n")
    )
}
