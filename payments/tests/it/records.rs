//! Many observations in one transaction: each is told, written once and in its order.

use entities::{PaymentId, PaymentStatus, payment_log};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Acceptor, Actor, AtGateway, Observation, Observed, Outcome,
    jobs::AnnounceEvents,
    lock_payments,
    log::{self, NewLog},
};
use queue::Database;
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};
use serde_json::json;

use super::{
    accepted, accepted_by,
    debts::world::{World, deposit},
    ledger::seller::Shop,
    read,
    rows::{clear_outbox, sent},
    transitions,
};

fn observed(id: PaymentId, what: Observation) -> Observed {
    Observed::new(id, what, Actor::worker("test"))
}

async fn record(db: &Database, all: Vec<Observed>) -> Vec<Outcome> {
    let mut tx = db.begin().await.unwrap();
    let outcomes = payments::record(&mut tx, all).await.unwrap();
    tx.commit().await.unwrap();
    outcomes
}

fn opened(deal_id: &str) -> Observation {
    Observation::DealOpened { deal_id: deal_id.to_owned(), transaction_hash: Some(format!("0x{deal_id}")) }
}

fn trace(message: String) -> Observation {
    Observation::Trace { event_type: "attempt.signed", message, data: json!({}) }
}

on_both!(more_payments_than_one_statement_holds_are_all_moved_and_announced, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let acceptor = Acceptor::start(db.clone());
    let names: Vec<String> = (0..230).map(|number| number.to_string()).collect();
    let caller = merchant.caller();
    let accepted = names.iter().map(|name| acceptor.accept(&caller, merchant.payment(name)));
    let accepted = futures_util::future::join_all(accepted).await;
    let ids: Vec<PaymentId> = accepted.into_iter().map(|one| one.unwrap().payment.id).collect();
    clear_outbox(db).await;
    let unknown = PaymentId::new();
    let mut all: Vec<Observed> = ids.iter().zip(&names).map(|(id, name)| observed(*id, opened(name))).collect();
    all.insert(100, observed(unknown, opened("nobody's")));
    let outcomes = record(db, all).await;
    for (index, outcome) in outcomes.iter().enumerate() {
        let wanted = if index == 100 { Outcome::Unchanged } else { Outcome::Moved(PaymentStatus::Open) };
        assert_eq!(*outcome, wanted, "{index}");
    }
    for (id, name) in ids.iter().zip(&names) {
        let payment = read(db, *id).await;
        assert_eq!((payment.status, payment.deal_id.as_deref()), (PaymentStatus::Open, Some(name.as_str())));
    }
    let announced: Vec<_> = sent::<AnnounceEvents>(db).await.into_iter().flat_map(|events| events.log_ids).collect();
    let opened = payment_log::Entity::find().filter(payment_log::Column::EventType.eq("payment.open"));
    let mut opened: Vec<_> = opened.all(&**db).await.unwrap().into_iter().map(|row| row.id).collect();
    opened.sort_unstable();
    assert!(announced.is_sorted() && announced == opened, "each is told once");
});

on_both!(rows_of_a_log_keep_their_order_and_only_transitions_are_events, async |database: TestDatabase| {
    let (_, payment) = accepted(&database).await;
    let db = &database.db;
    let row = |number: i32| NewLog {
        payment_id: payment.id,
        sequence: (number % 3 == 0).then_some(2 + number / 3),
        event_type: "payment.updated",
        message: number.to_string(),
        actor: Actor::chain(7),
        data: json!({ "number": number }),
    };
    let events = log::append(&**db, (0..450).map(row).collect()).await.unwrap();
    let log = payment_log::Entity::find().filter(payment_log::Column::EventType.eq("payment.updated"));
    let log = log.order_by_asc(payment_log::Column::Id).all(&**db).await.unwrap();
    let messages: Vec<i32> = log.iter().map(|row| row.message.parse().unwrap()).collect();
    assert_eq!(messages, (0..450).collect::<Vec<_>>());
    let numbered = log.iter().filter(|row| row.sequence.is_some()).map(|row| (payment.id, row.id));
    assert_eq!(events, numbered.collect::<Vec<_>>());
    assert_eq!((log[9].actor_type, log[9].actor_id.as_deref()), (entities::ActorType::Chain, Some("7")));
    assert_eq!((&log[9].data, log[9].announced_at), (&json!({ "number": 9 }), None));
});

