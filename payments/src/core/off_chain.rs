//! Payments on rails that are no chain: they name a network that is out of use, see `docs/decisions/0014`.

use entities::{Amount, CurrencyId, NetworkId, NodeId, PaymentId, PaymentMethod, network, payment};
use queue::Transaction;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, prelude::*};

use crate::{
    caller::RequestedBy,
    event,
    log::{self, NewLog},
    record,
    row::NewRow,
};

/// The fields in which payments on such rails differ.
pub(crate) struct OffChain {
    pub(crate) node_id: NodeId,
    pub(crate) external_id: String,
    pub(crate) currency_id: CurrencyId,
    pub(crate) amount: Amount,
    pub(crate) payment_method: PaymentMethod,
    /// The payee, in the words of the payment's contract.
    pub(crate) payment_address: String,
}

/// The network that stands for none.
pub(crate) async fn network<C: ConnectionTrait>(db: &C) -> Result<network::Model, DbErr> {
    let network = network::Entity::find().filter(network::Column::Id.eq(NetworkId::OFF_CHAIN)).one(db).await?;
    network.ok_or(DbErr::RecordNotFound("the network of payments off chain".to_owned()))
}

/// Writes the row, the first row of its log and the message that announces that, unless the node has a payment with this
/// external id; whether it did. Of two at once one waits here for the other's commit, and then finds the id taken.
pub(crate) async fn insert(
    tx: &mut Transaction,
    row: payment::Model,
    requested_by: &RequestedBy,
) -> Result<bool, DbErr> {
    let created = NewLog::created(&row, requested_by);
    if record::insert(tx, [row]).await?.is_empty() {
        return Ok(false);
    }
    let transitions = log::append(&**tx, vec![created]).await?;
    tx.enqueue(event::announcements(&transitions).collect()).await?;
    Ok(true)
}

/// The payment that the node has under this external id.
pub(crate) async fn known(tx: &Transaction, node_id: NodeId, external_id: String) -> Result<PaymentId, DbErr> {
    let known = payment::Entity::find()
        .filter(payment::Column::NodeId.eq(node_id))
        .filter(payment::Column::ExternalId.eq(&external_id))
        .one(&**tx)
        .await?;
    known.map(|known| known.id).ok_or(DbErr::RecordNotFound(external_id))
}

/// The row of a new payment. Nothing is written here.
pub(crate) fn row(what: OffChain, network: &network::Model) -> payment::Model {
    let OffChain { node_id, external_id, currency_id, amount, payment_method, payment_address } = what;
    let (chain_id, network_id) = (network.chain_id, network.id);
    NewRow { node_id, external_id, chain_id, network_id, currency_id, amount, payment_method, payment_address }.build()
}
