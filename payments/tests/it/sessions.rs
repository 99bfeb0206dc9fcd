//! Payments at gateways: one live session at a time, and one process at a time that speaks with the gateway about it.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    GatewaySessionId, GatewaySessionKind, GatewaySessionStatus, PaymentId, PaymentMethod, PaymentStatus, checkout,
    gateway_session, now, payment,
};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Acceptor, Actor, NewPayment,
    jobs::{CheckSession, OpenSession},
    sessions::{self, Callback, Claimed, GatewayReport, GatewayStatus, NewSession, SessionError},
};
use queue::Database;
use rust_decimal::Decimal;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};

use super::{
    read,
    rows::{clear_outbox, discard, sent},
};

/// A card payment that waits for its payer to choose a gateway.
async fn payable(db: &Database, merchant: &Merchant, name: &str) -> PaymentId {
    let new = NewPayment { payment_method: PaymentMethod::CreditCard, ..merchant.payment(name) };
    Acceptor::start(db.clone()).accept(&merchant.caller(), new).await.unwrap().payment.id
}

async fn begin(db: &Database, payment_id: PaymentId, source: &str) -> Result<gateway_session::Model, SessionError> {
    let new = NewSession {
        payment_id,
        source: source.to_owned(),
        kind: GatewaySessionKind::Checkout,
        payment_method: PaymentMethod::MobileMoney,
        account: None,
        fee: None,
        requested_by: Actor::payer().into(),
    };
    let mut tx = db.begin().await.unwrap();
    let session = sessions::begin(&mut tx, new).await?;
    tx.commit().await.unwrap();
    Ok(session)
}

/// A session of a new payment.
async fn begun(database: &TestDatabase) -> gateway_session::Model {
    let merchant = Merchant::insert(&database.db, 1).await;
    let payment = payable(&database.db, &merchant, "one").await;
    begin(&database.db, payment, "MVO").await.unwrap()
}

async fn settle(db: &Database, id: GatewaySessionId, report: GatewayReport) -> gateway_session::Model {
    let mut tx = db.begin().await.unwrap();
    let session = payments::ledger::settle(&mut tx, id, report, Actor::worker("test")).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    session
}

async fn stored(db: &Database, id: GatewaySessionId) -> gateway_session::Model {
    sessions::find(&**db, id).await.unwrap().unwrap()
}

async fn set(db: &Database, id: GatewaySessionId, column: gateway_session::Column, value: impl Into<sea_orm::Value>) {
    let update = gateway_session::Entity::update_many().col_expr(column, Expr::value(value));
    update.filter(gateway_session::Column::Id.eq(id)).exec(&**db).await.unwrap();
}

on_both!(a_payment_is_opened_at_one_gateway_at_a_time, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let id = payable(db, &merchant, "one").await;
    let first = begin(db, id, "MVO").await.unwrap();
    assert_eq!((first.status, first.source.as_str()), (GatewaySessionStatus::Asked, "MVO"));
    let chosen = read(db, id).await;
    assert_eq!((chosen.status, chosen.payment_method), (PaymentStatus::Submitted, PaymentMethod::MobileMoney));
    assert!(chosen.sending_since.is_some(), "a cancel has to ask the gateway from now on");
    let checkout = checkout::Entity::find_by_id(id).one(&**db).await.unwrap().unwrap();
    assert_eq!(checkout.source.as_deref(), Some("MVO"));
    assert_eq!(sent::<OpenSession>(db).await, [OpenSession::new(first.id, id)]);
    match begin(db, id, "STR").await {
        Err(SessionError::Live(live)) => assert_eq!(live.id, first.id, "whoever asks again gets the one there is"),
        other => panic!("{other:?}"),
    }
    settle(db, first.id, GatewayReport::without_money(GatewayStatus::Closed)).await;
    let second = begin(db, id, "STR").await.unwrap();
    assert_eq!(sessions::newest(&**db, id).await.unwrap().unwrap().id, second.id);
    assert_eq!(sent::<OpenSession>(db).await.len(), 2);
});

