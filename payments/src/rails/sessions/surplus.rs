//! A payment that was paid at two of its sessions. The second one's money becomes a payment of its own, so that it is never
//! counted with the first one's and can be given back by itself.

use entities::{PaymentId, PaymentStatus, gateway_session, now, payment};
use queue::Transaction;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, IntoActiveModel};

use crate::{
    caller::Asked,
    ledger,
    lock::Locked,
    observation::{AtGateway, Observation},
    off_chain,
};

/// Moves the session to a payment of its own, a duplicate of the one that it was begun for. That one is locked and not saved
/// yet.
pub(super) async fn take_apart(
    tx: &mut Transaction,
    session: gateway_session::Model,
    paid: Locked,
    asked: &Asked,
) -> Result<(gateway_session::Model, Locked), DbErr> {
    let paid = paid.payment().clone();
    let now = now();
    let surplus = payment::Model {
        id: PaymentId::new(),
        external_id: format!("{}/surplus/{}", paid.external_id, session.id),
        duplicate_of: Some(paid.id),
        status: PaymentStatus::Pending,
        sequence: 1,
        resends: 0,
        sending_since: None,
        release_requested_at: None,
        return_held_for: None,
        return_held_token: None,
        return_withdrawn_at: None,
        failure_code: None,
        failure_message: None,
        failure_retryable: None,
        created_at: now,
        updated_at: now,
        ..paid
    };
    let id = surplus.id;
    off_chain::insert(tx, surplus, asked).await?;
    let mut surplus = Locked::known(tx, id).await?;
    surplus.observe(Observation::Gateway(AtGateway::Payable), asked);
    let mut row = session.into_active_model();
    (row.payment_id, row.updated_at) = (Set(id), Set(now));
    let session = row.update(&**tx).await?;
    ledger::capture_moved(tx, session.id, id).await?;
    Ok((session, surplus))
}
