//! Payments at gateways: at most one live session of a payment at a time, whose id is the gateway's idempotency key.
//!
//! A process that speaks with a gateway holds the session's lease. Before it requests anything there, the session says
//! `sent`: who finds it so looks the payment up at the gateway before requesting it again.

mod settle;
mod surplus;

pub use settle::{GatewayReport, GatewayStatus};
pub(crate) use settle::{Settled, settle};

use chrono::TimeDelta;
use entities::{
    Amount, GatewaySessionId, GatewaySessionKind, GatewaySessionStatus, PaymentId, PaymentMethod, PaymentStatus,
    checkout, gateway_callback, gateway_session, now, payment,
};
use queue::{Database, NewMessage, Payload as _, Transaction, dead_letters::set_aside, insert_unless_there};
use sea_orm::{
    ActiveValue::Set, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, prelude::*,
};
use serde_json::json;

use crate::{
    caller::RequestedBy,
    jobs::{CheckSession, OpenSession},
    lock::Locked,
    observation::{AtGateway, Observation, with_context},
};

/// A payment that is to be opened at a gateway.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The payment.
    pub payment_id: PaymentId,
    /// The gateway's three letters.
    pub source: String,
    /// How the payer will pay there.
    pub kind: GatewaySessionKind,
    /// What the payment is from now on.
    pub payment_method: PaymentMethod,
    /// The seller's account at the processor.
    pub account: Option<String>,
    /// What the platform keeps.
    pub fee: Option<Amount>,
    /// Who has requested it, and in which request.
    pub requested_by: RequestedBy,
}

/// Why no session was begun. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The payment is not waiting for a payer.
    #[error("a payment that is {0} cannot be paid at a gateway")]
    NotPayable(PaymentStatus),
    /// Its time is over.
    #[error("the time to pay is over")]
    Late,
    /// It is live at a gateway already.
    #[error("the payment is open at a gateway already")]
    Live(Box<gateway_session::Model>),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// The live ones. Word by word the condition of an index.
const LIVE: &str = "status IN ('asked', 'sent', 'ready')";

/// Writes the session down and sends the message that opens it. The payment's row is the lock: of several at once one
/// begins.
///
/// # Errors
/// [`SessionError`]; an intent that is requested again is [`SessionError::Live`] with the one there is.
pub async fn begin(tx: &mut Transaction, new: NewSession) -> Result<gateway_session::Model, SessionError> {
    let mut locked = Locked::known(tx, new.payment_id).await?;
    let payment = locked.payment();
    let live = of_payment(new.payment_id).filter(Expr::cust(LIVE)).one(&**tx).await?;
    if let Some(live) = live {
        return Err(SessionError::Live(Box::new(live)));
    }
    if payment.status != PaymentStatus::Open {
        return Err(SessionError::NotPayable(payment.status));
    }
    if payment.expires_at <= now() {
        return Err(SessionError::Late);
    }
    let session = row(&new);
    gateway_session::Entity::insert(session.clone().into_active_model()).exec_without_returning(&**tx).await?;
    checkout::Entity::update_many()
        .col_expr(checkout::Column::Source, Expr::value(&new.source))
        .filter(checkout::Column::PaymentId.eq(new.payment_id))
        .exec(&**tx)
        .await?;
    let data = json!({ "session_id": session.id, "source": session.source });
    locked.set_method(new.payment_method);
    locked.observe(Observation::Gateway(AtGateway::Chosen { kind: new.kind, data }), &new.requested_by);
    let payment = locked.save(tx).await?;
    let open = NewMessage::of(&OpenSession::new(session.id, session.payment_id));
    tx.enqueue(vec![with_context(open, &payment, new.requested_by.request_id.as_deref())]).await?;
    Ok(session)
}

fn row(new: &NewSession) -> gateway_session::Model {
    let (now, nothing) = (now(), Amount(rust_decimal::Decimal::ZERO));
    gateway_session::Model {
        id: GatewaySessionId::new(),
        payment_id: new.payment_id,
        source: new.source.clone(),
        kind: new.kind,
        status: GatewaySessionStatus::Asked,
        gateway_id: None,
        charge_id: None,
        approve_url: None,
        client_secret: None,
        account: new.account.clone(),
        fee: new.fee,
        captured: nothing,
        refunded: nothing,
        reversed: nothing,
        failure_code: None,
        failure_message: None,
        looks: 0,
        follower: None,
        leased_until: None,
        approved_at: None,
        created_at: now,
        updated_at: now,
    }
}

fn of_payment(id: PaymentId) -> Select<gateway_session::Entity> {
    gateway_session::Entity::find()
        .filter(gateway_session::Column::PaymentId.eq(id))
        .order_by_desc(gateway_session::Column::Id)
}

/// The payment's session that is live, or the newest that was.
///
/// # Errors
/// When the database does not answer.
pub async fn newest<C: ConnectionTrait>(db: &C, id: PaymentId) -> Result<Option<gateway_session::Model>, DbErr> {
    of_payment(id).one(db).await
}

