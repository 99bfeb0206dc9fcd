//! Exchange rates that operators set, and what an amount is in satoshis by them.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{Amount, exchange_rate, now};
use queue::insert_missing;
use rust_decimal::{Decimal, prelude::ToPrimitive};
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, prelude::*, sea_query::OnConflict,
};

use crate::money::{self, AmountError};

/// The source of sample rates. They never age, because no market stands behind them, and are only used for invoices of
/// the sandbox node, which moves no money.
pub const SANDBOX: &str = "sandbox";

/// The symbol of bitcoin.
pub const BITCOIN: &str = "BTC";

/// Satoshis of a bitcoin, and all that there will ever be.
const SATOSHIS: i64 = 100_000_000;
const SATOSHIS_MAX: i64 = 21_000_000 * SATOSHIS;

/// Which rates may be used.
#[derive(Clone, Copy, Debug)]
pub struct Trusted {
    /// How old a rate may be.
    pub age_max: TimeDelta,
    /// Whether samples will do.
    pub samples: bool,
}

/// Why there is no rate.
#[derive(Debug, thiserror::Error)]
pub enum RateError {
    /// Nobody has set one.
    #[error(
        "No current exchange rate is known for {base} in {quote}; set one with PUT /api/v1/exchange-rates/{base}/{quote} \
             or `quittance rates set {base} {quote} RATE`"
    )]
    Unknown {
        /// What is priced.
        base: String,
        /// In which currency.
        quote: String,
    },
    /// It was set too long ago.
    #[error("No current exchange rate is known for {base} in {quote}: the last one is of {}; set one with \
             PUT /api/v1/exchange-rates/{base}/{quote} or `quittance rates set {base} {quote} RATE`", at.format("%FT%TZ"))]
    Old {
        /// What is priced.
        base: String,
        /// In which currency.
        quote: String,
        /// When it was set.
        at: DateTime<Utc>,
    },
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// The rate that may be used now.
///
/// # Errors
/// [`RateError`], with a sentence that says how to set one.
pub async fn current<C: ConnectionTrait>(
    db: &C,
    base: &str,
    quote: &str,
    trusted: Trusted,
) -> Result<exchange_rate::Model, RateError> {
    use exchange_rate::Column as C;
    let found = exchange_rate::Entity::find().filter(C::Base.eq(base)).filter(C::Quote.eq(quote)).one(db).await?;
    let (base, quote) = (base.to_owned(), quote.to_owned());
    match found {
        Some(sample) if sample.source == SANDBOX => {
            if trusted.samples {
                Ok(sample)
            } else {
                Err(RateError::Unknown { base, quote })
            }
        }
        Some(rate) if rate.at < now() - trusted.age_max => Err(RateError::Old { base, quote, at: rate.at }),
        Some(rate) => Ok(rate),
        None => Err(RateError::Unknown { base, quote }),
    }
}

/// All of them, by their symbols.
///
/// # Errors
/// When the database does not answer.
pub async fn list<C: ConnectionTrait>(db: &C, limit: u64) -> Result<Vec<exchange_rate::Model>, DbErr> {
    use sea_orm::QuerySelect;
    let rates = exchange_rate::Entity::find().order_by_asc(exchange_rate::Column::Base);
    rates.order_by_asc(exchange_rate::Column::Quote).limit(limit).all(db).await
}

/// Sets the rate from now on.
///
/// # Errors
/// When the database does not answer.
pub async fn set<C: ConnectionTrait>(
    db: &C,
    base: &str,
    quote: &str,
    rate: Decimal,
    source: &str,
) -> Result<exchange_rate::Model, DbErr> {
    use exchange_rate::Column as C;
    let row = of(base, quote, rate, source);
    let newest = OnConflict::columns([C::Base, C::Quote]).update_columns([C::Rate, C::Source, C::At]).to_owned();
    exchange_rate::Entity::insert(row.clone().into_active_model())
        .on_conflict(newest)
        .exec_without_returning(db)
        .await?;
    Ok(row)
}

