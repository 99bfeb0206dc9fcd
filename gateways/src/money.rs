//! Amounts as gateways get them.

use rust_decimal::{Decimal, prelude::ToPrimitive};

/// An amount of a currency of ISO 4217.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// With as many fraction digits as the currency has, or fewer.
    pub value: Decimal,
    /// Three capital letters.
    pub currency: String,
    /// Fraction digits of the currency.
    pub decimals: u32,
}

impl Money {
    /// In the smallest unit, such as cents; none when the amount has more fraction digits than its currency.
    #[must_use]
    pub fn minor(&self) -> Option<i64> {
        let scaled = self.value.checked_mul(Decimal::from(10_u64.checked_pow(self.decimals)?))?;
        if scaled.fract().is_zero() { scaled.to_i64() } else { None }
    }

    /// The same currency's amount of this many smallest units.
    #[must_use]
    pub fn of_minor(&self, minor: i64) -> Self {
        Self { value: Decimal::new(minor, self.decimals), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_are_exact_or_none() {
        let money =
            |value: &str, decimals| Money { value: value.parse().unwrap(), currency: "EUR".to_owned(), decimals };
        assert_eq!(money("12.34", 2).minor(), Some(1_234));
        assert_eq!(money("12", 2).minor(), Some(1_200));
        assert_eq!(money("1500", 0).minor(), Some(1_500));
        assert_eq!(money("12.345", 2).minor(), None);
        assert_eq!(money("79228162514264337593543950335", 2).minor(), None);
        assert_eq!(money("0", 2).of_minor(1_234), money("12.34", 2));
    }
}
