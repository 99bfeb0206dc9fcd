//! HTTP: an edge that knows no contract, and on it the resources, what gateways call, and the contracts. Decides nothing
//! about payments and never sees a chain.

mod config;
mod contract_state;
mod contracts;
mod document;
mod edge;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod gateways;
mod meters;
mod resources;
mod routes;
mod state;

pub(crate) use edge::{
    access, audit, body, declined, disk, free_json, idempotent, json_array, money, offload, openapi, paging, problem,
    query_text, reach, response, time, waiting, web_url,
};

pub use access::{NewSecret, hash_pin, hash_secret};
pub use config::{Config, ContractDeposit, DealsConfig, OperationsConfig};
pub use contracts::{
    CONTRACTS,
    receipts::{AccountConfig, ObjectStoreConfig, ReceiptsConfig, orphans::remove as remove_orphans},
    till::TillConfig,
};
pub use disk::DiskConfig;
pub use document::{openapi_document, openapi_document_of};
pub use edge::{AuthConfig, Contract, Contracts, HttpConfig, StrangersConfig};
pub use meters::METERS;
pub use resources::chain_queries::{ChainQueries, QueryChainNumber, QueryToken, TokenInfo};
pub use routes::{admission_classes, health_routes, routes, serve};
pub use state::{Depth, HealthPart, Parts, State};