/// Sets samples where there is no rate yet.
///
/// # Errors
/// When the database does not answer.
pub async fn set_samples<C: ConnectionTrait>(db: &C) -> Result<(), DbErr> {
    use exchange_rate::Column as C;
    let samples = [("CHF", 90_000), ("EUR", 95_000), ("GBP", 80_000), ("JPY", 15_000_000), ("USD", 100_000)];
    let rows = samples.map(|(quote, rate)| of(BITCOIN, quote, Decimal::from(rate), SANDBOX).into_active_model());
    insert_missing(db, rows, [C::Base, C::Quote]).await.map(drop)
}

fn of(base: &str, quote: &str, rate: Decimal, source: &str) -> exchange_rate::Model {
    exchange_rate::Model {
        base: base.to_owned(),
        quote: quote.to_owned(),
        rate: Amount(rate),
        source: source.to_owned(),
        at: now(),
    }
}

/// A bitcoin amount in satoshis, exactly.
///
/// # Errors
/// When it is not positive, finer than a satoshi or more than there is.
pub fn satoshis(bitcoin: Decimal) -> Result<i64, AmountError> {
    let satoshis = money::check(bitcoin, 8)?.checked_mul(Decimal::from(SATOSHIS)).ok_or(AmountError::TooLarge)?;
    within_supply(satoshis)
}

/// What an amount is in satoshis when a bitcoin costs so much in its currency; parts of a satoshi are rounded up, so that
/// the merchant never gets less, and nothing is free.
///
/// # Errors
/// When it is more than there is.
pub fn satoshis_at(amount: Decimal, rate: Decimal) -> Result<i64, AmountError> {
    let scaled = amount.checked_mul(Decimal::from(SATOSHIS)).ok_or(AmountError::TooLarge)?;
    // The quotient is rounded at its 28th digit; multiplying back tells whether a part was cut off.
    let whole = scaled.checked_div(rate).ok_or(AmountError::TooLarge)?.trunc();
    let back = whole.checked_mul(rate).ok_or(AmountError::TooLarge)?;
    let satoshis = if back < scaled { whole + Decimal::ONE } else { whole };
    within_supply(satoshis.max(Decimal::ONE))
}

fn within_supply(satoshis: Decimal) -> Result<i64, AmountError> {
    satoshis.to_i64().filter(|satoshis| *satoshis <= SATOSHIS_MAX).ok_or(AmountError::TooLarge)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn bitcoin_is_exact() {
        assert_eq!(satoshis(decimal("0.00000001")), Ok(1));
        assert_eq!(satoshis(decimal("0.00012345")), Ok(12_345));
        assert_eq!(satoshis(decimal("1")), Ok(100_000_000));
        assert_eq!(satoshis(decimal("0.000000001")), Err(AmountError::TooFine(8)));
        assert_eq!(satoshis(decimal("0")), Err(AmountError::NotPositive));
        assert_eq!(satoshis(decimal("21000000.00000001")), Err(AmountError::TooLarge));
        assert_eq!(satoshis(Decimal::MAX), Err(AmountError::TooLarge));
    }

    #[test]
    fn other_amounts_are_rounded_up() {
        assert_eq!(satoshis_at(decimal("12.50"), decimal("100000")), Ok(12_500));
        assert_eq!(satoshis_at(decimal("10"), decimal("30000")), Ok(33_334));
        assert_eq!(satoshis_at(decimal("0.0001"), decimal("100000")), Ok(1), "at least one");
        assert_eq!(satoshis_at(decimal("0.01"), decimal("91234.56")), Ok(11));
        assert_eq!(satoshis_at(Decimal::MAX, decimal("1")), Err(AmountError::TooLarge));
        assert_eq!(satoshis_at(decimal("1"), decimal("0.0000000000000000000000000001")), Err(AmountError::TooLarge));
    }

    proptest! {
        #[test]
        fn the_merchant_never_gets_less_and_the_payer_pays_less_than_a_satoshi_more(
            amount in 1_i64..1_000_000_000_000, rate in 1_i64..100_000_000_000
        ) {
            let (amount, rate) = (Decimal::new(amount, 2), Decimal::new(rate, 2));
            if let Ok(satoshis) = satoshis_at(amount, rate) {
                let worth = |satoshis: i64| Decimal::from(satoshis) * rate;
                let wanted = amount * Decimal::from(SATOSHIS);
                prop_assert!(worth(satoshis) >= wanted);
                prop_assert!(satoshis == 1 || worth(satoshis - 1) < wanted);
            }
        }
    }
}
