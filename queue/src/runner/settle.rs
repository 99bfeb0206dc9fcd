//! What becomes of a message after its job has answered. Only here deliveries are acknowledged, and always after what
//! follows from the answer is committed: a crash in between repeats a message, it never loses one.

use std::time::Duration;

use chrono::Utc;
use futures_util::future::join_all;
use sea_orm::DbErr;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    backoff::{self, Pauses},
    broker::{AckHandle, Acked},
    database::Database,
    dead_letters::{
        self, DeadMessage,
        dead_message::storable,
        outcome::{self, FailedReplay},
    },
    job::{JobError, JobResult},
    message::{Continues, Message, NewMessage},
    registry::Traits,
    runner::marks::Marks,
    subject::Subject,
};

/// A delivery and the answer of its job.
pub(super) struct FinishedDelivery {
    pub(super) message: Message,
    pub(super) ack_handle: AckHandle,
    pub(super) result: JobResult,
}

/// What is to be written before the acknowledgement.
#[derive(Default)]
struct Consequences {
    again: Vec<NewMessage>,
    /// The replays among what is tried again.
    failing: Vec<FailedReplay>,
    dead: Vec<DeadMessage>,
}

pub(super) async fn settle(db: &Database, marks: &Marks, traits: &Traits, finished: Vec<FinishedDelivery>) {
    let (mut done, mut open) = (Vec::new(), Vec::new());
    let (mut resolved, mut replays) = (Vec::new(), Vec::new());
    let mut consequences = Consequences::default();
    for FinishedDelivery { message, ack_handle, result } in finished {
        let outcome = match result {
            Ok(()) => {
                match outcome::replay_of(&message) {
                    Some(letter) => {
                        resolved.push(letter);
                        replays.push(ack_handle);
                    }
                    None => done.push(ack_handle),
                }
                "done"
            }
            Err(error) => {
                open.push(ack_handle);
                consequences.add(traits, message, error)
            }
        };
        metrics::counter!("quittance_jobs_total", "queue" => traits.queue, "outcome" => outcome).increment(1);
    }
    // Those that are done wait neither for the database nor for their neighbours.
    tokio::join!(
        acknowledge(traits, done),
        async {
            consequences.write(db).await;
            acknowledge(traits, open).await;
        },
        async {
            // A mark that is lost with its process is made by the redelivery, whose job finds everything done.
            marks.resolve(db, resolved).await;
            acknowledge(traits, replays).await;
        }
    );
}

/// Writes messages that no job can read to the dead letters.
pub(super) async fn dead_letter_unreadable(db: &Database, traits: &Traits, unreadable: Vec<(DeadMessage, AckHandle)>) {
    let (dead, ack_handles): (Vec<_>, Vec<_>) = unreadable.into_iter().unzip();
    for message in &dead {
        tracing::warn!(queue = traits.queue, message_id = %message.message_id, code = message.error_code, "dead letter");
        metrics::counter!("quittance_jobs_total", "queue" => traits.queue, "outcome" => "dead").increment(1);
    }
    Consequences { dead, ..Consequences::default() }.write(db).await;
    acknowledge(traits, ack_handles).await;
}

impl Consequences {
    fn add(&mut self, traits: &Traits, mut message: Message, error: JobError) -> &'static str {
        let (code, text) = match error {
            JobError::Snooze(wait) => {
                let attempts = message.attempts;
                self.again.push(again(message, attempts, wait));
                return "snoozed";
            }
            JobError::Retry(error) => {
                let attempts = message.attempts.saturating_add(1);
                let error = format!("{error:#}");
                if attempts < traits.retry.attempts_max {
                    let wait = backoff::of_policy(&traits.retry, attempts);
                    tracing::warn!(message_id = %message.message_id, attempts, ?wait, error, "job failed; trying again");
                    let replay = outcome::replay_of(&message);
                    self.failing.extend(replay.map(|letter| FailedReplay {
                        letter,
                        attempts,
                        error: storable(&error),
                    }));
                    self.again.push(again(message, attempts, wait));
                    return "retried";
                }
                ("retries_exhausted", error)
            }
            JobError::DeadLetter { code, message } => (code, message),
        };
        tracing::error!(message_id = %message.message_id, code, error = text, "dead letter");
        // A message from before its payload named its subject carries no such headers; its letter does.
        let subject = Subject::in_headers(&message.headers).or((traits.subject)(&message.payload));
        message.headers.extend(subject.headers());
        let attempts = message.attempts.saturating_add(1);
        self.dead.push(DeadMessage::job(message, attempts, code, &text));
        "dead"
    }

    /// Holds on until it is written. While the database is away the delivery stays unacknowledged, which also keeps
    /// the lane from taking more: giving the message back would only send it round in circles, up to the broker's
    /// delivery limit.
    async fn write(self, db: &Database) {
        if self.again.is_empty() && self.dead.is_empty() {
            return;
        }
        let mut pauses = Pauses::new(Duration::from_millis(100), Duration::from_secs(5));
        while let Err(error) = self.try_write(db).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot write what follows from a job");
            tokio::time::sleep(pauses.next()).await;
        }
        if !self.again.is_empty() {
            fail::fail_point!("settle.retry_written");
        }
        if !self.dead.is_empty() {
            fail::fail_point!("settle.letter_written");
        }
    }

    async fn try_write(&self, db: &Database) -> Result<(), DbErr> {
        let mut tx = db.begin().await?;
        tx.enqueue(self.again.clone()).await?;
        outcome::failing(&*tx, &self.failing).await?;
        dead_letters::record(&*tx, self.dead.clone()).await?;
        fail::fail_point!("settle.before_commit");
        tx.commit().await
    }
}

/// The same message as a new row. The row's id follows from the old one's: if this delivery is repeated because its
/// acknowledgement got lost, and fails again, the retry is not doubled.
fn again(message: Message, attempts: u32, wait: Duration) -> NewMessage {
    let continues = Continues { row_id: successor(message.id), message_id: message.message_id, attempts };
    NewMessage {
        queue: message.queue.into(),
        kind: message.kind.into(),
        payload: message.payload,
        headers: message.headers,
        due_at: Some(Utc::now() + wait),
        continues: Some(continues),
    }
}

fn successor(row: Uuid) -> Uuid {
    let digest = Sha256::digest(row.as_bytes());
    let mut random = [0; 10];
    random.copy_from_slice(&digest[..10]);
    let (seconds, nanoseconds) = row.get_timestamp().map_or((0, 0), |timestamp| timestamp.to_unix());
    let millis = seconds.saturating_mul(1_000).saturating_add(u64::from(nanoseconds / 1_000_000));
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

async fn acknowledge(traits: &Traits, ack_handles: Vec<AckHandle>) {
    let answers = join_all(ack_handles.into_iter().map(AckHandle::ack)).await;
    let again = answers.iter().filter(|acked| **acked == Acked::RedeliveryToCome).count();
    if again > 0 {
        let lost = u64::try_from(again).unwrap_or(u64::MAX);
        metrics::counter!("quittance_acks_lost_total", "queue" => traits.queue).increment(lost);
        tracing::info!(queue = traits.queue, again, "acknowledgements did not arrive; these messages come again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_one_successor_of_the_same_time() {
        let row = Uuid::now_v7();
        assert_eq!(successor(row), successor(row));
        assert_ne!(successor(row), row);
        assert_ne!(successor(row), successor(Uuid::now_v7()));
        assert_eq!(successor(row).get_version_num(), 7);
        assert_eq!(successor(row).as_bytes()[..6], row.as_bytes()[..6]);
    }
}
