//! Money in JSON: a number, read from and written as its decimal text, never through binary floating point.

use std::borrow::Cow;

use entities::Amount;
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use rust_decimal::Decimal;
use serde_json::{Number, Value};

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

/// The exact value of a JSON number's text.
pub(crate) fn parse(text: &str) -> Result<Decimal, &'static str> {
    const INEXACT: &str = "has more digits than can be kept exactly (28)";
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return Decimal::from_str_exact(text).map_err(|_| INEXACT);
    };
    let mantissa = Decimal::from_str_exact(mantissa).map_err(|_| INEXACT)?.normalize();
    let exponent: i32 = exponent.parse().map_err(|_| INEXACT)?;
    // Shifting by the scale is exact; what would not fit is refused instead of rounded.
    let scale = i64::from(mantissa.scale()) - i64::from(exponent);
    let digits = mantissa.mantissa();
    let zeros = u32::try_from((-scale).max(0)).map_err(|_| INEXACT)?;
    let digits = 10_i128.checked_pow(zeros).and_then(|factor| digits.checked_mul(factor)).ok_or(INEXACT)?;
    let scale = u32::try_from(scale.max(0)).map_err(|_| INEXACT)?;
    Decimal::try_from_i128_with_scale(digits, scale).map_err(|_| INEXACT)
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
            ..MetaSchema::new_with_format("number", "decimal")
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

    proptest! {
        #[test]
        fn what_is_written_is_what_was_read(mantissa in 1_i64.., scale in 0_u32..=28) {
            let money = ExactNumber::<true>(Decimal::new(mantissa, scale));
            let text = money.to_json().unwrap().to_string();
            let back = serde_json::from_str::<Value>(&text).unwrap();
            prop_assert_eq!(Money::parse_from_json(Some(back)).unwrap(), money);
        }
    }
}
