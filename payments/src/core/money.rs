//! Decimal money: what an amount may be, and how it becomes a token's base units.
//!
//! Every contract checks its amounts here when it takes them in, so that no later step finds one that it cannot carry:
//! gateways and the ledger count in 64 bits, contracts on chain in 96. What the check returns is the amount from then on:
//! clients that compute with doubles send 13.049999999999999 where they mean 13.05.

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
    /// More fraction digits than a rate may have.
    #[error("has more than {0} fraction digits, which is all that a rate may have")]
    RateTooFine(u32),
    /// More than every later step can carry.
    #[error("is too large")]
    TooLarge,
}

/// The most of a currency's smallest units that one amount may have: all the bitcoin there will ever be, or 21 million
/// million euro. Sellers' balances are sums in 64 bits, which hold 4,392 of it.
const MINOR_MAX: i128 = 2_100_000_000_000_000;

/// Fraction digits up to which currencies are counted in 64 bits by anybody: bitcoin has 8, ISO 4217 at most 4.
const MINOR_DECIMALS_MAX: u32 = 8;

/// The most base units of a token that one amount may have: 96 bits, 79,228 million million of a token with 18 digits, are
/// what a deal's terms have room for.
const BASE_UNITS_MAX: i128 = (1 << 96) - 1;

/// Bounds of exchange rates; with them every amount can be converted without leaving a decimal's 28 digits.
const RATE_MAX: Decimal = Decimal::from_parts(2_764_472_320, 232_830, 0, false, 0);
const RATE_DECIMALS_MAX: u32 = 12;

/// Significant digits from which a number may be a double that somebody computed: any amount of fewer digits survives the
/// way through a double and back.
const DOUBLE_DIGITS: u32 = 15;

/// The step from one double to the next, at most, relative to it (2^-52, rounded up).
const DOUBLE_STEP: Decimal = Decimal::from_parts(2_221, 0, 0, false, 19);

/// Steps by which a sum over a shopping cart may be off.
const STEPS_OF_A_SUM: Decimal = Decimal::from_parts(8, 0, 0, false, 0);

/// The amount, if it is positive, no finer than the currency, and not more than every later step can carry.
///
/// # Errors
/// When it is not.
pub fn check(amount: Decimal, decimals: u32) -> Result<Decimal, AmountError> {
    if amount <= Decimal::ZERO {
        return Err(AmountError::NotPositive);
    }
    check_cost(amount, decimals)
}

/// The same for what may cost nothing.
///
/// # Errors
/// When it is negative, finer than the currency or too large.
pub fn check_cost(amount: Decimal, decimals: u32) -> Result<Decimal, AmountError> {
    within(amount, decimals, if decimals <= MINOR_DECIMALS_MAX { MINOR_MAX } else { BASE_UNITS_MAX })
}

/// The same for what is paid and counted on chain alone, and may cost nothing.
///
/// # Errors
/// As [`check_cost`].
pub fn check_on_chain(amount: Decimal, decimals: u32) -> Result<Decimal, AmountError> {
    within(amount, decimals, BASE_UNITS_MAX)
}

fn within(amount: Decimal, decimals: u32, max: i128) -> Result<Decimal, AmountError> {
    if amount < Decimal::ZERO {
        return Err(AmountError::NotPositive);
    }
    let amount = meant(amount, decimals);
    let zeros = decimals.checked_sub(amount.scale()).ok_or(AmountError::TooFine(decimals))?;
    let units = 10_i128.checked_pow(zeros).and_then(|one| amount.mantissa().checked_mul(one));
    if units.is_some_and(|units| units <= max) { Ok(amount) } else { Err(AmountError::TooLarge) }
}

/// The amount that a number stands for, without zeros at its end. A number with the digits of a double that lies within
/// doubles' own error of one with so many fraction digits is that one; every other number is itself. The error must be far
/// smaller than the last of these digits: a sum may be off by some steps where they are less than a thousandth of it, and
/// every number by one step where that is less than half of it.
fn meant(number: Decimal, decimals: u32) -> Decimal {
    let number = number.normalize();
    let digits = number.mantissa().unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
    if number.scale() <= decimals || digits < DOUBLE_DIGITS {
        return number;
    }
    let (nearest, last) = (number.round_dp(decimals), Decimal::new(1, decimals));
    let Some(step) = nearest.abs().checked_mul(DOUBLE_STEP) else { return number };
    let sum = step * STEPS_OF_A_SUM;
    let error = match (sum * Decimal::ONE_THOUSAND < last, step * Decimal::TWO < last) {
        (true, _) => sum,
        (false, true) => step,
        (false, false) => Decimal::ZERO,
    };
    if (number - nearest).abs() <= error { nearest.normalize() } else { number }
}

