//! From a commit to a job.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::Utc;
use queue::{NewMessage, Registry, Runner, inbox};
use uuid::Uuid;

use crate::{
    on_every_backend,
    rig::{
        eventually,
        jobs::{Act, Diary, RunErrand, errand},
        process::enqueue,
    },
};

on_every_backend!(a_committed_message_reaches_its_job_at_once, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    process.enqueue(vec![errand(0, Act::Succeed)]).await;
    eventually("the consumer is there", async || process.diary.finished() == [0]).await;

    let committed = Instant::now();
    let message = errand(1, Act::Succeed).header("request_id", "r-1").header("payment_id", "p-1");
    let ids = process.enqueue(vec![message]).await;
    eventually("the errand is done", async || process.diary.finished() == [0, 1]).await;

    let entry = process.diary.of(1).remove(0);
    let took = entry.at - committed;
    assert!(took < Duration::from_secs(4), "a sweep would not have found it for five seconds: {took:?}");
    assert_eq!((entry.message_id, entry.attempts), (ids[0], 0));
    assert_eq!(entry.headers["request_id"], "r-1");
    assert_eq!(entry.headers["payment_id"], "p-1");
    process.settled().await;
    process.stop().await;
});

on_every_backend!(a_rollback_enqueues_nothing, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let mut tx = process.db.begin().await.expect("a transaction");
    tx.enqueue(vec![errand(1, Act::Succeed)]).await.expect("enqueued");
    drop(tx);
    process.enqueue(vec![errand(2, Act::Succeed)]).await;
    eventually("the second errand is done", async || process.diary.finished() == [2]).await;
    process.settled().await;
    assert_eq!(process.diary.finished(), [2]);
});

on_every_backend!(a_delayed_message_waits_and_holds_nobody_up, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let due = Utc::now() + Duration::from_millis(1_500);
    process.enqueue(vec![errand(1, Act::Succeed).due_at(due), errand(2, Act::Succeed)]).await;
    eventually("the one that is due is done", async || process.diary.finished() == [2]).await;
    assert!(Utc::now() < due);
    eventually("both are done", async || process.diary.finished() == [1, 2]).await;
    let late = Utc::now() - due;
    assert!(late >= chrono::Duration::zero() && late < chrono::Duration::seconds(2), "{late}");
    process.settled().await;
});

on_every_backend!(no_more_than_the_prefetch_is_in_work, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    process.enqueue((0..12).map(|number| errand(number, Act::Take(150))).collect()).await;
    eventually("all are done", async || process.diary.finished().len() == 12).await;
    assert_eq!(process.diary.most_running(), 4, "the errand's prefetch");
    process.settled().await;
    assert_eq!(process.diary.entries().len(), 12, "each ran once");
});

on_every_backend!(a_message_in_work_is_not_given_out_again, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    // Longer than a claim lasts without being renewed.
    process.enqueue(vec![errand(1, Act::Take(6_500))]).await;
    eventually("it is done", async || process.diary.finished() == [1]).await;
    process.settled().await;
    assert_eq!(process.diary.entries().len(), 1);
});

on_every_backend!(an_inbox_distinguishes_the_first_time_from_the_others, async |rig: &Rig| {
    let (db, _committed) = rig.connect().await;
    let message = Uuid::now_v7();
    let dealt_with = async |commit: bool| {
        let tx = db.begin().await.expect("a transaction");
        let first = inbox::first_time(&tx, "errand", message).await.expect("the inbox answers");
        if commit {
            tx.commit().await.expect("commits");
        }
        first
    };
    assert!(dealt_with(false).await, "rolled back: it did not happen");
    let both = futures_util::future::join(dealt_with(true), dealt_with(true)).await;
    assert!(both.0 != both.1, "exactly one of two at the same time is the first: {both:?}");
    assert!(!dealt_with(true).await);
    assert_eq!(inbox::forget_before(&db, Utc::now()).await.expect("forgets"), 1);
    assert!(dealt_with(true).await, "forgotten");
});

on_every_backend!(what_is_due_can_be_run_without_a_broker, async |rig: &Rig| {
    let (db, committed) = rig.connect().await;
    drop(committed);
    let broker = queue::broker::open(&rig.broker, &db).expect("a valid broker configuration");
    let diary = Arc::<Diary>::default();
    let registry = Registry::new().register::<RunErrand>();
    let runner = Runner::new(db.clone(), broker, registry, Arc::clone(&diary));
    let later = errand(3, Act::Succeed).due_at(Utc::now() + Duration::from_secs(3_600));
    let event = NewMessage::event("payment.paid", uuid::Uuid::now_v7(), "1".to_owned());
    enqueue(&db, vec![errand(1, Act::Succeed), errand(2, Act::GiveUp), later, event]).await;
    assert_eq!(runner.run_due().await.expect("runs"), 2);
    assert_eq!(diary.finished(), [1]);
    assert_eq!(queue::outbox::backlog(&db).await.expect("counts").rows, 1, "the one for later");
    assert_eq!(runner.run_due().await.expect("runs"), 0);
});
