//! Payments of a hosted checkout: what a shop asks for, what its payer may do, and the order of its lists.

use std::{cmp::Ordering, collections::BTreeSet};

use entities::{
    Amount, GatewaySessionStatus, PaymentId, PaymentMethod, PaymentStatus, RedirectMode, currency, now, payment,
    payment_log,
};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Acceptor, Actor, Denied, NewPayment, Observation, RefundUpdate,
    checkout::{self, Attribute, CheckoutError, Choice, NewCheckout, Order, Status},
    jobs::{AnnounceEvents, CheckSession, OpenSession},
    money::AmountError,
    sessions::{self, GatewayReport, GatewayStatus},
};
use queue::Database;
use rust_decimal::Decimal;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::json;

use super::{accepted_by, messages, observe, read, rows::sent, transitions};

fn new(total: &str, currency: &str) -> NewCheckout {
    NewCheckout {
        total: total.parse().unwrap(),
        currency: currency.to_owned(),
        payment_method: PaymentMethod::MobileMoney,
        purchase: json!({ "total": { "value": 12.5, "currency": currency } }),
        redirect_mode: RedirectMode::Embedded,
        locale: None,
        channels: None,
        terminal_id: None,
        payer: None,
        client_id: None,
        client_note: None,
        source: None,
        cancel_url: None,
        success_url: None,
    }
}

async fn create(db: &Database, merchant: &Merchant, new: NewCheckout) -> Result<payment::Model, CheckoutError> {
    let mut tx = db.begin().await.unwrap();
    let payment = checkout::create(&mut tx, merchant.node_id, new, Actor::system().into()).await?;
    tx.commit().await.unwrap();
    Ok(payment)
}

fn choice(phone: Option<&str>) -> Choice {
    let phone = phone.map(str::to_owned);
    Choice { source: "MVO".to_owned(), payment_method: PaymentMethod::MobileMoney, phone }
}

/// Chooses a gateway; a refusal in words.
async fn submit(db: &Database, id: PaymentId, choice: Choice) -> Result<(), String> {
    let mut tx = db.begin().await.unwrap();
    let session = checkout::submit(&mut tx, id, choice, checkout::by_payer(None)).await;
    session.map_err(|error| error.to_string())?;
    tx.commit().await.unwrap();
    Ok(())
}

async fn cancel(db: &Database, id: PaymentId) -> Result<Status, String> {
    let mut tx = db.begin().await.unwrap();
    let canceled = checkout::cancel(&mut tx, id, checkout::by_payer(None)).await.map_err(|error| error.to_string())?;
    tx.commit().await.unwrap();
    Ok(canceled.status())
}

async fn gateway_reports(db: &Database, id: PaymentId, status: GatewayStatus) {
    let session = sessions::newest(&**db, id).await.unwrap().unwrap();
    let taken = if status == GatewayStatus::Captured { read(db, id).await.paid_price.0 } else { Decimal::ZERO };
    let report =
        GatewayReport { captured: taken, gateway_id: Some(format!("gw-{id}")), ..GatewayReport::without_money(status) };
    let mut tx = db.begin().await.unwrap();
    payments::ledger::settle(&mut tx, session.id, report, Actor::worker("test")).await.unwrap();
    tx.commit().await.unwrap();
}

on_both!(a_shops_payment_waits_a_day_for_its_payer, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let wanted = NewCheckout { client_id: Some("cart-1".to_owned()), ..new("12.50", "EUR") };
    let payment = create(db, &merchant, wanted.clone()).await.unwrap();
    assert_eq!(read(db, payment.id).await, payment, "what is answered is what is stored");
    assert_eq!((payment.status, payment.external_id.as_str()), (PaymentStatus::Open, "cart-1"));
    assert_eq!(payment.paid_price, Amount("12.5".parse().unwrap()));
    let hours = (payment.expires_at - now()).num_minutes();
    assert!((23 * 60..=24 * 60).contains(&hours), "{hours}");
    assert_eq!(transitions(db, payment.id).await, ["payment.created", "payment.open"]);
    assert_eq!(messages(db, payment.id).await, ["expire_payment"]);
    let announced: BTreeSet<_> =
        sent::<AnnounceEvents>(db).await.into_iter().flat_map(|events| events.log_ids).collect();
    let log = payment_log::Entity::find().all(&**db).await.unwrap();
    assert_eq!(announced, log.iter().map(|row| row.id).collect(), "both are announced");
    let shown = checkout::find(&**db, &merchant.caller(), payment.id).await.unwrap();
    assert_eq!((shown.status(), shown.payee.as_str()), (Status::Pending, "merchant 1"));
    assert_eq!((shown.checkout.redirect_mode, &shown.checkout.purchase), (RedirectMode::Embedded, &wanted.purchase));
    let again = create(db, &merchant, wanted.clone()).await;
    assert!(matches!(again, Err(CheckoutError::ClientIdTaken)), "{again:?}");
    let other = Merchant::insert(db, 2).await;
    assert!(create(db, &other, wanted).await.is_ok(), "each shop has references of its own");
    for _ in 0..2 {
        let unnamed = create(db, &merchant, new("12.50", "EUR")).await.unwrap();
        assert_eq!(unnamed.external_id, unnamed.id.to_string(), "without a reference it has its own id");
    }
});