on_both!(only_what_waits_for_a_payer_in_time_is_opened, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let id = payable(db, &merchant, "one").await;
    let late = payment::Entity::update_many().col_expr(payment::Column::ExpiresAt, Expr::value(now()));
    late.exec(&**db).await.unwrap();
    assert!(matches!(begin(db, id, "MVO").await, Err(SessionError::Late)));
    payments::commands::cancel(db, &merchant.caller(), id, None).await.unwrap();
    let ended = begin(db, id, "MVO").await;
    assert!(matches!(ended, Err(SessionError::NotPayable(PaymentStatus::Canceled))), "{ended:?}");
    assert_eq!(sessions::newest(&**db, id).await.unwrap(), None, "nothing was written");
    assert!(sent::<OpenSession>(db).await.is_empty());
});

const LEASE: TimeDelta = TimeDelta::minutes(1);

async fn claim(db: &Database, id: GatewaySessionId, send: bool) -> Option<Claimed> {
    sessions::claim(db, id, LEASE, |_| send).await.unwrap()
}

on_both!(a_lease_is_one_processes_until_it_ends, async |database: TestDatabase| {
    let (db, session) = (&database.db, begun(&database).await);
    let first = claim(db, session.id, true).await.unwrap();
    assert_eq!((first.was, first.session.status), (GatewaySessionStatus::Asked, GatewaySessionStatus::Sent));
    assert_eq!(first.payment.id, session.payment_id);
    assert_eq!(
        stored(db, session.id).await.status,
        GatewaySessionStatus::Sent,
        "it says so before anything is requested"
    );
    assert!(claim(db, session.id, true).await.is_none());
    set(db, session.id, gateway_session::Column::LeasedUntil, now() - TimeDelta::seconds(1)).await;
    let second = claim(db, session.id, true).await.unwrap();
    assert_eq!(second.was, GatewaySessionStatus::Sent, "it may have been requested: it is looked up first");
    sessions::release(db, &first, true).await.unwrap();
    let kept = stored(db, session.id).await;
    assert_eq!((kept.status, kept.leased_until), (GatewaySessionStatus::Sent, second.session.leased_until));
    sessions::release(db, &second, false).await.unwrap();
    assert!(claim(db, session.id, true).await.is_some());
    assert!(claim(db, GatewaySessionId::new(), true).await.is_none());
});

on_both!(only_what_was_certainly_not_requested_is_requested_anew, async |database: TestDatabase| {
    let (db, session) = (&database.db, begun(&database).await);
    let unsent = claim(db, session.id, false).await.unwrap();
    assert_eq!(unsent.session.status, GatewaySessionStatus::Asked);
    sessions::release(db, &unsent, false).await.unwrap();
    let sending = claim(db, session.id, true).await.unwrap();
    sessions::release(db, &sending, true).await.unwrap();
    let released = stored(db, session.id).await;
    assert_eq!((released.status, released.leased_until), (GatewaySessionStatus::Asked, None));
    let ready = settle(db, session.id, GatewayReport::without_money(GatewayStatus::Waiting)).await;
    assert_eq!(ready.status, GatewaySessionStatus::Ready);
    let again = claim(db, session.id, true).await.unwrap();
    assert_eq!((again.was, again.session.status), (GatewaySessionStatus::Ready, GatewaySessionStatus::Ready));
    sessions::release(db, &again, true).await.unwrap();
    assert_eq!(stored(db, session.id).await.status, GatewaySessionStatus::Ready, "the gateway has it");
});

on_both!(one_message_polls_a_session_unless_that_one_is_silent, async |database: TestDatabase| {
    let (db, session) = (&database.db, begun(&database).await);
    let (one, other, patience) = (Uuid::now_v7(), Uuid::now_v7(), TimeDelta::minutes(5));
    let claim_polling = async |message| sessions::claim_polling(db, session.id, message, patience).await.unwrap();
    assert!(claim_polling(one).await && claim_polling(one).await, "a message that comes again goes on");
    assert!(!claim_polling(other).await);
    set(db, session.id, gateway_session::Column::UpdatedAt, now() - TimeDelta::minutes(6)).await;
    assert!(claim_polling(other).await);
    assert_eq!(stored(db, session.id).await.follower, Some(other));
});