on_both!(observations_of_one_payment_build_on_each_other_and_traces_lock_nothing, async |database: TestDatabase| {
    let (merchant, payment) = accepted(&database).await;
    let db = &database.db;
    let other = accepted_by(db, &merchant, "other").await.id;
    let outcomes = record(
        db,
        vec![
            observed(other, trace("of one that is not changed".to_owned())),
            observed(payment.id, opened("7")),
            observed(payment.id, trace("in between".to_owned())),
            observed(payment.id, Observation::DepositFinal { data: json!({}) }),
            observed(payment.id, opened("8")),
        ],
    )
    .await;
    let (open, paid) = (Outcome::Moved(PaymentStatus::Open), Outcome::Moved(PaymentStatus::Paid));
    assert_eq!(outcomes, [Outcome::Noted, open, Outcome::Noted, paid, Outcome::Unchanged]);
    let announced = transitions(db, payment.id).await;
    assert_eq!(announced[1..], ["payment.open", "payment.submitted", "payment.paid"]);
    assert_eq!(read(db, other).await.updated_at, read(db, other).await.created_at);
    let log = payment_log::Entity::find().filter(payment_log::Column::Message.eq("of one that is not changed"));
    assert_eq!(log.one(&**db).await.unwrap().unwrap().payment_id, other);
});

on_both!(rails_of_one_order_that_are_recorded_together_settle_it_once, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let db = &shop.db;
    let acceptor = Acceptor::start(db.clone());
    let closed = || Observation::Gateway(AtGateway::Closed { data: json!({}) });
    let paid = || Observation::DepositFinal { data: deposit() };
    // What was only noted of the other rail in the same transaction closes it none the less.
    let one = World::of(&shop, &acceptor, "one").await;
    let of = |world: &World, other| {
        vec![observed(world.checkout, other), observed(world.deal, opened("7")), observed(world.deal, paid())]
    };
    record(db, of(&one, closed())).await;
    assert_eq!(
        (read(db, one.deal).await.status, read(db, one.checkout).await.status),
        (PaymentStatus::Paid, PaymentStatus::Canceled)
    );
    let announced = payment_log::Entity::find().filter(payment_log::Column::PaymentId.eq(one.checkout));
    let announced = announced.order_by_desc(payment_log::Column::Id).one(&**db).await.unwrap().unwrap();
    assert_eq!(
        (announced.data["paid_by"].clone(), announced.actor_type),
        (json!(one.deal), entities::ActorType::System)
    );
    // Of two that have money the first one told settles the debt.
    let two = World::of(&shop, &acceptor, "two").await;
    record(db, of(&two, paid())).await;
    let (deal, checkout) = (read(db, two.deal).await, read(db, two.checkout).await);
    assert_eq!((checkout.status, checkout.duplicate_of), (PaymentStatus::Paid, None));
    assert_eq!((deal.status, deal.duplicate_of), (PaymentStatus::NeedsReview, Some(two.checkout)));
    let tx = db.begin().await.unwrap();
    assert_eq!(two.stored(&tx).await.paid_by, Some(two.checkout));
});

on_both!(only_payments_in_the_states_that_are_requested_are_handed_out, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        ids.push(accepted_by(db, &merchant, name).await.id);
    }
    record(db, vec![observed(ids[1], opened("7"))]).await;
    let tx = db.begin().await.unwrap();
    let locked = async |statuses: &[PaymentStatus]| {
        // Asked for in no order, and twice.
        let unordered = [ids[2], ids[0], ids[1], ids[2], PaymentId::new()];
        let payments = lock_payments(&tx, unordered, statuses).await.unwrap();
        payments.into_iter().map(|payment| payment.id).collect::<Vec<_>>()
    };
    assert_eq!(locked(&[PaymentStatus::Pending]).await, [ids[0], ids[2]], "in the order of their ids");
    assert_eq!(locked(&[PaymentStatus::Open, PaymentStatus::Pending]).await, ids);
    assert!(locked(&[PaymentStatus::Paid]).await.is_empty());
});
