//! A payment that was paid at two of its sessions. The second one's money becomes a payment of its own, so that it is never
//! counted with the first one's and can be given back by itself.

use entities::{PaymentId, PaymentStatus, gateway_session, now, payment};
use queue::Transaction;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, IntoActiveModel};

use crate::{
    caller::Actor,
    observation::{AtGateway, Observation},
    off_chain,
    record::{Observed, record},
};

/// Moves the session to a payment of its own, a duplicate of the one that it was begun for.
pub(super) async fn take_apart(
    tx: &mut Transaction,
    session: gateway_session::Model,
    paid: payment::Model,
    actor: &Actor,
) -> Result<(gateway_session::Model, payment::Model), DbErr> {
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
    off_chain::insert(tx, surplus, &actor.clone().into()).await?;
    let payable = Observation::Gateway(AtGateway::Payable);
    record(tx, vec![Observed::new(id, payable, actor.clone())]).await?;
    let mut row = session.into_active_model();
    (row.payment_id, row.updated_at) = (Set(id), Set(now));
    let session = row.update(&**tx).await?;
    let surplus = crate::lock::lock_payment(tx, id).await?;
    Ok((session, surplus.ok_or_else(|| DbErr::RecordNotFound(format!("payment {id}")))?))
}
