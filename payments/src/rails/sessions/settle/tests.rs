//! Which observations a gateway's report of a session becomes, and which money is a surplus.

use entities::{GatewaySessionKind, PaymentMethod};
use proptest::{prelude::*, sample::select};

use super::*;
use crate::samples;

fn cents(cents: i64) -> Decimal {
    Decimal::new(cents, 2)
}

/// A payment of ten and a half at a gateway, and its session there.
fn case(payment: PaymentStatus, session: GatewaySessionStatus) -> (payment::Model, gateway_session::Model) {
    let payment = samples::payment(PaymentMethod::CreditCard, payment);
    let session = samples::session(payment.id, session);
    (payment, session)
}

fn holding(captured: i64, refunded: i64, reversed: i64) -> gateway_session::Model {
    let session = samples::session(entities::PaymentId::new(), GatewaySessionStatus::Captured);
    let amount = |of: i64| Amount(cents(of));
    let (captured, refunded, reversed) = (amount(captured), amount(refunded), amount(reversed));
    gateway_session::Model { captured, refunded, reversed, approved_at: Some(now()), ..session }
}

fn with_money(gateway_status: GatewayStatus, captured: i64, refunded: i64, reversed: i64) -> GatewayReport {
    let (captured, refunded, reversed) = (cents(captured), cents(refunded), cents(reversed));
    GatewayReport { captured, refunded, reversed, ..GatewayReport::without_money(gateway_status) }
}

fn failed() -> GatewayStatus {
    GatewayStatus::Failed { code: "declined".to_owned(), message: "no".to_owned() }
}

fn kinds(observed: &[AtGateway]) -> Vec<&'static str> {
    let kind = |what: &AtGateway| match what {
        AtGateway::Payable => "payable",
        AtGateway::Chosen { .. } => "chosen",
        AtGateway::Approved { .. } => "approved",
        AtGateway::Captured { .. } => "captured",
        AtGateway::CapturedOtherwise { .. } => "captured otherwise",
        AtGateway::Failed { .. } => "failed",
        AtGateway::Closed { .. } => "closed",
        AtGateway::Reversed { .. } => "reversed",
        AtGateway::Returned { .. } => "returned",
    };
    observed.iter().map(kind).collect()
}

#[test]
fn a_capture_is_reported_with_the_agreement_that_it_implies() {
    let (payment, session) = case(PaymentStatus::Submitted, GatewaySessionStatus::Ready);
    let reported = |report: GatewayReport| kinds(&observations(&session, &payment, &report)).join(", ");
    assert_eq!(reported(with_money(GatewayStatus::Captured, 1_050, 0, 0)), "approved, captured");
    assert_eq!(reported(with_money(GatewayStatus::Captured, 1_049, 0, 0)), "approved, captured otherwise");
    assert_eq!(reported(GatewayReport::without_money(GatewayStatus::Approved)), "approved");
    assert_eq!(reported(GatewayReport::without_money(GatewayStatus::Waiting)), "");
    assert_eq!(reported(GatewayReport::without_money(failed())), "failed");
    assert_eq!(reported(GatewayReport::without_money(GatewayStatus::Closed)), "closed");
}

#[test]
fn only_a_live_session_ends() {
    for status in GatewaySessionStatus::ALL {
        let (payment, session) = case(PaymentStatus::Submitted, *status);
        for gateway_status in [failed(), GatewayStatus::Closed] {
            let observed = observations(&session, &payment, &GatewayReport::without_money(gateway_status));
            assert_eq!(observed.is_empty(), !is_live(*status), "{status}");
        }
    }
}

#[test]
fn what_goes_back_is_reported_when_all_of_it_has() {
    let session = holding(1_050, 0, 0);
    let reported = |status, report: GatewayReport| {
        let payment = samples::payment(PaymentMethod::CreditCard, status);
        kinds(&observations(&session, &payment, &report)).join(", ")
    };
    let captured = |refunded, reversed| with_money(GatewayStatus::Captured, 1_050, refunded, reversed);
    assert_eq!(reported(PaymentStatus::Completed, captured(1_049, 0)), "");
    assert_eq!(reported(PaymentStatus::Completed, captured(1_050, 0)), "returned");
    assert_eq!(reported(PaymentStatus::Completed, captured(0, 1_050)), "reversed");
    assert_eq!(reported(PaymentStatus::Canceling, captured(50, 1_000)), "reversed, returned");
    assert_eq!(reported(PaymentStatus::Canceling, captured(50, 999)), "reversed");
}

