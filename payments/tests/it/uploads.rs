//! What strangers' files may take, and what becomes of those that no receipt names.

use chrono::TimeDelta;
use entities::{now, upload_allowance};
use fixtures::{TestDatabase, on_both};
use payments::uploads::{self, Allowances, Full};
use queue::Database;
use sea_orm::EntityTrait;

const BYTES: usize = 10_000;

/// Room for two files of an address and for three in all.
const ALLOWANCES: Allowances = Allowances { per_address: 20_000, in_all: 30_000 };

/// Sends a file of so many bytes; what was refused is not committed.
async fn sent(db: &Database, name: &str, address: &str, bytes: usize) -> Result<(), Full> {
    let tx = db.begin().await.unwrap();
    let reserved = uploads::reserve(&tx, name, address, bytes, ALLOWANCES).await.unwrap();
    if reserved.is_ok() {
        tx.commit().await.unwrap();
    }
    reserved
}

async fn name(db: &Database, url: &str) {
    let tx = db.begin().await.unwrap();
    uploads::named(&tx, url).await.unwrap();
    tx.commit().await.unwrap();
}

/// What is counted of all, and of each address that has anything.
async fn counted(db: &Database) -> Vec<(String, i64)> {
    let rows = upload_allowance::Entity::find().all(&**db).await.unwrap();
    let mut counted: Vec<_> = rows.into_iter().map(|row| (row.address, row.bytes)).collect();
    counted.sort_unstable();
    counted
}

fn of(address: &str, bytes: i64) -> (String, i64) {
    (address.to_owned(), bytes)
}

on_both!(an_address_and_all_together_have_their_allowances, async |database: TestDatabase| {
    let db = &database.db;
    assert_eq!(sent(db, "a1", "a", BYTES).await, Ok(()));
    assert_eq!(sent(db, "a2", "a", BYTES).await, Ok(()));
    assert_eq!(sent(db, "a3", "a", BYTES).await, Err(Full::Address));
    assert_eq!(sent(db, "b1", "b", 1).await, Ok(()));
    assert_eq!(counted(db).await, [of("", 24_096), of("a", 20_000), of("b", 4_096)], "a block of a disk at least");
    assert_eq!(sent(db, "c1", "c", BYTES).await, Err(Full::InAll));
    assert_eq!(counted(db).await.len(), 3, "what was refused leaves nothing");
});

on_both!(a_named_file_makes_room_for_others_but_not_for_more_of_its_address, async |database: TestDatabase| {
    let db = &database.db;
    for file in ["a1", "a2"] {
        sent(db, file, "a", BYTES).await.unwrap();
    }
    for _ in 0..2 {
        name(db, "https://pay.example/uploads/a1").await;
    }
    name(db, "https://pay.example/uploads/unknown").await;
    name(db, "https://elsewhere.example/a2").await;
    assert_eq!(counted(db).await, [of("", 10_000), of("a", 20_000)], "once, and only a file of ours");
    assert_eq!(sent(db, "a3", "a", BYTES).await, Err(Full::Address));
    let later = now() + TimeDelta::seconds(1);
    assert_eq!(uploads::give_up(db, later, 9).await.unwrap(), ["a2"]);
    assert_eq!(counted(db).await, [of("", 10_000), of("a", 10_000)], "what was named is not counted for ever");
});

on_both!(what_nobody_names_is_given_up_and_forgotten_when_it_is_gone, async |database: TestDatabase| {
    let db = &database.db;
    sent(db, "a1", "a", BYTES).await.unwrap();
    assert!(uploads::give_up(db, now() - TimeDelta::hours(1), 9).await.unwrap().is_empty(), "it is not old");
    let later = now() + TimeDelta::seconds(1);
    for _ in 0..2 {
        assert_eq!(uploads::give_up(db, later, 9).await.unwrap(), ["a1"], "also after a process that died");
    }
    name(db, "https://pay.example/uploads/a1").await;
    assert_eq!(uploads::give_up(db, later, 9).await.unwrap(), ["a1"], "too late to name it");
    for _ in 0..2 {
        uploads::forget(db, "a1").await.unwrap();
    }
    assert_eq!(counted(db).await, [of("", 0)]);
    assert!(uploads::give_up(db, later, 9).await.unwrap().is_empty());
});

on_both!(of_many_files_at_once_as_many_are_taken_as_there_is_room_for, async |database: TestDatabase| {
    let mut files = tokio::task::JoinSet::new();
    for number in 0..12 {
        let db = database.db.clone();
        let address = format!("{}", number % 4);
        files.spawn(async move { sent(&db, &format!("{number}"), &address, BYTES).await });
    }
    let taken = files.join_all().await.into_iter().filter(Result::is_ok).count();
    assert_eq!((taken, counted(&database.db).await[0].1), (3, 30_000));
});