/// The session.
///
/// # Errors
/// When the database does not answer.
pub async fn find<C: ConnectionTrait>(db: &C, id: GatewaySessionId) -> Result<Option<gateway_session::Model>, DbErr> {
    gateway_session::Entity::find().filter(gateway_session::Column::Id.eq(id)).one(db).await
}

/// Has live sessions polled that nobody has polled for so long, and captured ones whose money should be on its way
/// back, longest first, and returns how many those are.
///
/// # Errors
/// When the database does not answer.
pub async fn take_up(tx: &mut Transaction, patience: TimeDelta, most: u64) -> Result<usize, DbErr> {
    use gateway_session::Column as C;
    let aside = set_aside(&[OpenSession::TYPE], "gateway_sessions.id", "gateway_sessions.updated_at");
    let forgotten = gateway_session::Entity::find()
        .filter(Expr::cust(LIVE))
        .filter(C::UpdatedAt.lt(now() - patience))
        .filter(Expr::cust(format!("NOT {aside}")))
        .order_by_asc(C::UpdatedAt)
        .limit(most)
        .lock_exclusive()
        .all(&**tx)
        .await?;
    let open = forgotten.iter().map(|session| NewMessage::of(&OpenSession::new(session.id, session.payment_id)));
    tx.enqueue(open.collect()).await?;
    // Each is marked, so that it is not taken up again at once, and no message polls it until the new one comes.
    gateway_session::Entity::update_many()
        .col_expr(C::UpdatedAt, Expr::value(now()))
        .col_expr(C::Follower, Expr::value(Option::<Uuid>::None))
        .filter(C::Id.is_in(forgotten.iter().map(|session| session.id)))
        .exec(&**tx)
        .await?;
    Ok(forgotten.len() + take_up_going_back(tx, patience, most).await?)
}

/// What somebody has decided to give back: no message polls it but the one that gives it back.
async fn take_up_going_back(tx: &mut Transaction, patience: TimeDelta, most: u64) -> Result<usize, DbErr> {
    use gateway_session::Column as C;
    // The condition of the index on what the safety net looks through.
    let canceling = "gateway_sessions.payment_id IN (SELECT id FROM payments WHERE status = 'canceling')";
    let forgotten = gateway_session::Entity::find()
        .filter(C::Status.eq(GatewaySessionStatus::Captured))
        .filter(C::Account.is_null())
        .filter(C::UpdatedAt.lt(now() - patience))
        .filter(Expr::cust(canceling))
        .order_by_asc(C::UpdatedAt)
        .limit(most)
        .lock_exclusive()
        .all(&**tx)
        .await?;
    let check = forgotten.iter().map(|session| NewMessage::of(&CheckSession::new(session.payment_id, session.id)));
    tx.enqueue(check.collect()).await?;
    gateway_session::Entity::update_many()
        .col_expr(C::UpdatedAt, Expr::value(now()))
        .filter(C::Id.is_in(forgotten.iter().map(|session| session.id)))
        .exec(&**tx)
        .await?;
    Ok(forgotten.len())
}

/// Makes the message the one that polls the session, its `follower`, unless another one is: one that has polled it since
/// `patience` ago. Whether it is this one now.
///
/// # Errors
/// When the database does not answer.
pub async fn claim_polling(
    db: &Database,
    id: GatewaySessionId,
    message_id: Uuid,
    patience: TimeDelta,
) -> Result<bool, DbErr> {
    use gateway_session::Column as C;
    let free = Condition::any()
        .add(C::Follower.is_null())
        .add(C::Follower.eq(message_id))
        .add(C::UpdatedAt.lt(now() - patience));
    let taken = gateway_session::Entity::update_many()
        .col_expr(C::Follower, Expr::value(message_id))
        .filter(C::Id.eq(id))
        .filter(free)
        .exec(&**db)
        .await?;
    Ok(taken.rows_affected > 0)
}

/// A session in one process's hands.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// As it is now; one that was never requested says `sent` from here on.
    pub session: gateway_session::Model,
    /// What it said before.
    pub was: GatewaySessionStatus,
    /// Its payment.
    pub payment: payment::Model,
}

/// Takes the session's lease; none when another process has it, or there is no such session. With `send`, one that was
/// never requested is marked as sent.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(
    db: &Database,
    id: GatewaySessionId,
    lease: TimeDelta,
    send: impl FnOnce(&payment::Model) -> bool,
) -> Result<Option<Claimed>, DbErr> {
    use gateway_session::Column as C;
    let tx = db.begin().await?;
    let free = Condition::any().add(C::LeasedUntil.is_null()).add(C::LeasedUntil.lt(now()));
    let found = gateway_session::Entity::find().filter(C::Id.eq(id)).filter(free).lock_exclusive().one(&*tx).await?;
    let Some(mut session) = found else { return Ok(None) };
    let payment = payment::Entity::find().filter(payment::Column::Id.eq(session.payment_id)).one(&*tx).await?;
    let Some(payment) = payment else { return Ok(None) };
    let was = session.status;
    if was == GatewaySessionStatus::Asked && send(&payment) {
        session.status = GatewaySessionStatus::Sent;
    }
    session.leased_until = Some(now() + lease);
    gateway_session::Entity::update_many()
        .col_expr(C::Status, Expr::value(session.status))
        .col_expr(C::LeasedUntil, Expr::value(session.leased_until))
        .filter(C::Id.eq(id))
        .exec(&*tx)
        .await?;
    tx.commit().await?;
    Ok(Some(Claimed { session, was, payment }))
}

