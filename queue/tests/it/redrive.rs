//! Redrive runs: what they replay, in which order, how they are held, and that they hold themselves.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use queue::{
    Delivery, Job, JobResult, Payload, Registry, Subject,
    dead_letters::{self, DeadLetter, Filter, LetterState},
    redrive::{self, NewRun, Run, RunState},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    on_every_backend,
    rig::{
        Process, eventually,
        jobs::{Act, Bundle, Diary, Errand, RunBundle, RunErrand, errand},
        letters::{OPERATOR, Specimen, all, insert, run, run_over, start, until},
    },
};

macro_rules! notes {
    ($($payload:ident, $job:ident = $kind:literal, $retry:expr;)+) => {$(
        #[derive(Clone, Debug, Serialize, Deserialize)]
        struct $payload {
            number: u32,
            act: Act,
        }

        impl Payload for $payload {
            const TYPE: &'static str = $kind;
            const QUEUE: &'static str = concat!($kind, ".v1");
            const RETRY: queue::RetryPolicy = $retry;

            fn subject(&self) -> Subject {
                Subject::default()
            }
        }

        struct $job;

        impl Job<Diary> for $job {
            type Payload = $payload;

            async fn run(diary: &Diary, delivery: Delivery<$payload>) -> JobResult {
                let $payload { number, act } = &delivery.payload;
                diary.note(*number, &delivery, 1);
                diary.act(*number, act, delivery.attempts).await
            }
        }
    )+};
}

notes! {
    Other, RunOther = "other", Errand::RETRY;
    Wide, RunWide = "wide", Errand::RETRY;
    Chore, RunChore = "chore", queue::RetryPolicy { attempts_max: 15, ..queue::RetryPolicy::STANDARD };
}

fn four_kinds() -> Registry<Diary> {
    Registry::new().register::<RunErrand>().register::<RunBundle>().register::<RunOther>().register::<RunWide>()
}

fn errands() -> Registry<Diary> {
    Registry::new().register::<RunErrand>()
}

fn specimens(numbers: std::ops::Range<u32>, deed: &Act) -> Vec<Specimen> {
    numbers.map(|number| Specimen::of::<Errand>(number, deed.clone())).collect()
}

fn of_run(run: &Run) -> Filter {
    Filter { redrive_id: Some(run.id), ..Filter::default() }
}

fn states(letters: &[DeadLetter]) -> BTreeSet<LetterState> {
    letters.iter().map(|letter| letter.state).collect()
}

fn distinct(diary: &Diary) -> Vec<u32> {
    let mut finished = diary.finished();
    finished.dedup();
    finished
}

on_every_backend!(ten_thousand_are_replayed_once_each_through_kills, async |rig: &Rig| {
    let diary = Arc::<Diary>::default();
    let (db, committed) = rig.connect().await;
    drop(committed);
    let kinds = [
        Specimen::of::<Errand>(0, Act::Succeed),
        Specimen::of::<Bundle>(0, Act::Succeed),
        Specimen::of::<Other>(0, Act::Succeed),
        Specimen::of::<Wide>(0, Act::Succeed),
    ];
    // A broker of its own takes its time with each message; there is no more to see with more of them.
    let many: u32 = if rig.backend == Backend::PostgresRabbit { 3_000 } else { 10_000 };
    let wanted: Vec<_> =
        (0..many).map(|number| Specimen { number, ..kinds[number as usize % kinds.len()].clone() }).collect();
    insert(&db, &wanted).await;
    let spared = (10_000..10_100).map(|number| Specimen { number, error_code: "spared", ..kinds[0].clone() });
    insert(&db, &spared.collect::<Vec<_>>()).await;

    let filter = Filter { error_code: Some("specimen".to_owned()), ..Filter::default() };
    let made = start(&db, NewRun { rate_per_second: 2_000, canary: 5, ..run_over(filter) }).await;
    for part in [many / 20, many / 4] {
        let process = rig.process_with(four_kinds(), Arc::clone(&diary)).await;
        eventually("it gets on", async || run(&db, made.id).await.replayed >= u64::from(part)).await;
        process.kill();
    }
    assert!(run(&db, made.id).await.replayed < u64::from(many), "killed in the middle");
    let process = rig.process_with(four_kinds(), Arc::clone(&diary)).await;
    let done = until(&db, made.id, RunState::Done).await;
    assert_eq!((done.total, done.replayed, done.resolved), (u64::from(many), u64::from(many), u64::from(many)));
    assert_eq!((done.dead_again, done.skipped), (0, 0));
    process.settled().await;
    assert_eq!(distinct(&diary), (0..many).collect::<Vec<_>>());
    // What was in work when a process died may have run twice; no letter was sent twice.
    let letters = all(&db, &of_run(&made)).await;
    assert_eq!((letters.len(), states(&letters)), (many as usize, BTreeSet::from([LetterState::Resolved])));
    let sent: BTreeSet<_> = letters.iter().filter_map(|letter| letter.replayed_as).collect();
    assert_eq!(sent.len(), many as usize);
    let spared = Filter { error_code: Some("spared".to_owned()), ..Filter::default() };
    assert_eq!(states(&all(&db, &spared).await), BTreeSet::from([LetterState::Dead]));
});

