//! What payments need that nobody has to put on a rail: they are open in the transaction that accepts them.

use std::collections::{BTreeSet, HashMap};

use entities::{PaymentId, PaymentMethod, payment};
use queue::Transaction;
use sea_orm::DbErr;

use super::{Accepted, NewPayment};
use crate::{
    caller::Caller,
    checkout,
    lock::lock_subjects,
    observation::{AtGateway, Observation},
    orders,
    record::save,
};

/// What makes a payment by this method open at once.
const fn opening(method: PaymentMethod) -> Option<Observation> {
    match method {
        PaymentMethod::BankTransfer => Some(Observation::TransferAccepted),
        PaymentMethod::CreditCard => Some(Observation::Gateway(AtGateway::Payable)),
        PaymentMethod::Web3
        | PaymentMethod::Cash
        | PaymentMethod::DebitCard
        | PaymentMethod::Lightning
        | PaymentMethod::MobileMoney => None,
    }
}

/// A bank transfer gets an order that its payer names in receipts, a card payment a checkout on whose page its payer
/// chooses a gateway.
pub(super) async fn open_at_once(
    tx: &mut Transaction,
    requests: &[(Caller, NewPayment)],
    accepted: &mut [(usize, Accepted)],
) -> Result<(), DbErr> {
    let ids = accepted.iter().map(|(_, accepted)| &accepted.payment);
    let ids = ids.filter(|payment| opening(payment.payment_method).is_some()).map(|payment| payment.id);
    let ids: BTreeSet<PaymentId> = ids.collect();
    if ids.is_empty() {
        return Ok(());
    }
    let (mut debts, mut subjects) = lock_subjects(tx, ids).await?;
    for (index, accepted) in accepted.iter() {
        let Some(subject) = subjects.get_mut(&accepted.payment.id) else { continue };
        let Some(what) = opening(subject.payment.payment_method) else { continue };
        if subject.payment.payment_method == PaymentMethod::BankTransfer {
            subject.payment.order_id = Some(orders::of_payment(tx, &subject.payment).await?);
        }
        let (caller, new) = &requests[*index];
        debts.apply(subject, what, &caller.asks(new.request_id.clone()));
    }
    let saved = save(tx, debts, subjects, Vec::new()).await?;
    let mut saved: HashMap<PaymentId, payment::Model> = saved.into_iter().map(|row| (row.id, row)).collect();
    let mut by_card = Vec::new();
    for (_, accepted) in accepted.iter_mut() {
        let Some(row) = saved.remove(&accepted.payment.id) else { continue };
        accepted.payment = row;
        if accepted.payment.payment_method != PaymentMethod::BankTransfer {
            by_card.push(&accepted.payment);
        }
    }
    checkout::of_payments(tx, &by_card).await
}
