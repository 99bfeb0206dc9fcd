//! How many of an item: digits as text, kept as they were sent. Shops that send an integer mean the same.

use std::{borrow::Cow, fmt};

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::Value;

use super::wrong::CheckoutWrong;

/// Names the format in the schema, by which bodies are checked.
pub(super) const FORMAT: &str = "quantity";

/// Longest quantity, digits.
const DIGITS_MAX: usize = 20;

/// How many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quantity(String);

/// The text of a quantity, if the value is one: digits that are not all zero, or an integer.
fn text_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let is_digits = text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_digits && text.bytes().any(|byte| byte != b'0')).then_some(text)
}

/// Whether the value is a quantity.
pub(super) fn fits(value: &Value) -> bool {
    text_of(value).is_some()
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<u32> for Quantity {
    fn from(number: u32) -> Self {
        Self(number.to_string())
    }
}

impl Type for Quantity {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string_quantity".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            pattern: Some("^0*[1-9][0-9]*$".to_owned()),
            max_length: Some(DIGITS_MAX),
            ..MetaSchema::new_with_format("string", FORMAT)
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromJSON for Quantity {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        text_of(&value.unwrap_or_default()).map(Self).ok_or_else(|| ParseError::custom(CheckoutWrong::Quantity))
    }
}

impl ToJSON for Quantity {
    fn to_json(&self) -> Option<Value> {
        Some(Value::String(self.0.clone()))
    }
}
