//! An order is one debt, on whatever rails it is paid.

mod random;
pub(crate) mod world;

use entities::{GatewaySessionId, PaymentId, PaymentMethod, PaymentStatus};
use fixtures::{TestDatabase, on_both};
use futures_util::future::join_all;
use payments::{
    AcceptError, Acceptor, Closing, Conflict, Observation, RequestError, accept::Reference, orders::Closed, reviews,
    sessions::GatewayStatus, verdict,
};
use queue::Transaction;
use serde_json::json;

use self::world::{World, deposit};
use super::{ledger::seller::Shop, messages, observe, read, transitions};

async fn world(database: &TestDatabase) -> (Shop, World) {
    let shop = Shop::open(&database.db).await;
    let world = World::of(&shop, &Acceptor::start(database.db.clone()), "one").await;
    (shop, world)
}

on_both!(a_paid_order_takes_no_receipt_and_closes_its_other_rails, async |database: TestDatabase| {
    let (shop, mut world) = world(&database).await;
    let db = &database.db;
    let mut tx = db.begin().await.unwrap();
    let chosen = world.choose_gateway(&mut tx).await.unwrap();
    let intent = world.request_intent(&mut tx).await.unwrap();
    world.gateway_reports(&mut tx, intent, GatewayStatus::Captured).await;
    tx.commit().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let refused = world.report(&mut tx).await;
    assert!(matches!(&refused, Err(RequestError::Conflict(Conflict::Closed(Closed::Paid)))), "{refused:?}");
    assert_eq!(world.request_intent(&mut tx).await.unwrap_err(), "The order is paid already");
    drop(tx);
    assert_eq!(read(db, world.deal).await.status, PaymentStatus::Canceled, "the chain was never asked for the deal");
    assert_eq!(read(db, world.checkout).await.status, PaymentStatus::Canceling, "the gateway may still take money");
    assert!(messages(db, world.checkout).await.contains(&"check_session".to_owned()), "so it is asked to close it");
    let acceptor = Acceptor::start(db.clone());
    let mut new = shop.merchant.payment("late");
    new.order_id = Some(world.order.id);
    let late = acceptor.accept(&shop.merchant.caller(), new).await;
    assert!(matches!(late, Err(AcceptError::OrderClosed(_))), "{late:?}");
    let mut again = shop.merchant.payment("one deal");
    again.order_id = Some(world.order.id);
    let repeated = acceptor.accept(&shop.merchant.caller(), again).await;
    assert!(matches!(repeated, Err(AcceptError::ExternalIdTaken(id)) if id == world.deal), "{repeated:?}");
    let mut tx = db.begin().await.unwrap();
    world.gateway_reports(&mut tx, chosen, GatewayStatus::Closed).await;
    tx.commit().await.unwrap();
    assert_eq!(read(db, world.checkout).await.status, PaymentStatus::Canceled);
});

on_both!(money_on_a_second_rail_is_reviewed_and_names_the_first, async |database: TestDatabase| {
    let (shop, mut world) = world(&database).await;
    let db = &database.db;
    let mut tx = db.begin().await.unwrap();
    world.report(&mut tx).await.unwrap();
    let intent = world.request_intent(&mut tx).await.unwrap();
    world.decide(&shop, &mut tx, true).await.unwrap();
    let bank = world.stored(&tx).await.payment_id.unwrap();
    world.gateway_reports(&mut tx, intent, GatewayStatus::Captured).await;
    let order = world.stored(&tx).await;
    tx.commit().await.unwrap();
    assert_eq!((order.status.as_str(), order.paid_by), ("CONFIRMED", Some(bank)));
    let card = read(db, order.card_payment_id.unwrap()).await;
    assert_eq!((card.status, card.duplicate_of), (PaymentStatus::NeedsReview, Some(bank)));
    let announced = transitions(db, card.id).await;
    assert_eq!(announced[announced.len() - 2..], ["payment.duplicate", "payment.needs_review"]);
    let review = verdict::review(db, &shop.merchant.caller(), card.id).await.unwrap();
    let offered: Vec<PaymentStatus> = review.allowed.iter().map(|rule| rule.to).collect();
    assert_eq!(offered, [PaymentStatus::Canceling, PaymentStatus::Refunded], "it goes back, and is not paid once more");
});

