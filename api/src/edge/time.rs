//! Times, read and written in one way each. RFC 3339 has many spellings of one instant; clients compare what they get with
//! what they sent, and events with answers.

use std::{borrow::Cow, ops::Deref};

use chrono::{DateTime, SubsecRound, TimeDelta, Timelike, Utc};
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde_json::Value;

use crate::problem::Format;

/// A time: read with any offset, kept in microseconds as both databases do, written in UTC with all six digits and `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) DateTime<Utc>);

/// The time that a text says. A second `:60` is the beginning of the next minute: no clock that we compare with has one.
pub(crate) fn read(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    // Within a `:60` the nanoseconds of the second before it go on counting.
    let (over, nanoseconds) = (time.nanosecond() / 1_000_000_000, time.nanosecond() % 1_000_000_000);
    let time = time.with_nanosecond(nanoseconds)?.checked_add_signed(TimeDelta::seconds(over.into()))?;
    Some(time.trunc_subsecs(6))
}

impl From<DateTime<Utc>> for Time {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time)
    }
}

impl Deref for Time {
    type Target = DateTime<Utc>;

    fn deref(&self) -> &DateTime<Utc> {
        &self.0
    }
}

impl Type for Time {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string_date-time".into()
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

impl ParseFromJSON for Time {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            Value::String(text) => read(&text).map(Self).ok_or_else(|| ParseError::custom(Format::Time)),
            other => Err(ParseError::expected_type(other)),
        }
    }
}

impl ParseFromParameter for Time {
    /// An offset's `+` that was not percent-encoded arrives as a space.
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        read(&value.replace(' ', "+")).map(Self).ok_or_else(|| ParseError::custom(Format::Time))
    }
}

impl ToJSON for Time {
    fn to_json(&self) -> Option<Value> {
        Some(Value::String(entities::rfc3339(self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(text: &str) -> Option<String> {
        Time::parse_from_parameter(text).ok()?.to_json()?.as_str().map(str::to_owned)
    }

    #[test]
    fn every_spelling_of_a_time_is_written_in_one_way() {
        for (text, written) in [
            ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00.000000Z"),
            ("2030-01-31t12:00:00.5z", "2030-01-31T12:00:00.500000Z"),
            ("2030-01-31T12:00:00 02:00", "2030-01-31T10:00:00.000000Z"),
            ("2030-01-31T12:00:00.123456789-01:30", "2030-01-31T13:30:00.123456Z"),
        ] {
            assert_eq!(parameter(text).as_deref(), Some(written), "{text}");
        }
        for wrong in ["", "yesterday", "2030-01-31", "+262142-01-01T00:00:00Z"] {
            assert!(Time::parse_from_parameter(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_sixtieth_second_begins_the_next_minute() {
        for (text, written) in [
            ("2030-12-31T23:59:60Z", "2031-01-01T00:00:00.000000Z"),
            ("2030-06-30T23:59:60.25Z", "2030-07-01T00:00:00.250000Z"),
            ("2030-01-31T14:29:60+02:30", "2030-01-31T12:00:00.000000Z"),
        ] {
            assert_eq!(parameter(text).as_deref(), Some(written), "{text}");
        }
    }
}
