//! The diamond, signers, nonces, attempts, sending and watching; never knows HTTP front ends or tables that are not its own.
//!
//! A caller asks for an *operation* about a subject (a payment, a deployment) inside its own transaction, see
//! [`request`]; an [`Agent`] per network carries it out and reports *facts* through a [`Recorder`], inside chain's own
//! transaction, so that chain's state and whatever follows from it commit together.
#![expect(clippy::disallowed_methods, reason = "its tables know no tenants: they are keyed by networks and signers")]

mod abi;
mod account;
mod agent;
mod classify;
mod config;
mod dialect;
mod edition;
mod error;
mod fact;
mod fees;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod inquiry;
mod interface;
mod keystore;
mod kind;
mod meters;
mod network;
mod operation;
mod operation_status;
mod owner;
mod policy;
mod probe;
mod rpc;
mod signer;
mod signing_error;
mod status;
mod table;
mod transaction;
mod violation;

pub use account::{Account, Deal};
pub use agent::{Agent, AgentHealth, Waker};
pub use config::Config;
pub use dialect::{DialectConfig, DialectStates};
pub use edition::{Deployment, Edition};
pub use error::Error;
pub use fact::{AttemptKind, Evidence, Fact, HeldReturn, Recorder};
pub use inquiry::{Inquiry, MinedIn, Said, SignedAttempt, Testimony};
pub use keystore::{Keystore, KeystoreError};
pub use meters::METERS;
pub use network::Network;
pub use operation::{DealTerms, Kind, Request, Withdrawn, reference, request, withdraw};
pub use operation_status::{OperationStatus, operation_statuses};
pub use owner::{
    Announced, Cut, CutAction, DiamondReport, FacetChange, OwnerAct, OwnerCall, Refusal, inspect_diamond, try_call,
};
pub use probe::{NodeReport, TokenReport, chain_number, probe, token};
pub use rpc::ProviderHealth;
pub use signer::RemoteSigner;
pub use signing_error::SigningError;
pub use status::{LaneStatus, WithoutFunds, observed_until, status, without_funds};
pub use table::log::Event as DealEvent;
pub use violation::Violation;