on_every_backend!(a_canary_that_dies_stops_the_run, async |rig: &Rig| {
    let process = rig.process(errands()).await;
    insert(&process.db, &specimens(0..30, &Act::GiveUp)).await;
    let made = start(&process.db, NewRun { canary: 3, ..run_over(Filter::default()) }).await;
    let stopped = until(&process.db, made.id, RunState::Stopped).await;
    assert!(stopped.state_reason.as_deref().is_some_and(|why| why.contains("canary")), "{stopped:?}");
    assert!((1..=3).contains(&stopped.replayed), "no more than the canary: {stopped:?}");
    process.settled().await;
    assert_eq!(process.diary.entries().len() as u64, stopped.replayed);

    // The new letters came after the run began, and are none of its business.
    let mut tx = process.db.begin().await.expect("a transaction");
    redrive::resume(&mut tx, made.id, OPERATOR).await.expect("a stopped run is resumed");
    tx.commit().await.expect("commits");
    let again = until(&process.db, made.id, RunState::Stopped).await;
    let more = again.replayed - stopped.replayed;
    assert!((1..=3).contains(&more), "judged anew, with a new canary: {again:?}");
    assert!(again.state_by.is_none(), "it stopped by itself");
});

on_every_backend!(a_canary_that_keeps_failing_stops_the_run_long_before_it_dies, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunChore>()).await;
    let chores = |numbers: std::ops::Range<u32>, deed: &Act| -> Vec<_> {
        numbers.map(|number| Specimen::of::<Chore>(number, deed.clone())).collect()
    };
    let chosen = |code: &str| Filter { error_code: Some(code.to_owned()), ..Filter::default() };
    let started = std::time::Instant::now();
    insert(&process.db, &chores(0..30, &Act::FailTimes(100))).await;
    let made = start(&process.db, NewRun { canary: 3, ..run_over(chosen("specimen")) }).await;
    let stopped = until(&process.db, made.id, RunState::Stopped).await;
    assert!(started.elapsed() < Duration::from_secs(15), "fifteen attempts take a quarter of an hour");
    let reason = stopped.state_reason.as_deref().unwrap_or_default();
    assert!(reason.contains("has failed") && reason.contains("fails"), "with the error: {reason}");
    assert!(stopped.replayed <= 3 && stopped.dead_again == 0, "{stopped:?}");
    let under_way = all(&process.db, &of_run(&made).in_state(LetterState::Replayed)).await;
    assert_eq!(under_way.len() as u64, stopped.replayed, "they are still tried");

    // One failure is no verdict.
    let flaky = |number| Specimen { error_code: "flaky", ..Specimen::of::<Chore>(number, Act::FailTimes(1)) };
    insert(&process.db, &(100..104).map(flaky).collect::<Vec<_>>()).await;
    let flaky = start(&process.db, NewRun { canary: 2, ..run_over(chosen("flaky")) }).await;
    let done = until(&process.db, flaky.id, RunState::Done).await;
    assert_eq!((done.resolved, done.dead_again), (4, 0));
});

