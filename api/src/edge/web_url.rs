//! http and https URLs as text, in the one spelling that every program on the way understands: names of hosts as Punycode
//! (RFC 5891), other letters as UTF-8 in percent signs.

use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde_json::Value;

use crate::problem::Format;

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
            Value::String(text) => Ok(Self(ascii(&text).map_or_else(|| text.clone(), Cow::into_owned))),
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
        let url = ascii(value).filter(|url| value.len() <= 255 && is_http(url));
        url.map(|url| Self(url.into_owned())).ok_or_else(|| ParseError::custom(Format::QueryUrl))
    }
}

/// The URL in ASCII; none when its host is no name. What is so already stays as it was written.
fn ascii(text: &str) -> Option<Cow<'_, str>> {
    if text.is_ascii() {
        return Some(Cow::Borrowed(text));
    }
    // The parser would pass over what is not to be seen.
    if text.contains(|letter: char| letter.is_control() || letter.is_whitespace()) {
        return None;
    }
    url::Url::parse(text).ok().map(|url| Cow::Owned(url.into()))
}

/// Whether the text is an http or https URL with a host.
pub(crate) fn is_http(text: &str) -> bool {
    let Some(text) = ascii(text) else { return false };
    let uri = text.parse::<poem::http::Uri>();
    uri.is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_any_script_are_written_in_ascii() {
        for (sent, kept) in [
            ("https://b\u{fc}cher.example/hook", "https://xn--bcher-kva.example/hook"),
            ("https://bu\u{308}cher.example/hook", "https://xn--bcher-kva.example/hook"),
            ("https://\u{4f8b}\u{3048}.example/\u{e9}?q=\u{e9}", "https://xn--r8jz45g.example/%C3%A9?q=%C3%A9"),
            ("https://Shop.example", "https://Shop.example"),
        ] {
            let url = WebUrl::parse_from_json(Some(Value::String(sent.to_owned()))).unwrap();
            assert!(is_http(sent), "{sent}");
            assert_eq!(url.0, kept);
        }
        for wrong in [
            "https://b\u{fc}\ncher.example/",
            "https://\u{a0}x/",
            "ftp://b\u{fc}cher.example/",
            "https://xn--a/\u{e9} ",
        ] {
            assert!(!is_http(wrong), "{wrong}");
        }
    }
}
