//! The jobs that a process knows, without their types.

use std::{any::Any, marker::PhantomData, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use anyhow::anyhow;
use futures_util::{FutureExt as _, future::BoxFuture};
use sea_orm::DbErr;

use crate::{
    backoff,
    database::is_absent,
    foresight::Foresight,
    job::{Delivery, Job, JobError, JobResult},
    message::{Message, Payload, RetryPolicy},
    subject::Subject,
};

/// How soon a job comes back that found the database away.
const ABSENT: RetryPolicy =
    RetryPolicy { attempts_max: 1, first_delay: Duration::from_secs(2), delay_max: Duration::from_secs(2) };

/// The list of jobs; each queue has one.
pub struct Registry<C> {
    pub(crate) jobs: Vec<Arc<dyn AnyJob<C>>>,
}

impl<C> Default for Registry<C> {
    fn default() -> Self {
        Self { jobs: Vec::new() }
    }
}

impl<C: Send + Sync + 'static> Registry<C> {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a job.
    ///
    /// # Panics
    /// When its queue has a job already: two lines of the list contradict each other.
    #[must_use]
    pub fn register<J: Job<C>>(mut self) -> Self {
        let job: Arc<dyn AnyJob<C>> = Arc::new(Typed::<J>(PhantomData));
        let queue = job.traits().queue;
        assert!(self.jobs.iter().all(|known| known.traits().queue != queue), "queue {queue} has two jobs");
        self.jobs.push(job);
        self
    }

    /// The registered queues, in the order of registration.
    #[must_use]
    pub fn queues(&self) -> Vec<&'static str> {
        self.jobs.iter().map(|job| job.traits().queue).collect()
    }
}

/// The constants of a payload's type, where the type itself is forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits {
    pub(crate) kind: &'static str,
    pub(crate) queue: &'static str,
    pub(crate) retry: RetryPolicy,
    pub(crate) prefetch: u16,
    pub(crate) batch: usize,
    /// What a message with this body is about; nothing where the body cannot be read.
    pub(crate) subject: fn(&str) -> Subject,
}

/// A job whose type is forgotten.
pub(crate) trait AnyJob<C>: Send + Sync {
    fn traits(&self) -> Traits;

    /// Runs the job over the messages, as a batch if there are several, and answers for each in order.
    fn attempt<'a>(&'a self, context: &'a C, messages: &'a [Message]) -> BoxFuture<'a, Vec<JobResult>>;

    /// Asks the job what it would do with the messages, in order.
    fn foresee<'a>(&'a self, context: &'a C, messages: &'a [Message]) -> BoxFuture<'a, anyhow::Result<Vec<Foresight>>>;

    /// What a message with this body would be about, provided that the job could read it, and all of it.
    fn validate(&self, kind: &str, body: &str) -> Result<Subject, String>;
}

struct Typed<J>(PhantomData<fn() -> J>);