on_every_backend!(replays_that_keep_failing_count_as_deaths, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunChore>()).await;
    let chores: Vec<_> = (0..400).map(|number| Specimen::of::<Chore>(number, Act::FailTimes(100))).collect();
    insert(&process.db, &chores).await;
    let new = NewRun { rate_per_second: 40, ..run_over(Filter::default()) };
    let made = start(&process.db, new).await;
    let stopped = until(&process.db, made.id, RunState::Stopped).await;
    let reason = stopped.state_reason.as_deref().unwrap_or_default();
    assert!(reason.contains("keep failing") && reason.contains("20 % of 50"), "{reason}");
    assert!(stopped.dead_again == 0 && stopped.replayed < 300, "{stopped:?}");
});

on_every_backend!(a_canary_that_ends_well_lets_the_rest_follow, async |rig: &Rig| {
    let process = rig.process(errands()).await;
    let mut letters = specimens(0..2, &Act::Take(600));
    letters.extend(specimens(2..20, &Act::Succeed));
    insert(&process.db, &letters).await;
    let made = start(&process.db, NewRun { canary: 2, ..run_over(Filter::default()) }).await;
    until(&process.db, made.id, RunState::Done).await;
    let first_of_rest = process.diary.entries().iter().filter(|entry| entry.number > 1).map(|entry| entry.at).min();
    let last_of_canary = process.diary.entries().iter().filter(|entry| entry.number < 2).map(|entry| entry.at).max();
    let between = first_of_rest.expect("ran") - last_of_canary.expect("ran");
    assert!(between >= Duration::from_millis(600), "after the canary had ended, not begun: {between:?}");
    assert_eq!(process.diary.finished(), (0..20).collect::<Vec<_>>());
});

on_every_backend!(too_many_deaths_stop_the_run, async |rig: &Rig| {
    let process = rig.process(errands()).await;
    insert(&process.db, &specimens(0..400, &Act::GiveUp)).await;
    let new = NewRun { rate_per_second: 40, ..run_over(Filter::default()) };
    let made = start(&process.db, new).await;
    let stopped = until(&process.db, made.id, RunState::Stopped).await;
    assert!(stopped.state_reason.as_deref().is_some_and(|why| why.contains("20 % of 50")), "{stopped:?}");
    assert!(stopped.dead_again > 10 && stopped.replayed < 300, "{stopped:?}");
    process.settled().await;
    let counts = all(&process.db, &of_run(&made)).await;
    let claimed = counts.iter().filter(|letter| letter.state == LetterState::Claimed).count();
    assert_eq!(claimed as u64, stopped.total - stopped.replayed);
    // Each death names the letter whose replay it was.
    let again = all(&process.db, &of_run(&made).in_state(LetterState::DeadAgain)).await;
    let newer = Filter { error_code: Some("given_up".to_owned()), ..Filter::default() };
    let newer: BTreeSet<_> = all(&process.db, &newer).await.iter().filter_map(|letter| letter.replay_of).collect();
    assert_eq!(newer, again.iter().map(|letter| letter.id).collect());
});

