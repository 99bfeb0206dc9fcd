//! Money in JSON: a number or its decimal text, read exactly; written as a number, with its text beside it. Nothing passes
//! through binary floating point here, and clients need not either.

use std::borrow::Cow;

use entities::Amount;
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use rust_decimal::Decimal;
use serde_json::{Number, Value};

use crate::problem::{Format, Wrong};

/// An exact JSON number: zero or more, or only more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExactNumber<const POSITIVE: bool>(pub(crate) Decimal);

/// A positive amount in a currency's main unit.
pub(crate) type Money = ExactNumber<true>;

/// What something costs, which may be nothing.
pub(crate) type Cost = ExactNumber<false>;

impl From<Amount> for Money {
    fn from(amount: Amount) -> Self {
        Self(amount.0)
    }
}

impl<const POSITIVE: bool> ExactNumber<POSITIVE> {
    /// The same digits as text, which stands beside the number wherever one is answered: most clients read JSON numbers
    /// as doubles, which carry fifteen digits.
    pub(crate) fn text(self) -> String {
        self.0.normalize().to_string()
    }
}

/// An amount as clients send it: a number, or the same as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExactInput<const POSITIVE: bool>(pub(crate) Decimal);

/// A positive amount, as clients send it.
pub(crate) type MoneyInput = ExactInput<true>;

/// What something costs, which may be nothing, as clients send it.
pub(crate) type CostInput = ExactInput<false>;

/// The format of a decimal text in schemas that are checked here. The document has its pattern instead: generators take
/// a text with a format of this name for a double.
pub(crate) const POSITIVE_TEXT: &str = "positive-decimal";

/// The same for a text that may be zero.
pub(crate) const COST_TEXT: &str = "decimal";

/// Longest decimal text, characters: 28 digits and a point, with room for zeros.
const TEXT_MAX: usize = 40;

/// The exact value of a decimal text: digits, and perhaps a point with digits behind it.
pub(crate) fn parse_text(text: &str) -> Result<Decimal, Wrong> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !digits(whole) || !digits(fraction) {
        return Err(Format::Decimal.into());
    }
    parse(text)
}

/// The exact value of a JSON number's text.
pub(crate) fn parse(text: &str) -> Result<Decimal, Wrong> {
    exact(text).ok_or(Wrong::Inexact)
}

fn exact(text: &str) -> Option<Decimal> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return Decimal::from_str_exact(text).ok();
    };
    let mantissa = Decimal::from_str_exact(mantissa).ok()?.normalize();
    let exponent: i32 = exponent.parse().ok()?;
    // Shifting by the scale is exact; what would not fit is refused instead of rounded.
    let scale = i64::from(mantissa.scale()) - i64::from(exponent);
    let digits = mantissa.mantissa();
    let zeros = u32::try_from((-scale).max(0)).ok()?;
    let digits = 10_i128.checked_pow(zeros).and_then(|factor| digits.checked_mul(factor))?;
    let scale = u32::try_from(scale.max(0)).ok()?;
    Decimal::try_from_i128_with_scale(digits, scale).ok()
}

impl<const POSITIVE: bool> Type for ExactNumber<POSITIVE> {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "number_decimal".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            minimum: Some(0.0),
            exclusive_minimum: POSITIVE.then_some(true),
            ..MetaSchema::new_with_format("number", "double")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl<const POSITIVE: bool> ParseFromJSON for ExactNumber<POSITIVE> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            Value::Number(number) => parse(&number.to_string()).map(Self).map_err(ParseError::custom),
            other => Err(ParseError::expected_type(other)),
        }
    }
}

impl<const POSITIVE: bool> ToJSON for ExactNumber<POSITIVE> {
    fn to_json(&self) -> Option<Value> {
        self.0.normalize().to_string().parse::<Number>().ok().map(Value::Number)
    }
}