impl<C: Send + Sync + 'static, J: Job<C>> AnyJob<C> for Typed<J> {
    fn traits(&self) -> Traits {
        Traits {
            kind: J::Payload::TYPE,
            queue: J::Payload::QUEUE,
            retry: J::Payload::RETRY,
            prefetch: J::Payload::PREFETCH.max(1),
            batch: J::Payload::BATCH.clamp(1, usize::from(J::Payload::PREFETCH.max(1))),
            subject: subject::<J::Payload>,
        }
    }

    fn attempt<'a>(&'a self, context: &'a C, messages: &'a [Message]) -> BoxFuture<'a, Vec<JobResult>> {
        Box::pin(async move {
            if let Some(results) = together::<C, J>(context, messages).await {
                return results;
            }
            let mut results = Vec::with_capacity(messages.len());
            for message in messages {
                results.push(match decode::<J::Payload>(message) {
                    Ok(delivery) => guarded(J::Payload::TIMEOUT, J::run(context, delivery)).await,
                    Err(unreadable) => Err(unreadable),
                });
            }
            results
        })
    }

    fn foresee<'a>(&'a self, context: &'a C, messages: &'a [Message]) -> BoxFuture<'a, anyhow::Result<Vec<Foresight>>> {
        Box::pin(async move {
            let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
            for message in messages {
                match decode::<J::Payload>(message) {
                    Ok(delivery) => {
                        readable.push(delivery);
                        unreadable.push(None);
                    }
                    Err(error) => unreadable.push(Some(Foresight::would_fail_again(code(&error)))),
                }
            }
            let mut foreseen = J::foresee(context, &readable).await?.into_iter();
            let missing = || Foresight::unknown("the job did not answer");
            let answer = |unreadable: Option<Foresight>| unreadable.or_else(|| foreseen.next()).unwrap_or_else(missing);
            Ok(unreadable.into_iter().map(answer).collect())
        })
    }

    fn validate(&self, kind: &str, body: &str) -> Result<Subject, String> {
        readable::<J::Payload>(kind, body)
    }
}

fn subject<P: Payload>(body: &str) -> Subject {
    serde_json::from_str::<P>(body).map(|payload| payload.subject()).unwrap_or_default()
}

fn readable<P: Payload>(kind: &str, body: &str) -> Result<Subject, String> {
    if kind != P::TYPE {
        return Err(format!("queue {} carries {}, not {kind}", P::QUEUE, P::TYPE));
    }
    let payload: P = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let understood = serde_json::to_value(&payload).map_err(|error| error.to_string())?;
    let written: serde_json::Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let (Some(written), Some(understood)) = (written.as_object(), understood.as_object()) else {
        return Ok(payload.subject());
    };
    match written.keys().find(|name| !understood.contains_key(*name)) {
        Some(unknown) => Err(format!("there is no field {unknown:?} in {}", P::TYPE)),
        None => Ok(payload.subject()),
    }
}

/// Why a message cannot be read, in words without its contents.
fn code(error: &JobError) -> &'static str {
    match error {
        JobError::DeadLetter { code: "unknown_kind", .. } => "its queue carries another kind of message",
        _ => "the body cannot be decoded",
    }
}

/// One call for all; `None` when there is nothing to gain or it failed. A batch with an unreadable message is not worth
/// a shortcut.
async fn together<C: Send + Sync + 'static, J: Job<C>>(context: &C, messages: &[Message]) -> Option<Vec<JobResult>> {
    if messages.len() < 2 {
        return None;
    }
    let deliveries = messages.iter().map(decode::<J::Payload>).collect::<Result<Vec<_>, _>>().ok()?;
    match guarded(J::Payload::TIMEOUT, J::run_batch(context, deliveries)).await {
        // One by one they would find the same, each after its own wait.
        Err(JobError::Snooze(wait)) => Some(messages.iter().map(|_| Err(JobError::Snooze(wait))).collect()),
        Ok(results) if results.len() == messages.len() => Some(results),
        Ok(results) => {
            tracing::error!(messages = messages.len(), results = results.len(), "a batch must answer for each message");
            None
        }
        Err(error) => {
            tracing::warn!(messages = messages.len(), error = %error, "batch failed; trying one by one");
            None
        }
    }
}

fn decode<P: Payload>(message: &Message) -> Result<Delivery<P>, JobError> {
    if message.kind != P::TYPE {
        let message = format!("queue {} carries {}, not {}", P::QUEUE, P::TYPE, message.kind);
        return Err(JobError::DeadLetter { code: "unknown_kind", message });
    }
    let payload = serde_json::from_str(&message.payload)
        .map_err(|error| JobError::DeadLetter { code: "undecodable", message: error.to_string() })?;
    let headers = message.headers.clone();
    Ok(Delivery { payload, message_id: message.message_id, attempts: message.attempts, headers })
}