on_every_backend!(letters_of_a_payment_go_one_after_the_other, async |rig: &Rig| {
    let process = rig.process(errands()).await;
    let payments = [Uuid::now_v7(), Uuid::now_v7()];
    let letter = |number: u32| Specimen {
        payment_id: Some(payments[number as usize % 2]),
        ..Specimen::of::<Errand>(number, if number == 2 { Act::GiveUp } else { Act::Take(100) })
    };
    insert(&process.db, &(0..10).map(letter).collect::<Vec<_>>()).await;
    let made = start(&process.db, NewRun { stop_percent: 100, ..run_over(Filter::default()) }).await;
    let done = until(&process.db, made.id, RunState::Done).await;
    assert_eq!((done.resolved, done.dead_again), (9, 1));
    for of in 0..2 {
        let runs: Vec<_> = process.diary.entries().into_iter().filter(|entry| entry.number % 2 == of).collect();
        assert!(runs.windows(2).all(|pair| pair[0].number < pair[1].number), "oldest first: {runs:?}");
        let apart = |pair: &[crate::rig::jobs::Entry]| {
            pair[0].number == 2 || pair[1].at - pair[0].at >= Duration::from_millis(100)
        };
        assert!(runs.windows(2).all(apart), "the next after the end of the one before");
    }
});

on_every_backend!(a_run_is_paused_resumed_and_aborted, async |rig: &Rig| {
    let process = rig.process(errands()).await;
    let db = &process.db;
    insert(db, &specimens(0..1_200, &Act::Succeed)).await;
    let made = start(db, NewRun { rate_per_second: 30, ..run_over(Filter::default()) }).await;
    eventually("it gets on", async || run(db, made.id).await.replayed >= 5).await;
    let act = async |what: &str| {
        let mut tx = db.begin().await.expect("a transaction");
        let result = match what {
            "pause" => redrive::pause(&mut tx, made.id, OPERATOR).await,
            "resume" => redrive::resume(&mut tx, made.id, OPERATOR).await,
            _ => redrive::abort(&mut tx, made.id, OPERATOR).await,
        };
        tx.commit().await.expect("commits");
        result
    };
    let paused = act("pause").await.expect("pauses");
    assert_eq!((paused.state, paused.state_by.as_deref()), (RunState::Paused, Some(OPERATOR.actor)));
    process.settled().await;
    let before = run(db, made.id).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let after = run(db, made.id).await;
    assert_eq!((before.replayed, after.replayed), (paused.replayed, paused.replayed), "nothing follows a pause");
    assert!(act("pause").await.is_err() && after.resolved == after.replayed);

    act("resume").await.expect("resumes");
    eventually("it gets on", async || run(db, made.id).await.replayed > paused.replayed + 5).await;
    let aborted = act("abort").await.expect("aborts");
    assert!(act("resume").await.is_err() && act("abort").await.is_err());
    eventually("all is given back", async || {
        let left = all(db, &of_run(&made)).await;
        left.iter().all(|letter| letter.state != LetterState::Claimed)
    })
    .await;
    process.settled().await;
    let letters = all(db, &Filter::default()).await;
    let dead = letters.iter().filter(|letter| letter.state == LetterState::Dead && letter.redrive_id.is_none()).count();
    assert_eq!(dead as u64, 1_200 - aborted.replayed);
    assert_eq!(process.diary.finished().len() as u64, aborted.replayed);
    assert!(run(db, made.id).await.finished_at.is_some());
});

on_every_backend!(runs_and_processes_share_letters_without_doubling_any, async |rig: &Rig| {
    let diary = Arc::<Diary>::default();
    let first = rig.process_with(errands(), Arc::clone(&diary)).await;
    let second = rig.process_with(errands(), Arc::clone(&diary)).await;
    insert(&first.db, &specimens(0..1_000, &Act::Succeed)).await;
    let limited = NewRun { letters_max: Some(300), ..run_over(Filter::default()) };
    let of_queue = Filter { queue: Some(Errand::QUEUE.to_owned()), ..Filter::default() };
    let (one, other) = (start(&first.db, limited).await, start(&second.db, run_over(of_queue)).await);
    let third = start(&first.db, run_over(Filter::default())).await;
    let mut total = 0;
    for made in [&one, &other, &third] {
        let done = until(&first.db, made.id, RunState::Done).await;
        assert_eq!((done.replayed, done.resolved), (done.total, done.total), "{done:?}");
        total += done.total;
    }
    assert_eq!(total, 1_000, "each letter by one run");
    assert!(run(&first.db, one.id).await.total <= 300);
    first.settled().await;
    assert_eq!(distinct(&diary), (0..1_000).collect::<Vec<_>>());
    assert!(diary.finished().len() < 1_050, "a claim that ran out under load may repeat a few");
});