on_both!(a_shop_requests_an_amount_of_money_that_is_known_here, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let refused = async |total: &str, currency: &str| create(db, &merchant, new(total, currency)).await.err();
    assert!(
        matches!(refused("1", "USDT").await, Some(CheckoutError::UnknownCurrency)),
        "a token is no money of ISO 4217"
    );
    assert!(matches!(refused("1", "eur").await, Some(CheckoutError::UnknownCurrency)));
    for (total, currency, error) in [
        ("0", "EUR", AmountError::NotPositive),
        ("0.001", "EUR", AmountError::TooFine(2)),
        ("1.5", "JPY", AmountError::TooFine(0)),
        // The ariary has fifths, which this contract never writes.
        ("1.2", "MGA", AmountError::TooFine(0)),
    ] {
        match refused(total, currency).await {
            Some(CheckoutError::Amount(found)) => assert_eq!(found, error, "{total} {currency}"),
            other => panic!("{total} {currency}: {other:?}"),
        }
    }
    assert!(refused("1000", "MGA").await.is_none() && refused("0.01", "EUR").await.is_none());
    let gone = currency::Entity::update_many().col_expr(currency::Column::DeletedAt, Expr::value(now()));
    gone.filter(currency::Column::Symbol.eq("EUR")).exec(&**db).await.unwrap();
    assert!(matches!(refused("1", "EUR").await, Some(CheckoutError::UnknownCurrency)), "it is out of use");
});

on_both!(a_payer_chooses_once_and_again_when_nobody_has_paid, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let payer = Some(json!({ "fullName": "Ada" }));
    let id = create(db, &merchant, NewCheckout { payer, ..new("1000", "MGA") }).await.unwrap().id;
    submit(db, id, choice(Some("+261 34"))).await.unwrap();
    let shown = checkout::find_for_payer(&**db, id).await.unwrap().unwrap();
    assert_eq!((shown.status(), shown.checkout.source.as_deref()), (Status::Submitted, Some("MVO")));
    assert_eq!(shown.checkout.payer, Some(json!({ "fullName": "Ada", "phone": "+261 34" })), "the name stays");
    let refused = "The payment is submitted and cannot be submitted";
    assert_eq!(submit(db, id, choice(None)).await.unwrap_err(), refused);
    gateway_reports(db, id, GatewayStatus::Closed).await;
    submit(db, id, choice(None)).await.unwrap();
    let shown = checkout::find_for_payer(&**db, id).await.unwrap().unwrap();
    assert_eq!(shown.session.as_ref().unwrap().status, GatewaySessionStatus::Asked, "the newest is shown");
    assert_eq!(sent::<OpenSession>(db).await.len(), 2);
    gateway_reports(db, id, GatewayStatus::Approved).await;
    let refused = "The payment is approved and cannot be submitted";
    assert_eq!(submit(db, id, choice(None)).await.unwrap_err(), refused);
    let late = create(db, &merchant, new("1000", "MGA")).await.unwrap().id;
    let over = payment::Entity::update_many().col_expr(payment::Column::ExpiresAt, Expr::value(now()));
    over.filter(payment::Column::Id.eq(late)).exec(&**db).await.unwrap();
    let refused = "The payment is canceled and cannot be submitted";
    assert_eq!(submit(db, late, choice(None)).await.unwrap_err(), refused, "it is so in a moment");
});

