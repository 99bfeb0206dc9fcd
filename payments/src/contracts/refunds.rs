//! Refunds of card payments. What may be given back is guarded by the capture's own row: an `UPDATE` with the sum in its
//! condition, and a check behind it. Locks are taken in the order payment, capture, balance.

use entities::{
    GatewaySessionId, PaymentId, PaymentStatus, RefundId, RefundStatus, capture, now, order, payment, refund,
};
use queue::{NewMessage, Transaction};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, prelude::*,
};
use serde_json::{Value, json};

use crate::{
    caller::{Actor, Caller, RequestedBy},
    jobs::SendRefund,
    ledger::{Entry, Guard, Kind, LedgerError, Posting, post, postings},
    lock::Locked,
    observation::{Observation, RefundUpdate},
    orders,
    record::observe,
    request_error::{Conflict, RequestError},
    sellers::part,
};

/// A refund that somebody requests.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are the contract's, `marketplace.md`")]
pub struct NewRefund {
    /// The order's number.
    pub order_id: i64,
    /// In the currency's smallest unit; what is left, if none is named.
    pub amount: Option<i64>,
    pub reason: Option<String>,
    pub request_id: Option<String>,
}

/// What the gateway has made of a refund so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum RefundOutcome {
    /// It is there, and not decided yet.
    Pending { gateway_id: String },
    /// The money is on its way back to the payer.
    Succeeded { gateway_id: String },
    /// It is definitely not given back.
    Failed { code: String, message: String },
}

/// Writes a refund down: reserves it, takes it off the seller's balance, and has it requested of the gateway.
///
/// # Errors
/// [`RequestError::Conflict`] when the order is not paid, or not that much of it is left.
pub async fn request(tx: &mut Transaction, caller: &Caller, new: NewRefund) -> Result<refund::Model, RequestError> {
    let order = orders::find_within_reach(&**tx, caller, order::Column::Number.eq(new.order_id)).await?;
    let not_paid = || RequestError::from(Conflict::NotByCard);
    let locked = Locked::known(tx, order.card_payment_id.ok_or_else(not_paid)?).await?;
    let capture = of_payment(&**tx, locked.payment().id).await?.ok_or_else(not_paid)?;
    match locked.payment().status {
        PaymentStatus::Paid | PaymentStatus::Completed => {}
        PaymentStatus::Refunded => return Err(Conflict::Refunded.into()),
        other => return Err(Conflict::Card(other).into()),
    }
    take_down(tx, &order, capture, new.amount, new.reason, caller.in_request(new.request_id)).await
}

/// Gives back all that is left of what the payment's sessions have captured for a seller: an operator has decided so.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn give_back(
    tx: &mut Transaction,
    payment: &payment::Model,
    reason: &str,
    by: &RequestedBy,
) -> Result<(), DbErr> {
    let Some(capture) = of_payment(&**tx, payment.id).await? else { return Ok(()) };
    let order = order_of(tx, payment).await?;
    match take_down(tx, &order, capture, None, Some(reason.to_owned()), by.clone()).await {
        Ok(_) | Err(RequestError::Conflict(_)) => Ok(()),
        Err(RequestError::Database(error)) => Err(error),
        Err(other) => Err(DbErr::Custom(other.to_string())),
    }
}

/// Whether anything of what was captured of the payment for a seller was not given back yet.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn is_anything_left(tx: &Transaction, id: PaymentId) -> Result<bool, DbErr> {
    let capture = of_payment(&**tx, id).await?;
    Ok(capture.is_some_and(|capture| capture.captured > capture.refund_reserved + capture.reversed))
}

