//! Ten thousand steps in no order that anybody would think of, after which the ledger has to agree with everything.

use std::time::Instant;

use entities::{PayoutId, RefundId};
use fixtures::{TestDatabase, on_both};
use payments::{Actor, RequestError, intents, ledger, payouts, refunds};
use queue::Transaction;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::ConnectionTrait;

use super::{
    done, failed, paid,
    seller::{Sale, Shop, euros, new_refund},
};

const SEED: u64 = 0x5e11_e125;
const STEPS: usize = 10_000;

/// Steps of one transaction.
const BATCH: usize = 250;

struct Run {
    shop: Shop,
    random: StdRng,
    sales: Vec<Sale>,
    refunds: Vec<RefundId>,
    payouts: Vec<PayoutId>,
    /// What of each kind was done, and refused.
    done: [usize; 5],
    refused: usize,
}

impl Run {
    async fn step(&mut self, tx: &mut Transaction) {
        match self.random.random_range(0..100) {
            0..5 => self.sell(tx).await,
            5..20 => self.refund(tx).await,
            20..50 => self.pay_out(tx).await,
            50..72 => self.settle(tx).await,
            _ => self.reverse(tx).await,
        }
    }

    async fn sell(&mut self, tx: &mut Transaction) {
        let cents = self.random.random_range(1..100_000);
        let sale = self.shop.sale_in(tx, cents, self.random.random_range(0..=cents / 20)).await;
        assert_eq!(intents_paid(tx, &sale).await, "The order is paid already");
        self.sales.push(sale);
        self.done[0] += 1;
    }

    async fn refund(&mut self, tx: &mut Transaction) {
        let Some(index) = self.any(self.sales.len()) else { return };
        let whole = self.random.random_bool(0.2);
        let amount = (!whole).then(|| self.random.random_range(1..30_000));
        let new = new_refund(self.sales[index].order.number, amount);
        match refunds::request(tx, &self.shop.merchant.caller(), new).await {
            Ok(refund) => {
                self.refunds.push(refund.id);
                self.done[1] += 1;
            }
            Err(RequestError::Conflict(_)) => self.refused += 1,
            Err(error) => panic!("{error}"),
        }
    }

    async fn pay_out(&mut self, tx: &mut Transaction) {
        // A request of its own would roll its transaction back.
        tx.execute_unprepared("SAVEPOINT request").await.unwrap();
        let amount = self.random.random_range(1..40_000);
        match payouts::request(tx, self.shop.merchant.node_id, "EUR", amount).await {
            Ok(payout) => {
                self.payouts.push(payout.id);
                self.done[2] += 1;
                tx.execute_unprepared("RELEASE SAVEPOINT request").await.unwrap();
            }
            Err(RequestError::Conflict(_)) => {
                self.refused += 1;
                tx.execute_unprepared("ROLLBACK TO SAVEPOINT request").await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }

    async fn settle(&mut self, tx: &mut Transaction) {
        let (well, of_refund) = (self.random.random_bool(0.7), self.random.random_bool(0.5));
        if of_refund && let Some(index) = self.any(self.refunds.len()) {
            // Now and then one that is settled already.
            let id = self.refunds[index];
            refunds::hand_over(tx, id).await.unwrap();
            let outcome = if well { done("re") } else { failed() };
            refunds::settle(tx, id, outcome, &Actor::worker("test")).await.unwrap();
            self.done[3] += 1;
        } else if let Some(index) = self.any(self.payouts.len()) {
            let id = self.payouts[index];
            payouts::hand_over(tx, id).await.unwrap();
            let failure = payouts::PayoutOutcome::Failed { code: "x".to_owned(), message: "y".to_owned() };
            payouts::settle(tx, id, if well { paid("po") } else { failure }).await.unwrap();
            self.done[3] += 1;
        }
    }

    async fn reverse(&mut self, tx: &mut Transaction) {
        let Some(index) = self.any(self.sales.len()) else { return };
        let total = self.random.random_range(0..3) * self.random.random_range(0..1_000);
        ledger::reversal_posted(tx, &self.sales[index].session, euros(total)).await.unwrap();
        self.done[4] += 1;
    }

    fn any(&mut self, among: usize) -> Option<usize> {
        // Mostly a recent one: those from long ago are at their ends.
        let recent = among.saturating_sub(40);
        (among > 0).then(|| self.random.random_range(recent..among))
    }
}

async fn intents_paid(tx: &mut Transaction, sale: &Sale) -> String {
    intents::request(tx, sale.order.number, &Actor::payer().into()).await.unwrap_err().to_string()
}

on_both!(after_ten_thousand_random_steps_the_ledger_is_clean, async |database: TestDatabase| {
    println!("seed {SEED:#x}");
    let started = Instant::now();
    let shop = Shop::open(&database.db).await;
    let random = StdRng::seed_from_u64(SEED);
    let mut run =
        Run { shop, random, sales: Vec::new(), refunds: Vec::new(), payouts: Vec::new(), done: [0; 5], refused: 0 };
    for _ in 0..STEPS / BATCH {
        let mut tx = database.db.begin().await.unwrap();
        for _ in 0..BATCH {
            run.step(&mut tx).await;
        }
        tx.commit().await.unwrap();
    }
    println!("{:?} done, {} refused, {:?}", run.done, run.refused, started.elapsed());
    assert!(run.done.iter().all(|done| *done > 300) && run.refused > 300, "{:?} {}", run.done, run.refused);
    let check = run.shop.clean().await;
    assert!(check.entries > 2_000, "{check:?}");
});
