//! First answers.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{idempotency_key, now};
use fixtures::{TestDatabase, on_both};
use payments::idempotency::{Claim, KEPT_FOR, Key, claim, complete, forget};
use queue::Database;
use sea_orm::{EntityTrait, prelude::*};

fn key(scope: &str) -> Key {
    Key { scope: scope.to_owned(), key: "k".to_owned() }
}

on_both!(the_first_answer_is_given_again, async |database: TestDatabase| {
    let db = &*database.db;
    assert_eq!(claim(db, &key("a"), "print").await.unwrap(), Claim::Fresh);
    assert_eq!(claim(db, &key("a"), "print").await.unwrap(), Claim::InFlight);
    assert_eq!(claim(db, &key("a"), "other").await.unwrap(), Claim::OtherRequest);
    assert_eq!(claim(db, &key("b"), "other").await.unwrap(), Claim::Fresh, "keys of callers never meet");
    complete(db, &key("a"), 201, "{}").await.unwrap();
    let answered = Claim::Answered { status: 201, body: "{}".to_owned() };
    assert_eq!(claim(db, &key("a"), "print").await.unwrap(), answered);
    forget(db, &key("a")).await.unwrap();
    assert_eq!(claim(db, &key("a"), "print").await.unwrap(), answered, "an answer is not forgotten");
    forget(db, &key("b")).await.unwrap();
    assert_eq!(claim(db, &key("b"), "mended").await.unwrap(), Claim::Fresh);
});

on_both!(of_many_at_once_one_goes_on, async |database: TestDatabase| {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let db = database.db.clone();
        tasks.spawn(async move { claim(&*db, &key("a"), "print").await.unwrap() });
    }
    let claims = tasks.join_all().await;
    assert_eq!(claims.iter().filter(|claim| **claim == Claim::Fresh).count(), 1);
    assert_eq!(claims.iter().filter(|claim| **claim == Claim::InFlight).count(), 19);
});

/// Sets a time of every key.
async fn set(db: &Database, column: idempotency_key::Column, at: DateTime<Utc>) {
    idempotency_key::Entity::update_many().col_expr(column, Expr::value(at)).exec(&**db).await.unwrap();
}

on_both!(a_key_whose_request_died_is_taken_over_by_one, async |database: TestDatabase| {
    let db = &database.db;
    assert_eq!(claim(&**db, &key("a"), "print").await.unwrap(), Claim::Fresh);
    set(db, idempotency_key::Column::LockedUntil, now() - TimeDelta::seconds(1)).await;
    assert_eq!(claim(&**db, &key("a"), "other").await.unwrap(), Claim::OtherRequest, "only the same request goes on");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let db = db.clone();
        tasks.spawn(async move { claim(&*db, &key("a"), "print").await.unwrap() });
    }
    let claims = tasks.join_all().await;
    assert_eq!(claims.iter().filter(|claim| **claim == Claim::Fresh).count(), 1, "{claims:?}");
    complete(&**db, &key("a"), 409, "{}").await.unwrap();
    set(db, idempotency_key::Column::LockedUntil, now() - TimeDelta::seconds(1)).await;
    let answered = Claim::Answered { status: 409, body: "{}".to_owned() };
    assert_eq!(claim(&**db, &key("a"), "print").await.unwrap(), answered, "what is answered is not taken over");
});

on_both!(an_answer_is_given_for_a_day, async |database: TestDatabase| {
    let db = &database.db;
    claim(&**db, &key("a"), "print").await.unwrap();
    complete(&**db, &key("a"), 201, "{}").await.unwrap();
    let minute = TimeDelta::minutes(1);
    set(db, idempotency_key::Column::CreatedAt, now() - KEPT_FOR + minute).await;
    assert!(matches!(claim(&**db, &key("a"), "print").await.unwrap(), Claim::Answered { .. }));
    set(db, idempotency_key::Column::CreatedAt, now() - KEPT_FOR - minute).await;
    assert_eq!(claim(&**db, &key("a"), "other").await.unwrap(), Claim::Fresh, "it may be used for anything again");
    assert_eq!(claim(&**db, &key("a"), "other").await.unwrap(), Claim::InFlight);
});