async fn take_down(
    tx: &mut Transaction,
    order: &order::Model,
    capture: capture::Model,
    amount: Option<i64>,
    reason: Option<String>,
    by: RequestedBy,
) -> Result<refund::Model, RequestError> {
    let left = capture.captured - capture.refund_reserved - capture.reversed;
    let amount = amount.unwrap_or(left);
    if amount <= 0 || !reserve(tx, capture.session_id, amount).await? {
        return Err(Conflict::Left(left.clamp(0, i64::MAX)).into());
    }
    let (capture, fee) = reserve_fee(tx, capture.session_id, amount).await?;
    let now = now();
    let refund = refund::Model {
        id: RefundId::new(),
        payment_id: capture.payment_id,
        session_id: capture.session_id,
        amount,
        fee,
        reason,
        status: RefundStatus::Asked,
        gateway_id: None,
        failure_code: None,
        failure_message: None,
        looks: 0,
        created_at: now,
        updated_at: now,
    };
    refund::Entity::insert(refund.clone().into_active_model()).exec_without_returning(&**tx).await?;
    entered(tx, &capture, Kind::RefundAsked, &refund, &postings::refund_requested(amount, fee)).await?;
    let what = Observation::Refund(RefundUpdate::Created { data: event_data(order, &capture, &refund) });
    observe(tx, capture.payment_id, what, &by).await?;
    tx.enqueue(vec![message(&refund, &capture)]).await?;
    Ok(refund)
}

/// The message that has the refund requested of the gateway.
fn message(refund: &refund::Model, capture: &capture::Model) -> NewMessage {
    NewMessage::of(&SendRefund::new(refund.id, capture.payment_id)).header("node_id", capture.node_id.to_string())
}

/// Locks the refund and marks it as sent; as it was before. None when there is no such refund, or it has an end.
///
/// # Errors
/// When the database refuses.
pub async fn hand_over(tx: &Transaction, id: RefundId) -> Result<Option<refund::Model>, DbErr> {
    let Some(refund) = find_locked(tx, id).await? else { return Ok(None) };
    match refund.status {
        RefundStatus::Asked | RefundStatus::Sent => {
            // Also when it is tried again, so that the safety net sees that somebody is at it.
            let mut row = refund.clone().into_active_model();
            (row.status, row.updated_at) = (Set(RefundStatus::Sent), Set(now()));
            row.update(&**tx).await?;
            Ok(Some(refund))
        }
        RefundStatus::Succeeded | RefundStatus::Failed => Ok(None),
    }
}

/// Writes the outcome of a refund that was sent; whether it came to its end with this.
///
/// # Errors
/// When the database refuses.
pub async fn settle(tx: &mut Transaction, id: RefundId, outcome: RefundOutcome, actor: &Actor) -> Result<bool, DbErr> {
    let Some(refund) = find_locked(tx, id).await?.filter(|refund| refund.status == RefundStatus::Sent) else {
        return Ok(false);
    };
    let mut row = refund.clone().into_active_model();
    row.updated_at = Set(now());
    row.looks = Set(refund.looks.saturating_add(1));
    match outcome {
        RefundOutcome::Pending { gateway_id } => {
            row.gateway_id = Set(Some(gateway_id));
            row.update(&**tx).await?;
            return Ok(false);
        }
        RefundOutcome::Succeeded { gateway_id } => {
            row.gateway_id = Set(Some(gateway_id));
            row.status = Set(RefundStatus::Succeeded);
        }
        RefundOutcome::Failed { code, message } => {
            (row.failure_code, row.failure_message) = (Set(Some(code)), Set(Some(message)));
            row.status = Set(RefundStatus::Failed);
        }
    }
    let refund = row.update(&**tx).await?;
    let mut locked = Locked::known(tx, refund.payment_id).await?;
    let succeeded = refund.status == RefundStatus::Succeeded;
    let capture = release(tx, &refund, succeeded).await?;
    let order = order_of(tx, locked.payment()).await?;
    let data = event_data(&order, &capture, &refund);
    let update = if succeeded {
        let all = !holds(&capture) && !another_holds(tx, &capture).await?;
        entered(tx, &capture, Kind::RefundSucceeded, &refund, &postings::refund_succeeded(refund.amount)).await?;
        RefundUpdate::Succeeded { data, all }
    } else {
        let postings = postings::refund_failed(refund.amount, refund.fee);
        entered(tx, &capture, Kind::RefundFailed, &refund, &postings).await?;
        RefundUpdate::Failed { data }
    };
    locked.observe(Observation::Refund(update), &actor.clone().into());
    locked.save(tx).await?;
    Ok(true)
}