/// Gives the lease back. With `not_requested`, nothing has happened at the gateway for certain.
///
/// # Errors
/// When the database does not answer; the lease then ends by itself.
pub async fn release(db: &Database, claimed: &Claimed, not_requested: bool) -> Result<(), DbErr> {
    use gateway_session::Column as C;
    let mut update = gateway_session::Entity::update_many()
        .col_expr(C::LeasedUntil, Expr::value(Option::<DateTimeUtc>::None))
        .col_expr(C::UpdatedAt, Expr::value(now()))
        .filter(C::Id.eq(claimed.session.id))
        .filter(C::LeasedUntil.eq(claimed.session.leased_until));
    if not_requested {
        update = update.col_expr(C::Status, Expr::value(GatewaySessionStatus::Asked));
        update = update.filter(C::Status.eq(GatewaySessionStatus::Sent));
    }
    update.exec(&**db).await.map(drop)
}

/// A callback of a gateway that is the gateway's own.
#[derive(Clone, Debug)]
pub struct Callback {
    /// The gateway's three letters.
    pub source: String,
    /// The gateway's id of the event.
    pub event_id: Option<String>,
    /// Our id, where the gateway names it.
    pub reference: Option<Uuid>,
    /// The gateway's own, where it names that.
    pub gateway_id: Option<String>,
    /// Whether that is what the gateway finds the payment by: some name it in callbacks alone, when an answer is lost.
    pub finds_by_id: bool,
}

/// Has the session that a callback is about polled. A callback that was received before, or is about nothing that is
/// known here, changes nothing.
///
/// # Errors
/// When the database does not answer.
pub async fn receive_callback(tx: &mut Transaction, callback: Callback) -> Result<(), DbErr> {
    use gateway_session::Column as C;
    if let Some(event_id) = callback.event_id
        && !first_time(tx, &callback.source, event_id).await?
    {
        return Ok(());
    }
    let found = of_callback(&**tx, &callback.source, callback.reference, callback.gateway_id.as_deref()).await?;
    if let Some(session) = found {
        if callback.finds_by_id && session.gateway_id.is_none() {
            gateway_session::Entity::update_many()
                .col_expr(C::GatewayId, Expr::value(callback.gateway_id))
                .filter(C::Id.eq(session.id))
                .filter(C::GatewayId.is_null())
                .exec(&**tx)
                .await?;
        }
        tx.enqueue(vec![NewMessage::of(&CheckSession::new(session.payment_id, session.id))]).await?;
    }
    fail::fail_point!("callback.received");
    Ok(())
}

/// Whether a callback, if it were the gateway's own, would have a session polled: it was not received before, and is
/// about a payment that is here.
///
/// # Errors
/// When the database does not answer.
pub async fn has_news<C: ConnectionTrait>(
    db: &C,
    source: &str,
    event_id: Option<&str>,
    reference: Option<Uuid>,
    gateway_id: Option<&str>,
) -> Result<bool, DbErr> {
    use gateway_callback::Column as C;
    if let Some(event_id) = event_id {
        let received = gateway_callback::Entity::find().filter(C::Source.eq(source)).filter(C::EventId.eq(event_id));
        if received.one(db).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(of_callback(db, source, reference, gateway_id).await?.is_some())
}

/// The session that a callback names.
async fn of_callback<C: ConnectionTrait>(
    db: &C,
    source: &str,
    reference: Option<Uuid>,
    gateway_id: Option<&str>,
) -> Result<Option<gateway_session::Model>, DbErr> {
    use gateway_session::Column as C;
    let mut ids = Condition::any().add_option(reference.map(|id| C::Id.eq(GatewaySessionId(id))));
    if let Some(gateway_id) = gateway_id {
        ids = ids.add(C::GatewayId.eq(gateway_id)).add(C::ChargeId.eq(gateway_id));
    }
    if ids.is_empty() {
        return Ok(None);
    }
    gateway_session::Entity::find().filter(C::Source.eq(source)).filter(ids).one(db).await
}

/// Whether a gateway's event was not received before.
///
/// # Errors
/// When the database does not answer.
pub async fn first_time(tx: &Transaction, source: &str, event_id: String) -> Result<bool, DbErr> {
    use gateway_callback::Column as C;
    let row = gateway_callback::ActiveModel {
        source: Set(source.to_owned()),
        event_id: Set(event_id),
        created_at: Set(now()),
    };
    insert_unless_there(&**tx, row, [C::Source, C::EventId]).await
}
