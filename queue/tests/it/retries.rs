//! What follows when a job does not succeed.

use std::time::Duration;

use queue::Registry;
use uuid::Uuid;

use crate::{
    on_every_backend,
    rig::{
        eventually,
        jobs::{Act, RunErrand, errand},
    },
};

on_every_backend!(a_failed_job_is_tried_again_as_the_same_message, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let ids = process.enqueue(vec![errand(1, Act::FailTimes(2)).header("request_id", "r-1")]).await;
    eventually("it succeeds in the end", async || process.diary.finished() == [1]).await;
    let attempts = process.diary.of(1);
    assert_eq!(attempts.iter().map(|entry| entry.attempts).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(attempts.iter().all(|entry| entry.message_id == ids[0] && entry.headers["request_id"] == "r-1"));
    process.settled().await;
    assert!(process.dead_letters().await.is_empty());
});

on_every_backend!(used_up_retries_make_a_dead_letter, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let payment = Uuid::now_v7();
    let message = errand(1, Act::FailTimes(99)).header("payment_id", payment.to_string());
    let ids = process.enqueue(vec![message]).await;
    let letter = process.one_dead_letter().await;
    assert_eq!((letter.message_id, letter.attempts), (ids[0], 3));
    assert_eq!((letter.origin.as_str(), letter.error_code.as_str()), ("job", "retries_exhausted"));
    assert_eq!(letter.error_message, "attempt 2 of errand 1 fails");
    assert_eq!((letter.queue.as_str(), letter.kind.as_str()), ("errand.v1", "errand"));
    assert_eq!(letter.payment_id, Some(payment));
    assert!(letter.body.contains("FailTimes"));
    assert!(letter.first_at < letter.last_at);
    process.settled().await;
    assert_eq!(process.diary.of(1).len(), 3);
});

on_every_backend!(a_snooze_waits_without_counting, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    // More often than there are attempts.
    process.enqueue(vec![errand(1, Act::SnoozeTimes(5, 50))]).await;
    eventually("it is done in the end", async || process.diary.finished() == [1]).await;
    let attempts = process.diary.of(1);
    assert_eq!(attempts.len(), 6);
    assert!(attempts.iter().all(|entry| entry.attempts == 0));
    assert!(attempts.windows(2).all(|pair| pair[1].at - pair[0].at >= Duration::from_millis(50)));
    process.settled().await;
});

on_every_backend!(a_panic_is_a_failed_attempt, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    process.enqueue(vec![errand(1, Act::Panic), errand(2, Act::Succeed)]).await;
    let letter = process.one_dead_letter().await;
    assert_eq!((letter.attempts, letter.error_message.as_str()), (3, "panicked: errand 1 panics"));
    process.enqueue(vec![errand(3, Act::Succeed)]).await;
    eventually("the others are not touched", async || process.diary.finished() == [2, 3]).await;
    process.settled().await;
});

on_every_backend!(a_job_can_give_up_at_once, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    process.enqueue(vec![errand(1, Act::GiveUp)]).await;
    let letter = process.one_dead_letter().await;
    assert_eq!((letter.error_code.as_str(), letter.error_message.as_str()), ("given_up", "errand 1"));
    assert_eq!(letter.attempts, 1);
    process.settled().await;
});

on_every_backend!(an_absent_database_uses_up_no_attempt, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    // More often than an errand is tried.
    process.enqueue(vec![errand(1, Act::MissDatabaseTimes(5))]).await;
    eventually("it succeeds in the end", async || process.diary.finished() == [1]).await;
    let attempts: Vec<_> = process.diary.of(1).iter().map(|entry| entry.attempts).collect();
    assert_eq!(attempts, [0; 6]);
    assert!(process.dead_letters().await.is_empty());
    process.settled().await;
});