on_both!(a_surplus_goes_back_by_a_verdict, async |database: TestDatabase| {
    let (shop, mut world) = world(&database).await;
    let db = &database.db;
    let mut tx = db.begin().await.unwrap();
    world.report(&mut tx).await.unwrap();
    let intent = world.request_intent(&mut tx).await.unwrap();
    world.decide(&shop, &mut tx, true).await.unwrap();
    world.gateway_reports(&mut tx, intent, GatewayStatus::Captured).await;
    let card = world.stored(&tx).await.card_payment_id.unwrap();
    let caller = shop.merchant.caller();
    reviews::resolve(&mut tx, &caller, card, PaymentStatus::Canceling, "paid twice", None).await.unwrap();
    let refund = shop.refunds_of(&tx, &world.payments(&tx).await).await.pop().expect("a refund of all of it");
    assert_eq!((refund.payment_id, refund.amount), (card, world::TOTAL));
    payments::refunds::hand_over(&tx, refund.id).await.unwrap();
    let actor = payments::Actor::worker("test");
    payments::refunds::settle(&mut tx, refund.id, crate::ledger::done("re"), &actor).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(read(db, card).await.status, PaymentStatus::Refunded);
    let tx = db.begin().await.unwrap();
    assert_eq!(world.stored(&tx).await.status, "CONFIRMED", "the order stays paid");
    drop(tx);
    shop.clean().await;
});

on_both!(
    a_deposit_that_comes_while_its_deal_is_closed_is_announced_and_goes_back_by_itself,
    async |database: TestDatabase| {
        let (shop, mut world) = world(&database).await;
        let db = &database.db;
        observe(db, world.deal, Observation::SendingStarted { diamond_address: "0xd".to_owned() }).await;
        observe(db, world.deal, Observation::DealOpened { deal_id: "7".to_owned(), transaction_hash: None }).await;
        let mut tx = db.begin().await.unwrap();
        world.report(&mut tx).await.unwrap();
        world.decide(&shop, &mut tx, true).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(read(db, world.deal).await.status, PaymentStatus::Canceling);
        observe(db, world.deal, Observation::DepositFinal { data: deposit() }).await;
        let deal = read(db, world.deal).await;
        assert_eq!(deal.status, PaymentStatus::Canceling, "its closing gives the deposit back");
        assert!(deal.duplicate_of.is_some());
        assert_eq!(transitions(db, world.deal).await.last().unwrap(), "payment.duplicate");
        observe(db, world.deal, Observation::DealCanceled { deposit: Closing::Returned, transaction_hash: None }).await;
        assert_eq!(read(db, world.deal).await.status, PaymentStatus::Refunded);
    }
);

on_both!(a_second_session_that_was_paid_too_is_a_payment_of_its_own, async |database: TestDatabase| {
    let (_shop, mut world) = world(&database).await;
    let db = &database.db;
    let mut tx = db.begin().await.unwrap();
    let declined = GatewayStatus::Failed { code: "declined".to_owned(), message: "no".to_owned() };
    let first = world.request_intent(&mut tx).await.unwrap();
    world.gateway_reports(&mut tx, first, declined).await;
    let second = world.request_intent(&mut tx).await.unwrap();
    assert_ne!(first, second);
    world.gateway_reports(&mut tx, second, GatewayStatus::Captured).await;
    world.gateway_reports(&mut tx, first, GatewayStatus::Captured).await;
    world.gateway_reports(&mut tx, first, GatewayStatus::Captured).await;
    world.holds(&tx, "two captures").await;
    let order = world.stored(&tx).await;
    let payments = world.payments(&tx).await;
    let surplus: Vec<_> = payments.iter().filter(|payment| payment.duplicate_of == order.card_payment_id).collect();
    assert_eq!((order.status.as_str(), surplus.len()), ("CONFIRMED", 1));
    assert_eq!(surplus[0].status, PaymentStatus::NeedsReview);
    tx.commit().await.unwrap();
});