/// The guard: however many requests there are at once, what is reserved never exceeds what was captured and not taken back.
async fn reserve(tx: &Transaction, session_id: GatewaySessionId, amount: i64) -> Result<bool, DbErr> {
    use capture::Column as C;
    // Both sides are kept small, so that no sum can overflow.
    let left = Expr::col(C::Captured).sub(Expr::col(C::RefundReserved)).sub(Expr::col(C::Reversed));
    let reserved = capture::Entity::update_many()
        .col_expr(C::RefundReserved, Expr::col(C::RefundReserved).add(amount))
        .col_expr(C::UpdatedAt, Expr::value(now()))
        .filter(C::SessionId.eq(session_id))
        .filter(left.gte(amount))
        .exec(&**tx)
        .await?;
    Ok(reserved.rows_affected == 1)
}

/// Reserves the platform's part of what was just reserved.
async fn reserve_fee(
    tx: &Transaction,
    session_id: GatewaySessionId,
    amount: i64,
) -> Result<(capture::Model, i64), DbErr> {
    use capture::Column as C;
    let capture = find_capture(tx, session_id).await?;
    let fee = fee_of(&capture, amount);
    if fee > 0 {
        capture::Entity::update_many()
            .col_expr(C::FeeReserved, Expr::col(C::FeeReserved).add(fee))
            .filter(C::SessionId.eq(session_id))
            .exec(&**tx)
            .await?;
    }
    Ok((capture, fee))
}

/// The platform's part of what was just reserved, in proportion: of all that is reserved, less what is reserved already, so
/// that no cent is lost by rounding.
fn fee_of(capture: &capture::Model, amount: i64) -> i64 {
    (part(capture.fee, capture.refund_reserved, capture.captured) - capture.fee_reserved).clamp(0, amount)
}

/// Counts the refund as done, or gives back what it had reserved.
async fn release(tx: &Transaction, refund: &refund::Model, succeeded: bool) -> Result<capture::Model, DbErr> {
    use capture::Column as C;
    let row = capture::Entity::update_many()
        .col_expr(C::UpdatedAt, Expr::value(now()))
        .filter(C::SessionId.eq(refund.session_id));
    let row = if succeeded {
        row.col_expr(C::Refunded, Expr::col(C::Refunded).add(refund.amount))
    } else {
        row.col_expr(C::RefundReserved, Expr::col(C::RefundReserved).sub(refund.amount))
            .col_expr(C::FeeReserved, Expr::col(C::FeeReserved).sub(refund.fee))
    };
    row.exec(&**tx).await?;
    find_capture(tx, refund.session_id).await
}

async fn entered(
    tx: &Transaction,
    capture: &capture::Model,
    kind: Kind,
    refund: &refund::Model,
    postings: &[Posting],
) -> Result<(), DbErr> {
    let (subject, node_id, currency) = (refund.id.to_string(), capture.node_id, capture.currency.as_str());
    let entry = Entry { kind, subject, node_id, currency, postings, guard: Guard::None };
    match post(tx, entry).await {
        Ok(true) => Ok(()),
        Err(LedgerError::Database(error)) => Err(error),
        Ok(false) | Err(LedgerError::NotCovered) => Err(DbErr::RecordNotUpdated),
    }
}

fn event_data(order: &order::Model, capture: &capture::Model, refund: &refund::Model) -> Value {
    let mut data = json!({
        "refund_id": refund.id,
        "order_id": order.number,
        "order_number": order.order_number,
        "amount_cents": refund.amount,
        "platform_fee_cents": refund.fee,
        "currency": capture.currency,
        "reason": refund.reason,
    });
    if let Some(code) = &refund.failure_code {
        data["code"] = json!(code);
        data["message"] = json!(refund.failure_message);
    }
    data
}

async fn of_payment<C: ConnectionTrait>(db: &C, id: PaymentId) -> Result<Option<capture::Model>, DbErr> {
    let of_payment = capture::Entity::find().filter(capture::Column::PaymentId.eq(id));
    of_payment.order_by_desc(capture::Column::SessionId).one(db).await
}

