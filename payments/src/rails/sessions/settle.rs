//! Writing down what a gateway reports of a session, and what that means for the payment.

use entities::{Amount, GatewaySessionId, GatewaySessionStatus, PaymentStatus, gateway_session, now, payment};
use queue::{NewMessage, Transaction};
use rust_decimal::Decimal;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, prelude::*,
};
use serde_json::{Value, json};

use super::surplus;
use crate::{
    caller::Actor,
    jobs::CheckSession,
    lock::Locked,
    observation::{AtGateway, Observation},
};

/// A payment as its gateway reports it.
#[derive(Clone, Debug)]
pub struct GatewayReport {
    /// The gateway's id; none when nothing was ever requested there.
    pub gateway_id: Option<String>,
    /// The id under which later events name it, where that is another one.
    pub charge_id: Option<String>,
    /// Where the payer agrees.
    pub approve_url: Option<String>,
    /// For the processor's widget.
    pub client_secret: Option<String>,
    /// How far it is.
    pub status: GatewayStatus,
    /// What was taken of the payer.
    pub captured: Decimal,
    /// What went back by refunds.
    pub refunded: Decimal,
    /// What the payer's bank took back.
    pub reversed: Decimal,
}

impl GatewayReport {
    /// Of something that has no money, and of which nothing else is known.
    #[must_use]
    pub const fn without_money(status: GatewayStatus) -> Self {
        Self {
            gateway_id: None,
            charge_id: None,
            approve_url: None,
            client_secret: None,
            status,
            captured: Decimal::ZERO,
            refunded: Decimal::ZERO,
            reversed: Decimal::ZERO,
        }
    }
}

/// How far a payment is at its gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are those of `gateways::State`")]
pub enum GatewayStatus {
    Waiting,
    Approved,
    Captured,
    Failed { code: String, message: String },
    Closed,
}

/// A session whose gateway's report was written down.
pub(crate) struct Settled {
    /// As it is now.
    pub(crate) session: gateway_session::Model,
    /// Whether it belongs to another payment from now on: a surplus of the one that it was begun for.
    pub(crate) apart: bool,
}

/// Writes the report down, gives the lease back, and moves the payment. The same report once more changes nothing.
/// What it means for a seller is the caller's to write.
///
/// # Errors
/// When a statement fails; nothing may then be committed.
pub(crate) async fn settle(
    tx: &mut Transaction,
    id: GatewaySessionId,
    report: GatewayReport,
    actor: Actor,
) -> Result<Option<Settled>, DbErr> {
    let Some(known) = super::find(&**tx, id).await? else { return Ok(None) };
    // The payment first, as everywhere.
    let Some(paid) = Locked::find(tx, known.payment_id).await? else { return Ok(None) };
    let of_session = gateway_session::Entity::find().filter(gateway_session::Column::Id.eq(id)).lock_exclusive();
    let Some(session) = of_session.one(&**tx).await? else { return Ok(None) };
    if session.payment_id != paid.payment().id {
        // It was taken apart from its payment meanwhile: the next attempt finds the right one.
        return Err(DbErr::RecordNotUpdated);
    }
    let others = captured_others(tx, &session, paid.payment(), &report).await?;
    let requested_by = actor.into();
    let apart = is_surplus(&others, &session, paid.payment(), &report);
    let (session, mut locked) = match apart {
        true => surplus::take_apart(tx, session, paid, &requested_by).await?,
        false => (session, paid),
    };
    let mut observed = observations(&session, locked.payment(), &report);
    if !apart && others.iter().any(holds) {
        // What another session holds is the payment's money still, or is still to go back: this one ends nothing.
        observed.retain(|what| !matches!(what, AtGateway::Returned { .. }));
        if locked.payment().status == PaymentStatus::Canceling {
            observed.retain(|what| !matches!(what, AtGateway::Closed { .. } | AtGateway::Failed { .. }));
        }
    }
    let first_capture = session.status != GatewaySessionStatus::Captured;
    let session = write(tx, session, report).await?;
    for what in observed {
        locked.observe(Observation::Gateway(what), &requested_by);
    }
    locked.save(tx).await?;
    if first_capture && session.status == GatewaySessionStatus::Captured {
        close_newer(tx, &session).await?;
    }
    Ok(Some(Settled { session, apart }))
}

