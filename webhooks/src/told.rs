//! What events tell that are not about a payment: the `data` of their bodies.

use chrono::{DateTime, Utc};
use entities::{NetworkId, NodeId, PaymentId, WebhookEndpointId};
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
    pub paused_at: DateTime<Utc>,
}