on_both!(what_the_bank_takes_back_can_end_and_what_it_gives_again_is_paid, async |database: TestDatabase| {
    let (shop, mut world) = world(&database).await;
    let caller = shop.merchant.caller();
    let mut tx = database.db.begin().await.unwrap();
    let first = world.choose_gateway(&mut tx).await.unwrap();
    world.gateway_reports(&mut tx, first, GatewayStatus::Captured).await;
    world.disputed.insert(first);
    world.gateway_reports(&mut tx, first, GatewayStatus::Captured).await;
    assert_eq!(world.stored(&tx).await.status, "UNDER_REVIEW");
    // The dispute is won: the money is there, and a verdict may say so.
    world.disputed.clear();
    world.gateway_reports(&mut tx, first, GatewayStatus::Captured).await;
    let paid = PaymentStatus::Paid;
    reviews::resolve(&mut tx, &caller, world.checkout, paid, "the dispute is won", None).await.unwrap();
    assert_eq!(world.stored(&tx).await.status, "CONFIRMED");
    // It is lost after all, and the payer pays once more: that is no surplus.
    world.disputed.insert(first);
    world.gateway_reports(&mut tx, first, GatewayStatus::Captured).await;
    reviews::resolve(&mut tx, &caller, world.checkout, PaymentStatus::Open, "let them pay again", None).await.unwrap();
    let second = world.choose_gateway(&mut tx).await.unwrap();
    world.gateway_reports(&mut tx, second, GatewayStatus::Captured).await;
    world.holds(&tx, "a second payment after a lost dispute").await;
    let order = world.stored(&tx).await;
    assert_eq!((order.status.as_str(), order.paid_by), ("CONFIRMED", Some(world.checkout)));
    assert!(world.payments(&tx).await.iter().all(|payment| payment.duplicate_of.is_none()));
    // That one is taken back, too, and somebody ends it: nothing is left to give back.
    world.disputed.insert(second);
    world.gateway_reports(&mut tx, second, GatewayStatus::Captured).await;
    let canceling = PaymentStatus::Canceling;
    reviews::resolve(&mut tx, &caller, world.checkout, canceling, "it is over", None).await.unwrap();
    world.gateway_reports(&mut tx, second, GatewayStatus::Captured).await;
    tx.commit().await.unwrap();
    assert_eq!(read(&database.db, world.checkout).await.status, PaymentStatus::Refunded);
    // And the bank gives it again, long after: somebody has to decide what becomes of it.
    let mut tx = database.db.begin().await.unwrap();
    world.disputed.remove(&second);
    world.gateway_reports(&mut tx, second, GatewayStatus::Captured).await;
    world.holds(&tx, "a dispute that was won after the end").await;
    tx.commit().await.unwrap();
    assert_eq!(read(&database.db, world.checkout).await.status, PaymentStatus::NeedsReview);
});

/// The payer has paid, the bank has taken it back, and the payer has paid once more: at the checkout, or by the card intents
/// of a connected seller.
async fn paid_after_a_dispute(
    shop: &Shop,
    world: &mut World,
    tx: &mut Transaction,
    at_checkout: bool,
) -> (PaymentId, [GatewaySessionId; 2]) {
    let first = if at_checkout { world.choose_gateway(tx).await } else { world.request_intent(tx).await }.unwrap();
    world.gateway_reports(tx, first, GatewayStatus::Captured).await;
    world.disputed.insert(first);
    world.gateway_reports(tx, first, GatewayStatus::Captured).await;
    let id = if at_checkout { world.checkout } else { world.stored(tx).await.card_payment_id.unwrap() };
    let caller = shop.merchant.caller();
    reviews::resolve(tx, &caller, id, PaymentStatus::Open, "let them pay again", None).await.unwrap();
    let second = if at_checkout { world.choose_gateway(tx).await } else { world.request_intent(tx).await }.unwrap();
    world.gateway_reports(tx, second, GatewayStatus::Captured).await;
    (id, [first, second])
}

