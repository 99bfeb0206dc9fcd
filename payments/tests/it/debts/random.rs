//! All rails of one order at once, in no order that anybody would think of: it is never less than paid, and no money is
//! lost or counted twice. `QUITTANCE_TEST_DEBT_RUNS` says how many orders live, and `QUITTANCE_TEST_DEBT_SEED` which ones:
//! a batch of ten has the seed and its number for its own.

use std::time::Instant;

use entities::{GatewaySessionId, GatewaySessionStatus, PaymentId, PaymentStatus};
use fixtures::{TestDatabase, on_both};
use payments::{Acceptor, Actor, Closing, Observation, refunds, reviews, sessions::GatewayStatus};
use queue::Transaction;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::ConnectionTrait;

use super::{
    super::ledger::{
        done, failed,
        seller::{Shop, new_refund},
    },
    world::{World, deposit},
};

const SEED: u64 = 0xdeb7;
const RUNS: u64 = 60;
const STEPS: usize = 40;

/// Lives of one transaction.
const BATCH: u64 = 10;

/// The statuses below which a public request must never bring an order.
const MONEY: [&str; 4] = ["CONFIRMED", "REFUND_PENDING", "REFUNDED", "UNDER_REVIEW"];

struct Run<'a> {
    shop: &'a Shop,
    random: StdRng,
    /// How often a second rail's money came.
    duplicates: usize,
}

impl Run<'_> {
    async fn live(&mut self, tx: &mut Transaction, mut world: World) {
        for step in 0..STEPS {
            let before = world.stored(tx).await.status;
            tx.execute_unprepared("SAVEPOINT request").await.unwrap();
            let kind = self.random.random_range(0..100);
            let went = self.step(tx, &mut world, kind).await;
            let end = if went { "RELEASE SAVEPOINT request" } else { "ROLLBACK TO SAVEPOINT request" };
            tx.execute_unprepared(end).await.unwrap();
            let after = format!("step {step}, {kind}");
            world.holds(tx, &after).await;
            let now = world.stored(tx).await.status;
            // Up to here it is strangers who ask, and rails that tell.
            if kind < 60 && MONEY.contains(&before.as_str()) {
                assert!(MONEY.contains(&now.as_str()), "{after}: {before} became {now}");
                assert!(before != "CONFIRMED" || now == "CONFIRMED", "{after}: {before} became {now}");
            }
        }
        let payments = world.payments(tx).await;
        self.duplicates += payments.iter().filter(|payment| payment.duplicate_of.is_some()).count();
    }

    /// Whether it was taken.
    async fn step(&mut self, tx: &mut Transaction, world: &mut World, kind: u32) -> bool {
        match kind {
            0..12 => world.report(tx).await.is_ok(),
            12..22 => world.request_intent(tx).await.is_ok(),
            22..30 => world.choose_gateway(tx).await.is_ok(),
            30..46 => self.at_gateway(tx, world).await,
            46..60 => self.on_chain(tx, world).await,
            60..74 => {
                let confirmed = self.random.random_bool(0.6);
                world.decide(self.shop, tx, confirmed).await.is_ok()
            }
            74..80 => self.refund(tx, world).await,
            80..84 => self.any_payment(tx, world, Observation::CancelRequested).await,
            84..88 => self.any_payment(tx, world, Observation::Expired).await,
            88..94 => self.verdict(tx, world).await,
            94..96 => self.dispute(tx, world).await,
            _ => self.money_goes_back(tx, world).await,
        }
    }

    /// Payers pay at sessions that we may have given up meanwhile; a step of ours closes what nobody may pay any more.
    async fn at_gateway(&mut self, tx: &mut Transaction, world: &mut World) -> bool {
        let sessions = world.sessions(tx).await;
        let Some(session) = self.any(&sessions) else { return false };
        let status = match self.random.random_range(0..10) {
            0..5 => GatewayStatus::Captured,
            5 => GatewayStatus::Approved,
            6 => GatewayStatus::Waiting,
            7 | 8 => GatewayStatus::Closed,
            _ => GatewayStatus::Failed { code: "declined".to_owned(), message: "no".to_owned() },
        };
        world.gateway_reports(tx, session.id, status).await;
        true
    }

    async fn on_chain(&mut self, tx: &mut Transaction, world: &mut World) -> bool {
        let deal = world.payments(tx).await.into_iter().find(|payment| payment.id == world.deal).unwrap();
        if world.deal_closed {
            return false;
        }
        if deal.deal_id.is_none() {
            let started = Observation::SendingStarted { diamond_address: "0xd".to_owned() };
            world.observe(tx, deal.id, started).await;
            let opened = Observation::DealOpened { deal_id: "7".to_owned(), transaction_hash: None };
            world.observe(tx, deal.id, opened).await;
        } else if !world.deposited && self.random.random_bool(0.5) {
            world.deposited = true;
            world.observe(tx, deal.id, Observation::DepositSeen { data: deposit() }).await;
            world.observe(tx, deal.id, Observation::DepositFinal { data: deposit() }).await;
        } else if matches!(deal.status, PaymentStatus::Canceling | PaymentStatus::Expired) {
            world.deal_closed = true;
            let deposit = if world.deposited { Closing::Returned } else { Closing::Nothing };
            world.observe(tx, deal.id, Observation::DealCanceled { deposit, transaction_hash: None }).await;
        }
        true
    }

    async fn refund(&mut self, tx: &mut Transaction, world: &World) -> bool {
        let amount = self.random.random_bool(0.5).then(|| self.random.random_range(1..3_000));
        refunds::request(tx, &self.shop.merchant.caller(), new_refund(world.order.number, amount)).await.is_ok()
    }

    async fn any_payment(&mut self, tx: &mut Transaction, world: &World, what: Observation) -> bool {
        let payments = world.payments(tx).await;
        let Some(payment) = self.any(&payments) else { return false };
        world.observe(tx, payment.id, what).await;
        true
    }

    async fn verdict(&mut self, tx: &mut Transaction, world: &mut World) -> bool {
        let payments = world.payments(tx).await;
        let waiting: Vec<_> = payments.iter().filter(|payment| payment.status == PaymentStatus::NeedsReview).collect();
        let Some(payment) = self.any(&waiting) else { return false };
        let to = PaymentStatus::ALL[self.random.random_range(0..PaymentStatus::ALL.len())];
        let caller = self.shop.merchant.caller();
        let given = reviews::resolve(tx, &caller, payment.id, to, "a good reason", None).await;
        if given.is_ok() && to == PaymentStatus::Refunded {
            world.sent_back.insert(payment.id);
        }
        given.is_ok()
    }

    /// A payer's bank takes money back, or gives it again.
    async fn dispute(&mut self, tx: &mut Transaction, world: &mut World) -> bool {
        let captured: Vec<GatewaySessionId> = world.captured.difference(&world.returned).copied().collect();
        let Some(id) = self.any(&captured).copied() else { return false };
        if !world.disputed.remove(&id) {
            world.disputed.insert(id);
        }
        world.gateway_reports(tx, id, GatewayStatus::Captured).await;
        true
    }

    /// What is on its way back to payers comes there: refunds of sellers, and what the shop's own gateway is asked for.
    async fn money_goes_back(&mut self, tx: &mut Transaction, world: &mut World) -> bool {
        let undecided = self.shop.refunds_of(tx, &world.payments(tx).await).await;
        for refund in undecided {
            refunds::hand_over(tx, refund.id).await.unwrap();
            let outcome = if self.random.random_bool(0.8) { done("re") } else { failed() };
            refunds::settle(tx, refund.id, outcome, &Actor::worker("test")).await.unwrap();
        }
        let canceling: Vec<PaymentId> = world
            .payments(tx)
            .await
            .into_iter()
            .filter(|payment| payment.status == PaymentStatus::Canceling)
            .map(|payment| payment.id)
            .collect();
        let sessions = world
            .sessions(tx)
            .await
            .into_iter()
            .filter(|session| session.status == GatewaySessionStatus::Captured && session.account.is_none());
        let due: Vec<GatewaySessionId> =
            sessions.filter(|session| canceling.contains(&session.payment_id)).map(|session| session.id).collect();
        for id in due {
            world.returned.insert(id);
            world.gateway_reports(tx, id, GatewayStatus::Captured).await;
        }
        world.refunded(tx).await;
        true
    }

    fn any<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        (!among.is_empty()).then(|| &among[self.random.random_range(0..among.len())])
    }
}