/// What one unit of a currency costs in another, if it is up to 10^15, with up to 12 fraction digits.
///
/// # Errors
/// When it is not positive, too fine or too large.
pub fn check_rate(rate: Decimal) -> Result<Decimal, AmountError> {
    if rate <= Decimal::ZERO {
        return Err(AmountError::NotPositive);
    }
    let rate = meant(rate, RATE_DECIMALS_MAX);
    if rate.scale() > RATE_DECIMALS_MAX {
        return Err(AmountError::RateTooFine(RATE_DECIMALS_MAX));
    }
    if rate <= RATE_MAX { Ok(rate) } else { Err(AmountError::TooLarge) }
}

/// The amount in a token's base units (10^-decimals of the main unit), as a decimal integer of 96 bits at most.
///
/// # Errors
/// When it is not positive, finer than the token or too large.
pub fn base_units(amount: Decimal, decimals: u32) -> Result<String, AmountError> {
    if amount <= Decimal::ZERO {
        return Err(AmountError::NotPositive);
    }
    let amount = check_on_chain(amount, decimals)?;
    let zeros = decimals.checked_sub(amount.scale()).ok_or(AmountError::TooFine(decimals))?;
    let zeros = usize::try_from(zeros).map_err(|_| AmountError::TooLarge)?;
    Ok(amount.mantissa().to_string() + &"0".repeat(zeros))
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
        assert_eq!(units("79228162514.264337593543950335", 18).unwrap(), "79228162514264337593543950335");
        assert_eq!(units("0.0000001", 6), Err(AmountError::TooFine(6)));
        assert_eq!(units("0", 6), Err(AmountError::NotPositive));
        assert_eq!(units("-1", 6), Err(AmountError::NotPositive));
    }

    #[test]
    fn amounts_end_where_a_later_step_would() {
        let check = |text: &str, decimals| check(text.parse().unwrap(), decimals).map(drop);
        for (most, more, decimals) in [
            ("21000000000000", "21000000000000.01", 2),
            ("2100000000000000", "2100000000000001", 0),
            ("21000000", "21000000.00000001", 8),
            ("79228162514.264337593543950335", "79228162514.264337593543950336", 18),
            ("79228162514264337593.543950335", "79228162514264337593.543950336", 9),
        ] {
            assert_eq!(check(most, decimals), Ok(()), "{most}");
            assert_eq!(check(more, decimals), Err(AmountError::TooLarge), "{more}");
            assert_eq!(check("79228162514264337593543950335", decimals), Err(AmountError::TooLarge));
        }
        // What was accepted has a number of cents, and thousands of them a sum.
        let most = minor("21000000000000".parse().unwrap(), 2).unwrap();
        assert!(most.checked_mul(4_392).is_some());
        assert_eq!(check_cost(Decimal::ZERO, 2), Ok(Decimal::ZERO));
        let on_chain = |text: &str| check_on_chain(text.parse().unwrap(), 6).map(drop);
        assert_eq!(on_chain("79228162514264337593543.950335"), Ok(()));
        assert_eq!(on_chain("79228162514264337593543.950336"), Err(AmountError::TooLarge));
        assert_eq!(check_cost("-0.01".parse().unwrap(), 2), Err(AmountError::NotPositive));
    }

    #[test]
    fn rates_have_bounds() {
        let check = |text: &str| check_rate(text.parse().unwrap()).map(drop);
        for good in ["0.000000000001", "36.5", "95000", "1000000000000000"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check("0"), Err(AmountError::NotPositive));
        assert_eq!(check("0.0000000000001"), Err(AmountError::RateTooFine(12)));
        assert_eq!(check("1000000000000001"), Err(AmountError::TooLarge));
    }

    #[test]
    fn what_a_double_could_not_carry_is_the_amount_it_was_meant_to_be() {
        let check = |text: &str, decimals| check(text.parse().unwrap(), decimals).map(|amount| amount.to_string());
        for (number, decimals, amount) in [
            ("13.049999999999999", 2, "13.05"),
            ("0.30000000000000004", 6, "0.3"),
            ("0.30000000000000004", 18, "0.30000000000000004"),
            ("0.9999999999999999", 2, "1"),
            ("1.1500000000000001", 2, "1.15"),
            ("2999999.9999999995", 6, "3000000"),
            ("8796093022208.119", 2, "8796093022208.12"),
            ("10.500000000000000000000", 2, "10.5"),
        ] {
            assert_eq!(check(number, decimals).as_deref(), Ok(amount), "{number}");
        }
        for (number, decimals) in [
            ("33.333333333333336", 2),
            ("0.1234567890123456", 6),
            ("13.0499999999999", 2),
            ("0.0049999999999999999", 2),
            ("0.000000000000000123456", 6),
            // Doubles of this size are an eighth of a unit apart: nobody can tell which amount was meant.
            ("999999999999999.875", 2),
        ] {
            assert!(check(number, decimals).is_err(), "{number}");
        }
        assert_eq!(check_rate("36.500000000000007".parse().unwrap()), Ok("36.5".parse().unwrap()));
        assert_eq!(check_cost("0.00000000000000001".parse().unwrap(), 2), Err(AmountError::TooFine(2)));
    }

    proptest! {
        /// Every cart that a shop's page adds up with doubles is taken as what it costs.
        #[test]
        #[expect(clippy::float_arithmetic, reason = "it is what clients do")]
        fn a_cart_added_up_with_doubles_costs_what_it_costs(
            lines in prop::collection::vec((1_i64..1_000_000, 1_u32..10), 1..12)
        ) {
            let cents: i64 = lines.iter().map(|(price, count)| price * i64::from(*count)).sum();
            let sum: f64 = lines.iter().map(|(price, count)| *price as f64 / 100.0 * f64::from(*count)).sum();
            let sent: Decimal = sum.to_string().parse().unwrap();
            prop_assert_eq!(check(sent, 2), Ok(Decimal::new(cents, 2).normalize()));
        }

        #[test]
        fn base_units_scale_back_to_the_amount(mantissa in 1_i64.., scale in 0_u32..=18) {
            let amount = Decimal::new(mantissa, scale);
            prop_assume!(check(amount, 18).is_ok());
            let units: Decimal = base_units(amount, 18).unwrap().parse().unwrap();
            let mut back = units;
            back.set_scale(18).unwrap();
            prop_assert_eq!(back.normalize(), amount.normalize());
        }

        #[test]
        fn cents_are_exact_and_what_has_none_is_refused(units in 0_i64..=2_100_000_000_000_000, decimals in 0_u32..=8) {
            let amount = Decimal::new(units, decimals);
            prop_assert_eq!(minor(amount, decimals).unwrap(), units);
            prop_assert_eq!(minor(amount.normalize(), decimals).unwrap(), units);
            let finer = Decimal::new(units.saturating_mul(10) + 1, decimals + 1);
            prop_assert!(minor(finer, decimals).is_err());
        }

        #[test]
        fn what_was_checked_once_is_that_amount_from_then_on(mantissa: i64, scale in 0_u32..=18, decimals in 0_u32..=18) {
            let sent = Decimal::new(mantissa, scale);
            for check in [check, check_cost, check_on_chain] {
                let Ok(amount) = check(sent, decimals) else { continue };
                prop_assert_eq!(check(amount, decimals), Ok(amount));
                prop_assert!(amount.scale() <= decimals && amount >= Decimal::ZERO);
            }
            let exact = sent.normalize().scale() <= decimals;
            prop_assert!(!exact || check_on_chain(sent, decimals) != Err(AmountError::TooFine(decimals)));
        }

        #[test]
        fn an_amount_of_its_currency_is_counted_by_everybody(units in 1_i64..=2_100_000_000_000_000, decimals in 0_u32..=8) {
            let amount = check(Decimal::new(units, decimals), decimals).unwrap();
            prop_assert_eq!(minor(amount, decimals).unwrap(), units);
            prop_assert_eq!(base_units(amount, decimals).unwrap(), units.to_string());
        }
    }
}
