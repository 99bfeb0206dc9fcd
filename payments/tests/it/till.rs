//! What a till writes down, corrects and takes back, and what it leaves alone.

use entities::{
    Amount, PaymentId, PaymentMethod, PaymentMethodId, PaymentStatus, currency, now, payment, payment_log,
    payment_method, ticket_payment,
};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Actor, Denied, Observation,
    money::AmountError,
    till::{
        self, Entry, Reference, Shown, TillError,
        tickets::{self, Said},
    },
};
use queue::Database;
use rust_decimal::Decimal;
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};

use super::{accepted, accepted_by, lightning::currency_of, observe, read, transitions};

async fn method(db: &Database, method: PaymentMethod) -> PaymentMethodId {
    let known = payment_method::Entity::find().filter(payment_method::Column::Method.eq(method));
    known.one(&**db).await.unwrap().unwrap().id
}

/// Ten and a half euro in cash.
async fn entry(db: &Database, transaction_id: &str) -> Entry {
    Entry {
        method_id: method(db, PaymentMethod::Cash).await.to_string(),
        currency_id: currency_of(db, "EUR").await.to_string(),
        transaction_id: transaction_id.to_owned(),
        amount: Decimal::new(105, 1),
    }
}

async fn take(db: &Database, merchant: &Merchant, entry: Entry) -> Result<PaymentId, TillError> {
    let mut tx = db.begin().await.unwrap();
    let id = till::take(&mut tx, merchant.node_id, entry, Actor::system().into()).await?;
    tx.commit().await.unwrap();
    Ok(id)
}

async fn correct(db: &Database, merchant: &Merchant, id: PaymentId, entry: Entry) -> Result<(), TillError> {
    let mut tx = db.begin().await.unwrap();
    till::correct(&mut tx, &merchant.caller(), id, entry, None).await?;
    tx.commit().await.unwrap();
    Ok(())
}

async fn delete(db: &Database, merchant: &Merchant, id: PaymentId) -> Result<(), TillError> {
    let mut tx = db.begin().await.unwrap();
    till::delete(&mut tx, &merchant.caller(), id, None).await?;
    tx.commit().await.unwrap();
    Ok(())
}

async fn names(db: &Database, merchant: &Merchant) -> Vec<String> {
    let shown = till::list(&**db, &merchant.caller(), None, 99).await.unwrap();
    shown.into_iter().map(Shown::transaction_id).collect()
}

on_both!(what_a_till_takes_is_completed_from_the_start, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let id = take(db, &merchant, entry(db, "till-1").await).await.unwrap();
    let payment = read(db, id).await;
    assert_eq!((payment.status, payment.payment_method), (PaymentStatus::Completed, PaymentMethod::Cash));
    assert_eq!((payment.external_id.as_str(), payment.node_id), ("till-1", merchant.node_id));
    assert_eq!((payment.price, payment.paid_price), (Amount(Decimal::new(105, 1)), Amount(Decimal::new(105, 1))));
    assert_eq!(transitions(db, id).await, ["payment.created", "payment.completed"]);
    let taken = take(db, &merchant, entry(db, "till-1").await).await;
    assert!(matches!(taken, Err(TillError::TransactionTaken)), "{taken:?}");
    let other = Merchant::insert(db, 2).await;
    assert!(take(db, &other, entry(db, "till-1").await).await.is_ok(), "another node's till counts by itself");
});