/// A panic or a hang in a job is an error of this attempt, not the end of the worker.
async fn guarded<T>(timeout: Duration, job: impl Future<Output = Result<T, JobError>>) -> Result<T, JobError> {
    match tokio::time::timeout(timeout, AssertUnwindSafe(job).catch_unwind()).await {
        Ok(Ok(result)) => result.map_err(uncounted),
        Ok(Err(panic)) => Err(JobError::Retry(anyhow!("panicked: {}", panic_message(&*panic)))),
        Err(_) => Err(JobError::Retry(anyhow!("did not finish within {timeout:?}"))),
    }
}

/// A job cannot help it that the database is away: that uses up no attempt, however long it lasts.
fn uncounted(error: JobError) -> JobError {
    let JobError::Retry(cause) = &error else { return error };
    if !cause.chain().filter_map(|cause| cause.downcast_ref::<DbErr>()).any(is_absent) {
        return error;
    }
    let wait = backoff::of_policy(&ABSENT, 1);
    tracing::warn!(error = format!("{cause:#}"), ?wait, "the database is away; no attempt is counted");
    JobError::Snooze(wait)
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Mutex};

    use sea_orm::error::ConnAcquireErr;
    use serde::{Deserialize, Serialize};
    use uuid::Uuid;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Number {
        number: u32,
    }

    impl Payload for Number {
        const TYPE: &'static str = "number";
        const QUEUE: &'static str = "number.v1";
        const TIMEOUT: Duration = Duration::from_millis(50);

        fn subject(&self) -> Subject {
            Subject::default()
        }
    }

    const FAILS: u32 = 90;
    const PANICS: u32 = 91;
    const HANGS: u32 = 92;
    const FINDS_NO_DATABASE: u32 = 93;

    /// The numbers of each call.
    type Diary = Mutex<Vec<Vec<u32>>>;

    async fn act(number: u32) -> JobResult {
        match number {
            FAILS => Err(anyhow!("{number}").into()),
            PANICS => panic!("{number}"),
            HANGS => std::future::pending().await,
            FINDS_NO_DATABASE => {
                Err(anyhow!(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)).context("looking").into())
            }
            _ => Ok(()),
        }
    }

    /// A job with `run` alone.
    struct Single;

    impl Job<Diary> for Single {
        type Payload = Number;

        async fn run(diary: &Diary, delivery: Delivery<Number>) -> JobResult {
            diary.lock().unwrap().push(vec![delivery.payload.number]);
            act(delivery.payload.number).await
        }
    }

    /// Has `run_batch` alone, which answers for one message less when it gets the number 80.
    struct Batched;

    impl Job<Diary> for Batched {
        type Payload = Number;

        async fn run_batch(diary: &Diary, deliveries: Vec<Delivery<Number>>) -> Result<Vec<JobResult>, JobError> {
            let numbers: Vec<u32> = deliveries.iter().map(|delivery| delivery.payload.number).collect();
            diary.lock().unwrap().push(numbers.clone());
            for number in &numbers {
                act(*number).await?;
            }
            let answers = numbers.len() - usize::from(numbers.len() > 1 && numbers.contains(&80));
            Ok((0..answers).map(|_| Ok(())).collect())
        }
    }

    fn message(number: u32) -> Message {
        Message {
            id: Uuid::now_v7(),
            message_id: Uuid::now_v7(),
            queue: Number::QUEUE.to_owned(),
            kind: Number::TYPE.to_owned(),
            payload: format!(r#"{{"number":{number}}}"#),
            headers: BTreeMap::new(),
            attempts: 0,
            claims: 0,
        }
    }

    async fn attempted<J: Job<Diary>>(messages: &[Message]) -> (Vec<String>, Vec<Vec<u32>>) {
        let diary = Diary::default();
        let results = Typed::<J>(PhantomData).attempt(&diary, messages).await;
        let word = |result: JobResult| match result {
            Ok(()) => "done".to_owned(),
            Err(JobError::Retry(error)) => format!("again: {error}"),
            Err(JobError::Snooze(_)) => "later".to_owned(),
            Err(JobError::DeadLetter { code, .. }) => code.to_owned(),
        };
        (results.into_iter().map(word).collect(), diary.into_inner().unwrap())
    }

    #[tokio::test]
    async fn one_message_is_a_batch_of_one_and_a_batch_one_after_the_other() {
        assert_eq!(attempted::<Batched>(&[message(1)]).await, (vec!["done".to_owned()], vec![vec![1]]));
        let (results, calls) = attempted::<Batched>(&[message(1), message(2)]).await;
        assert_eq!((results.len(), calls), (2, vec![vec![1, 2]]));
        let (results, calls) = attempted::<Single>(&[message(1), message(FAILS), message(2)]).await;
        assert_eq!((results.join(", "), calls.len()), ("done, again: 90, done".to_owned(), 3));
        let (results, _) = attempted::<Batched>(&[message(FAILS)]).await;
        assert_eq!(results, ["again: 90"]);
    }

    #[tokio::test]
    async fn a_bad_message_does_not_drag_its_neighbours_along() {
        for (bad, answer) in
            [(FAILS, "again: 90"), (PANICS, "again: panicked: 91"), (HANGS, "again: did not finish within 50ms")]
        {
            let (results, calls) = attempted::<Batched>(&[message(1), message(bad), message(2)]).await;
            assert_eq!(results, ["done", answer, "done"]);
            assert_eq!(calls, [vec![1, bad, 2], vec![1], vec![bad], vec![2]], "together, and then one by one");
        }
        let (results, calls) = attempted::<Batched>(&[message(80), message(1)]).await;
        assert_eq!((results.join(", "), calls.len()), ("done, done".to_owned(), 3), "an answer was missing");
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_waited_for_by_all_and_costs_no_attempt() {
        let (results, calls) = attempted::<Batched>(&[message(1), message(FINDS_NO_DATABASE)]).await;
        assert_eq!((results.join(", "), calls.len()), ("later, later".to_owned(), 1));
        assert_eq!(attempted::<Single>(&[message(FINDS_NO_DATABASE)]).await.0, ["later"]);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_dead_and_what_comes_with_it_is_done() {
        let other = Message { kind: "letter".to_owned(), ..message(1) };
        let torn = Message { payload: "{".to_owned(), ..message(1) };
        let (results, calls) = attempted::<Batched>(&[other.clone(), message(2), torn]).await;
        assert_eq!((results.join(", "), calls), ("unknown_kind, done, undecodable".to_owned(), vec![vec![2]]));
        let foreseen = Typed::<Batched>(PhantomData).foresee(&Diary::default(), &[message(1), other]).await.unwrap();
        let reasons: Vec<&str> = foreseen.iter().map(|foresight| &*foresight.reason).collect();
        assert_eq!(reasons[1], "its queue carries another kind of message");
        assert_eq!(reasons[0], "this job does not foresee what it would do");
    }

    #[test]
    fn a_body_has_the_fields_of_its_job_and_no_others() {
        let valid = |kind: &str, body: &str| readable::<Number>(kind, body).map(drop);
        assert_eq!(valid("number", r#"{"number":7}"#), Ok(()));
        assert!(valid("letter", r#"{"number":7}"#).unwrap_err().contains("carries number, not letter"));
        assert!(valid("number", r#"{"number":"seven"}"#).is_err());
        let unknown = valid("number", r#"{"number":7,"nubmer":8}"#).unwrap_err();
        assert!(unknown.contains("nubmer"), "{unknown}");
    }

    #[test]
    #[should_panic(expected = "queue number.v1 has two jobs")]
    fn two_jobs_of_one_queue_contradict_each_other() {
        let _ = Registry::<Diary>::new().register::<Single>().register::<Batched>();
    }
}
