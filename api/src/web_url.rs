//! http and https URLs as text.

use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde_json::Value;

/// An http or https URL; the schema's format is checked with all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebUrl(pub(crate) String);

impl WebUrl {
    pub(crate) fn texts(urls: Vec<Self>) -> Vec<String> {
        urls.into_iter().map(|url| url.0).collect()
    }
}

impl Type for WebUrl {
    const IS_REQUIRED: bool = true;

    type RawValueType = String;
    type RawElementValueType = String;

    fn name() -> Cow<'static, str> {
        "string_uri".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let max_length = Some(2_048);
        MetaSchemaRef::Inline(Box::new(MetaSchema { max_length, ..MetaSchema::new_with_format("string", "uri") }))
    }

    fn as_raw_value(&self) -> Option<&String> {
        Some(&self.0)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a String> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromJSON for WebUrl {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            Value::String(text) => Ok(Self(text)),
            other => Err(ParseError::expected_type(other)),
        }
    }
}

impl ToJSON for WebUrl {
    fn to_json(&self) -> Option<Value> {
        Some(Value::String(self.0.clone()))
    }
}

/// An http or https URL in a query string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryUrl(pub(crate) String);

impl Type for QueryUrl {
    const IS_REQUIRED: bool = true;

    type RawValueType = String;
    type RawElementValueType = String;

    fn name() -> Cow<'static, str> {
        "QueryUrl".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let max_length = Some(255);
        MetaSchemaRef::Inline(Box::new(MetaSchema { max_length, ..MetaSchema::new_with_format("string", "uri") }))
    }

    fn as_raw_value(&self) -> Option<&String> {
        Some(&self.0)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a String> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromParameter for QueryUrl {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        if value.len() <= 255 && is_http(value) {
            return Ok(Self(value.to_owned()));
        }
        Err(ParseError::custom("must be an http or https URL of at most 255 characters"))
    }
}

/// Whether the text is an http or https URL with a host.
pub(crate) fn is_http(text: &str) -> bool {
    let uri = text.parse::<poem::http::Uri>();
    uri.is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    })
}
