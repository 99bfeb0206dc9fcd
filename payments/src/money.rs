//! Decimal money: what an amount may be, and how it becomes a token's base units.

use rust_decimal::{Decimal, prelude::ToPrimitive};
use sea_orm::DbErr;

/// Why an amount is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Zero or negative where money must move.
    #[error("must be greater than zero")]
    NotPositive,
    /// More fraction digits than the currency has.
    #[error("has more than {0} fraction digits, which is all the currency has")]
    TooFine(u32),
    /// More than fits.
    #[error("is too large")]
    TooLarge,
}

/// Checks that the amount is positive and no finer than the currency.
///
/// # Errors
/// When it is not.
pub fn check(amount: Decimal, decimals: u32) -> Result<(), AmountError> {
    if amount <= Decimal::ZERO {
        return Err(AmountError::NotPositive);
    }
    if amount.normalize().scale() > decimals {
        return Err(AmountError::TooFine(decimals));
    }
    Ok(())
}

/// The amount in a token's base units (10^-decimals of the main unit), as a decimal integer of any length.
///
/// # Errors
/// As [`check`].
pub fn base_units(amount: Decimal, decimals: u32) -> Result<String, AmountError> {
    check(amount, decimals)?;
    let amount = amount.normalize();
    let zeros = decimals.checked_sub(amount.scale()).ok_or(AmountError::TooFine(decimals))?;
    let zeros = usize::try_from(zeros).map_err(|_| AmountError::TooLarge)?;
    let digits = amount.mantissa().to_string();
    // A uint256 has 78 digits.
    if digits.len() + zeros > 77 {
        return Err(AmountError::TooLarge);
    }
    Ok(digits + &"0".repeat(zeros))
}

/// The amount in its currency's smallest unit, such as cents.
///
/// # Errors
/// When it is finer than the currency, or does not fit.
pub(crate) fn minor(amount: Decimal, decimals: u32) -> Result<i64, DbErr> {
    let scaled = 10_i64.checked_pow(decimals).and_then(|one| amount.checked_mul(Decimal::from(one)));
    let whole = scaled.filter(Decimal::is_integer).and_then(|scaled| scaled.to_i64());
    whole.ok_or_else(|| DbErr::Type(format!("{amount} has no whole number of units of 10^-{decimals}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base_units_are_exact() {
        let units = |text: &str, decimals| base_units(text.parse().unwrap(), decimals);
        assert_eq!(units("1", 6).unwrap(), "1000000");
        assert_eq!(units("0.000001", 6).unwrap(), "1");
        assert_eq!(units("1.50", 18).unwrap(), "1500000000000000000");
        assert_eq!(
            units("79228162514264337593543950335", 18).unwrap(),
            "79228162514264337593543950335000000000000000000"
        );
        assert_eq!(units("0.0000001", 6), Err(AmountError::TooFine(6)));
        assert_eq!(units("0", 6), Err(AmountError::NotPositive));
        assert_eq!(units("-1", 6), Err(AmountError::NotPositive));
    }

    proptest! {
        #[test]
        fn base_units_scale_back_to_the_amount(mantissa in 1_i64.., scale in 0_u32..=18) {
            let amount = Decimal::new(mantissa, scale);
            let units: Decimal = base_units(amount, 18).unwrap().parse().unwrap_or(Decimal::ZERO);
            prop_assume!(units != Decimal::ZERO);
            let mut back = units;
            back.set_scale(18).unwrap();
            prop_assert_eq!(back.normalize(), amount.normalize());
        }
    }
}
