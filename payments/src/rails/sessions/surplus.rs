//! A payment that was paid at two of its sessions. The second one's money becomes a payment of its own, so that it is never
//! counted with the first one's and can be given back by itself.

use entities::{gateway_session, now, payment};
use queue::Transaction;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, IntoActiveModel};

use crate::{
    caller::RequestedBy,
    lock::Locked,
    observation::{AtGateway, Observation},
    off_chain,
    row::NewRow,
};

/// Moves the session to a payment of its own, a duplicate of the one that it was begun for. That one is locked and not saved
/// yet.
pub(super) async fn take_apart(
    tx: &mut Transaction,
    session: gateway_session::Model,
    paid: Locked,
    requested_by: &RequestedBy,
) -> Result<(gateway_session::Model, Locked), DbErr> {
    let paid = paid.payment().clone();
    let row = NewRow {
        node_id: paid.node_id,
        external_id: format!("{}/surplus/{}", paid.external_id, session.id),
        chain_id: paid.chain_id,
        network_id: paid.network_id,
        currency_id: paid.currency_id,
        amount: paid.paid_price,
        payment_method: paid.payment_method,
        payment_address: paid.payment_address,
    };
    let surplus = payment::Model {
        wallet_id: paid.wallet_id,
        member_id: paid.member_id,
        order_id: paid.order_id,
        duplicate_of: Some(paid.id),
        price: paid.price,
        payment_group: paid.payment_group,
        items: paid.items,
        metadata: paid.metadata,
        expires_at: paid.expires_at,
        retry: paid.retry,
        retry_count: paid.retry_count,
        client_ip: paid.client_ip,
        ..row.build()
    };
    let id = surplus.id;
    off_chain::insert(tx, surplus, requested_by).await?;
    let mut surplus = Locked::known(tx, id).await?;
    surplus.observe(Observation::Gateway(AtGateway::Payable), requested_by);
    let mut row = session.into_active_model();
    (row.payment_id, row.updated_at) = (Set(id), Set(now()));
    let session = row.update(&**tx).await?;
    Ok((session, surplus))
}
