//! What becomes of connections whose transaction SQLite has ended by itself, as it does where the disk is full.

use migration::Migrator;
use queue::{Database, DatabaseConfig};
use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::MigratorTrait as _;

async fn one_connection(folder: &std::path::Path) -> Database {
    let url = format!("sqlite://{}", folder.join("queue.db").display());
    let config =
        DatabaseConfig { url: url.into(), connections_max: 1, acquire_timeout_ms: 1_000, ..DatabaseConfig::default() };
    Database::connect(&config).await.expect("the database answers").0
}

/// A row that needs pages of its own.
async fn write(db: &Database, commit: bool) -> Result<(), DbErr> {
    let tx = db.begin().await?;
    tx.execute_unprepared("INSERT INTO write_trials (id, filler) VALUES (randomblob(16), zeroblob(20000))").await?;
    if commit { tx.commit().await } else { Ok(()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_transaction_ended_badly_is_not_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let (db, other) = (one_connection(folder.path()).await, one_connection(folder.path()).await);
    Migrator::up(&*db, None).await.unwrap();
    // No page more than there are: the file is full.
    db.execute_unprepared("PRAGMA max_page_count = 1").await.unwrap();
    let full = write(&db, true).await.unwrap_err();
    assert!(queue::is_absent(&full), "{full}");
    // There is room again, and a transaction that is given up lets go of the file.
    db.execute_unprepared("PRAGMA max_page_count = 1000000").await.unwrap();
    write(&db, false).await.unwrap();
    write(&other, true).await.unwrap();
    write(&db, true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_turn_to_write_is_refused_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let db = one_connection(folder.path()).await;
    Migrator::up(&*db, None).await.unwrap();
    let hold = db.begin().await.unwrap();
    let asked = std::time::Instant::now();
    let told = write(&db, true).await.unwrap_err();
    assert!(queue::is_absent(&told), "{told}");
    assert!(asked.elapsed() < std::time::Duration::from_secs(5), "{:?}", asked.elapsed());
    drop(hold);
    write(&db, true).await.unwrap();
}
