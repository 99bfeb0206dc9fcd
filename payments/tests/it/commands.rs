//! What callers may ask of a payment.

use entities::{PaymentId, PaymentMethod, PaymentStatus, now, payment};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Acceptor, Denied, NewPayment, Observation,
    commands::{CommandError, cancel, release, retry_send},
};
use sea_orm::{EntityTrait, prelude::*};
use serde_json::json;

use super::{accepted, accepted_by, debts::world::World, ledger::seller::Shop, messages, observe, read, transitions};

fn started() -> Observation {
    Observation::SendingStarted { diamond_address: "0xd".to_owned() }
}

fn opened() -> Observation {
    Observation::DealOpened { deal_id: "7".to_owned(), transaction_hash: Some("0xa".to_owned()) }
}

on_both!(a_payment_that_was_not_handed_over_is_canceled_at_once, async |database: TestDatabase| {
    let (merchant, payment) = accepted(&database).await;
    for _ in 0..2 {
        cancel(&database.db, &merchant.caller(), payment.id, Some("request")).await.unwrap();
    }
    assert_eq!(transitions(&database.db, payment.id).await, ["payment.created", "payment.canceled"]);
    assert_eq!(messages(&database.db, payment.id).await, ["open_deal"], "the chain is not asked for anything");
    assert_eq!(observe(&database.db, payment.id, started()).await, payments::Outcome::Noted);
});

on_both!(an_open_payment_is_canceled_on_chain_once, async |database: TestDatabase| {
    let (merchant, payment) = accepted(&database).await;
    observe(&database.db, payment.id, started()).await;
    observe(&database.db, payment.id, opened()).await;
    for _ in 0..2 {
        cancel(&database.db, &merchant.caller(), payment.id, None).await.unwrap();
    }
    assert_eq!(read(&database.db, payment.id).await.status, PaymentStatus::Canceling);
    assert_eq!(messages(&database.db, payment.id).await, ["open_deal", "expire_payment", "cancel_deal"]);
});

on_both!(a_cancel_while_the_deal_is_on_its_way_waits_for_it, async |database: TestDatabase| {
    let (merchant, payment) = accepted(&database).await;
    observe(&database.db, payment.id, started()).await;
    cancel(&database.db, &merchant.caller(), payment.id, None).await.unwrap();
    observe(&database.db, payment.id, opened()).await;
    let stored = read(&database.db, payment.id).await;
    assert_eq!((stored.status, stored.deal_id.as_deref()), (PaymentStatus::Canceling, Some("7")));
    assert_eq!(messages(&database.db, payment.id).await, ["open_deal", "cancel_deal", "cancel_deal"]);
});

on_both!(a_deal_that_opened_although_its_sending_had_failed_is_closed_by_a_cancel, async |database: TestDatabase| {
    let (merchant, payment) = accepted(&database).await;
    let failed = Observation::SendFailed { code: "x".into(), message: "y".into(), retryable: true };
    for observation in [started(), failed, opened()] {
        observe(&database.db, payment.id, observation).await;
    }
    assert_eq!(read(&database.db, payment.id).await.sending_since, None, "a resend was to come");
    cancel(&database.db, &merchant.caller(), payment.id, None).await.unwrap();
    assert_eq!(read(&database.db, payment.id).await.status, PaymentStatus::Canceling, "there is a deal to be closed");
});

on_both!(what_has_ended_cannot_be_canceled, async |database: TestDatabase| {
    let (merchant, payment) = accepted(&database).await;
    let failed = Observation::SendFailed { code: "x".into(), message: "y".into(), retryable: false };
    observe(&database.db, payment.id, failed).await;
    let refused = cancel(&database.db, &merchant.caller(), payment.id, None).await;
    assert!(matches!(refused, Err(CommandError::Conflict(PaymentStatus::Failed, _))), "{refused:?}");
});

on_both!(another_merchant_is_refused_as_out_of_reach, async |database: TestDatabase| {
    let (_, payment) = accepted(&database).await;
    let other = Merchant::insert(&database.db, 2).await.caller();
    let refused = cancel(&database.db, &other, payment.id, None).await;
    assert!(matches!(refused, Err(CommandError::Denied(Denied::OutOfReach))), "{refused:?}");
    let unknown = cancel(&database.db, &other, PaymentId::new(), None).await;
    assert!(matches!(unknown, Err(CommandError::Denied(Denied::NotFound))), "{unknown:?}");
});

