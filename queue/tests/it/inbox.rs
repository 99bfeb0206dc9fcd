//! What a job without a guard of its own remembers.

use chrono::{TimeDelta, Utc};
use queue::{Database, inbox};
use uuid::Uuid;

use crate::on_every_backend;

async fn first_time(db: &Database, consumer: &str, message: Uuid, kept: bool) -> bool {
    let tx = db.begin().await.unwrap();
    let first = inbox::first_time(&tx, consumer, message).await.unwrap();
    if kept {
        tx.commit().await.unwrap();
    }
    first
}

on_every_backend!(a_message_is_new_once_to_each_consumer, async |rig: &Rig| {
    let (db, committed) = rig.connect().await;
    drop(committed);
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    assert!(first_time(&db, "a", one, false).await);
    assert!(first_time(&db, "a", one, true).await, "what was not committed has not happened");
    assert!(!first_time(&db, "a", one, true).await);
    assert!(first_time(&db, "b", one, true).await && first_time(&db, "a", other, true).await);
    let seen = inbox::processed(&db, "b", &[one, other, Uuid::now_v7()]).await.unwrap();
    assert_eq!(seen, [one].into(), "another consumer's are not its own");
    assert!(inbox::processed(&db, "b", &[]).await.unwrap().is_empty());
    let before = |age: TimeDelta| inbox::forget_before(&db, Utc::now() - age);
    assert_eq!(before(TimeDelta::minutes(1)).await.unwrap(), 0, "it may still be redelivered");
    assert_eq!(before(TimeDelta::zero()).await.unwrap(), 3);
    assert!(first_time(&db, "a", one, true).await);
});
