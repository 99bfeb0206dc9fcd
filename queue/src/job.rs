//! What a job is: behaviour for one kind of payload.

use std::{collections::BTreeMap, future::Future, time::Duration};

use sea_orm::DbErr;
use uuid::Uuid;

use crate::{foresight::Foresight, message::Payload};

/// A message as its job sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Delivery<P> {
    pub payload: P,
    /// Identity of the message, the same through redeliveries, retries and replays: what an inbox goes by.
    pub message_id: Uuid,
    /// Attempts that failed before this one; waiting ([`JobError::Snooze`]) does not count.
    pub attempts: u32,
    /// Context that travels along, for example `request_id` and `payment_id`.
    pub headers: BTreeMap<String, String>,
}

impl<P: Payload> Delivery<P> {
    /// A first delivery without headers, for calling a job directly in its test.
    #[must_use]
    pub fn of(payload: P) -> Self {
        Self { payload, message_id: Uuid::now_v7(), attempts: 0, headers: BTreeMap::new() }
    }
}

/// What became of one delivery.
pub type JobResult = Result<(), JobError>;

/// What the runner is to do with a message whose job did not finish. Any error of the database or of `anyhow` becomes
/// [`Self::Retry`] with `?`.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Try again later by the payload's policy; a dead letter once that is used up. Where the database was away
    /// ([`crate::is_absent`]), no attempt is counted.
    #[error("{0:#}")]
    Retry(anyhow::Error),
    /// Come back after this time; no attempt is counted.
    #[error("not before {0:?} have passed")]
    Snooze(Duration),
    /// Trying again is pointless.
    #[error("{code}: {message}")]
    DeadLetter {
        /// Short and stable, for example `unknown_network`.
        code: &'static str,
        /// For the operator who reads the letter.
        message: String,
    },
}

impl From<anyhow::Error> for JobError {
    fn from(error: anyhow::Error) -> Self {
        Self::Retry(error)
    }
}

impl From<DbErr> for JobError {
    fn from(error: DbErr) -> Self {
        Self::Retry(error.into())
    }
}

/// Behaviour for one kind of payload. It may run twice for one message, so its effect is guarded: by the state it
/// expects, by a unique business key, or by [`crate::inbox::first_time`]. Only the runner acknowledges.
///
/// A job has [`Self::run`] or [`Self::run_batch`]: each does by default what the other says, and one with neither does
/// not compile.
pub trait Job<C: Sync>: Send + Sync + 'static {
    type Payload: Payload;

    /// Does the work of one message.
    fn run(context: &C, delivery: Delivery<Self::Payload>) -> impl Future<Output = JobResult> + Send {
        async move { Self::run_batch(context, vec![delivery]).await?.pop().unwrap_or(Ok(())) }
    }

    /// Does the work of several messages at once; for payloads with a `BATCH` above 1. `Ok` holds one result for each
    /// delivery, in order. `Err` says that nothing was done for any of them (the transaction rolled back): the runner
    /// then calls [`Self::run`] for each at once, before an attempt counts, so that a bad message does not drag its
    /// neighbours along. A panic or a timeout is such an `Err`; a [`JobError::Snooze`], and a database that is away,
    /// are for all of them.
    fn run_batch(
        context: &C,
        deliveries: Vec<Delivery<Self::Payload>>,
    ) -> impl Future<Output = Result<Vec<JobResult>, JobError>> + Send {
        async move {
            let mut results = Vec::with_capacity(deliveries.len());
            for delivery in deliveries {
                results.push(Self::run(context, delivery).await);
            }
            Ok(results)
        }
    }

    /// Tells for each message, in order, what [`Self::run`] would come to now. It reads the state only, for all
    /// messages at once, and asks the very conditions that guard the job, so that the two cannot drift apart.
    fn foresee(
        context: &C,
        deliveries: &[Delivery<Self::Payload>],
    ) -> impl Future<Output = anyhow::Result<Vec<Foresight>>> + Send {
        let _ = context;
        let unknown = vec![Foresight::unknown("this job does not foresee what it would do"); deliveries.len()];
        async move { Ok(unknown) }
    }
}
