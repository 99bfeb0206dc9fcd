//! The mechanism that carries messages: outbox, brokers, job runner, retries, dead letters; never knows what a payment is.
#![expect(
    clippy::disallowed_methods,
    reason = "its tables know no tenants: letters are within reach by a filter on their nodes"
)]
#![allow(missing_docs, reason = "nobody outside of this repository reads this crate's documentation")]

mod archivist;
pub mod backoff;
pub mod broker;
mod database;
pub mod dead_letters;
mod foresight;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod handover;
mod health;
pub mod inbox;
mod job;
mod log_throttle;
mod message;
mod meters;
pub mod outbox;
mod queue_status;
pub mod redrive;
mod registry;
mod relay;
mod reports;
mod runner;
mod subject;

pub use archivist::Archivist;
pub use broker::{Broker, BrokerConfig, BrokerError};
pub use database::{
    Database, DatabaseConfig, PoolerUnfit, Session, Transaction, Unfit, Unwritable, insert_missing,
    insert_unless_there, is_absent, is_contended,
};
pub use foresight::{Foreseer, Foresight, Outlook};
pub use handover::CommittedMessages;
pub use health::{Health, PartStatus};
pub use job::{Delivery, Job, JobError, JobResult};
pub use message::{Message, NewMessage, Payload, RetryPolicy};
pub use meters::{METERS, sample_broker};
pub use queue_status::{QueueStatus, queue_statuses};
pub use registry::Registry;
pub use relay::Relay;
pub use runner::{Runner, UnknownQueue};
pub use subject::Subject;