on_both!(a_card_payment_is_canceled_without_a_chain, async |database: TestDatabase| {
    let merchant = Merchant::insert(&database.db, 1).await;
    let new = NewPayment { payment_method: PaymentMethod::CreditCard, ..merchant.payment("card") };
    let payment = Acceptor::start(database.db.clone()).accept(&merchant.caller(), new).await.unwrap().payment;
    cancel(&database.db, &merchant.caller(), payment.id, None).await.unwrap();
    assert_eq!(read(&database.db, payment.id).await.status, PaymentStatus::Canceled);
    // It was open at once, so that its expiry is due some time, and nothing else.
    assert_eq!(messages(&database.db, payment.id).await, ["expire_payment"]);
});

on_both!(only_what_is_paid_is_released_and_requested_once, async |database: TestDatabase| {
    let (merchant, payment) = accepted(&database).await;
    observe(&database.db, payment.id, started()).await;
    observe(&database.db, payment.id, opened()).await;
    let refused = release(&database.db, &merchant.caller(), payment.id, None).await;
    assert!(matches!(refused, Err(CommandError::Conflict(PaymentStatus::Open, _))), "{refused:?}");
    observe(&database.db, payment.id, Observation::DepositFinal { data: json!({}) }).await;
    for _ in 0..2 {
        release(&database.db, &merchant.caller(), payment.id, None).await.unwrap();
    }
    let sent = messages(&database.db, payment.id).await;
    assert_eq!(sent.iter().filter(|kind| *kind == "release_deal").count(), 1);
});

on_both!(a_failed_payment_is_sent_again_and_an_open_one_is_not, async |database: TestDatabase| {
    let (merchant, payment) = accepted(&database).await;
    retry_send(&database.db, &merchant.caller(), payment.id, None).await.unwrap();
    let failed = Observation::SendFailed { code: "x".into(), message: "y".into(), retryable: false };
    observe(&database.db, payment.id, failed).await;
    let again = retry_send(&database.db, &merchant.caller(), payment.id, None).await.unwrap();
    assert_eq!((again.status, again.failure_code), (PaymentStatus::Pending, None));
    observe(&database.db, payment.id, started()).await;
    observe(&database.db, payment.id, opened()).await;
    let refused = retry_send(&database.db, &merchant.caller(), payment.id, None).await;
    assert!(matches!(refused, Err(CommandError::NotEligible)), "{refused:?}");
});

on_both!(only_a_deal_that_no_chain_has_is_sent_again_and_in_time, async |database: TestDatabase| {
    use payment::Column as C;
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let none = Expr::value(Option::<String>::None);
    for (name, column, value, eligible) in [
        ("as it is", C::DealId, none.clone(), true),
        ("a deal", C::DealId, Expr::value("7"), false),
        ("late", C::ExpiresAt, Expr::value(now()), false),
        ("a card", C::PaymentMethod, Expr::value(PaymentMethod::CreditCard), false),
        ("open", C::Status, Expr::value(PaymentStatus::Open), false),
        ("in review", C::Status, Expr::value(PaymentStatus::NeedsReview), false),
    ] {
        for status in [PaymentStatus::Pending, PaymentStatus::Failed] {
            let id = accepted_by(db, &merchant, &format!("{name} {status}")).await.id;
            let set =
                |column: C, value: Expr| payment::Entity::update_many().col_expr(column, value).filter(C::Id.eq(id));
            set(C::Status, Expr::value(status)).exec(&**db).await.unwrap();
            set(column, value.clone()).exec(&**db).await.unwrap();
            let before = (read(db, id).await, messages(db, id).await);
            let sent = retry_send(db, &merchant.caller(), id, None).await;
            if eligible {
                assert_eq!((sent.unwrap().status, messages(db, id).await.len()), (PaymentStatus::Pending, 2), "{name}");
                continue;
            }
            assert!(matches!(sent, Err(CommandError::NotEligible)), "{name} {status}: {sent:?}");
            assert_eq!((read(db, id).await, messages(db, id).await), before, "{name} {status}: nothing was written");
        }
    }
});

on_both!(what_another_rail_has_paid_is_not_sent_again, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let db = &database.db;
    let world = World::of(&shop, &Acceptor::start(db.clone()), "one").await;
    let failed = Observation::SendFailed { code: "x".into(), message: "y".into(), retryable: false };
    observe(db, world.deal, failed).await;
    observe(db, world.checkout, Observation::DepositFinal { data: json!({}) }).await;
    let refused = retry_send(db, &shop.merchant.caller(), world.deal, None).await;
    assert!(matches!(refused, Err(CommandError::NotEligible)), "{refused:?}");
    assert_eq!(read(db, world.deal).await.status, PaymentStatus::Failed);
});
