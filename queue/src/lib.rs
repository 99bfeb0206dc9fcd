//! The mechanism that carries messages: outbox, brokers, job runner, retries, dead letters; never knows what a payment is.

mod archivist;
mod backoff;
pub mod broker;
mod database;
pub mod dead_letters;
mod handover;
mod health;
pub mod inbox;
mod job;
mod message;
mod meters;
pub mod outbox;
mod registry;
mod relay;
mod runner;

pub use archivist::Archivist;
pub use broker::{Broker, BrokerConfig, BrokerError};
pub use database::{Database, DatabaseConfig, Transaction};
pub use handover::CommittedMessages;
pub use health::{Health, PartStatus};
pub use job::{Delivery, Job, JobError, JobResult};
pub use message::{Message, NewMessage, Payload, RetryPolicy};
pub use meters::describe_metrics;
pub use registry::Registry;
pub use relay::Relay;
pub use runner::{Runner, UnknownQueue};
