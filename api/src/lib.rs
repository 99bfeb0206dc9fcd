//! HTTP: one file per resource; decides nothing about payments and never sees a chain.

mod access;
mod answer;
mod audit;
mod body;
mod chain_questions;
mod checkout;
mod config;
mod contracts;
mod declined;
mod disk;
mod document;
mod edge;
mod free_json;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod gateway_callbacks;
mod idempotent;
mod json_array;
mod lightning_callbacks;
mod marketplace;
mod money;
mod offload;
mod paging;
mod problem;
mod query_text;
mod reach;
mod receipts;
mod resources;
mod sandbox;
mod serve;
mod state;
mod till;
mod time;
mod waiting;
mod web_url;

pub use access::{NewSecret, hash_pin, hash_secret};
pub use chain_questions::{AskChainNumber, AskToken, ChainQuestions, TokenSeen};
pub use config::{AuthConfig, Config, DealsConfig, HttpConfig, OperationsConfig};
pub use disk::DiskConfig;
pub use document::{openapi_document, openapi_document_of};
pub use edge::{Contract, StrangersConfig};
pub use receipts::{AccountConfig, ObjectStoreConfig, ReceiptsConfig, orphans::remove as remove_orphans};
pub use serve::{admission_classes, health_routes, routes, serve};
pub use state::{Depth, HealthPart, Parts, State};
pub use till::TillConfig;
