//! The OpenAPI document: what poem-openapi generates, finished to valid 3.1.

use std::{
    borrow::Cow,
    sync::{LazyLock, OnceLock},
};

use poem_openapi::{
    LicenseObject, OpenApi, OpenApiService,
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{ParseError, ParseFromParameter, ParseResult, Type},
};
use serde_json::{Value, json};

use crate::{
    contracts::CONTRACTS,
    edge::Contract,
    openapi::{self, Served},
    problem::{Code, UNKNOWN_WORD},
    resources::events::{Announced, EVENTS},
    routes::Api,
};

/// Examples of answers, by the names of their schemas.
static EXAMPLES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("document/examples.json")).unwrap_or_default());

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
    openapi::finish(generated(), &CONTRACTS, &EVENTS, &EXAMPLES)
}

/// The part of it that is one contract's.
#[must_use]
pub fn openapi_document_of(contract: &Contract) -> Value {
    openapi::part(openapi_document(), contract, &EVENTS)
}

/// The document as text, of the whole or of one contract.
fn text(contract: Option<&Contract>) -> String {
    format!("{:#}\n", contract.map_or_else(openapi_document, openapi_document_of))
}

/// The document, of the whole or of one contract.
pub(crate) fn document(contract: Option<&Contract>) -> &'static Served {
    static WHOLE: LazyLock<Served> = LazyLock::new(|| Served::new(text(None)));
    static PARTS: LazyLock<Vec<OnceLock<Served>>> =
        LazyLock::new(|| CONTRACTS.all.iter().map(|_| OnceLock::new()).collect());
    let place = contract.and_then(|wanted| CONTRACTS.all.iter().position(|contract| *contract == wanted));
    place.map_or(&*WHOLE, |place| PARTS[place].get_or_init(|| Served::new(text(contract))))
}

/// Every path of the document.
#[cfg(test)]
pub(crate) fn paths() -> Vec<String> {
    openapi_document()["paths"].as_object().into_iter().flat_map(|paths| paths.keys().cloned()).collect()
}

fn generated() -> Value {
    serde_json::from_str(&service(Documented).webhooks::<Announced>().spec()).unwrap_or_default()
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

/// What such a name means. One of the documents is the operators', who are no contract.
static MEANS: LazyLock<String> = LazyLock::new(|| {
    const NUMBERS: [&str; 9] = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight"];
    let number = NUMBERS.get(CONTRACTS.all.len() - 1).unwrap_or(&"many");
    format!("What a document may be of: one of the {number} contracts, or what operators use.")
});

/// A contract's name in a query.
pub(crate) struct ContractName(pub(crate) &'static Contract);

impl Type for ContractName {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "ContractName".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(Self::name().into_owned())
    }

    fn register(registry: &mut Registry) {
        registry.create_schema::<Self, _>(Self::name().into_owned(), |_| MetaSchema {
            description: Some(MEANS.as_str()),
            enum_items: CONTRACTS.all.iter().map(|contract| json!(contract.name)).collect(),
            ..MetaSchema::new("string")
        });
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromParameter for ContractName {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        CONTRACTS.named(value).map(Self).ok_or_else(|| ParseError::custom(UNKNOWN_WORD))
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::error::ParseParamError;

    use super::*;
    use crate::problem::{Problem, Wrong};

    #[test]
    fn the_name_of_no_contract_is_no_documented_word() {
        let refused = ContractName::parse_from_parameter("x").err().unwrap();
        let error =
            ParseParamError { name: "contract", reason: refused.propagate::<Option<ContractName>>().into_message() };
        let problem = Problem::from_error(error.into(), CONTRACTS.otherwise);
        assert_eq!(problem.errors()[0].wrong, Wrong::UnknownWord);
    }
}
