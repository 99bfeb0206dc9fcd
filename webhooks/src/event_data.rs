//! The `data` of events that are not about a payment.

use chrono::{DateTime, NaiveDate, Utc};
use entities::{NetworkId, NodeId, PaymentId, PayoutId, WebhookEndpointId};
use serde::Serialize;
use uuid::Uuid;

/// The `data` of `endpoint.disabled`.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointDisabled {
    pub endpoint_id: WebhookEndpointId,
    pub node_id: NodeId,
    /// Where events were sent, without the query.
    pub url: String,
    /// Why it was disabled, for people.
    pub reason: String,
}

/// The `data` of `dead_letter.created`.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetterCreated {
    pub dead_letter_id: Uuid,
    pub queue: String,
    pub kind: String,
    /// Short and stable, for example `retries_exhausted`.
    pub error_code: String,
    pub attempts: i32,
    pub payment_id: Option<PaymentId>,
    /// That payment's node, or another that it is about; else the one at the top.
    pub node_id: Option<NodeId>,
}

/// The `data` of `signer.low_balance`.
#[derive(Clone, Debug, Serialize)]
pub struct SignerLowBalance {
    pub network_id: NetworkId,
    pub signer: String,
    /// Why its lane is paused, a word.
    pub reason: String,
    /// Its balance in the network's smallest unit, as last read.
    pub balance: Option<String>,
    #[serde(serialize_with = "entities::serialize_time")]
    pub paused_at: DateTime<Utc>,
}

/// The `data` of `sign_in.blocked`.
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
    /// When a sign-in may be tried again.
    #[serde(serialize_with = "entities::serialize_time")]
    pub blocked_until: DateTime<Utc>,
}

/// The `data` of `payout.created`, `payout.paid` and `payout.failed`.
#[derive(Clone, Debug, Serialize)]
pub struct PayoutChanged {
    pub payout_id: PayoutId,
    pub node_id: NodeId,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// The currency's symbol.
    pub currency: String,
    /// `pending`, `paid` or `failed`.
    pub status: &'static str,
    /// When the bank should have it, if the processor has said so.
    pub arrival_date: Option<NaiveDate>,
    /// Why it failed, the processor's word.
    pub failure_code: Option<String>,
    /// A sentence for people.
    pub failure_message: Option<String>,
}

/// The `data` of `account.updated`.
#[derive(Clone, Debug, Serialize)]
pub struct AccountUpdated {
    pub node_id: NodeId,
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
