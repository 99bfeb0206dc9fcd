//! What payments need that nobody has to put on a rail: they are open in the transaction that accepts them.

use std::collections::HashMap;

use entities::{PaymentId, PaymentMethod, payment};
use queue::Transaction;
use sea_orm::{DbErr, EntityTrait, QueryFilter, prelude::*};

use super::{Accepted, NewPayment};
use crate::{
    caller::Caller,
    checkout,
    observation::{AtGateway, Observation},
    orders,
    record::{Observed, record},
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
    let opened: Vec<Observed> = accepted
        .iter()
        .filter_map(|(index, accepted)| {
            Some(Observed {
                payment_id: accepted.payment.id,
                what: opening(accepted.payment.payment_method)?,
                asked: requests[*index].0.asks(requests[*index].1.request_id.clone()),
            })
        })
        .collect();
    if opened.is_empty() {
        return Ok(());
    }
    let ids: Vec<PaymentId> = opened.iter().map(|observed| observed.payment_id).collect();
    record(tx, opened).await?;
    let stored = payment::Entity::find().filter(payment::Column::Id.is_in(ids)).all(&**tx).await?;
    let mut stored: HashMap<PaymentId, payment::Model> = stored.into_iter().map(|row| (row.id, row)).collect();
    let mut by_card = Vec::new();
    for (_, accepted) in accepted.iter_mut() {
        let Some(row) = stored.remove(&accepted.payment.id) else { continue };
        accepted.payment = row;
        if accepted.payment.payment_method == PaymentMethod::BankTransfer {
            orders::of_payment(tx, &mut accepted.payment).await?;
        } else {
            by_card.push(&accepted.payment);
        }
    }
    checkout::of_payments(tx, &by_card).await
}
