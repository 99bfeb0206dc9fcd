//! Invoices of the Lightning network: each step is taken once, and the payment moves with it.

use chrono::TimeDelta;
use entities::{
    Amount, CurrencyId, InvoiceStatus, PaymentId, PaymentMethod, PaymentStatus, currency, lightning_invoice, now,
    ticket_payment,
};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Denied,
    jobs::{AskInvoice, WatchInvoice},
    lightning::{self, InvoiceError, NewInvoice},
    money::AmountError,
    rates::{self, RateError, Trusted},
    till::{
        TillError,
        tickets::{self, Said},
    },
};
use queue::{Database, Payload};
use rust_decimal::Decimal;
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, prelude::*};
use serde_json::json;

use super::{
    accepted_by, read,
    rows::{clear_outbox, discard, sent},
    transitions,
};

/// The currency of no network with this symbol.
pub(crate) async fn currency_of(db: &Database, symbol: &str) -> CurrencyId {
    use currency::Column as C;
    let known = currency::Entity::find().filter(C::Symbol.eq(symbol)).filter(C::NetworkId.is_null());
    known.one(&**db).await.unwrap().unwrap().id
}

async fn wanted(db: &Database, amount: &str, symbol: &str) -> NewInvoice {
    NewInvoice {
        amount: amount.parse().unwrap(),
        currency_id: currency_of(db, symbol).await.to_string(),
        ticket_id: None,
        expiry: TimeDelta::hours(1),
        trusted: Trusted { age_max: TimeDelta::hours(1), samples: false },
    }
}

async fn open(db: &Database, merchant: &Merchant, new: NewInvoice) -> Result<PaymentId, InvoiceError> {
    let mut tx = db.begin().await.unwrap();
    let id = lightning::open(&mut tx, &merchant.caller(), new, Some("r".to_owned())).await?;
    tx.commit().await.unwrap();
    Ok(id)
}

/// A payment of 12,500 satoshis, whose invoice nobody has requested of the node yet.
async fn requested(database: &TestDatabase) -> PaymentId {
    let merchant = Merchant::insert(&database.db, 1).await;
    open(&database.db, &merchant, wanted(&database.db, "0.000125", "BTC").await).await.unwrap()
}

async fn invoice(db: &Database, id: PaymentId) -> lightning_invoice::Model {
    lightning::read(&**db, id).await.unwrap().unwrap()
}

async fn statuses(db: &Database, id: PaymentId) -> (PaymentStatus, InvoiceStatus) {
    (read(db, id).await.status, invoice(db, id).await.status)
}

/// Does this in a transaction of its own.
macro_rules! step {
    ($db:expr, $tx:ident => $step:expr) => {{
        #[allow(unused_mut, reason = "not every step writes messages")]
        let mut $tx = $db.begin().await.unwrap();
        let outcome = $step.await.unwrap();
        $tx.commit().await.unwrap();
        outcome
    }};
}

async fn made(db: &Database, id: PaymentId) {
    let watch_at = Some(now() + TimeDelta::minutes(1));
    step!(db, tx => lightning::made(&mut tx, id, &format!("hash of {id}"), "lnbc", watch_at));
}

async fn settled(db: &Database, id: PaymentId) {
    step!(db, tx => lightning::settled(&mut tx, id, 12_500, json!({ "received_sat": 12_500 })));
}

on_both!(an_invoice_in_bitcoin_is_requested_exactly, async |database: TestDatabase| {
    let (db, id) = (&database.db, requested(&database).await);
    let (payment, invoice) = (read(db, id).await, invoice(db, id).await);
    assert_eq!((payment.status, payment.payment_method), (PaymentStatus::Open, PaymentMethod::Lightning));
    assert_eq!((payment.paid_price, payment.external_id), (Amount("0.000125".parse().unwrap()), id.to_string()));
    assert_eq!((invoice.status, invoice.amount_sat, invoice.rate), (InvoiceStatus::Asked, 12_500, None));
    assert_eq!(invoice.expires_at, payment.expires_at);
    assert!(payment.expires_at > now() + TimeDelta::minutes(59), "it may be paid for as long as was requested");
    assert_eq!(sent::<AskInvoice>(db).await, [AskInvoice { payment_id: id }]);
    assert_eq!(transitions(db, id).await, ["payment.created", "payment.open"]);
});

on_both!(other_money_is_converted_to_satoshis_by_the_rate_that_is_kept, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let unknown = open(db, &merchant, wanted(db, "10", "EUR").await).await;
    assert!(matches!(unknown, Err(InvoiceError::Rate(RateError::Unknown { .. }))), "{unknown:?}");
    rates::set(&**db, rates::BITCOIN, "EUR", Decimal::from(30_000), "operator").await.unwrap();
    let id = open(db, &merchant, wanted(db, "10", "EUR").await).await.unwrap();
    let kept = invoice(db, id).await;
    assert_eq!((kept.amount_sat, kept.rate), (33_334, Some(Amount(Decimal::from(30_000)))), "rounded up");
    assert_eq!((kept.rate_source.as_deref(), kept.rate_at.is_some()), (Some("operator"), true));
    // A token that calls itself bitcoin is none: a sat is worth what its rate says.
    let fake = currency::Entity::update_many().col_expr(currency::Column::Symbol, Expr::value("BTC"));
    fake.filter(currency::Column::Id.eq(merchant.currency_id)).exec(&**db).await.unwrap();
    let token = NewInvoice { currency_id: merchant.currency_id.to_string(), ..wanted(db, "1", "EUR").await };
    let priced = open(db, &merchant, token).await;
    assert!(matches!(priced, Err(InvoiceError::Rate(RateError::Unknown { .. }))), "{priced:?}");
});