on_both!(a_payer_turns_away_until_the_gateway_has_taken_the_money, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(create(db, &merchant, new("1000", "MGA")).await.unwrap().id);
    }
    for id in &ids[1..] {
        submit(db, *id, choice(None)).await.unwrap();
    }
    gateway_reports(db, ids[2], GatewayStatus::Approved).await;
    gateway_reports(db, ids[3], GatewayStatus::Captured).await;
    assert_eq!(cancel(db, ids[0]).await, Ok(Status::Canceled));
    assert_eq!(read(db, ids[0]).await.status, PaymentStatus::Canceled, "nobody was asked for anything");
    assert_eq!(cancel(db, ids[1]).await, Ok(Status::Canceled));
    assert_eq!(read(db, ids[1]).await.status, PaymentStatus::Canceling, "the gateway is asked to close it");
    assert_eq!(sent::<CheckSession>(db).await, [CheckSession::new(ids[1], None)]);
    for (id, word) in [(ids[0], "canceled"), (ids[1], "canceled"), (ids[2], "approved"), (ids[3], "completed")] {
        let refused = format!("The payment is {word} and cannot be canceled");
        assert_eq!(cancel(db, id).await, Err(refused));
    }
    assert_eq!(cancel(db, PaymentId::new()).await, Err("not found".to_owned()));
});

on_both!(what_came_in_by_another_contract_is_no_checkout, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let deal = accepted_by(db, &merchant, "deal").await;
    let by_card = NewPayment { payment_method: PaymentMethod::CreditCard, ..merchant.payment("card") };
    let card = Acceptor::start(db.clone()).accept(&merchant.caller(), by_card).await.unwrap().payment;
    assert!(matches!(checkout::find(&**db, &merchant.caller(), deal.id).await, Err(Denied::NotFound)));
    assert!(checkout::find_for_payer(&**db, deal.id).await.unwrap().is_none());
    let shown = checkout::find(&**db, &merchant.caller(), card.id).await.unwrap();
    assert_eq!(
        (shown.checkout.client_id.as_deref(), shown.checkout.redirect_mode),
        (Some("card"), RedirectMode::Hosted)
    );
    assert_eq!(shown.checkout.purchase, json!({ "total": { "value": "10.5", "currency": "USDT" } }));
    let stranger = Merchant::insert(db, 2).await.caller();
    assert!(matches!(checkout::find(&**db, &stranger, card.id).await, Err(Denied::OutOfReach)));
    let listed = checkout::page(&**db, &merchant.caller(), &[], 0, 9).await.unwrap();
    assert_eq!(listed.iter().map(|payment| payment.id).collect::<Vec<_>>(), [card.id]);
    assert!(checkout::page(&**db, &stranger, &[], 0, 9).await.unwrap().is_empty());
});

/// Payments that differ in all that lists are sorted by, in every state of the contract.
async fn crowd(db: &Database, merchant: &Merchant) {
    let names = ["Ωmega", "ada", "Ada", "", "Zoe"];
    for (number, total) in ["9", "10", "1000000", "0.5", "0.45", "10.50", "9.99", "100"].into_iter().enumerate() {
        let mut wanted = new(total, if number % 3 == 0 { "USD" } else { "EUR" });
        wanted.client_note = (number % 4 > 0).then(|| names[number % 5].to_owned());
        // A name that is blank is none, and blanks around one are no part of it.
        let last_name = [" Soilihi ", "Soilihi", " "][number % 3];
        let parts = || json!({ "firstName": names[number % 5], "lastName": last_name, "fullName": " " });
        wanted.payer = (number % 2 > 0).then(parts);
        let id = create(db, merchant, wanted).await.unwrap().id;
        if number > 1 {
            submit(db, id, choice(None)).await.unwrap();
        }
        match number {
            1 => drop(cancel(db, id).await),
            3 => gateway_reports(db, id, GatewayStatus::Approved).await,
            4 | 5 => gateway_reports(db, id, GatewayStatus::Captured).await,
            6 => gateway_reports(db, id, GatewayStatus::Failed { code: "x".to_owned(), message: "y".to_owned() }).await,
            _ => {}
        }
        if number == 5 {
            let all = RefundUpdate::Succeeded { data: json!({}), all: false };
            observe(db, id, Observation::Refund(all)).await;
            let broken = Observation::FinalityBroken { lost: payments::rail::Lost::Capture, data: json!({}) };
            observe(db, id, broken).await;
        }
    }
}

