//! Amounts as Stripe writes them: whole numbers of a unit that is mostly, not always, the currency's smallest.

use rust_decimal::Decimal;

use crate::{Error, Money};

/// Without a fraction at Stripe, whatever ISO 4217 says of them.
const WITHOUT_FRACTION: &[&str] =
    &["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];

/// Written in thousandths, of which Stripe takes only tens.
const OF_THOUSANDTHS: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];

/// Written in hundredths for the sake of old programs, of which Stripe takes only hundreds.
const WHOLE_IN_HUNDREDTHS: &[&str] = &["ISK", "UGX"];

/// Paid in with a fraction, paid out without.
const PAID_OUT_WHOLE: &[&str] = &["HUF", "TWD"];

/// What the money is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Money that is taken or given back.
    Charge,
    Payout,
}

/// The amount as Stripe gets it; an error when it takes no such amount, which would otherwise be rounded there or
/// refused.
pub(super) fn minor(money: &Money, purpose: Use) -> Result<i64, Error> {
    let currency = money.currency.as_str();
    let whole =
        WHOLE_IN_HUNDREDTHS.contains(&currency) || (purpose == Use::Payout && PAID_OUT_WHOLE.contains(&currency));
    let step = match () {
        () if whole => 100,
        () if OF_THOUSANDTHS.contains(&currency) => 10,
        () => 1,
    };
    let as_stripe = Money { decimals: decimals(currency), ..money.clone() };
    as_stripe.minor().filter(|minor| minor % step == 0).ok_or_else(|| Error::Declined {
        code: "amount_not_representable".to_owned(),
        message: format!("Stripe takes no amount of {} {currency}", money.value),
    })
}

/// The amount that Stripe reports, in the currency.
pub(super) fn value(minor: i64, currency: &str) -> Decimal {
    Decimal::new(minor, decimals(&currency.to_ascii_uppercase())).normalize()
}

fn decimals(currency: &str) -> u32 {
    match currency {
        _ if WITHOUT_FRACTION.contains(&currency) => 0,
        _ if OF_THOUSANDTHS.contains(&currency) => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_stripes_unit_or_not_at_all() {
        for (currency, decimals, written, charge, payout) in [
            ("EUR", 2, "12.34", Some(1_234), Some(1_234)),
            ("JPY", 0, "500", Some(500), Some(500)),
            ("KMF", 0, "2500", Some(2_500), Some(2_500)),
            // ISO 4217 gives the ariary two digits, Stripe none.
            ("MGA", 2, "4000", Some(4_000), Some(4_000)),
            ("MGA", 2, "4000.20", None, None),
            ("ISK", 0, "5", Some(500), Some(500)),
            ("UGX", 0, "5", Some(500), Some(500)),
            ("UGX", 2, "5.50", None, None),
            ("HUF", 2, "10.50", Some(1_050), None),
            ("HUF", 2, "10", Some(1_000), Some(1_000)),
            ("KWD", 3, "5.120", Some(5_120), Some(5_120)),
            ("KWD", 3, "5.124", None, None),
            ("EUR", 2, "0.001", None, None),
        ] {
            let money = Money { value: written.parse().unwrap(), currency: currency.to_owned(), decimals };
            assert_eq!(minor(&money, Use::Charge).ok(), charge, "{written} {currency}");
            assert_eq!(minor(&money, Use::Payout).ok(), payout, "{written} {currency}");
            if let Some(minor) = charge {
                assert_eq!(value(minor, &currency.to_ascii_lowercase()), money.value, "{minor} {currency}");
            }
        }
    }
}
