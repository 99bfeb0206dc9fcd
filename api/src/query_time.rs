//! A time in a query string.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromParameter, ParseResult, Type},
};

/// A time as RFC 3339 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueryTime(pub(crate) DateTime<Utc>);

impl Type for QueryTime {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "QueryTime".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "date-time")))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromParameter for QueryTime {
    /// An offset's `+` that was not percent-encoded arrives as a space.
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        let time = DateTime::parse_from_rfc3339(&value.replace(' ', "+"));
        let wanted = |_| ParseError::custom("must be a time as RFC 3339 has it, such as 2030-01-31T12:00:00Z");
        time.map(|time| Self(time.to_utc())).map_err(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_with_any_offset() {
        let time = |text| QueryTime::parse_from_parameter(text).map(|time| time.0.to_rfc3339());
        assert_eq!(time("2030-01-31T12:00:00Z").unwrap(), "2030-01-31T12:00:00+00:00");
        assert_eq!(time("2030-01-31T12:00:00 02:00").unwrap(), "2030-01-31T10:00:00+00:00");
        for wrong in ["", "yesterday", "2030-01-31", "+262142-01-01T00:00:00Z"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
