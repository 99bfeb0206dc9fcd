//! Exchange rates that operators set, and how long each may be used.

use chrono::TimeDelta;
use entities::{Amount, exchange_rate, now};
use fixtures::{TestDatabase, on_both};
use payments::rates::{self, BITCOIN, RateError, SANDBOX, Trusted};
use queue::Database;
use rust_decimal::Decimal;
use sea_orm::{EntityTrait, prelude::*};

const TRUSTED: Trusted = Trusted { age_max: TimeDelta::hours(1), samples: false };

/// Makes every rate older.
async fn age(db: &Database, by: TimeDelta) {
    let rates = exchange_rate::Entity::update_many();
    rates.col_expr(exchange_rate::Column::At, Expr::value(now() - by)).exec(&**db).await.unwrap();
}

on_both!(the_newest_rate_counts_until_it_is_too_old, async |database: TestDatabase| {
    let db = &database.db;
    let none = rates::current(&**db, BITCOIN, "EUR", TRUSTED).await;
    assert!(matches!(none, Err(RateError::Unknown { .. })), "{none:?}");
    for rate in [90_000, 95_000] {
        rates::set(&**db, BITCOIN, "EUR", Decimal::from(rate), "operator").await.unwrap();
    }
    let current = rates::current(&**db, BITCOIN, "EUR", TRUSTED).await.unwrap();
    assert_eq!((current.rate, current.source.as_str()), (Amount(Decimal::from(95_000)), "operator"));
    assert_eq!(rates::list(&**db, 9).await.unwrap().len(), 1, "a pair has one rate");
    let other = rates::current(&**db, "EUR", BITCOIN, TRUSTED).await;
    assert!(matches!(other, Err(RateError::Unknown { .. })), "it is not turned round: {other:?}");
    age(db, TimeDelta::minutes(59)).await;
    assert!(rates::current(&**db, BITCOIN, "EUR", TRUSTED).await.is_ok());
    age(db, TimeDelta::minutes(61)).await;
    let old = rates::current(&**db, BITCOIN, "EUR", TRUSTED).await;
    assert!(matches!(old, Err(RateError::Old { .. })), "{old:?}");
});

on_both!(samples_never_age_and_take_no_rates_place, async |database: TestDatabase| {
    let db = &database.db;
    rates::set(&**db, BITCOIN, "EUR", Decimal::ONE, "operator").await.unwrap();
    for _ in 0..2 {
        rates::set_samples(&**db).await.unwrap();
    }
    let all = rates::list(&**db, 99).await.unwrap();
    let samples = all.iter().filter(|rate| rate.source == SANDBOX).count();
    assert_eq!((all.len(), samples), (5, 4), "what an operator has set stays");
    age(db, TimeDelta::days(400)).await;
    let sample = rates::current(&**db, BITCOIN, "USD", Trusted { samples: true, ..TRUSTED }).await.unwrap();
    assert_eq!(sample.rate, Amount(Decimal::from(100_000)));
    let real = rates::current(&**db, BITCOIN, "USD", TRUSTED).await;
    assert!(matches!(real, Err(RateError::Unknown { .. })), "no money moves by a sample: {real:?}");
    rates::set(&**db, BITCOIN, "USD", Decimal::TWO, "operator").await.unwrap();
    assert_eq!(rates::current(&**db, BITCOIN, "USD", TRUSTED).await.unwrap().rate, Amount(Decimal::TWO));
});
