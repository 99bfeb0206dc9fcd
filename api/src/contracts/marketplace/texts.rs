//! Texts that have to be more than texts: the words of their formats stand in the schema, by which bodies are checked.

use std::borrow::Cow;

use chrono::NaiveDate;
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::Value;

use super::wrong::MarketplaceWrong;
use crate::body::{Fits, OwnFormat};

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $format:literal, $wanted:ident, $fits:ident;)+) => {
        /// The contract's formats, by which bodies are checked.
        pub(super) const FORMATS: &[OwnFormat] = &[$(OwnFormat {
            name: $format,
            fits: Fits::Text($fits),
            wanted: || MarketplaceWrong::$wanted.into(),
        }),+];

        $(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(super) struct $name(pub(super) String);

        impl Type for $name {
            const IS_REQUIRED: bool = true;

            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                concat!("string_", $format).into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", $format)))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(self.as_raw_value().into_iter())
            }
        }

        impl ParseFromJSON for $name {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                match value {
                    Some(Value::String(text)) if $fits(&text) => Ok(Self(text)),
                    _ => Err(ParseError::custom(MarketplaceWrong::$wanted)),
                }
            }
        }

        impl ToJSON for $name {
            fn to_json(&self) -> Option<Value> {
                Some(Value::String(self.0.clone()))
            }
        }
        )+
    };
}

texts! {
    /// A day, such as `1990-05-17`.
    Day = "date", Date, is_date;
    /// A tax number of nine digits, the last of which checks the others.
    Nif = "nif", Nif, is_nif;
    /// A bank account by ISO 13616, electronic or as people print it.
    Iban = "iban", Iban, is_iban;
}

fn is_iban(text: &str) -> bool {
    electronic(text).parse::<iban::Iban>().is_ok()
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<NaiveDate>().is_ok()
}

/// The last digit is what is missing to a multiple of eleven of the others' weighted sum, or 0 where that is more than nine.
fn is_nif(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|character| character.to_digit(10)).collect();
    if digits.len() != 9 || text.len() != 9 {
        return false;
    }
    let sum: u32 = digits.iter().zip((2..=9).rev()).map(|(digit, weight)| digit * weight).sum();
    let check = 11 - sum % 11;
    digits[8] == if check > 9 { 0 } else { check }
}

impl Day {
    pub(super) fn date(&self) -> Option<NaiveDate> {
        self.0.parse().ok()
    }
}

impl Iban {
    /// As computers exchange it.
    pub(super) fn electronic(&self) -> String {
        electronic(&self.0)
    }
}

/// The electronic form of an IBAN from the printed one of ISO 13616: without blanks, whatever kind and wherever they are
/// (those of documents do not break, or are not even seen), without the word IBAN before it, in capitals.
fn electronic(printed: &str) -> String {
    const INVISIBLE: [char; 4] = ['\u{200b}', '\u{2060}', '\u{feff}', '\u{ad}'];
    let is_blank = |character: &char| character.is_whitespace() || INVISIBLE.contains(character);
    let text: String = printed.chars().filter(|character| !is_blank(character)).collect();
    let text = text.to_ascii_uppercase();
    let bare = text.strip_prefix("IBAN").map(|rest| rest.strip_prefix(':').unwrap_or(rest));
    bare.unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tax_numbers_have_nine_digits_and_check() {
        for right in ["123456789", "501442600", "500273170", "999999990"] {
            assert!(is_nif(right), "{right}");
        }
        for wrong in
            ["123456780", "12345678", "1234567890", "", "12345678a", "１２３４５６７８９", "123 456 789", "PT123456789"]
        {
            assert!(!is_nif(wrong), "{wrong}");
        }
    }

    #[test]
    fn bank_accounts_check_by_mod_97() {
        for right in ["PT50000201231234567890154", "PT50 0002 0123 1234 5678 9015 4", "DE89370400440532013000"] {
            assert!(is_iban(right), "{right}");
        }
        for wrong in ["PT50000201231234567890155", "PT5000020123123456789015", "", "DE8937040044053201300", "50"] {
            assert!(!is_iban(wrong), "{wrong}");
        }
        for printed in [
            "pt50000201231234567890154",
            "PT50\u{a0}0002\u{a0}0123\u{a0}1234\u{a0}5678\u{a0}9015\u{a0}4",
            "PT50 000201231234567890154",
            " PT50\u{202f}0002 0123 1234 5678 9015 4\n",
            "IBAN PT50 0002 0123 1234 5678 9015 4",
            "Iban: \u{feff}pt50 0002 0123 1234 5678 9015 4",
        ] {
            assert!(is_iban(printed), "{printed}");
            assert_eq!(Iban(printed.to_owned()).electronic(), "PT50000201231234567890154", "{printed}");
        }
        assert!(!is_iban("PT50-0002-0123-1234-5678-9015-4") && !is_iban("IBAN"));
        assert_eq!(Iban("PT50 0002 0123 1234 5678 9015 4".to_owned()).electronic(), "PT50000201231234567890154");
    }

    #[test]
    fn days_are_days() {
        assert!(is_date("1990-02-28"));
        for wrong in ["1990-02-30", "1990-2-28", "28.02.1990", "1990-02-28T00:00:00Z", ""] {
            assert!(!is_date(wrong), "{wrong}");
        }
    }
}
