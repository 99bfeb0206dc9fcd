//! What events tell that are not about a payment: the `data` of their bodies.

use chrono::{DateTime, NaiveDate, Utc};
use entities::{NetworkId, NodeId, PaymentId, PayoutId, WebhookEndpointId};
use serde::Serialize;
use uuid::Uuid;

/// What `endpoint.disabled` tells.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointDisabled {
    /// The endpoint.
    pub endpoint_id: WebhookEndpointId,
    /// Its node.
    pub node_id: NodeId,
    /// Where events were sent, without the query.
    pub url: String,
    /// Why it was disabled, for people.
    pub reason: String,
}

/// What `dead_letter.created` tells.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetterCreated {
    /// The letter.
    pub dead_letter_id: Uuid,
    /// The queue its message was for.
    pub queue: String,
    /// What kind of message.
    pub kind: String,
    /// Why it was given up, a word.
    pub error_code: String,
    /// How often it was tried.
    pub attempts: i32,
    /// The payment it is about, if it is about one.
    pub payment_id: Option<PaymentId>,
    /// That payment's node, or another that it is about; else the one at the top.
    pub node_id: Option<NodeId>,
}

/// What `signer.low_balance` tells.
#[derive(Clone, Debug, Serialize)]
pub struct SignerLowBalance {
    /// The network.
    pub network_id: NetworkId,
    /// The signer's address.
    pub signer: String,
    /// Why its lane is paused, a word.
    pub reason: String,
    /// Its balance in the network's smallest unit, as last read.
    pub balance: Option<String>,
    /// Since when it is paused.
    #[serde(serialize_with = "entities::serialize_time")]
    pub paused_at: DateTime<Utc>,
}

/// What `sign_in.blocked` tells.
#[derive(Clone, Debug, Serialize)]
pub struct SignInBlocked {
    /// What is blocked: `account`, `address` or `site` (an IPv6 /48).
    pub of: &'static str,
    /// The account, such as `user:…`; none where an address is blocked.
    pub account: Option<String>,
    /// The address, IPv6 by its /64; none where an account is blocked from wherever it has not signed in before.
    pub address: Option<String>,
    /// How many blocks this is in a row.
    pub blocks: i32,
    /// When it may be tried again.
    #[serde(serialize_with = "entities::serialize_time")]
    pub blocked_until: DateTime<Utc>,
}

/// What `payout.created`, `payout.paid` and `payout.failed` tell.
#[derive(Clone, Debug, Serialize)]
pub struct PayoutChanged {
    /// The payout.
    pub payout_id: PayoutId,
    /// The seller's node.
    pub node_id: NodeId,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// The currency's symbol.
    pub currency: String,
    /// `pending`, `paid` or `failed`.
    pub status: &'static str,
    /// When the bank should have it, if the processor has told.
    pub arrival_date: Option<NaiveDate>,
    /// Why it failed, the processor's word.
    pub failure_code: Option<String>,
    /// The same for people.
    pub failure_message: Option<String>,
}

/// What `account.updated` tells.
#[derive(Clone, Debug, Serialize)]
pub struct AccountUpdated {
    /// The seller's node.
    pub node_id: NodeId,
    /// The processor's id.
    pub account_id: Option<String>,
    /// `pending`, `restricted` or `active`.
    pub status: &'static str,
    /// Whether payments can be taken for it.
    pub charges_enabled: bool,
    /// Whether it can be paid out.
    pub payouts_enabled: bool,
    /// What the processor still wants to know, in its words.
    pub requirements_due: Vec<String>,
}
