//! What an order's status is for any combination of its payments' states.

use entities::PaymentMethod;
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};

use super::*;
use crate::samples;

/// An order, which of its payments has settled it, and all of them.
type Case = (order::Model, Option<PaymentId>, Vec<Rail>);

/// Only a payment that keeps its claim is named as the one that has settled the debt.
fn cases() -> impl Strategy<Value = Case> {
    let statuses = vec(select(PaymentStatus::ALL), 0..5);
    (statuses, option::of(any::<Index>()), option::of(any::<Index>())).prop_map(|(statuses, payer, bank)| {
        let rails: Vec<Rail> = statuses.into_iter().map(|status| Rail { id: PaymentId::new(), status }).collect();
        let one = |index: Option<Index>, rails: &[Rail]| index.filter(|_| !rails.is_empty()).map(|at| *at.get(rails));
        let keeps = |rail: &Rail| claim(rail.status) != Claim::GivesUp;
        let paid_by = one(payer, &rails).filter(keeps).map(|rail| rail.id);
        let payment_id = one(bank, &rails).map(|rail| rail.id);
        (order::Model { paid_by, payment_id, ..samples::order() }, paid_by, rails)
    })
}

fn status_of(rails: &[Rail], id: Option<PaymentId>) -> Option<PaymentStatus> {
    rails.iter().find(|rail| Some(rail.id) == id).map(|rail| rail.status)
}

proptest! {
    #[test]
    fn whatever_its_other_payments_do_a_paid_order_is_paid((order, paid_by, rails) in cases(), refunding: bool) {
        let derived = derive(&order, paid_by, &rails, refunding);
        let has_money = matches!(status_of(&rails, paid_by), Some(PaymentStatus::Paid | PaymentStatus::Completed));
        let paid = if refunding { OrderStatus::RefundPending } else { OrderStatus::Confirmed };
        prop_assert_eq!(derived == OrderStatus::Confirmed, has_money && !refunding);
        prop_assert!(!has_money || derived == paid, "{:?}", derived);
    }

    #[test]
    fn an_order_takes_payments_exactly_while_its_status_says_so((order, paid_by, rails) in cases(), refunding: bool) {
        let derived = derive(&order, paid_by, &rails, refunding);
        let open = matches!(derived, OrderStatus::Pending | OrderStatus::Reported | OrderStatus::Rejected);
        prop_assert_eq!(closed(&order, &rails).is_none(), open, "{:?}", derived);
    }

    #[test]
    fn what_needs_a_review_is_hidden_by_money_alone((order, paid_by, rails) in cases(), refunding: bool) {
        let in_review = rails.iter().any(|rail| rail.status == PaymentStatus::NeedsReview);
        let derived = derive(&order, paid_by, &rails, refunding);
        let shown = matches!(
            derived,
            OrderStatus::UnderReview | OrderStatus::Confirmed | OrderStatus::RefundPending
        );
        prop_assert!(!in_review || shown, "{:?}", derived);
        prop_assert!(in_review || derived != OrderStatus::UnderReview);
    }

    #[test]
    fn the_order_of_its_payments_says_nothing((order, paid_by, mut rails) in cases(), refunding: bool) {
        let derived = derive(&order, paid_by, &rails, refunding);
        let reason = closed(&order, &rails);
        rails.reverse();
        prop_assert_eq!(derive(&order, paid_by, &rails, refunding), derived);
        prop_assert_eq!(closed(&order, &rails), reason);
    }

    /// Three payments of one order come into any states, one after the other, each in a transaction of its own.
    #[test]
    fn the_first_money_settles_the_debt_until_it_is_gone(
        moves in vec((0_usize..3, select(PaymentStatus::ALL)), 1..40)
    ) {
        let mut order = samples::order();
        let pending = || samples::payment(PaymentMethod::CreditCard, PaymentStatus::Pending);
        let mut payments: Vec<_> =
            (0..3).map(|_| payment::Model { order_id: Some(order.id), ..pending() }).collect();
        for (index, status) in moves {
            let before = order.paid_by;
            let mut debts = Debts(BTreeMap::from([(order.id, Debt { paid_by: before, order: order.clone() })]));
            payments[index].status = status;
            debts.apply_status(&payments[index]);
            let newly = debts.newly_settled();
            let rails: Vec<Rail> =
                payments.iter().map(|payment| Rail { id: payment.id, status: payment.status }).collect();
            order.paid_by = debts.0[&order.id].paid_by.or_else(|| heir(&rails));
            let settles = rails.iter().any(|rail| claim(rail.status) == Claim::Settles);
            prop_assert!(!settles || order.paid_by.is_some(), "money that settles nothing");
            let payer = status_of(&rails, order.paid_by);
            prop_assert!(payer.is_none_or(|status| claim(status) != Claim::GivesUp), "settled without money");
            let kept = status_of(&rails, before).is_some_and(|status| claim(status) != Claim::GivesUp);
            prop_assert!(!kept || (order.paid_by == before && newly.is_empty()), "the first money was put aside");
            for payment in &payments {
                let other = order.paid_by.filter(|by| *by != payment.id);
                let debts = Debts(BTreeMap::from([(
                    order.id,
                    Debt { paid_by: order.paid_by, order: order.clone() },
                )]));
                prop_assert_eq!(debts.settled_by(payment), other);
            }
        }
    }
}

