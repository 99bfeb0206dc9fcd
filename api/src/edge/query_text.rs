//! Text in a query string that is compared with stored text.

use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromParameter, ParseResult, Type},
};

use crate::problem::Format;

/// PostgreSQL cannot keep or compare U+0000.
pub(crate) const WITHOUT_NUL: &str = r"^[^\u0000]*$";

/// 1 to 255 characters without U+0000, which PostgreSQL cannot compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryText(pub(crate) String);

impl Type for QueryText {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "QueryText".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let (min_length, max_length) = (Some(1), Some(255));
        let pattern = Some(WITHOUT_NUL.to_owned());
        MetaSchemaRef::Inline(Box::new(MetaSchema { min_length, max_length, pattern, ..MetaSchema::new("string") }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromParameter for QueryText {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        if (1..=255).contains(&value.chars().count()) && !value.contains('\0') {
            return Ok(Self(value.to_owned()));
        }
        Err(ParseError::custom(Format::QueryText))
    }
}