/// Whether some of what was captured is still there.
const fn holds(capture: &capture::Model) -> bool {
    capture.captured > capture.refunded + capture.reversed
}

/// The same of the payment's other sessions: what comes back of one ends nothing that another has paid.
async fn another_holds(tx: &Transaction, capture: &capture::Model) -> Result<bool, DbErr> {
    let of_payment = capture::Entity::find().filter(capture::Column::PaymentId.eq(capture.payment_id));
    let others = of_payment.filter(capture::Column::SessionId.ne(capture.session_id)).all(&**tx).await?;
    Ok(others.iter().any(holds))
}

async fn find_capture(tx: &Transaction, id: GatewaySessionId) -> Result<capture::Model, DbErr> {
    let capture = capture::Entity::find().filter(capture::Column::SessionId.eq(id)).one(&**tx).await?;
    capture.ok_or_else(|| DbErr::RecordNotFound(format!("the capture of session {id}")))
}

async fn find_locked(tx: &Transaction, id: RefundId) -> Result<Option<refund::Model>, DbErr> {
    refund::Entity::find().filter(refund::Column::Id.eq(id)).lock_exclusive().one(&**tx).await
}

async fn order_of(tx: &Transaction, payment: &payment::Model) -> Result<order::Model, DbErr> {
    let missing = || DbErr::RecordNotFound(format!("the order of payment {}", payment.id));
    let id = payment.order_id.ok_or_else(missing)?;
    order::Entity::find().filter(order::Column::Id.eq(id)).one(&**tx).await?.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::samples;

    proptest! {
        /// However a sale is given back, its payer gets all of it and the platform keeps nothing.
        #[test]
        fn a_fee_goes_back_with_the_refunds_to_the_last_cent(
            captured in 1_i64..1_000_000, per_mille in 0_i64..=1_000, parts in vec(1_i64..1_000_000, 0..12)
        ) {
            let mut capture = samples::capture(captured, part(captured, per_mille, 1_000));
            for amount in parts.into_iter().chain([captured]) {
                let left = capture.captured - capture.refund_reserved;
                let amount = Ord::min(amount, left);
                capture.refund_reserved += amount;
                let fee = fee_of(&capture, amount);
                prop_assert!((0..=amount).contains(&fee), "{fee} of {amount}");
                capture.fee_reserved += fee;
                prop_assert!(capture.fee_reserved <= capture.fee);
            }
            prop_assert_eq!((capture.refund_reserved, capture.fee_reserved), (capture.captured, capture.fee));
        }

        #[test]
        fn refunds_that_fail_meanwhile_take_no_more_than_the_fee(
            captured in 1_i64..100_000, per_mille in 0_i64..=1_000, steps in vec((1_i64..50_000, any::<bool>()), 1..20)
        ) {
            let mut capture = samples::capture(captured, part(captured, per_mille, 1_000));
            let mut refunds: Vec<(i64, i64)> = Vec::new();
            for (amount, fails) in steps {
                if fails && let Some((amount, fee)) = refunds.pop() {
                    capture.refund_reserved -= amount;
                    capture.fee_reserved -= fee;
                } else {
                    let amount = Ord::min(amount, capture.captured - capture.refund_reserved);
                    capture.refund_reserved += amount;
                    let fee = fee_of(&capture, amount);
                    capture.fee_reserved += fee;
                    refunds.push((amount, fee));
                }
                prop_assert!((0..=capture.fee).contains(&capture.fee_reserved));
                prop_assert!(capture.fee_reserved <= capture.refund_reserved);
            }
        }

        #[test]
        fn a_capture_holds_what_neither_payer_nor_bank_has(
            captured in 0_i64..20, refunded in 0_i64..10, reversed in 0_i64..10
        ) {
            let capture = capture::Model { refunded, reversed, ..samples::capture(captured, 0) };
            prop_assert_eq!(holds(&capture), captured - refunded - reversed > 0);
        }
    }
}
