//! How the queues stand.

use std::{collections::BTreeMap, time::Duration};

use chrono::Utc;
use poem_openapi::{Object, OpenApi, payload::Json};
use queue::QueueStatus;
use rust_decimal::{Decimal, prelude::ToPrimitive as _};

use super::Tag;
use crate::{
    access::{Allowed, InstallationOperations},
    problem::Refused,
    state::State,
};

/// How long the broker may take to tell a queue's depth.
const DEADLINE: Duration = Duration::from_secs(2);

/// How one queue stands. Counts stop at 10,000, which means that many or more.
#[derive(Clone, Debug, Object)]
pub(crate) struct Queue {
    /// Its name, such as `open_deal.v1`; `events` holds what goes to RabbitMQ's exchange for listeners.
    name: String,
    /// Messages at RabbitMQ that wait for a consumer. Null where it did not tell (`problem` says why), and on the embedded
    /// broker, which keeps messages in the database until they are done: see `taken`.
    ready: Option<u64>,
    /// Messages in the outbox that are due and that no process has taken in hand. More than a few for more than seconds
    /// means that nobody works the queue, or that the broker takes nothing.
    waiting: u64,
    /// Messages that a process has in hand: on the way to RabbitMQ, or, on the embedded broker, in its memory and being
    /// worked on. Those scheduled for the next five seconds count among them.
    taken: u64,
    /// Messages scheduled for later: retries and expiries.
    scheduled: u64,
    /// For how long the message has waited that has waited longest, seconds: in the outbox, or at the broker until it was
    /// delivered within the last seconds. Null when nothing has waited.
    oldest_seconds: Option<u64>,
    /// Processes that work this queue. None: its messages wait until one is started.
    workers: u64,
    /// Messages being worked on.
    in_flight: u64,
    /// Jobs a second that ended well, over the last seconds.
    done_per_second: f64,
    /// Attempts a second that failed, over the last seconds; most are tried again by themselves.
    failed_per_second: f64,
    /// Dead letters that nobody has dealt with.
    dead_letters: u64,
    /// Why the broker did not tell `ready`; null when nothing is wrong.
    problem: Option<String>,
}

/// All queues.
#[derive(Clone, Debug, Object)]
pub(crate) struct QueueList {
    /// By name.
    items: Vec<Queue>,
}

pub(crate) struct Queues(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/operations/queues", tag = "Tag::Queues")]
impl Queues {
    /// How the queues stand
    ///
    /// What waits, for how long, who works on it and how quickly. Only for callers on the root node: the queues are those of
    /// the whole installation. Looking costs little and may be repeated every second.
    #[oai(path = "/", method = "get", operation_id = "list_queues")]
    async fn list(&self, _caller: Allowed<InstallationOperations>) -> Result<Json<QueueList>, Refused> {
        let db = self.0.db();
        let mut known = queue::queue_statuses(db).await?;
        let letters = queue::dead_letters::waiting(db).await?;
        for name in payments::jobs::QUEUES.iter().copied().chain(letters.keys().map(String::as_str)) {
            known.entry(name.to_owned()).or_default();
        }
        let depths = known.keys().map(|name| async { (name.clone(), self.ready(name).await) });
        let mut depths: BTreeMap<_, _> = futures_util::future::join_all(depths).await.into_iter().collect();
        let items = known.into_iter().map(|(name, status)| {
            let dead_letters = letters.get(&name).copied().unwrap_or_default();
            let ready = depths.remove(&name).unwrap_or(Ok(None));
            Queue::new(name, &status, ready, dead_letters)
        });
        Ok(Json(QueueList { items: items.collect() }))
    }
}

impl Queues {
    /// What the broker says; nothing where it has nothing to say: it has no queue for events.
    async fn ready(&self, name: &str) -> Result<Option<u64>, String> {
        let Some(depth) = self.0.depth().filter(|_| payments::jobs::QUEUES.contains(&name)) else { return Ok(None) };
        let answer = tokio::time::timeout(DEADLINE, depth(name)).await;
        answer.unwrap_or_else(|_| Err("the broker took longer than two seconds".to_owned())).map(Some)
    }
}

impl Queue {
    fn new(name: String, status: &QueueStatus, ready: Result<Option<u64>, String>, dead_letters: u64) -> Self {
        let due_for = status.oldest_due_at.and_then(|at| (Utc::now() - at).to_std().ok());
        let waited = Duration::from_millis(status.waited_ms);
        let oldest = due_for.unwrap_or_default().max(waited);
        let (ready, problem) = match ready {
            Ok(ready) => (ready, None),
            Err(problem) => (None, Some(problem)),
        };
        Self {
            name,
            ready,
            waiting: status.waiting,
            taken: status.taken,
            scheduled: status.scheduled,
            oldest_seconds: (!oldest.is_zero()).then_some(oldest.as_secs()),
            workers: status.workers,
            in_flight: status.in_flight,
            done_per_second: thousandths(status.done_millis),
            failed_per_second: thousandths(status.failed_millis),
            dead_letters,
            problem,
        }
    }
}

fn thousandths(count: u64) -> f64 {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    Decimal::new(count, 3).to_f64().unwrap_or_default()
}
