//! What there is to know about an operation of which nobody knows what became: evidence for the person who decides.

use alloy::primitives::{Address, B256};
use chrono::{DateTime, Utc};

use crate::fact::AttemptKind;

/// What an endpoint answered, or in words why it gave no usable answer.
pub type Said<T> = Result<T, String>;

/// All that is stored about an operation's transaction, and what each endpoint says about it at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// Since when the operation is on its way.
    pub since: DateTime<Utc>,
    /// Who signed.
    pub signer: Address,
    /// The contract; `None` for a deployment.
    pub diamond: Option<Address>,
    /// The deal's reference on the contract; `None` for a deployment.
    pub reference: Option<B256>,
    /// Every transaction that was signed for its nonce, the oldest first.
    pub attempts: Vec<SignedAttempt>,
    /// One for each endpoint, in the configured order.
    pub testimonies: Vec<Testimony>,
}

/// A transaction as it was stored before it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAttempt {
    /// The signer's count that it uses up.
    pub nonce: u64,
    /// What it is for.
    pub kind: AttemptKind,
    /// Its hash.
    pub hash: B256,
    /// When it was signed and stored.
    pub signed_at: DateTime<Utc>,
    /// When an endpoint last answered to it with something new, or failed to; `None`: nothing is known of a broadcast.
    pub broadcast_at: Option<DateTime<Utc>>,
    /// Which endpoint that was.
    pub provider: Option<String>,
    /// What it said.
    pub answer: Option<String>,
    /// In wei.
    pub max_fee_per_gas: u64,
    /// In wei.
    pub max_priority_fee_per_gas: u64,
}

/// What one endpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testimony {
    /// Host and port of the endpoint.
    pub provider: String,
    /// Its head block.
    pub block_number: Said<u64>,
    /// The count of the signer's mined transactions.
    pub nonce: Said<u64>,
    /// For each attempt, in their order, where it is mined; `None`: the endpoint knows of no receipt.
    pub receipts: Vec<Said<Option<MinedIn>>>,
    /// The state of the deal with our reference; `None` where there is no reference to ask for.
    pub deal: Option<Said<String>>,
}

/// Where an endpoint says that a transaction is mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinedIn {
    /// The block's number.
    pub block_number: u64,
    /// The block's hash.
    pub block_hash: B256,
    /// The receipt's status.
    pub success: bool,
}
