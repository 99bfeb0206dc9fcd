//! HTTP: what every contract stands on, from a connection to a problem in words. Knows no contract by name.

pub(crate) mod access;
mod address;
mod admission;
mod allowance;
pub(crate) mod audit;
pub(crate) mod body;
mod config;
mod contract;
mod cors;
pub(crate) mod declined;
pub(crate) mod disk;
mod empty_parameters;
mod endpoint;
pub(crate) mod free_json;
mod guard;
pub(crate) mod idempotency_key;
pub(crate) mod idempotent;
pub(crate) mod json_array;
pub(crate) mod money;
pub(crate) mod offload;
pub(crate) mod openapi;
pub(crate) mod paging;
mod posture;
pub(crate) mod problem;
pub(crate) mod query_text;
pub(crate) mod reach;
mod request_id;
pub(crate) mod response;
pub(crate) mod serve;
mod state;
mod stopping;
pub(crate) mod time;
pub(crate) mod waiting;
pub(crate) mod web_url;

pub(crate) use address::ClientAddress;
#[cfg(any(test, fuzzing))]
pub(crate) use address::read as read_address;
pub use admission::StrangersConfig;
pub(crate) use admission::{Class, Strangers, admit};
pub(crate) use allowance::{Allowance, Allowances};
pub use config::{AuthConfig, HttpConfig};
pub(crate) use contract::{AllowsOrigin, Part, RequestContext, Stranger};
pub use contract::{Contract, Contracts};
pub(crate) use empty_parameters::no_texts;
pub(crate) use endpoint::{Audience, Edge, REQUEST_ID};
pub(crate) use guard::{Guarded, RouteTemplate, admissions};
pub(crate) use request_id::RequestId;
#[cfg(any(test, fuzzing))]
pub(crate) use request_id::well_formed;
pub(crate) use state::{EdgeParts, EdgeState};
pub(crate) use stopping::Stopping;
