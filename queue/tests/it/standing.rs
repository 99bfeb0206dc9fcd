//! What is told of queues: what waits, who works, how quickly.

use std::cell::Cell;

use queue::{Registry, queue_statuses};

use crate::{
    on_every_backend,
    rig::{
        eventually,
        jobs::{Act, RunErrand, errand},
    },
};

on_every_backend!(a_process_reports_what_it_works_on, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let of_errands = async || queue_statuses(&process.db).await.expect("read").remove("errand.v1").unwrap_or_default();
    eventually("it reports", async || of_errands().await.workers == 1).await;
    let long = errand(1, Act::Take(12_000));
    process.enqueue(vec![long, errand(2, Act::Succeed), errand(3, Act::FailTimes(1))]).await;
    // Each is told by the report of the window in which it happened.
    let (seen, done, failed) = (Cell::new(false), Cell::new(false), Cell::new(false));
    eventually("all that happens is told", async || {
        let errands = of_errands().await;
        seen.set(seen.get() || errands.in_flight > 0);
        done.set(done.get() || errands.done_millis > 0);
        failed.set(failed.get() || errands.failed_millis > 0);
        seen.get() && done.get() && failed.get()
    })
    .await;
    eventually("all are done", async || process.diary.finished() == [1, 2, 3]).await;
    let db = process.db.clone();
    process.stop().await;
    assert_eq!(queue_statuses(&db).await.expect("read").remove("errand.v1").map_or(0, |errands| errands.workers), 0);
});

on_every_backend!(what_nobody_works_on_waits, async |rig: &Rig| {
    let (db, committed) = rig.connect().await;
    // Nobody takes over what was committed, so that it waits for a sweep.
    drop(committed);
    let later = errand(3, Act::Succeed).due_at(chrono::Utc::now() + chrono::TimeDelta::hours(1));
    crate::rig::process::enqueue(&db, vec![errand(1, Act::Succeed), errand(2, Act::Succeed), later]).await;
    let errands = queue_statuses(&db).await.expect("read").remove("errand.v1").expect("the queue");
    assert_eq!((errands.waiting, errands.taken, errands.scheduled, errands.workers), (2, 0, 1, 0));
    assert!(errands.oldest_due_at.is_some());
});
