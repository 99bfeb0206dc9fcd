//! What gateways tell of sellers' money: what was captured, and what payers' banks took back.

use entities::{
    Amount, GatewaySessionId, GatewaySessionStatus, PaymentId, capture, currency, gateway_session, now, payment, refund,
};
use queue::{Transaction, insert_unless_there};
use sea_orm::{DbErr, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QuerySelect, prelude::*};

use super::{Entry, Guard, Kind, LedgerError, Posting, post, postings};
use crate::{
    caller::Actor,
    money,
    sessions::{self, GatewayReport, Settled},
};

/// Writes down what a gateway reports of a session ([`sessions`]), and posts what of it is a seller's; the session as
/// it is then. Seeing the same once more changes nothing.
///
/// # Errors
/// When a statement fails; nothing may then be committed.
pub async fn settle(
    tx: &mut Transaction,
    id: GatewaySessionId,
    report: GatewayReport,
    actor: Actor,
) -> Result<Option<gateway_session::Model>, DbErr> {
    let Some(Settled { session, apart }) = sessions::settle(tx, id, report, actor).await? else { return Ok(None) };
    if apart {
        capture_moved(tx, session.id, session.payment_id).await?;
    }
    if session.status == GatewaySessionStatus::Captured {
        capture_posted(tx, &session, session.captured).await?;
        reversal_posted(tx, &session, session.reversed).await?;
    }
    Ok(Some(session))
}

/// Posts what a session has captured for a seller, once; sessions without a seller's account have nothing to post. To be
/// called after the payment was recorded, whose lock comes first.
///
/// # Errors
/// When the database refuses, or the amount is none of its currency.
pub async fn capture_posted(
    tx: &Transaction,
    session: &gateway_session::Model,
    captured: Amount,
) -> Result<bool, DbErr> {
    if session.account.is_none() || captured.0.is_zero() {
        return Ok(false);
    }
    let (payment, currency) = money_of(tx, session).await?;
    let decimals = u32::try_from(currency.decimals).unwrap_or(0);
    let captured = money::minor(captured.0, decimals)?;
    let fee = session.fee.map_or(Ok(0), |fee| money::minor(fee.0, decimals))?.clamp(0, captured);
    let now = now();
    let row = capture::Model {
        session_id: session.id,
        payment_id: payment.id,
        node_id: payment.node_id,
        currency: currency.symbol,
        captured,
        fee,
        fee_reserved: 0,
        refund_reserved: 0,
        refunded: 0,
        reversed: 0,
        reversals: 0,
        created_at: now,
        updated_at: now,
    };
    if !insert_unless_there(&**tx, row.clone().into_active_model(), [capture::Column::SessionId]).await? {
        return Ok(false);
    }
    entered(tx, &row, Kind::Capture, session.id.to_string(), &postings::captured(captured, fee)).await
}

/// Has what a session captured, if anything, and its refunds belong to the payment that the session belongs to now.
async fn capture_moved(tx: &Transaction, session_id: GatewaySessionId, to: PaymentId) -> Result<(), DbErr> {
    let captures = capture::Entity::update_many().col_expr(capture::Column::PaymentId, Expr::value(to));
    captures.filter(capture::Column::SessionId.eq(session_id)).exec(&**tx).await?;
    let refunds = refund::Entity::update_many().col_expr(refund::Column::PaymentId, Expr::value(to));
    refunds.filter(refund::Column::SessionId.eq(session_id)).exec(&**tx).await.map(drop)
}

/// Posts what the payer's bank has taken back by now, of which a part may be posted already. What it gives again goes back
/// to the seller. The same total posts nothing.
///
/// # Errors
/// When the database refuses, or the amount is none of its currency.
pub async fn reversal_posted(
    tx: &Transaction,
    session: &gateway_session::Model,
    total_reversed: Amount,
) -> Result<bool, DbErr> {
    use capture::Column as C;
    let of_session = || C::SessionId.eq(session.id);
    let Some(capture) = capture::Entity::find().filter(of_session()).lock_exclusive().one(&**tx).await? else {
        return Ok(false);
    };
    let (_, currency) = money_of(tx, session).await?;
    let total = money::minor(total_reversed.0, u32::try_from(currency.decimals).unwrap_or(0))?;
    if total == capture.reversed {
        return Ok(false);
    }
    capture::Entity::update_many()
        .col_expr(C::Reversed, Expr::value(total))
        .col_expr(C::Reversals, Expr::col(C::Reversals).add(1))
        .col_expr(C::UpdatedAt, Expr::value(now()))
        .filter(of_session())
        .exec(&**tx)
        .await?;
    let more = total - capture.reversed;
    let subject = format!("{}/{}", session.id, capture.reversals + 1);
    entered(tx, &capture, Kind::Reversal, subject, &postings::reversed(more)).await
}

async fn entered(
    tx: &Transaction,
    capture: &capture::Model,
    kind: Kind,
    subject: String,
    postings: &[Posting],
) -> Result<bool, DbErr> {
    let (node_id, currency) = (capture.node_id, capture.currency.as_str());
    let entry = Entry { kind, subject, node_id, currency, postings, guard: Guard::None };
    match post(tx, entry).await {
        Ok(first) => Ok(first),
        Err(LedgerError::Database(error)) => Err(error),
        Err(LedgerError::NotCovered) => Err(DbErr::RecordNotUpdated),
    }
}

async fn money_of(
    tx: &Transaction,
    session: &gateway_session::Model,
) -> Result<(payment::Model, currency::Model), DbErr> {
    let payment = payment::Entity::find().filter(payment::Column::Id.eq(session.payment_id)).one(&**tx).await?;
    let payment = payment.ok_or_else(|| DbErr::RecordNotFound(format!("payment {}", session.payment_id)))?;
    let currency = currency::Entity::find().filter(currency::Column::Id.eq(payment.currency_id)).one(&**tx).await?;
    let currency = currency.ok_or_else(|| DbErr::RecordNotFound(format!("currency {}", payment.currency_id)))?;
    Ok((payment, currency))
}