impl<const POSITIVE: bool> Type for ExactInput<POSITIVE> {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        if POSITIVE { "Money".into() } else { "Cost".into() }
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(Self::name().into_owned())
    }

    /// One of the two and never both, which generators make a union of; of `anyOf` some make an empty class.
    fn register(registry: &mut Registry) {
        let (format, pattern, description) = if POSITIVE {
            let pattern = r"^[0-9]*[1-9][0-9]*(\.[0-9]+)?$|^[0-9]+\.[0-9]*[1-9][0-9]*$";
            (
                POSITIVE_TEXT,
                pattern,
                "More than zero: a number, or the same as text, which no client's doubles can change.",
            )
        } else {
            let pattern = r"^[0-9]+(\.[0-9]+)?$";
            (COST_TEXT, pattern, "Zero or more: a number, or the same as text, which no client's doubles can change.")
        };
        let text = MetaSchema {
            pattern: Some(pattern.to_owned()),
            max_length: Some(TEXT_MAX),
            ..MetaSchema::new_with_format("string", format)
        };
        let number = ExactNumber::<POSITIVE>::schema_ref();
        registry.schemas.entry(Self::name().into_owned()).or_insert(MetaSchema {
            description: Some(description),
            one_of: vec![number, MetaSchemaRef::Inline(Box::new(text))],
            ..MetaSchema::ANY
        });
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl<const POSITIVE: bool> ParseFromJSON for ExactInput<POSITIVE> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            Value::Number(number) => parse(&number.to_string()).map(Self).map_err(ParseError::custom),
            Value::String(text) => parse_text(&text).map(Self).map_err(ParseError::custom),
            other => Err(ParseError::expected_type(other)),
        }
    }
}

/// Examples in the document, and what is kept of a request, are numbers.
impl<const POSITIVE: bool> ToJSON for ExactInput<POSITIVE> {
    fn to_json(&self) -> Option<Value> {
        ExactNumber::<POSITIVE>(self.0).to_json()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_text_of_a_number_exactly() {
        for (text, value) in [
            ("0.1", "0.1"),
            ("1e2", "100"),
            ("1.5E-3", "0.0015"),
            ("1e-28", "0.0000000000000000000000000001"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
            ("0.30000000000000004", "0.30000000000000004"),
        ] {
            assert_eq!(parse(text).unwrap().normalize().to_string(), value, "{text}");
        }
        for text in
            ["1e99", "1e-29", "1e2147483648", "0.12345678901234567890123456789", "79228162514264337593543950336"]
        {
            assert!(parse(text).is_err(), "{text} cannot be kept exactly");
        }
    }

    #[test]
    fn reads_a_decimal_text_exactly_and_nothing_else() {
        for (text, value) in [("12.50", "12.5"), ("0013", "13"), ("0.30000000000000004", "0.30000000000000004")] {
            let read = MoneyInput::parse_from_json(Some(Value::from(text))).unwrap();
            assert_eq!(read.0.normalize().to_string(), value, "{text}");
        }
        for text in ["", " 1", "1 ", "+1", "-1", "1e2", "1_000", "1,5", ".5", "5.", "NaN", "0x1", "１"] {
            assert!(parse_text(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_and_its_text_are_the_same(mantissa in 1_i64.., scale in 0_u32..=18) {
            let money = ExactNumber::<true>(Decimal::new(mantissa, scale));
            let by_text = MoneyInput::parse_from_json(Some(Value::from(money.text()))).unwrap();
            let by_number = MoneyInput::parse_from_json(money.to_json()).unwrap();
            prop_assert_eq!((by_text.0, by_number.0), (money.0, money.0));
        }

        #[test]
        fn what_is_written_is_what_was_read(mantissa in 1_i64.., scale in 0_u32..=28) {
            let money = ExactNumber::<true>(Decimal::new(mantissa, scale));
            let text = money.to_json().unwrap().to_string();
            let back = serde_json::from_str::<Value>(&text).unwrap();
            prop_assert_eq!(Money::parse_from_json(Some(back)).unwrap(), money);
        }
    }
}