/// Takes up what nobody has polled for five minutes, and returns how many those are.
async fn take_up(db: &Database, most: u64) -> usize {
    let mut tx = db.begin().await.unwrap();
    let taken = sessions::take_up(&mut tx, TimeDelta::minutes(5), most).await.unwrap();
    tx.commit().await.unwrap();
    taken
}

fn long_ago() -> DateTime<Utc> {
    now() - TimeDelta::minutes(6)
}

on_both!(a_session_that_nobody_polls_is_taken_up_once, async |database: TestDatabase| {
    use gateway_session::Column as C;
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let mut forgotten = Vec::new();
    for name in ["one", "two", "three", "recent", "ended"] {
        let payment = payable(db, &merchant, name).await;
        forgotten.push(begin(db, payment, "MVO").await.unwrap());
    }
    settle(db, forgotten[4].id, GatewayReport::without_money(GatewayStatus::Closed)).await;
    for (index, session) in forgotten.iter().enumerate().filter(|(index, _)| *index != 3) {
        set(db, session.id, C::UpdatedAt, long_ago() - TimeDelta::seconds(i64::try_from(index).unwrap())).await;
        set(db, session.id, C::Follower, Uuid::now_v7()).await;
    }
    discard::<OpenSession>(db, forgotten[1].id.0).await;
    clear_outbox(db).await;
    assert_eq!(take_up(db, 1).await, 1, "so many at most");
    assert_eq!(take_up(db, 9).await, 1);
    assert_eq!(take_up(db, 9).await, 0, "each is marked");
    let open = |index: usize| OpenSession::new(forgotten[index].id, forgotten[index].payment_id);
    assert_eq!(sent::<OpenSession>(db).await, [open(2), open(0)], "those that waited longest come first");
    assert_eq!(stored(db, forgotten[0].id).await.follower, None, "the new message may poll it");
});

on_both!(only_money_on_its_way_back_is_polled_by_nobody_else, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let mut captured = Vec::new();
    for (name, status, account) in [
        ("going back", PaymentStatus::Canceling, None),
        ("stays", PaymentStatus::Completed, None),
        ("a seller's", PaymentStatus::Canceling, Some("acct_1".to_owned())),
    ] {
        let session = begin(db, payable(db, &merchant, name).await, "MVO").await.unwrap();
        let of_session = payment::Entity::update_many().col_expr(payment::Column::Status, Expr::value(status));
        of_session.filter(payment::Column::Id.eq(session.payment_id)).exec(&**db).await.unwrap();
        set(db, session.id, gateway_session::Column::Status, GatewaySessionStatus::Captured).await;
        set(db, session.id, gateway_session::Column::Account, account).await;
        captured.push(session);
    }
    assert_eq!(take_up(db, 9).await, 0, "somebody is at it");
    for session in &captured {
        set(db, session.id, gateway_session::Column::UpdatedAt, long_ago()).await;
    }
    assert_eq!((take_up(db, 9).await, take_up(db, 9).await), (1, 0));
    assert_eq!(sent::<CheckSession>(db).await, [CheckSession::new(captured[0].payment_id, captured[0].id)]);
});

fn callback(event_id: Option<&str>) -> Callback {
    let event_id = event_id.map(str::to_owned);
    Callback { source: "MVO".to_owned(), event_id, reference: None, gateway_id: None, finds_by_id: false }
}

async fn receive(db: &Database, callback: Callback) {
    let mut tx = db.begin().await.unwrap();
    sessions::receive_callback(&mut tx, callback).await.unwrap();
    tx.commit().await.unwrap();
}

