//! Nothing is lost when a process dies.

use std::sync::Arc;

use queue::Registry;
use sea_orm::ConnectionTrait as _;

use crate::{
    on_every_backend,
    rig::{
        Backend, Rig, eventually,
        jobs::{Act, Diary, RunErrand, errand},
        process::enqueue,
    },
};

on_every_backend!(a_message_in_work_comes_again_after_a_kill, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let ids = process.enqueue(vec![errand(1, Act::Take(60_000))]).await;
    eventually("it is in work", async || process.diary.entries().len() == 1).await;
    process.kill();

    let next = rig.process(Registry::new().register::<RunErrand>()).await;
    eventually("it is in work again", async || next.diary.entries().len() == 1).await;
    assert_eq!(next.diary.entries()[0].message_id, ids[0]);
    assert_eq!(next.diary.entries()[0].attempts, 0, "a crash is no failed attempt");
});

on_every_backend!(what_a_dead_process_committed_is_published_by_another, async |rig: &Rig| {
    // A process that commits and dies before its relay has done anything.
    let (db, committed) = rig.connect().await;
    enqueue(&db, vec![errand(1, Act::Succeed)]).await;
    drop((db, committed));
    // And a command-line tool, which has no relay: its rows are due at once.
    let (db, committed) = rig.connect().await;
    drop(committed);
    enqueue(&db, vec![errand(2, Act::Succeed)]).await;

    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    eventually("the tool's message is done", async || process.diary.finished() == [2]).await;
    eventually("the dead process's message is done", async || process.diary.finished() == [1, 2]).await;
    process.settled().await;
});

on_every_backend!(two_processes_share_the_work_and_lose_nothing, async |rig: &Rig| {
    let diary = Arc::<Diary>::default();
    let first = rig.process_with(Registry::new().register::<RunErrand>(), Arc::clone(&diary)).await;
    let second = rig.process_with(Registry::new().register::<RunErrand>(), Arc::clone(&diary)).await;
    let (db, committed) = rig.connect().await;
    drop(committed);
    for start in (0..1_000).step_by(100) {
        let some = |from: u32| (from..from + 25).map(|number| errand(number, Act::Succeed)).collect();
        tokio::join!(
            first.enqueue(some(start)),
            second.enqueue(some(start + 25)),
            enqueue(&db, some(start + 50)),
            enqueue(&db, some(start + 75)),
        );
    }
    let distinct = || {
        let mut finished = diary.finished();
        finished.dedup();
        finished.len()
    };
    eventually("every message is worked on", async || distinct() == 1_000).await;
    first.settled().await;
    let mut finished = diary.finished();
    let runs = finished.len();
    finished.dedup();
    assert_eq!(finished, (0..1_000).collect::<Vec<_>>());
    // Duplicates are allowed where a claim ran out under load, and rare.
    assert!(runs - finished.len() < 100, "{} of 1000 ran twice", runs - finished.len());
});

on_every_backend!(kill_after_kill_everything_is_done, async |rig: &Rig| {
    let diary = Arc::<Diary>::default();
    let (db, committed) = rig.connect().await;
    drop(committed);
    enqueue(&db, (0..300).map(|number| errand(number, Act::Take(10))).collect()).await;
    for _ in 0..3 {
        let process = rig.process_with(Registry::new().register::<RunErrand>(), Arc::clone(&diary)).await;
        let before = diary.finished().len();
        eventually("it gets on", async || diary.finished().len() > before + 20).await;
        process.kill();
    }
    let process = rig.process_with(Registry::new().register::<RunErrand>(), Arc::clone(&diary)).await;
    process.settled().await;
    eventually("all are done", async || {
        let mut finished = diary.finished();
        finished.dedup();
        finished == (0..300).collect::<Vec<_>>()
    })
    .await;
});

/// RabbitMQ counts by itself, see `rabbit::the_brokers_dead_letters_are_archived`.
async fn what_kills_its_process_again_and_again_is_a_dead_letter(backend: Backend) {
    let rig = Rig::new(backend).await;
    let (db, committed) = rig.connect().await;
    drop(committed);
    let ids = enqueue(&db, vec![errand(1, Act::Succeed)]).await;
    let tx = db.begin().await.expect("a transaction");
    tx.execute_unprepared("UPDATE outbox SET claims = 20").await.expect("twenty processes died over it");
    tx.commit().await.expect("commits");
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let letter = process.one_dead_letter().await;
    assert_eq!((letter.origin.as_str(), letter.error_code.as_str()), ("broker", "delivery_limit"));
    assert_eq!((letter.message_id, letter.attempts), (ids[0], 0));
    process.settled().await;
    assert!(process.diary.entries().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kills_its_process_is_a_dead_letter_on_sqlite() {
    what_kills_its_process_again_and_again_is_a_dead_letter(Backend::SqliteEmbedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kills_its_process_is_a_dead_letter_on_postgres() {
    what_kills_its_process_again_and_again_is_a_dead_letter(Backend::PostgresEmbedded).await;
}