on_both!(a_paid_order_is_never_less_than_paid_and_no_surplus_is_lost, async |database: TestDatabase| {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    let runs = number("QUITTANCE_TEST_DEBT_RUNS").unwrap_or(RUNS);
    let seed = number("QUITTANCE_TEST_DEBT_SEED").unwrap_or(SEED);
    let started = Instant::now();
    let shop = Shop::open(&database.db).await;
    let acceptor = Acceptor::start(database.db.clone());
    let mut run = Run { shop: &shop, random: StdRng::seed_from_u64(seed), duplicates: 0 };
    for batch in 0..runs.div_ceil(BATCH) {
        run.random = StdRng::seed_from_u64(seed.wrapping_add(batch));
        let mut worlds = Vec::new();
        for name in 0..BATCH {
            worlds.push(World::of(&shop, &acceptor, &format!("{batch}.{name}")).await);
        }
        let mut tx = database.db.begin().await.unwrap();
        for world in worlds {
            run.live(&mut tx, world).await;
        }
        tx.commit().await.unwrap();
        let lived = (batch + 1) * BATCH;
        if lived >= runs || lived.is_multiple_of(500) {
            println!("seed {seed}: {lived} orders, {} duplicates, {:?}", run.duplicates, started.elapsed());
        }
    }
    assert!(run.duplicates as u64 > runs / 4, "the lives are too tame: {} duplicates", run.duplicates);
    shop.clean().await;
});