#[test]
fn a_bank_payment_shows_how_far_its_receipt_is_as_long_as_nobody_has_paid() {
    for (status, derived) in [
        (PaymentStatus::Pending, OrderStatus::Pending),
        (PaymentStatus::Open, OrderStatus::Pending),
        (PaymentStatus::Submitted, OrderStatus::Reported),
        (PaymentStatus::Rejected, OrderStatus::Rejected),
        (PaymentStatus::Failed, OrderStatus::Rejected),
        (PaymentStatus::Canceled, OrderStatus::Pending),
        (PaymentStatus::Expired, OrderStatus::Pending),
        (PaymentStatus::NeedsReview, OrderStatus::UnderReview),
    ] {
        let rail = Rail { id: PaymentId::new(), status };
        let order = order::Model { payment_id: Some(rail.id), ..samples::order() };
        assert_eq!(derive(&order, None, &[rail], false), derived, "{status}");
        let by_card = Rail { id: PaymentId::new(), status: PaymentStatus::Paid };
        let paid = derive(&order, Some(by_card.id), &[rail, by_card], false);
        assert_eq!(paid, OrderStatus::Confirmed, "{status} beside a card that is paid");
    }
}

#[test]
fn money_on_its_way_back_and_money_that_is_back_are_distinguished() {
    for (status, derived, reason) in [
        (PaymentStatus::Canceling, OrderStatus::RefundPending, Closed::Refunded),
        (PaymentStatus::Refunded, OrderStatus::Refunded, Closed::Refunded),
        (PaymentStatus::NeedsReview, OrderStatus::UnderReview, Closed::UnderReview),
        (PaymentStatus::Paid, OrderStatus::Confirmed, Closed::Paid),
        (PaymentStatus::Completed, OrderStatus::Confirmed, Closed::Paid),
    ] {
        let rail = Rail { id: PaymentId::new(), status };
        let order = order::Model { paid_by: Some(rail.id), ..samples::order() };
        assert_eq!(derive(&order, order.paid_by, &[rail], false), derived, "{status}");
        assert_eq!(closed(&order, &[rail]), Some(reason), "{status}");
    }
}

#[test]
fn a_shops_own_status_stays_as_long_as_the_money_does() {
    for derived in OrderStatus::ALL {
        let stays = matches!(derived, OrderStatus::Confirmed | OrderStatus::RefundPending);
        let wanted = if stays { "SHIPPED" } else { derived.word() };
        assert_eq!(word("SHIPPED", *derived), wanted);
        for ours in OrderStatus::ALL {
            assert_eq!(word(ours.word(), *derived), derived.word());
            assert_eq!(Fulfilment::of(ours.word()), None);
        }
    }
    assert_eq!(Fulfilment::of("SHIPPED").map(|fulfilment| fulfilment.to_string()).as_deref(), Some("SHIPPED"));
}

#[test]
fn a_payment_without_an_order_is_settled_by_the_one_that_it_repeats() {
    let mut alone = samples::payment(PaymentMethod::Web3, PaymentStatus::Open);
    let mut debts = Debts::default();
    assert_eq!(debts.settled_by(&alone), None);
    alone.duplicate_of = Some(PaymentId::new());
    assert_eq!(debts.settled_by(&alone), alone.duplicate_of);
    debts.apply_status(&alone);
    assert!(debts.newly_settled().is_empty());
}
