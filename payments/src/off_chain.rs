//! Payments on rails that are no chain: they name a network that is out of use, see `docs/decisions/0014`.

use entities::{
    Amount, CurrencyId, NetworkId, NodeId, PaymentGroup, PaymentId, PaymentMethod, PaymentStatus, network, now, payment,
};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, prelude::*};
use serde_json::json;

/// What such a payment is about.
pub(crate) struct OffChain {
    pub(crate) node_id: NodeId,
    pub(crate) external_id: String,
    pub(crate) currency_id: CurrencyId,
    pub(crate) amount: Amount,
    pub(crate) payment_method: PaymentMethod,
    /// Whom it pays, in the words of its contract.
    pub(crate) payment_address: String,
}

/// The network that stands for none.
pub(crate) async fn network<C: ConnectionTrait>(db: &C) -> Result<network::Model, DbErr> {
    let network = network::Entity::find().filter(network::Column::Id.eq(NetworkId::OFF_CHAIN)).one(db).await?;
    network.ok_or(DbErr::RecordNotFound("the network of payments off chain".to_owned()))
}

/// The payment's row, `pending` with its first event, and payable until now; not written yet.
pub(crate) fn row(what: OffChain, network: &network::Model) -> payment::Model {
    let now = now();
    payment::Model {
        id: PaymentId::new(),
        node_id: what.node_id,
        external_id: what.external_id,
        chain_id: network.chain_id,
        network_id: network.id,
        wallet_id: None,
        member_id: None,
        currency_id: what.currency_id,
        price: what.amount,
        paid_price: what.amount,
        payment_method: what.payment_method,
        payment_group: PaymentGroup::Product,
        payment_address: what.payment_address,
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
