//! What payments need that nobody has to put on a rail: they are open in the transaction that accepts them.

use std::collections::{BTreeSet, HashMap};

use entities::{PaymentId, payment};
use queue::Transaction;
use sea_orm::DbErr;

use super::{Accepted, NewPayment};
use crate::{caller::Caller, checkout, lock::lock_subjects, method::Capabilities, orders, record::save};

/// A bank transfer gets an order that its payer names in receipts, a card payment a checkout on whose page its payer
/// chooses a gateway.
pub(super) async fn open_at_once(
    tx: &mut Transaction,
    requests: &[(Caller, NewPayment)],
    accepted: &mut [(usize, Accepted)],
) -> Result<(), DbErr> {
    let ids = accepted.iter().map(|(_, accepted)| &accepted.payment);
    let ids =
        ids.filter(|payment| Capabilities::of(payment.payment_method).opened_by.is_some()).map(|payment| payment.id);
    let ids: BTreeSet<PaymentId> = ids.collect();
    if ids.is_empty() {
        return Ok(());
    }
    let (mut debts, mut subjects) = lock_subjects(tx, ids).await?;
    for (index, accepted) in accepted.iter() {
        let Some(subject) = subjects.get_mut(&accepted.payment.id) else { continue };
        let rail = Capabilities::of(subject.payment.payment_method);
        let Some(what) = rail.opened_by else { continue };
        if rail.reported {
            subject.payment.order_id = Some(orders::of_payment(tx, &subject.payment).await?);
        }
        let (caller, new) = &requests[*index];
        debts.apply(subject, what, &caller.in_request(new.request_id.clone()));
    }
    let saved = save(tx, debts, subjects, Vec::new()).await?;
    let mut saved: HashMap<PaymentId, payment::Model> = saved.into_iter().map(|row| (row.id, row)).collect();
    let mut by_card = Vec::new();
    for (_, accepted) in accepted.iter_mut() {
        let Some(row) = saved.remove(&accepted.payment.id) else { continue };
        accepted.payment = row;
        if !Capabilities::of(accepted.payment.payment_method).reported {
            by_card.push(&accepted.payment);
        }
    }
    checkout::of_payments(tx, &by_card).await
}
