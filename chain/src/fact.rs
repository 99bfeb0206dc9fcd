//! What the chain tells about a subject, and who is told.

use alloy::primitives::{Address, B256, U256};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use queue::Transaction;
use sea_orm::entity::prelude::*;
use uuid::Uuid;

use crate::{inquiry::Inquiry, operation::Kind, table::log::Event as DealEvent};

/// Takes what the chain tells, inside chain's own transaction.
///
/// Facts come in the order in which they happened. A fact may come again (after a reorganisation, or when the
/// reconciliation finds what a log had told already), so recording must be idempotent. An error rolls the transaction
/// back and the same facts are offered again: refuse only what may succeed later, or the whole network stands still.
#[async_trait]
pub trait Recorder: Send + Sync + 'static {
    /// Records the facts and enqueues what follows from them.
    async fn record(&self, tx: &mut Transaction, facts: Vec<Fact>) -> anyhow::Result<()>;
}

/// What a signed transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum AttemptKind {
    /// The operation itself.
    #[sea_orm(string_value = "call")]
    Call,
    /// The same call again with higher fees.
    #[sea_orm(string_value = "bump")]
    Bump,
    /// Nothing but filling a nonce whose call the network refuses for good. Mined, it is never a success.
    #[sea_orm(string_value = "noop")]
    Noop,
}

impl AttemptKind {
    /// The stored and logged word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Bump => "bump",
            Self::Noop => "noop",
        }
    }
}

/// A returned deposit that the diamond keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldReturn {
    /// Whom it is kept for.
    pub payer: Address,
    /// The token's contract; zero for the network's own coin.
    pub token: Address,
}

/// Where on the chain a fact stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The transaction; unknown when the reconciliation found the contract's state but no log of how it came about.
    pub hash: Option<B256>,
    /// Number of the block with the transaction, or of the block whose state was read.
    pub block_number: u64,
    /// That block's hash.
    pub block_hash: B256,
    /// That block's timestamp.
    pub block_time: DateTime<Utc>,
}

/// One thing the chain, or the sending, tells about a subject.
///
/// [`Fact::Signed`], [`Fact::Broadcast`] and [`Fact::Mined`] are traces for the subject's log and change nothing.
/// "Final" means: in a canonical block with the network's confirmations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields that recur are described at the enum's ends and at `Evidence`")]
pub enum Fact {
    /// A transaction for the operation is signed and stored, and will be sent.
    Signed {
        subject_id: Uuid,
        kind: Kind,
        hash: B256,
        nonce: u64,
        max_fee_per_gas: u128,
        max_priority_fee_per_gas: u128,
        attempt_kind: AttemptKind,
    },
    /// It was handed to a node; `answer` is the node's, or what kept it from answering.
    Broadcast { subject_id: Uuid, kind: Kind, hash: B256, provider: String, answer: String },
    /// It is in a block. `success` is the receipt's status and says nothing about finality or events.
    Mined { subject_id: Uuid, kind: Kind, hash: B256, block_number: u64, success: bool },
    /// Final: the subject's diamond exists.
    Deployed { subject_id: Uuid, diamond: Address, evidence: Evidence },
    /// Final: the subject's deal exists, with the terms that were asked for.
    DealOpened { subject_id: Uuid, deal_id: U256, evidence: Evidence },
    /// A deposit is in a block, and may yet vanish with it. Told when it is first seen, and again with its finality.
    DepositSeen { subject_id: Uuid, payer: Address, amount: U256, evidence: Evidence },
    /// Final: the deal is paid. Always comes right after a [`Fact::DepositSeen`], itself after the deal's opening.
    DepositFinal { subject_id: Uuid, payer: Address, amount: U256, evidence: Evidence },
    /// A deposit that was seen is gone with its block, and is not in the blocks that took its place.
    DepositGone { subject_id: Uuid, payer: Address, amount: U256, evidence: Evidence },
    /// Final: the payee has the deposit.
    Released { subject_id: Uuid, amount: U256, evidence: Evidence },
    /// Final: the deal is closed, and `returned` went back to the payer (zero when nothing had been deposited).
    /// `held`: the payer's account refused it, and the diamond keeps it for the payer to withdraw.
    Canceled { subject_id: Uuid, returned: U256, held: Option<HeldReturn>, evidence: Evidence },
    /// The payer has taken what the diamond had kept for them.
    HeldReturnTaken { subject_id: Uuid, payer: Address, token: Address, amount: U256, evidence: Evidence },
    /// Something final is no longer on the chain: a reorganisation deeper than the confirmations. `evidence` is what had
    /// been seen.
    FinalityBroken { subject_id: Uuid, lost: DealEvent, evidence: Evidence },
    /// The operation definitely did not and will not happen; asking again arms it anew. `code` is the contract's error
    /// name or one of ours in snake case, `message` is for people. `retryable`: the same request may succeed later.
    /// `hash`: the reverted transaction, when there was one.
    Failed { subject_id: Uuid, kind: Kind, code: String, message: String, retryable: bool, hash: Option<B256> },
    /// Nobody knows what became of the operation, for longer than [`crate::Config::review_after_ms`]. Told once, and
    /// anew when the operation is asked for again and stays unknown. The sending goes on, so that any other fact about
    /// the operation may still follow.
    OutcomeUnknown { subject_id: Uuid, kind: Kind, inquiry: Box<Inquiry> },
}

impl Fact {
    /// Whom the fact is about.
    #[must_use]
    pub fn subject_id(&self) -> Uuid {
        match self {
            Self::Signed { subject_id, .. }
            | Self::Broadcast { subject_id, .. }
            | Self::Mined { subject_id, .. }
            | Self::Deployed { subject_id, .. }
            | Self::DealOpened { subject_id, .. }
            | Self::DepositSeen { subject_id, .. }
            | Self::DepositFinal { subject_id, .. }
            | Self::DepositGone { subject_id, .. }
            | Self::Released { subject_id, .. }
            | Self::Canceled { subject_id, .. }
            | Self::HeldReturnTaken { subject_id, .. }
            | Self::FinalityBroken { subject_id, .. }
            | Self::Failed { subject_id, .. }
            | Self::OutcomeUnknown { subject_id, .. } => *subject_id,
        }
    }
}