/// What a list is sorted by, as the contract shows it.
fn key(by: Attribute, shown: &checkout::Checkout) -> Option<Vec<u8>> {
    let text = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    let payer = |name: &str| shown.checkout.payer.as_ref().and_then(|payer| payer[name].as_str());
    match by {
        Attribute::Status => text(Some(shown.status().word())),
        Attribute::Captured => Some(vec![u8::from(matches!(shown.status(), Status::Captured | Status::Completed))]),
        Attribute::ClientNote => text(shown.checkout.client_note.as_deref()),
        Attribute::PayerFirstName => text(payer("firstName")),
        Attribute::PayerName => shown.checkout.payer.as_ref().and_then(checkout::payer_name).map(String::into_bytes),
        Attribute::Source => text(shown.checkout.source.as_deref()),
        Attribute::ProviderId => text(shown.session.as_ref().and_then(|session| session.gateway_id.as_deref())),
        // Minor units, so that numbers are compared.
        Attribute::Value => {
            let cents = (shown.payment.paid_price.0 * Decimal::ONE_HUNDRED).normalize().mantissa();
            let shift = (shown.payment.paid_price.0 * Decimal::ONE_HUNDRED).normalize().scale();
            assert_eq!(shift, 0);
            Some(cents.to_be_bytes().to_vec())
        }
        other => panic!("{}", other.word()),
    }
}

on_both!(a_list_is_in_the_order_of_what_it_shows_whatever_the_database, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    crowd(db, &merchant).await;
    let caller = merchant.caller();
    let newest = checkout::page(&**db, &caller, &[], 0, 99).await.unwrap();
    assert!(newest.is_sorted_by(|one, next| one.id > next.id) && newest.len() == 8);
    for descending in [false, true] {
        let created = [Order { by: Attribute::CreatedAt, descending }];
        let page = checkout::page(&**db, &caller, &created, 1, 3).await.unwrap();
        let wanted = if descending { &newest[1..4] } else { &[&newest[6..7], &newest[5..6], &newest[4..5]].concat() };
        assert_eq!(page, wanted, "descending: {descending}");
    }
    let all = checkout::load(&**db, newest).await.unwrap();
    use Attribute::{Captured, ClientNote, PayerFirstName, PayerName, ProviderId, Source, Status, Value};
    for by in [Captured, ClientNote, PayerFirstName, PayerName, ProviderId, Source, Status, Value] {
        for descending in [false, true] {
            let mut wanted: Vec<_> = all.iter().map(|shown| (key(by, shown), shown.payment.id)).collect();
            wanted.sort_by(|(one, one_id), (other, other_id)| {
                let compared = match (one, other) {
                    // What has no value comes last either way.
                    (None, _) | (_, None) => one.is_none().cmp(&other.is_none()),
                    (Some(one), Some(other)) if descending => other.cmp(one),
                    (Some(one), Some(other)) => one.cmp(other),
                };
                if compared == Ordering::Equal { one_id.cmp(other_id) } else { compared }
            });
            let wanted: Vec<PaymentId> = wanted.into_iter().map(|(_, id)| id).collect();
            let order = [Order { by, descending }];
            let mut found = Vec::new();
            for offset in [0, 3, 6] {
                found.extend(checkout::page(&**db, &caller, &order, offset, 3).await.unwrap());
            }
            let found: Vec<PaymentId> = found.into_iter().map(|payment| payment.id).collect();
            assert_eq!(found, wanted, "{}, descending: {descending}", by.word());
        }
    }
});

on_both!(a_shop_is_notified_of_ends_in_its_own_words, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let id = create(db, &merchant, new("1000", "MGA")).await.unwrap().id;
    accepted_by(db, &merchant, "deal").await;
    submit(db, id, choice(None)).await.unwrap();
    gateway_reports(db, id, GatewayStatus::Closed).await;
    submit(db, id, choice(None)).await.unwrap();
    gateway_reports(db, id, GatewayStatus::Captured).await;
    let log = payment_log::Entity::find().all(&**db).await.unwrap();
    let formatted = checkout::format_events(&**db, &log).await.unwrap();
    let [(event, sent)] = &formatted.into_iter().collect::<Vec<_>>()[..] else { panic!("one end of one checkout") };
    let row = log.iter().find(|row| row.event_type == "payment.completed").unwrap();
    assert_eq!((event.0, sent.topic), (row.id.0, "payment.completed"));
    let body: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
    let last = log.iter().filter(|row| row.event_type == "payment.submitted").max_by_key(|row| row.id).unwrap();
    assert_eq!(body["data"]["submittedAt"], entities::rfc3339(last.created_at), "the choice that led to it");
    assert_eq!((&body["data"]["source"], &body["data"]["captured"]), (&"MVO".into(), &true.into()));
});