on_every_backend!(later_letters_are_not_swept_in, async |rig: &Rig| {
    let process = rig.process(errands()).await;
    insert(&process.db, &specimens(0..5, &Act::Succeed)).await;
    let made = start(&process.db, run_over(Filter::default())).await;
    insert(&process.db, &specimens(5..10, &Act::Succeed)).await;
    let nothing = Filter { queue: Some("nobody.v1".to_owned()), ..Filter::default() };
    let empty = start(&process.db, run_over(nothing)).await;
    let done = until(&process.db, made.id, RunState::Done).await;
    assert_eq!((done.total, done.resolved), (5, 5));
    assert_eq!(process.diary.finished(), (0..5).collect::<Vec<_>>());
    assert_eq!(until(&process.db, empty.id, RunState::Done).await.total, 0);
});

on_every_backend!(what_no_job_can_read_is_skipped_and_reported, async |rig: &Rig| {
    let process = rig.process(errands()).await;
    let mut letters = specimens(0..4, &Act::Succeed);
    letters[1].body = Some(("ff00", "hex"));
    insert(&process.db, &letters).await;
    let made = start(&process.db, NewRun { canary: 2, ..run_over(Filter::default()) }).await;
    let done = until(&process.db, made.id, RunState::Done).await;
    assert_eq!((done.total, done.replayed, done.skipped), (4, 3, 1));
    let skipped = all(&process.db, &of_run(&made).in_state(LetterState::Dead)).await;
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0].state_reason.as_deref().is_some_and(|why| why.contains("not text")), "{skipped:?}");
});

on_every_backend!(a_lost_outcome_ends_the_patience_and_not_the_system, async |rig: &Rig| {
    let process = rig.process(errands()).await;
    insert(&process.db, &specimens(0..3, &Act::Succeed)).await;
    // A queue that nobody works: its replay never ends.
    insert(&process.db, &[Specimen { queue: "other.v1", ..Specimen::of::<Errand>(3, Act::Succeed) }]).await;
    let made = start(&process.db, NewRun { patience_seconds: 2, ..run_over(Filter::default()) }).await;
    let done = until(&process.db, made.id, RunState::Done).await;
    assert!(done.state_reason.as_deref().is_some_and(|why| why.contains("1 replays had no outcome")), "{done:?}");
    assert_eq!((done.replayed, done.resolved), (4, 3));
});

on_every_backend!(a_rate_is_kept, async |rig: &Rig| {
    let process = rig.process(errands()).await;
    insert(&process.db, &specimens(0..30, &Act::Succeed)).await;
    let began = tokio::time::Instant::now();
    let made = start(&process.db, NewRun { rate_per_second: 15, ..run_over(Filter::default()) }).await;
    until(&process.db, made.id, RunState::Done).await;
    // The first goes at once; a slow machine may save up a second's worth, which follows in one go.
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
});

on_every_backend!(a_replay_by_hand_is_marked_like_any_other, async |rig: &Rig| {
    let process = rig.process(errands()).await;
    insert(&process.db, &specimens(0..1, &Act::Succeed)).await;
    process.enqueue(vec![errand(1, Act::GiveUp)]).await;
    eventually("it is dead", async || process.dead_letters().await.len() == 2).await;
    let letters = process.dead_letters().await;
    for letter in &letters {
        dead_letters::replay(&process.db, letter.id).await.expect("is replayed");
    }
    let state_of = async |process: &Process, id: Uuid| {
        dead_letters::show(&process.db, id).await.expect("answers").expect("is there").state
    };
    let (given_up, fine) = (letters[0].id, letters[1].id);
    eventually("one is resolved", async || state_of(&process, fine).await == LetterState::Resolved).await;
    eventually("one is dead again", async || state_of(&process, given_up).await == LetterState::DeadAgain).await;
    process.settled().await;
});
