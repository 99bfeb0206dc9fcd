//! Jobs that do what their payload says and write down that they did.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::anyhow;
use queue::{Delivery, Job, JobError, JobResult, NewMessage, Payload, RetryPolicy, Subject};
use sea_orm::{DbErr, error::ConnAcquireErr};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) const QUEUES: [&str; 5] = [Errand::QUEUE, Bundle::QUEUE, "other.v1", "wide.v1", "chore.v1"];

/// What a job is to do.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub(crate) enum Act {
    Succeed,
    FailTimes(u32),
    SnoozeTimes(usize, u64),
    /// The job finds no database so many times.
    MissDatabaseTimes(usize),
    Panic,
    GiveUp,
    Take(u64),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: u32,
    pub(crate) message_id: Uuid,
    pub(crate) attempts: u32,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) at: Instant,
    /// Deliveries that were worked on in the same call.
    pub(crate) together: usize,
}

/// What the jobs of a process did, successes and failures.
#[derive(Default)]
pub(crate) struct Diary {
    entries: Mutex<Vec<Entry>>,
    finished: Mutex<Vec<u32>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl Diary {
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().expect("no poison").clone()
    }

    /// Attempts on one errand, in order.
    pub(crate) fn of(&self, number: u32) -> Vec<Entry> {
        self.entries().into_iter().filter(|entry| entry.number == number).collect()
    }

    /// Numbers of the errands that succeeded, sorted, repetitions included.
    pub(crate) fn finished(&self) -> Vec<u32> {
        let mut finished = self.finished.lock().expect("no poison").clone();
        finished.sort_unstable();
        finished
    }

    pub(crate) fn most_running(&self) -> usize {
        self.most_running.load(Ordering::SeqCst)
    }

    pub(crate) fn note<P>(&self, number: u32, delivery: &Delivery<P>, together: usize) {
        let Delivery { message_id, attempts, headers, .. } = delivery;
        let (message_id, attempts, headers) = (*message_id, *attempts, headers.clone());
        let entry = Entry { number, message_id, attempts, headers, at: Instant::now(), together };
        self.entries.lock().expect("no poison").push(entry);
    }

    pub(crate) async fn act(&self, number: u32, act: &Act, attempts: u32) -> JobResult {
        match act {
            Act::Succeed => {}
            Act::FailTimes(times) if attempts < *times => {
                return Err(anyhow!("attempt {attempts} of errand {number} fails").into());
            }
            Act::SnoozeTimes(times, ms) if self.of(number).len() <= *times => {
                return Err(JobError::Snooze(Duration::from_millis(*ms)));
            }
            Act::MissDatabaseTimes(times) if self.of(number).len() <= *times => {
                let error = DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
                return Err(anyhow!(error).context(format!("errand {number}")).into());
            }
            Act::FailTimes(_) | Act::SnoozeTimes(..) | Act::MissDatabaseTimes(_) => {}
            Act::Panic => panic!("errand {number} panics"),
            Act::GiveUp => {
                return Err(JobError::DeadLetter { code: "given_up", message: format!("errand {number}") });
            }
            Act::Take(ms) => {
                let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
                self.most_running.fetch_max(running, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                self.running.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.finished.lock().expect("no poison").push(number);
        Ok(())
    }
}

/// A single job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Errand {
    pub(crate) number: u32,
    pub(crate) act: Act,
}

impl Payload for Errand {
    const TYPE: &'static str = "errand";
    const QUEUE: &'static str = "errand.v1";
    const RETRY: RetryPolicy =
        RetryPolicy { attempts_max: 3, first_delay: Duration::from_millis(100), delay_max: Duration::from_millis(200) };
    const PREFETCH: u16 = 4;

    fn subject(&self) -> Subject {
        Subject::default()
    }
}

pub(crate) fn errand(number: u32, act: Act) -> NewMessage {
    NewMessage::of(&Errand { number, act })
}

pub(crate) struct RunErrand;

impl Job<Diary> for RunErrand {
    type Payload = Errand;

    async fn run(diary: &Diary, delivery: Delivery<Errand>) -> JobResult {
        let Errand { number, act } = &delivery.payload;
        diary.note(*number, &delivery, 1);
        diary.act(*number, act, delivery.attempts).await
    }
}

/// A job that takes batches.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bundle {
    pub(crate) number: u32,
    pub(crate) act: Act,
}

impl Payload for Bundle {
    const TYPE: &'static str = "bundle";
    const QUEUE: &'static str = "bundle.v1";
    const RETRY: RetryPolicy = Errand::RETRY;
    const BATCH: usize = 20;

    fn subject(&self) -> Subject {
        Subject::default()
    }
}

pub(crate) fn bundle(number: u32, act: Act) -> NewMessage {
    NewMessage::of(&Bundle { number, act })
}

pub(crate) struct RunBundle;

impl Job<Diary> for RunBundle {
    type Payload = Bundle;

    async fn run(diary: &Diary, delivery: Delivery<Bundle>) -> JobResult {
        let Bundle { number, act } = &delivery.payload;
        diary.note(*number, &delivery, 1);
        diary.act(*number, act, delivery.attempts).await
    }

    /// All or nothing, as with one transaction: one that would fail fails the whole before anything is done.
    async fn run_batch(diary: &Diary, deliveries: Vec<Delivery<Bundle>>) -> Result<Vec<JobResult>, JobError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        for delivery in &deliveries {
            match delivery.payload.act {
                Act::Panic => panic!("a bundle panics"),
                Act::FailTimes(_) => return Err(anyhow!("the transaction rolled back").into()),
                _ => {}
            }
        }
        let mut results = Vec::new();
        for delivery in &deliveries {
            diary.note(delivery.payload.number, delivery, deliveries.len());
            results.push(diary.act(delivery.payload.number, &delivery.payload.act, delivery.attempts).await);
        }
        Ok(results)
    }
}