on_both!(what_cannot_be_requested_writes_nothing, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let refused = async |change: &dyn Fn(&mut NewInvoice)| {
        let mut new = wanted(db, "0.000125", "BTC").await;
        change(&mut new);
        open(db, &merchant, new).await.unwrap_err()
    };
    for id in ["", "BTC", &CurrencyId::new().to_string()] {
        let error = refused(&|new| new.currency_id = id.to_owned()).await;
        assert!(
            matches!(error, InvoiceError::Till(TillError::Unknown(payments::till::Reference::Currency))),
            "{id}: {error:?}"
        );
    }
    let fine = refused(&|new| new.amount = Decimal::new(1, 9)).await;
    assert!(matches!(fine, InvoiceError::Till(TillError::Amount(AmountError::TooFine(8)))), "{fine:?}");
    let ticket = refused(&|new| new.ticket_id = Some("of nobody".to_owned())).await;
    assert!(matches!(ticket, InvoiceError::Till(TillError::Unknown(payments::till::Reference::Ticket))), "{ticket:?}");
    let gone = currency::Entity::update_many().col_expr(currency::Column::DeletedAt, Expr::value(now()));
    gone.filter(currency::Column::Symbol.eq("BTC")).exec(&**db).await.unwrap();
    let deleted = refused(&|_| ()).await;
    assert!(
        matches!(deleted, InvoiceError::Till(TillError::Unknown(payments::till::Reference::Currency))),
        "{deleted:?}"
    );
    assert_eq!(lightning_invoice::Entity::find().one(&**db).await.unwrap(), None);
});

on_both!(an_invoice_covers_the_ticket_that_it_is_for, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let ticket = step!(db, tx => tickets::create(&tx, merchant.node_id, Said::default()));
    let new = NewInvoice { ticket_id: Some(ticket.id.to_string()), ..wanted(db, "0.000125", "BTC").await };
    let id = open(db, &merchant, new).await.unwrap();
    let covered = ticket_payment::Entity::find().one(&**db).await.unwrap().unwrap();
    assert_eq!((covered.ticket_id, covered.payment_id), (ticket.id, id));
});

on_both!(of_two_that_request_an_invoice_of_the_node_one_does, async |database: TestDatabase| {
    let (db, id) = (&database.db, requested(&database).await);
    assert!(lightning::sent(&**db, id).await.unwrap());
    assert!(!lightning::sent(&**db, id).await.unwrap());
    clear_outbox(db).await;
    for _ in 0..2 {
        made(db, id).await;
    }
    assert_eq!(invoice(db, id).await.bolt11.as_deref(), Some("lnbc"));
    assert_eq!(sent::<WatchInvoice>(db).await, [WatchInvoice { payment_id: id }], "it is watched once");
    assert!(!lightning::sent(&**db, id).await.unwrap(), "it is made");
    step!(db, tx => lightning::refused(&mut tx, id, "amount".to_owned(), "too small".to_owned()));
    assert_eq!(statuses(db, id).await, (PaymentStatus::Open, InvoiceStatus::Open), "what is made was not refused");
});

on_both!(an_invoice_is_settled_once_and_only_when_it_is_known, async |database: TestDatabase| {
    let (db, id) = (&database.db, requested(&database).await);
    settled(db, id).await;
    assert_eq!(statuses(db, id).await, (PaymentStatus::Open, InvoiceStatus::Asked), "nobody has made it");
    made(db, id).await;
    for _ in 0..2 {
        settled(db, id).await;
    }
    assert_eq!(statuses(db, id).await, (PaymentStatus::Completed, InvoiceStatus::Settled));
    assert_eq!(invoice(db, id).await.received_sat, Some(12_500));
    let moved = transitions(db, id).await;
    assert_eq!(moved[2..], ["payment.submitted", "payment.paid", "payment.completed"]);
    step!(db, tx => lightning::expired(&mut tx, id));
    assert_eq!(statuses(db, id).await, (PaymentStatus::Completed, InvoiceStatus::Settled));
});

on_both!(money_for_an_invoice_that_was_given_up_is_reviewed, async |database: TestDatabase| {
    let (db, id) = (&database.db, requested(&database).await);
    step!(db, tx => lightning::expired(&mut tx, id));
    assert_eq!(statuses(db, id).await, (PaymentStatus::Expired, InvoiceStatus::Expired));
    settled(db, id).await;
    assert_eq!(statuses(db, id).await.1, InvoiceStatus::Expired, "it is made known first");
    for hash in ["late", "other"] {
        step!(db, tx => lightning::found_late(&tx, id, hash, "lnbc"));
    }
    assert_eq!(invoice(db, id).await.payment_hash.as_deref(), Some("late"), "what is known stays");
    settled(db, id).await;
    assert_eq!(statuses(db, id).await, (PaymentStatus::NeedsReview, InvoiceStatus::Settled));
});