/// The payment's other sessions that have captured, where they matter to the report.
async fn captured_others(
    tx: &Transaction,
    session: &gateway_session::Model,
    payment: &payment::Model,
    report: &GatewayReport,
) -> Result<Vec<gateway_session::Model>, DbErr> {
    use gateway_session::Column as C;
    let returned = report.refunded > session.refunded.0;
    let matters = is_first_capture(session, report) || is_given_again(session, report) || returned;
    if !matters && payment.status != PaymentStatus::Canceling {
        return Ok(Vec::new());
    }
    let others = gateway_session::Entity::find().filter(C::PaymentId.eq(session.payment_id));
    others.filter(C::Id.ne(session.id)).filter(C::Status.eq(GatewaySessionStatus::Captured)).all(&**tx).await
}

fn is_first_capture(session: &gateway_session::Model, report: &GatewayReport) -> bool {
    report.status == GatewayStatus::Captured && session.status != GatewaySessionStatus::Captured
}

/// Whether a dispute was won: what the payer's bank had taken back is there again.
fn is_given_again(session: &gateway_session::Model, report: &GatewayReport) -> bool {
    let taken = session.status == GatewaySessionStatus::Captured && session.reversed.0 > Decimal::ZERO;
    taken && report.reversed.is_zero() && report.refunded < report.captured
}

/// Whether some of what the session has captured is still there.
fn holds(session: &gateway_session::Model) -> bool {
    session.captured.0 > session.refunded.0 + session.reversed.0
}

/// Whether the session has the money of a payment that another session has paid. One whose money was taken back by the
/// payer's bank has paid nothing, if the payment waits for a payer again.
fn is_surplus(
    others: &[gateway_session::Model],
    session: &gateway_session::Model,
    payment: &payment::Model,
    report: &GatewayReport,
) -> bool {
    let waits = matches!(payment.status, PaymentStatus::Open | PaymentStatus::Submitted);
    let first = is_first_capture(session, report) && !others.is_empty() && !waits;
    let counts = is_first_capture(session, report) || is_given_again(session, report);
    first || counts && others.iter().any(holds)
}

/// A session that was given up and has the money after all leaves nothing to pay at the one that was begun since.
async fn close_newer(tx: &mut Transaction, session: &gateway_session::Model) -> Result<(), DbErr> {
    let newest = super::newest(&**tx, session.payment_id).await?;
    if let Some(newest) = newest.filter(|newest| newest.id != session.id && is_live(newest.status)) {
        tx.enqueue(vec![NewMessage::of(&CheckSession::new(session.payment_id, newest.id))]).await?;
    }
    Ok(())
}

const fn is_live(status: GatewaySessionStatus) -> bool {
    matches!(status, GatewaySessionStatus::Asked | GatewaySessionStatus::Sent | GatewaySessionStatus::Ready)
}