on_both!(what_comes_back_of_an_earlier_session_ends_nothing_that_a_later_one_paid, async |database: TestDatabase| {
    let (shop, mut world) = world(&database).await;
    let mut tx = database.db.begin().await.unwrap();
    let (id, [first, second]) = paid_after_a_dispute(&shop, &mut world, &mut tx, true).await;
    // The gateway gives the payer what the bank had taken before.
    world.returned.insert(first);
    world.gateway_reports(&mut tx, first, GatewayStatus::Captured).await;
    world.holds(&tx, "an earlier session was refunded").await;
    assert_eq!(world.stored(&tx).await.status, "CONFIRMED");
    world.returned.insert(second);
    world.gateway_reports(&mut tx, second, GatewayStatus::Captured).await;
    tx.commit().await.unwrap();
    assert_eq!(read(&database.db, id).await.status, PaymentStatus::Refunded);
});

on_both!(a_refund_of_an_earlier_capture_ends_nothing_that_a_later_one_paid, async |database: TestDatabase| {
    let (shop, mut world) = world(&database).await;
    let db = &database.db;
    let mut tx = db.begin().await.unwrap();
    let first = world.request_intent(&mut tx).await.unwrap();
    world.gateway_reports(&mut tx, first, GatewayStatus::Captured).await;
    let id = world.stored(&tx).await.card_payment_id.unwrap();
    tx.commit().await.unwrap();
    // A part is on its way back when the payer's bank takes the rest, and the payer pays once more.
    let refund = shop.refund_of(world.order.number, Some(world::TOTAL / 3)).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    payments::refunds::hand_over(&tx, refund.id).await.unwrap();
    world.disputed.insert(first);
    world.gateway_reports(&mut tx, first, GatewayStatus::Captured).await;
    let caller = shop.merchant.caller();
    reviews::resolve(&mut tx, &caller, id, PaymentStatus::Open, "let them pay again", None).await.unwrap();
    let second = world.request_intent(&mut tx).await.unwrap();
    world.gateway_reports(&mut tx, second, GatewayStatus::Captured).await;
    let actor = payments::Actor::worker("test");
    payments::refunds::settle(&mut tx, refund.id, crate::ledger::done("re"), &actor).await.unwrap();
    world.holds(&tx, "a refund of what the bank had taken").await;
    tx.commit().await.unwrap();
    assert_eq!(read(db, id).await.status, PaymentStatus::Paid);
});

on_both!(what_the_bank_gives_again_too_late_is_a_payment_of_its_own, async |database: TestDatabase| {
    let (shop, mut world) = world(&database).await;
    let mut tx = database.db.begin().await.unwrap();
    let (id, [first, _]) = paid_after_a_dispute(&shop, &mut world, &mut tx, false).await;
    world.disputed.clear();
    world.gateway_reports(&mut tx, first, GatewayStatus::Captured).await;
    world.holds(&tx, "a dispute was won after another session had paid").await;
    assert_eq!(world.stored(&tx).await.status, "CONFIRMED");
    let payments = world.payments(&tx).await;
    let surplus = payments.iter().find(|payment| payment.duplicate_of == Some(id)).expect("a payment of its own");
    assert_eq!(surplus.status, PaymentStatus::NeedsReview);
    // And it can be given back: the seller's capture has gone with it.
    let (caller, canceling) = (shop.merchant.caller(), PaymentStatus::Canceling);
    reviews::resolve(&mut tx, &caller, surplus.id, canceling, "paid twice", None).await.unwrap();
    let refund = shop.refunds_of(&tx, &payments).await.pop().expect("a refund of all of it");
    assert_eq!((refund.payment_id, refund.session_id, refund.amount), (surplus.id, first, world::TOTAL));
    payments::refunds::hand_over(&tx, refund.id).await.unwrap();
    let actor = payments::Actor::worker("test");
    payments::refunds::settle(&mut tx, refund.id, crate::ledger::done("re"), &actor).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(read(&database.db, surplus.id).await.status, PaymentStatus::Refunded);
    assert_eq!(read(&database.db, id).await.status, PaymentStatus::Paid);
    shop.clean().await;
});

