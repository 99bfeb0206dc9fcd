//! What can go wrong before an operation is on its way; what goes wrong with it afterwards is a fact.

use alloy::primitives::Address;
use sea_orm::DbErr;
use uuid::Uuid;

use crate::{keystore::KeystoreError, kind::Kind, signing_error::SigningError, violation::Violation};

/// A request, or the agent's own work, could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused or did not answer.
    #[error("database: {0}")]
    Database(#[from] DbErr),
    /// An operation that needs a diamond or terms was asked for without them.
    #[error("operation {kind:?} about {subject_id} lacks its diamond or its terms")]
    Incomplete {
        /// What the operation is about.
        subject_id: Uuid,
        /// Which operation.
        kind: Kind,
    },
    /// Another process has taken the network over; whatever was under way was rolled back.
    #[error("the lease of network {0} belongs to another process")]
    LeaseLost(Uuid),
    /// The lane moved under us, which only a second owner could do; the caller reloads.
    #[error("the lane of {0} is not as it was loaded")]
    LaneMoved(Address),
    /// No endpoint gave a usable answer; its text is for operators and holds no secret.
    #[error("JSON-RPC: {0}")]
    Rpc(String),
    /// The endpoint serves another network than it is configured for.
    #[error("{provider} serves chain {found}, expected {expected}")]
    WrongChain {
        /// The endpoint's label.
        provider: String,
        /// What it says it is.
        found: u64,
        /// What it should be.
        expected: u64,
    },
    /// The chain does not link up with what was scanned, at a depth that no stored block explains.
    #[error(
        "no stored block of network {0} is on the chain that its endpoint serves: another chain, or one that was reset; \
         give it endpoints of the old chain, or add the new one as a network of its own"
    )]
    ForeignChain(Uuid),
    /// Another endpoint does not bear out what is about to count as final; nothing is concluded until they agree.
    #[error("endpoints contradict each other: {0}")]
    Contradiction(String),
    /// The signer's key could not be used.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// A transaction was not signed.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// A transaction is not to be signed.
    #[error(transparent)]
    NotAllowed(#[from] Violation),
    /// The recorder refused the facts; they are offered again.
    #[error("recorder: {0:#}")]
    Recorder(anyhow::Error),
    /// A part of the agent ended in a panic.
    #[error("task: {0}")]
    Task(String),
    /// A stored row cannot be read back; the text names it.
    #[error("stored data: {0}")]
    Stored(String),
}