on_both!(what_an_entry_names_has_to_be_there, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let refused = async |change: &dyn Fn(&mut Entry)| {
        let mut entry = entry(db, "till-1").await;
        change(&mut entry);
        take(db, &merchant, entry).await.unwrap_err()
    };
    for id in ["", "cash", &PaymentMethodId::new().to_string()] {
        let method = refused(&|entry| entry.method_id = id.to_owned()).await;
        assert!(matches!(method, TillError::Unknown(Reference::PaymentMethod)), "{id}: {method:?}");
        let currency = refused(&|entry| entry.currency_id = id.to_owned()).await;
        assert!(matches!(currency, TillError::Unknown(Reference::Currency)), "{id}: {currency:?}");
    }
    for (amount, error) in [
        (Decimal::ZERO, AmountError::NotPositive),
        (Decimal::new(1, 3), AmountError::TooFine(2)),
        (Decimal::MAX, AmountError::TooLarge),
    ] {
        assert_eq!(refused(&|entry| entry.amount = amount).await.to_string(), format!("amount {error}"));
    }
    let gone = currency::Entity::update_many().col_expr(currency::Column::DeletedAt, Expr::value(now()));
    gone.filter(currency::Column::Symbol.eq("EUR")).exec(&**db).await.unwrap();
    let unused = refused(&|_| ()).await;
    assert!(matches!(unused, TillError::Unknown(Reference::Currency)), "it is out of use: {unused:?}");
    assert!(names(db, &merchant).await.is_empty(), "nothing was written");
});

on_both!(a_correction_changes_all_that_the_till_says_and_logs_both, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let id = take(db, &merchant, entry(db, "till-1").await).await.unwrap();
    let (card, yen) = (method(db, PaymentMethod::CreditCard).await, currency_of(db, "JPY").await);
    let corrected = Entry {
        method_id: card.to_string(),
        currency_id: yen.to_string(),
        transaction_id: "till-2".to_owned(),
        amount: Decimal::from(900),
    };
    correct(db, &merchant, id, corrected).await.unwrap();
    let payment = read(db, id).await;
    assert_eq!((payment.status, payment.payment_method), (PaymentStatus::Completed, PaymentMethod::CreditCard));
    assert_eq!((payment.currency_id, payment.external_id.as_str()), (yen, "till-2"));
    assert_eq!((payment.price, payment.paid_price), (Amount(Decimal::from(900)), Amount(Decimal::from(900))));
    let log = payment_log::Entity::find().filter(payment_log::Column::PaymentId.eq(id));
    let updated = log.order_by_desc(payment_log::Column::Sequence).all(&**db).await.unwrap();
    let updated = updated.iter().find(|row| row.event_type == "payment.updated").unwrap();
    assert_eq!(
        (&updated.data["was"]["transaction_id"], &updated.data["is"]["transaction_id"]),
        (&"till-1".into(), &"till-2".into())
    );
    assert_eq!(
        (updated.data["was"]["amount"].to_string(), updated.data["is"]["amount"].to_string()),
        ("10.5".into(), "900".into())
    );
    assert_eq!(
        (&updated.data["was"]["method"], &updated.data["is"]["method"]),
        (&"cash".into(), &"credit_card".into())
    );
    assert!(take(db, &merchant, entry(db, "till-1").await).await.is_ok(), "its old name is free");
    let taken = correct(db, &merchant, id, entry(db, "till-1").await).await;
    assert!(matches!(taken, Err(TillError::TransactionTaken)), "{taken:?}");
    assert_eq!(read(db, id).await.external_id, "till-2", "nothing was written");
});

on_both!(a_name_of_any_kind_is_shown_as_the_till_gave_it, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let long = "z".repeat(1_024);
    let mut ids = Vec::new();
    for name in ["short", "", &long] {
        ids.push(take(db, &merchant, entry(db, name).await).await.unwrap());
    }
    assert_eq!(names(db, &merchant).await, [long.as_str(), "", "short"]);
    // Each takes the name that the one before it had.
    for (id, name) in [(ids[2], ""), (ids[0], &*long), (ids[1], "short")] {
        correct(db, &merchant, id, entry(db, name).await).await.unwrap();
        let shown = till::show(&**db, &merchant.caller(), id).await.unwrap();
        assert_eq!(shown.transaction_id(), name, "the row of the till follows");
    }
});