on_both!(of_rails_that_pay_at_once_one_settles_the_debt, async |database: TestDatabase| {
    let (shop, mut world) = world(&database).await;
    let db = &database.db;
    for _ in 0..12 {
        let acceptor = Acceptor::start(db.clone());
        world = World::of(&shop, &acceptor, &format!("{}", world.order.number)).await;
        let mut tx = db.begin().await.unwrap();
        world.report(&mut tx).await.unwrap();
        let sessions = [world.request_intent(&mut tx).await.unwrap(), world.choose_gateway(&mut tx).await.unwrap()];
        tx.commit().await.unwrap();
        observe(db, world.deal, Observation::SendingStarted { diamond_address: "0xd".to_owned() }).await;
        observe(db, world.deal, Observation::DealOpened { deal_id: "7".to_owned(), transaction_hash: None }).await;
        (world.deposited, world.transferred) = (true, true);
        world.captured.extend(sessions);
        let world = &world;
        let shop = &shop;
        join_all((0..4).map(async |rail| {
            let mut world = world.clone();
            let mut tx = db.begin().await.unwrap();
            match rail {
                0 => world.decide(shop, &mut tx, true).await.unwrap(),
                1 => drop(world.observe(&mut tx, world.deal, Observation::DepositFinal { data: deposit() }).await),
                rail => world.gateway_reports(&mut tx, sessions[rail - 2], GatewayStatus::Captured).await,
            }
            tx.commit().await.unwrap();
        }))
        .await;
        let tx = db.begin().await.unwrap();
        world.holds(&tx, "all at once").await;
        let payments = world.payments(&tx).await;
        let settled = payments.iter().filter(|payment| payment.duplicate_of.is_none());
        let settled: Vec<_> = settled.map(|payment| (payment.payment_method, payment.status)).collect();
        assert_eq!(settled.len(), 1, "{settled:?}");
        assert!(matches!(settled[0].1, PaymentStatus::Paid | PaymentStatus::Completed), "{settled:?}");
    }
});

on_both!(an_order_is_named_by_its_own_node_alone_and_paid_as_a_whole, async |database: TestDatabase| {
    let (shop, world) = world(&database).await;
    let acceptor = Acceptor::start(database.db.clone());
    let stranger = fixtures::Merchant::insert(&database.db, 2).await;
    let mut theirs = stranger.payment("theirs");
    theirs.order_id = Some(world.order.id);
    let refused = acceptor.accept(&stranger.caller(), theirs).await;
    assert!(matches!(refused, Err(AcceptError::NotFound(Reference::Order))), "{refused:?}");
    let mut part = shop.merchant.payment("part");
    (part.order_id, part.payment_method) = (Some(world.order.id), PaymentMethod::CreditCard);
    part.currency_id = world.order.currency_id;
    let refused = acceptor.accept(&shop.merchant.caller(), part).await;
    assert!(matches!(&refused, Err(AcceptError::Misfit(misfit)) if misfit.pointer() == "/paid_price"), "{refused:?}");
    assert_eq!(
        json!(world.order.number).as_f64().map(|number| number as i64),
        Some(world.order.number),
        "a double carries it"
    );
});
