//! The mechanism that carries messages: outbox, brokers, job runner, retries, dead letters; never knows what a payment is.

mod database;
mod message;
mod outbox;

pub use database::{Database, DatabaseConfig, Transaction};
pub use message::{Message, NewMessage, Payload, RetryPolicy};
