//! The row of a payment that has just come to be, whichever contract it comes in by.

use entities::{
    Amount, ChainId, CurrencyId, NetworkId, NodeId, PaymentGroup, PaymentId, PaymentMethod, PaymentStatus, now, payment,
};
use serde_json::json;

/// The fields that every new payment has.
pub(crate) struct NewRow {
    pub(crate) node_id: NodeId,
    pub(crate) external_id: String,
    pub(crate) chain_id: ChainId,
    pub(crate) network_id: NetworkId,
    pub(crate) currency_id: CurrencyId,
    /// What it costs, and what the payer pays for it.
    pub(crate) amount: Amount,
    pub(crate) payment_method: PaymentMethod,
    /// The payee, in the words of the payment's contract.
    pub(crate) payment_address: String,
}

impl NewRow {
    /// The row, `pending` with its first event, and payable until now; not written yet. What only some payments have
    /// is empty.
    pub(crate) fn build(self) -> payment::Model {
        let now = now();
        payment::Model {
            id: PaymentId::new(),
            node_id: self.node_id,
            external_id: self.external_id,
            chain_id: self.chain_id,
            network_id: self.network_id,
            wallet_id: None,
            member_id: None,
            order_id: None,
            duplicate_of: None,
            currency_id: self.currency_id,
            price: self.amount,
            paid_price: self.amount,
            payment_method: self.payment_method,
            payment_group: PaymentGroup::Product,
            payment_address: self.payment_address,
            items: json!([]),
            metadata: None,
            expires_at: now,
            retry: false,
            retry_count: 0,
            resends: 0,
            client_ip: None,
            status: PaymentStatus::Pending,
            sequence: 1,
            sending_since: None,
            release_requested_at: None,
            deal_id: None,
            diamond_address: None,
            transaction_hash: None,
            cancel_transaction_hash: None,
            return_held_for: None,
            return_held_token: None,
            return_withdrawn_at: None,
            failure_code: None,
            failure_message: None,
            failure_retryable: None,
            created_at: now,
            updated_at: now,
        }
    }
}
