//! HTTP before and after every route: addresses, limits, access log, metrics, the contract that words an answer.

mod address;
mod admission;
mod allowance;
mod contract;
mod cors;
mod empty_parameters;
mod endpoint;
mod guard;
mod posture;
mod request_id;

pub(crate) use address::ClientAddress;
#[cfg(any(test, fuzzing))]
pub(crate) use address::read as read_address;
pub use admission::StrangersConfig;
pub(crate) use admission::{Class, Strangers, admit};
pub(crate) use allowance::{Allowance, Allowances};
pub use contract::Contract;
pub(crate) use contract::{Asking, Origins, Part};
pub(crate) use endpoint::{Audience, Edge, REQUEST_ID};
pub(crate) use guard::{Guarded, RouteTemplate, admissions};
pub(crate) use request_id::RequestId;
#[cfg(any(test, fuzzing))]
pub(crate) use request_id::well_formed;
