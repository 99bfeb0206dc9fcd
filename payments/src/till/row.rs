//! A till's payment as a row.

use entities::{
    Amount, CurrencyId, NodeId, PaymentGroup, PaymentId, PaymentMethod, PaymentStatus, network, now, payment,
};
use serde_json::json;

use super::Entry;

/// Its external id is the till's transaction id, so that one index keeps both unique on a node.
pub(super) fn of_till(
    node_id: NodeId,
    payment_method: PaymentMethod,
    currency_id: CurrencyId,
    entry: Entry,
    network: &network::Model,
) -> payment::Model {
    let now = now();
    payment::Model {
        id: PaymentId::new(),
        node_id,
        external_id: entry.transaction_id,
        chain_id: network.chain_id,
        network_id: network.id,
        wallet_id: None,
        member_id: None,
        currency_id,
        price: Amount(entry.amount),
        paid_price: Amount(entry.amount),
        payment_method,
        payment_group: PaymentGroup::Product,
        payment_address: "till".to_owned(),
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
        failure_code: None,
        failure_message: None,
        failure_retryable: None,
        created_at: now,
        updated_at: now,
    }
}