/// The observations that the report is for the payment. Pure.
fn observations(session: &gateway_session::Model, payment: &payment::Model, report: &GatewayReport) -> Vec<AtGateway> {
    let data = || details(session, report);
    let taken = session.status == GatewaySessionStatus::Captured;
    let mut what = Vec::new();
    let agreed = matches!(report.status, GatewayStatus::Approved | GatewayStatus::Captured);
    if agreed && session.approved_at.is_none() {
        what.push(AtGateway::Approved { data: data() });
    }
    match &report.status {
        GatewayStatus::Captured if !taken => {
            if report.captured == payment.paid_price.0 {
                what.push(AtGateway::Captured { kind: session.kind, data: data() });
            } else {
                what.push(AtGateway::CapturedOtherwise { data: data() });
            }
        }
        GatewayStatus::Failed { code, message } if is_live(session.status) => {
            what.push(AtGateway::Failed { code: code.clone(), message: message.clone(), data: data() });
        }
        GatewayStatus::Closed if is_live(session.status) => what.push(AtGateway::Closed { data: data() }),
        GatewayStatus::Waiting
        | GatewayStatus::Approved
        | GatewayStatus::Captured
        | GatewayStatus::Failed { .. }
        | GatewayStatus::Closed => {}
    }
    if report.reversed > session.reversed.0 {
        what.push(AtGateway::Reversed { data: data() });
    }
    if is_given_again(session, report) && report.captured == payment.paid_price.0 {
        what.push(AtGateway::Captured { kind: session.kind, data: data() });
    }
    let gone = report.captured > Decimal::ZERO && report.refunded + report.reversed >= report.captured;
    let by_refund = report.refunded >= report.captured && report.refunded > session.refunded.0;
    if gone && (by_refund || payment.status == PaymentStatus::Canceling) {
        what.push(AtGateway::Returned { data: data() });
    }
    what
}

fn details(session: &gateway_session::Model, report: &GatewayReport) -> Value {
    let mut data = json!({ "session_id": session.id, "source": session.source, "gateway_id": report.gateway_id });
    for (name, amount) in [("captured", report.captured), ("refunded", report.refunded), ("reversed", report.reversed)]
    {
        if !amount.is_zero() {
            data[name] = json!(amount.to_string());
        }
    }
    data
}

/// The session's status after its gateway has reported this one.
const fn status_after(was: GatewaySessionStatus, status: &GatewayStatus) -> GatewaySessionStatus {
    match status {
        // Money that was taken is not untaken by a gateway that says something else later; reversals are reported as such.
        _ if matches!(was, GatewaySessionStatus::Captured) => GatewaySessionStatus::Captured,
        GatewayStatus::Captured => GatewaySessionStatus::Captured,
        GatewayStatus::Waiting | GatewayStatus::Approved if is_live(was) => GatewaySessionStatus::Ready,
        GatewayStatus::Waiting | GatewayStatus::Approved => was,
        GatewayStatus::Failed { .. } => GatewaySessionStatus::Failed,
        GatewayStatus::Closed => GatewaySessionStatus::Closed,
    }
}

async fn write(
    tx: &Transaction,
    session: gateway_session::Model,
    report: GatewayReport,
) -> Result<gateway_session::Model, DbErr> {
    let status = status_after(session.status, &report.status);
    let agreed = matches!(report.status, GatewayStatus::Approved | GatewayStatus::Captured);
    let approved_at = session.approved_at.or_else(|| agreed.then(now));
    let most = |known: Amount, report: Decimal| Amount(known.0.max(report));
    let (captured, refunded) = (most(session.captured, report.captured), most(session.refunded, report.refunded));
    let looks = session.looks.saturating_add(1);
    let known = session.clone();
    let mut row = session.into_active_model();
    row.status = Set(status);
    row.gateway_id = Set(report.gateway_id.or(known.gateway_id));
    row.charge_id = Set(report.charge_id.or(known.charge_id));
    row.approve_url = Set(report.approve_url.or(known.approve_url));
    row.client_secret = Set(report.client_secret.or(known.client_secret));
    (row.captured, row.refunded, row.reversed) = (Set(captured), Set(refunded), Set(Amount(report.reversed)));
    if let GatewayStatus::Failed { code, message } = report.status {
        (row.failure_code, row.failure_message) = (Set(Some(code)), Set(Some(message)));
    }
    (row.looks, row.leased_until) = (Set(looks), Set(None));
    (row.approved_at, row.updated_at) = (Set(approved_at), Set(now()));
    row.update(&**tx).await
}

#[cfg(test)]
mod tests;