#[test]
fn a_dispute_that_was_won_brings_the_money_again() {
    let payment = samples::payment(PaymentMethod::CreditCard, PaymentStatus::NeedsReview);
    let disputed = holding(1_050, 0, 1_050);
    let again = with_money(GatewayStatus::Captured, 1_050, 0, 0);
    assert_eq!(kinds(&observations(&disputed, &payment, &again)), ["captured"]);
    let still = with_money(GatewayStatus::Captured, 1_050, 0, 1_050);
    assert!(observations(&disputed, &payment, &still).is_empty());
    let refunded = with_money(GatewayStatus::Captured, 1_050, 1_050, 0);
    assert!(!is_given_again(&disputed, &refunded), "what was refunded is not there again");
    assert!(!is_given_again(&holding(1_050, 0, 0), &again), "nothing was taken back");
}

#[test]
fn money_beside_another_sessions_is_a_surplus() {
    let capture = with_money(GatewayStatus::Captured, 1_050, 0, 0);
    let is_surplus = |others: &[gateway_session::Model], status| {
        let (payment, session) = case(status, GatewaySessionStatus::Ready);
        super::is_surplus(others, &session, &payment, &capture)
    };
    let (holds, empty) = (holding(1_050, 0, 0), holding(1_050, 50, 1_000));
    for status in PaymentStatus::ALL {
        assert!(!is_surplus(&[], *status), "{status}: nobody else has paid");
        assert!(is_surplus(&[empty.clone(), holds.clone()], *status), "{status}: another one holds the money");
        let waits = matches!(status, PaymentStatus::Open | PaymentStatus::Submitted);
        assert_eq!(is_surplus(std::slice::from_ref(&empty), *status), !waits, "{status}: the bank has it back");
    }
    let (payment, session) = case(PaymentStatus::Paid, GatewaySessionStatus::Captured);
    let known = super::is_surplus(&[holds], &session, &payment, &capture);
    assert!(!known, "what was captured before is reported already");
}

fn gateway_statuses() -> impl Strategy<Value = GatewayStatus> {
    select(vec![
        GatewayStatus::Waiting,
        GatewayStatus::Approved,
        GatewayStatus::Captured,
        failed(),
        GatewayStatus::Closed,
    ])
}

proptest! {
    /// What a gateway says once more, and what it says later of money that it has taken, ends or begins nothing.
    #[test]
    fn money_that_was_taken_is_not_untaken(
        status in select(PaymentStatus::ALL), gateway_status in gateway_statuses(), intent: bool, amount in 1_i64..2_000
    ) {
        let payment = samples::payment(PaymentMethod::CreditCard, status);
        let kind = if intent { GatewaySessionKind::Intent } else { GatewaySessionKind::Checkout };
        let session = gateway_session::Model { kind, ..holding(amount, 0, 0) };
        let observed = observations(&session, &payment, &with_money(gateway_status.clone(), amount, 0, 0));
        prop_assert!(observed.is_empty(), "{gateway_status:?}: {observed:?}");
        prop_assert_eq!(status_after(session.status, &gateway_status), GatewaySessionStatus::Captured);
    }

    #[test]
    fn a_session_that_has_ended_is_live_never_again(
        was in select(GatewaySessionStatus::ALL), gateway_status in gateway_statuses()
    ) {
        let now = status_after(was, &gateway_status);
        prop_assert!(is_live(was) || !is_live(now), "{was} became {now}");
        prop_assert!(now != GatewaySessionStatus::Asked || was == GatewaySessionStatus::Asked);
    }

    #[test]
    fn a_session_holds_what_has_not_gone_back(
        captured in 0_i64..20, refunded in 0_i64..10, reversed in 0_i64..10
    ) {
        prop_assert_eq!(holds(&holding(captured, refunded, reversed)), captured - refunded - reversed > 0);
    }
}