on_both!(a_callback_has_its_session_polled_once, async |database: TestDatabase| {
    use gateway_session::Column as C;
    let (db, session) = (&database.db, begun(&database).await);
    set(db, session.id, C::GatewayId, "gw").await;
    set(db, session.id, C::ChargeId, "ch").await;
    let (reference, id) = (Some(session.id.0), |id: &str| Some(id.to_owned()));
    let has_news =
        async |event: &str, gateway_id| sessions::has_news(&**db, "MVO", Some(event), None, gateway_id).await.unwrap();
    for (known, callback) in [
        (true, Callback { reference, ..callback(Some("1")) }),
        (false, Callback { reference, ..callback(Some("1")) }),
        (true, Callback { gateway_id: id("gw"), ..callback(Some("2")) }),
        (true, Callback { gateway_id: id("ch"), ..callback(Some("3")) }),
        (true, Callback { gateway_id: id("ch"), ..callback(None) }),
        (false, Callback { gateway_id: id("other"), ..callback(Some("4")) }),
        (false, callback(Some("5"))),
        (false, Callback { source: "STR".to_owned(), reference, ..callback(Some("1")) }),
    ] {
        let (before, what) = (sent::<CheckSession>(db).await.len(), format!("{callback:?}"));
        receive(db, callback).await;
        assert_eq!(sent::<CheckSession>(db).await.len() - before, usize::from(known), "{what}");
    }
    assert_eq!(sent::<CheckSession>(db).await[0], CheckSession::new(session.payment_id, session.id));
    assert!(has_news("6", Some("gw")).await && !has_news("2", Some("gw")).await, "an event is news once");
    assert!(!has_news("6", Some("other")).await && !has_news("6", None).await);
});

on_both!(an_id_that_only_callbacks_name_is_kept_and_never_replaced, async |database: TestDatabase| {
    let (db, session) = (&database.db, begun(&database).await);
    let named = |gateway_id: &str, finds_by_id| Callback {
        reference: Some(session.id.0),
        gateway_id: Some(gateway_id.to_owned()),
        finds_by_id,
        ..callback(None)
    };
    receive(db, named("of an event", false)).await;
    assert_eq!(stored(db, session.id).await.gateway_id, None, "it does not find the payment by that");
    receive(db, named("first", true)).await;
    receive(db, named("second", true)).await;
    assert_eq!(stored(db, session.id).await.gateway_id.as_deref(), Some("first"));
});

on_both!(what_was_reported_once_is_not_taken_back, async |database: TestDatabase| {
    let (db, session) = (&database.db, begun(&database).await);
    let price = read(db, session.payment_id).await.paid_price.0;
    let claimed = claim(db, session.id, true).await.unwrap();
    let captured = GatewayReport {
        gateway_id: Some("gw".to_owned()),
        charge_id: Some("ch".to_owned()),
        captured: price,
        refunded: Decimal::ONE,
        ..GatewayReport::without_money(GatewayStatus::Captured)
    };
    let first = settle(db, session.id, captured).await;
    assert_eq!((first.leased_until, first.looks), (None, claimed.session.looks + 1), "the lease is given back");
    let poorer = settle(db, session.id, GatewayReport::without_money(GatewayStatus::Closed)).await;
    assert_eq!((poorer.status, poorer.looks), (GatewaySessionStatus::Captured, first.looks + 1));
    assert_eq!((poorer.captured, poorer.refunded), (first.captured, first.refunded));
    assert_eq!((poorer.gateway_id.as_deref(), poorer.charge_id.as_deref()), (Some("gw"), Some("ch")));
    assert_eq!(poorer.approved_at, first.approved_at);
    assert_eq!(read(db, session.payment_id).await.status, PaymentStatus::Completed);
});

on_both!(money_at_a_session_that_was_given_up_closes_the_one_begun_since, async |database: TestDatabase| {
    let (db, first) = (&database.db, begun(&database).await);
    let price = read(db, first.payment_id).await.paid_price.0;
    settle(db, first.id, GatewayReport::without_money(GatewayStatus::Closed)).await;
    let second = begin(db, first.payment_id, "STR").await.unwrap();
    for _ in 0..2 {
        let captured = GatewayReport { captured: price, ..GatewayReport::without_money(GatewayStatus::Captured) };
        settle(db, first.id, captured).await;
    }
    assert_eq!(sent::<CheckSession>(db).await, [CheckSession::new(first.payment_id, second.id)]);
});