on_both!(a_refused_invoice_ends_its_payment, async |database: TestDatabase| {
    let (db, id) = (&database.db, requested(&database).await);
    lightning::sent(&**db, id).await.unwrap();
    step!(db, tx => lightning::found_late(&tx, id, "late", "lnbc"));
    assert_eq!(invoice(db, id).await.payment_hash, None, "only what had been given up is found late");
    step!(db, tx => lightning::refused(&mut tx, id, "amount".to_owned(), "too small".to_owned()));
    assert_eq!(statuses(db, id).await, (PaymentStatus::Canceled, InvoiceStatus::Refused));
    assert_eq!(read(db, id).await.failure_code.as_deref(), Some("amount"));
    made(db, id).await;
    assert_eq!(statuses(db, id).await.1, InvoiceStatus::Refused, "an end stays");
});

on_both!(a_callback_finds_its_invoice_by_either_name, async |database: TestDatabase| {
    let (db, id) = (&database.db, requested(&database).await);
    made(db, id).await;
    let hash = format!("hash of {id}");
    clear_outbox(db).await;
    let receive = async |name: Option<Uuid>, hash: Option<&str>| step!(db, tx => lightning::receive_callback(&mut tx, name, hash));
    assert!(receive(Some(id.0), None).await && receive(None, Some(&hash)).await);
    assert!(receive(Some(Uuid::now_v7()), Some(&hash)).await, "a name that is not ours says nothing");
    assert!(
        !receive(None, Some("other")).await && !receive(Some(Uuid::now_v7()), None).await && !receive(None, None).await
    );
    assert_eq!(sent::<AskInvoice>(db).await.len(), 3);
});

on_both!(an_invoice_is_its_own_nodes_to_see, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let id = open(db, &merchant, wanted(db, "0.000125", "BTC").await).await.unwrap();
    assert_eq!(lightning::find(&**db, &merchant.caller(), id).await.unwrap().payment_id, id);
    let stranger = Merchant::insert(db, 2).await.caller();
    assert!(matches!(lightning::find(&**db, &stranger, id).await, Err(Denied::OutOfReach)));
    let other = accepted_by(db, &merchant, "no invoice").await;
    assert!(matches!(lightning::find(&**db, &merchant.caller(), other.id).await, Err(Denied::NotFound)));
});

async fn age(db: &Database, id: PaymentId) {
    use lightning_invoice::Column as C;
    let old =
        lightning_invoice::Entity::update_many().col_expr(C::UpdatedAt, Expr::value(now() - TimeDelta::minutes(6)));
    old.filter(C::PaymentId.eq(id)).exec(&**db).await.unwrap();
}

/// What is sent again of this invoice, if it is the only one that nobody has polled.
async fn again<P: Payload>(db: &Database, id: PaymentId) -> Vec<P> {
    age(db, id).await;
    clear_outbox(db).await;
    step!(db, tx => lightning::send_again(&mut tx, TimeDelta::minutes(5), 9));
    sent(db).await
}

on_both!(an_invoice_that_nobody_polls_is_taken_up_in_its_status, async |database: TestDatabase| {
    let (db, id) = (&database.db, requested(&database).await);
    assert_eq!(again::<AskInvoice>(db, id).await, [AskInvoice { payment_id: id }]);
    let later = step!(db, tx => lightning::send_again(&mut tx, TimeDelta::minutes(5), 9));
    assert_eq!(later, 0, "it is marked");
    lightning::sent(&**db, id).await.unwrap();
    assert_eq!(again::<AskInvoice>(db, id).await.len(), 1, "whether it was asked for is found out");
    made(db, id).await;
    assert_eq!(again::<WatchInvoice>(db, id).await, [WatchInvoice { payment_id: id }]);
    for kept in [true, false] {
        age(db, id).await;
        if kept {
            lightning::polled(&**db, id).await.unwrap()
        } else {
            lightning::tried(&**db, id).await.unwrap()
        };
        let taken = step!(db, tx => lightning::send_again(&mut tx, TimeDelta::minutes(5), 9));
        assert_eq!(taken, 0, "somebody was at it");
    }
    age(db, id).await;
    discard::<WatchInvoice>(db, id.0).await;
    assert!(step!(db, tx => lightning::send_again(&mut tx, TimeDelta::minutes(5), 9)) == 0, "it was discarded");
    db.execute_unprepared("DELETE FROM dead_letters").await.unwrap();
    settled(db, id).await;
    age(db, id).await;
    lightning::tried(&**db, id).await.unwrap();
    assert!(invoice(db, id).await.updated_at < now() - TimeDelta::minutes(5), "what has ended is not touched");
    assert!(again::<AskInvoice>(db, id).await.is_empty() && again::<WatchInvoice>(db, id).await.is_empty());
});