on_both!(only_what_the_till_wrote_down_and_nobody_moved_is_changed, async |database: TestDatabase| {
    let (merchant, deal) = accepted(&database).await;
    let db = &database.db;
    let theirs = correct(db, &merchant, deal.id, entry(db, "till-1").await).await;
    assert!(matches!(theirs, Err(TillError::NotOfTheTill)), "{theirs:?}");
    assert!(matches!(delete(db, &merchant, deal.id).await, Err(TillError::NotOfTheTill)));
    let id = take(db, &merchant, entry(db, "till-1").await).await.unwrap();
    let stranger = Merchant::insert(db, 2).await;
    let refused = correct(db, &stranger, id, entry(db, "till-2").await).await;
    assert!(matches!(refused, Err(TillError::Denied(Denied::OutOfReach))), "{refused:?}");
    assert!(matches!(delete(db, &stranger, id).await, Err(TillError::Denied(Denied::OutOfReach))));
    observe(db, id, Observation::FinalityBroken { lost: payments::rail::Lost::Capture, data: Default::default() })
        .await;
    let moved = correct(db, &merchant, id, entry(db, "till-2").await).await;
    assert!(matches!(moved, Err(TillError::InState(PaymentStatus::NeedsReview))), "{moved:?}");
    assert!(matches!(delete(db, &merchant, id).await, Err(TillError::InState(PaymentStatus::NeedsReview))));
});

on_both!(what_is_taken_back_is_gone_for_the_till_and_stays_in_the_log, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let id = take(db, &merchant, entry(db, "till-1").await).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let ticket = tickets::create(&tx, merchant.node_id, Said::default()).await.unwrap();
    tickets::relate(&tx, &merchant.caller(), Some(id), Some(ticket.id)).await.unwrap();
    tx.commit().await.unwrap();
    let kept = delete(db, &merchant, id).await;
    assert!(matches!(kept, Err(TillError::HasTickets)), "{kept:?}");
    ticket_payment::Entity::delete_many().exec(&**db).await.unwrap();
    delete(db, &merchant, id).await.unwrap();
    assert_eq!(transitions(db, id).await.last().unwrap(), "payment.canceled");
    let again = delete(db, &merchant, id).await;
    assert!(matches!(again, Err(TillError::Denied(Denied::NotFound))), "{again:?}");
    assert!(matches!(till::show(&**db, &merchant.caller(), id).await, Err(Denied::NotFound)));
    assert!(names(db, &merchant).await.is_empty());
    let next = take(db, &merchant, entry(db, "till-1").await).await.unwrap();
    assert_ne!(next, id, "its name is free again");
    tx = db.begin().await.unwrap();
    let late = tickets::relate(&tx, &merchant.caller(), Some(id), Some(ticket.id)).await;
    assert!(matches!(late, Err(TillError::Unknown(Reference::Payment))), "{late:?}");
});

on_both!(a_till_sees_all_payments_in_reach_page_by_page, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let (stranger, caller) = (Merchant::insert(db, 2).await, merchant.caller());
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(accepted_by(db, &merchant, &format!("deal-{number}")).await.id);
        ids.push(take(db, &merchant, entry(db, &format!("till-{number}")).await).await.unwrap());
        accepted_by(db, &stranger, &format!("theirs-{number}")).await;
    }
    // What was canceled by another contract still is a payment, and the till has not taken it back.
    payments::commands::cancel(db, &caller, ids[0], None).await.unwrap();
    ids.reverse();
    let mut pages: Vec<PaymentId> = Vec::new();
    while let page @ [_, ..] = &*till::list(&**db, &caller, pages.last().copied(), 4).await.unwrap() {
        pages.extend(page.iter().map(|shown| shown.id));
    }
    assert_eq!(pages, ids, "newest first, and each once");
    assert_eq!(till::find(&**db, &caller, ids[5]).await.unwrap().status, PaymentStatus::Canceled);
    let theirs = payment::Entity::find().filter(payment::Column::NodeId.eq(stranger.node_id)).one(&**db).await;
    let theirs = till::show(&**db, &caller, theirs.unwrap().unwrap().id).await;
    assert!(matches!(theirs, Err(Denied::OutOfReach)), "{theirs:?}");
});
