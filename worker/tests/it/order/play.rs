//! One payment, and its rail as a few words. Plays the chain agent: it takes operations, and tells what became of them
//! in the transaction that stores it, as the agent does.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, U256};
use chain::{DealEvent, Evidence, Fact, Kind, Recorder};
use entities::{PaymentId, PaymentStatus, payment_log};
use payments::{Observation, Observed, commands, jobs, reviews, verdict};
use queue::{NewMessage, Transaction};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement, Value, prelude::*};
use worker::PaymentRecorder;

use super::Step;
use crate::Worker;

/// What stands on the rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deal {
    None,
    Open,
    Deposited { is_final: bool },
    Released,
    Closed { returned: bool },
}

pub(super) struct Play<'a> {
    worker: &'a Worker,
    id: PaymentId,
    deal: Deal,
    /// No deposit is taken any more.
    time_over: bool,
    /// Wishes that were accepted and not taken back by a failure or a verdict.
    cancel: bool,
    release: bool,
    steps: Vec<String>,
    /// What the payment was when something final broke.
    pub(super) broken: BTreeSet<PaymentStatus>,
}

fn evidence() -> Evidence {
    let (hash, block_hash) = (Some(B256::repeat_byte(1)), B256::repeat_byte(2));
    Evidence { hash, block_number: 7, block_hash, block_time: entities::now() }
}

impl<'a> Play<'a> {
    pub(super) async fn begin(worker: &'a Worker, name: &str) -> Self {
        let id = worker.accept(name).await;
        let (deal, steps, broken) = (Deal::None, Vec::new(), BTreeSet::new());
        let play = Self { worker, id, deal, time_over: false, cancel: false, release: false, steps, broken };
        play.execute("DELETE FROM chain_cursors", vec![]).await;
        play
    }

    pub(super) async fn step(&mut self, step: Step) {
        self.steps.push(format!("{step:?}"));
        let (db, caller) = (self.worker.db(), self.worker.merchant.caller());
        match step {
            Step::Cancel => self.cancel |= commands::cancel(db, &caller, self.id, None).await.is_ok(),
            Step::Release => self.release |= commands::release(db, &caller, self.id, None).await.is_ok(),
            Step::Retry => drop(commands::retry_send(db, &caller, self.id, None).await),
            Step::Work => self.work().await,
            Step::Again(kind) => self.again(kind).await,
            Step::Take => self.take().await,
            Step::Mine { success, retryable } => self.mine(success, retryable).await,
            Step::Deposit if self.deal == Deal::Open && !self.time_over => {
                self.deal = Deal::Deposited { is_final: false };
                self.record_facts(vec![self.deposited()]).await;
            }
            Step::Finalise if self.deal == Deal::Deposited { is_final: false } => {
                self.deal = Deal::Deposited { is_final: true };
                self.record_facts(vec![self.deposited(), self.paid()]).await;
            }
            Step::Vanish if self.deal == Deal::Deposited { is_final: false } => {
                self.deal = Deal::Open;
                let (payer, amount) = (Address::ZERO, U256::from(1));
                let gone = Fact::DepositGone { subject_id: self.id.0, payer, amount, evidence: evidence() };
                self.record_facts(vec![gone]).await;
            }
            Step::RecordAgain => self.record_facts(self.so_far()).await,
            Step::Break => self.break_last().await,
            Step::Lose => self.lose().await,
            Step::TimeOver => self.time_over().await,
            Step::Decide(choice) => self.decide(choice).await,
            Step::Deposit | Step::Finalise | Step::Vanish => {}
        }
    }

    /// Whether the payment says what is true now.
    pub(super) async fn check(&self) {
        use PaymentStatus as S;
        let payment = self.worker.payment(self.id).await;
        let true_now = match payment.status {
            S::Pending | S::Failed => self.deal == Deal::None,
            S::Open => self.deal == Deal::Open,
            S::Submitted => self.deal == Deal::Deposited { is_final: false },
            S::Paid => self.deal == Deal::Deposited { is_final: true },
            S::Completed => self.deal == Deal::Released,
            S::Refunded => self.deal == Deal::Closed { returned: true },
            S::Canceled => matches!(self.deal, Deal::None | Deal::Closed { returned: false }),
            // Its deal is being closed.
            S::Expired => matches!(self.deal, Deal::Open | Deal::Closed { returned: false }),
            S::Canceling => matches!(self.deal, Deal::None | Deal::Open | Deal::Deposited { .. }),
            S::NeedsReview => true,
            S::Rejected => false,
        };
        assert!(true_now, "{} while the rail has {:?}: {:#?}", payment.status, self.deal, self.steps);
        self.check_log(payment.sequence, payment.status).await;
    }

    async fn check_log(&self, sequence: i32, status: PaymentStatus) {
        let rows = payment_log::Entity::find()
            .filter(payment_log::Column::PaymentId.eq(self.id))
            .filter(payment_log::Column::Sequence.is_not_null())
            .order_by_asc(payment_log::Column::Sequence)
            .all(&**self.worker.db())
            .await
            .unwrap();
        let numbers: Vec<i32> = rows.iter().filter_map(|row| row.sequence).collect();
        assert_eq!(numbers, (1..=sequence).collect::<Vec<_>>(), "numbered without gaps");
        let mut last = None;
        for row in &rows {
            assert_eq!(row.data["from"].as_str().map(str::to_owned), last, "each begins where the one before ended");
            last = row.data["to"].as_str().map(str::to_owned);
        }
        assert_eq!(last, Some(status.word()), "{:#?}", self.steps);
    }

    /// Lets everything come to rest, and checks that nothing is left undone.
    pub(super) async fn end(mut self) -> PaymentStatus {
        use PaymentStatus as S;
        self.steps.push("the end".to_owned());
        for _ in 0..12 {
            let sql = if self.time_over { "" } else { " AND kind <> 'expire_payment'" };
            let sql = format!("UPDATE outbox SET due_at = $1 WHERE payload LIKE '%{}%'{sql}", self.id);
            self.execute(&sql, vec![(entities::now() - chrono::TimeDelta::seconds(1)).into()]).await;
            for step in [Step::Work, Step::Take, Step::Mine { success: true, retryable: true }, Step::Finalise] {
                self.step(step).await;
                self.check().await;
            }
            self.step(Step::Decide(0)).await;
            self.check().await;
        }
        let payment = self.worker.payment(self.id).await;
        let said = match self.deal {
            Deal::None => matches!(payment.status, S::Failed | S::Canceled),
            Deal::Open => payment.status == S::Open && !self.time_over,
            Deal::Deposited { is_final } => payment.status == S::Paid && is_final,
            Deal::Released => payment.status == S::Completed,
            Deal::Closed { returned: false } => matches!(payment.status, S::Canceled | S::Expired),
            Deal::Closed { returned: true } => payment.status == S::Refunded,
        };
        assert!(said, "ends {} while the rail has {:?}: {:#?}", payment.status, self.deal, self.steps);
        if self.cancel {
            let kept = matches!(payment.status, S::Canceled | S::Refunded | S::Completed);
            assert!(kept, "an accepted cancel ends {}: {:#?}", payment.status, self.steps);
        }
        if self.release {
            let kept = matches!(payment.status, S::Completed | S::Refunded);
            assert!(kept, "an accepted release ends {}: {:#?}", payment.status, self.steps);
        }
        let letters = self.worker.dead_letters().await;
        assert!(letters.is_empty(), "{letters:?}: {:#?}", self.steps);
        payment.status
    }

    async fn work(&self) {
        self.worker.run().await;
    }

    async fn again(&self, kind: usize) {
        let payment_id = self.id;
        let message = match kind {
            0 => NewMessage::of(&jobs::OpenDeal { payment_id }),
            1 => NewMessage::of(&jobs::CancelDeal { payment_id }),
            2 => NewMessage::of(&jobs::ReleaseDeal { payment_id }),
            _ => NewMessage::of(&jobs::ExpirePayment { payment_id }),
        };
        self.worker.deliver(message).await;
    }

    /// Kind and status of what was asked for.
    async fn operations(&self) -> Vec<(String, String)> {
        let sql = "SELECT kind, status FROM chain_operations WHERE subject_id = $1 ORDER BY id";
        let rows = self.worker.db().query_all_raw(self.statement(sql, vec![self.id.0.into()])).await.unwrap();
        rows.iter().map(|row| (row.try_get("", "kind").unwrap(), row.try_get("", "status").unwrap())).collect()
    }

    /// What has a deal, or makes one, is put into a transaction.
    async fn take(&self) {
        let kinds = if self.deal == Deal::None { "'open'" } else { "'open', 'cancel', 'release'" };
        let sql = format!(
            "UPDATE chain_operations SET status = 'sending', sends = sends + 1 \
             WHERE subject_id = $1 AND status = 'pending' AND kind IN ({kinds})"
        );
        self.execute(&sql, vec![self.id.0.into()]).await;
    }

    async fn mine(&mut self, success: bool, retryable: bool) {
        for (kind, status) in self.operations().await {
            if status != "sending" {
                continue;
            }
            match kind.as_str() {
                "open" => self.open(success && !self.time_over, retryable).await,
                "cancel" => self.close(success).await,
                _ => self.pay_out(success).await,
            }
        }
    }

    async fn open(&mut self, success: bool, retryable: bool) {
        if self.deal != Deal::None {
            self.settle("open", "confirmed", vec![]).await;
        } else if success {
            self.deal = Deal::Open;
            self.settle("open", "confirmed", self.so_far()).await;
        } else {
            self.settle("open", "failed", vec![self.failed(Kind::Open, retryable)]).await;
            // What waited for the deal waits in vain.
            for (name, kind) in [("cancel", Kind::Cancel), ("release", Kind::Release)] {
                if self.operations().await.contains(&(name.to_owned(), "pending".to_owned())) {
                    self.settle(name, "failed", vec![self.failed(kind, false)]).await;
                }
            }
        }
    }

    async fn close(&mut self, success: bool) {
        let returned = match self.deal {
            Deal::Open if success => false,
            Deal::Deposited { .. } if success => true,
            Deal::Closed { .. } => return self.settle("cancel", "confirmed", vec![]).await,
            Deal::None => return,
            Deal::Open | Deal::Deposited { .. } | Deal::Released => {
                return self.settle("cancel", "failed", vec![self.failed(Kind::Cancel, true)]).await;
            }
        };
        // The deposit is final with what came after it.
        let mut facts = if returned { vec![self.deposited(), self.paid()] } else { vec![] };
        self.deal = Deal::Closed { returned };
        facts.push(self.closed(returned));
        self.settle("cancel", "confirmed", facts).await;
    }

    async fn pay_out(&mut self, success: bool) {
        match self.deal {
            Deal::Deposited { .. } if success => {
                self.deal = Deal::Released;
                self.settle("release", "confirmed", vec![self.deposited(), self.paid(), self.released()]).await;
            }
            Deal::Released => self.settle("release", "confirmed", vec![]).await,
            Deal::None | Deal::Open => {}
            Deal::Deposited { .. } | Deal::Closed { .. } => {
                self.release = false;
                self.settle("release", "failed", vec![self.failed(Kind::Release, true)]).await;
            }
        }
    }

    async fn break_last(&mut self) {
        let (lost, before, operation) = match self.deal {
            Deal::Open => (DealEvent::Created, Deal::None, "open"),
            Deal::Deposited { is_final: true } => (DealEvent::Deposited, Deal::Open, ""),
            Deal::Released => (DealEvent::Released, Deal::Deposited { is_final: true }, "release"),
            Deal::Closed { returned: false } => (DealEvent::Canceled, Deal::Open, "cancel"),
            Deal::Closed { returned: true } => (DealEvent::Canceled, Deal::Deposited { is_final: true }, "cancel"),
            Deal::None | Deal::Deposited { is_final: false } => return,
        };
        self.deal = before;
        self.broken.insert(self.worker.payment(self.id).await.status);
        let broken = Fact::FinalityBroken { subject_id: self.id.0, lost, evidence: evidence() };
        self.settle(operation, "sending", vec![broken]).await;
    }

    async fn lose(&self) {
        let sending =
            self.operations().await.into_iter().find(|(kind, status)| kind != "release" && status == "sending");
        let Some((operation, _)) = sending else { return };
        let data = serde_json::json!({ "operation": operation, "attempts": [] });
        let mut tx = self.worker.db().begin().await.unwrap();
        let what = Observation::OutcomeUnknown { data };
        payments::record(&mut tx, vec![Observed::new(self.id, what, payments::Actor::chain(31_337))]).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn time_over(&mut self) {
        if self.deal == (Deal::Deposited { is_final: false }) || self.time_over {
            return;
        }
        self.time_over = true;
        self.worker.read_until(entities::now() + chrono::TimeDelta::hours(2)).await;
    }

    async fn decide(&mut self, choice: usize) {
        let (db, caller) = (self.worker.db(), self.worker.merchant.caller());
        let review = verdict::review(db, &caller, self.id).await.unwrap();
        if review.payment.status != PaymentStatus::NeedsReview {
            return;
        }
        let shown = review.rail.shown().word();
        let is_true = match self.deal {
            Deal::None => shown == "nothing",
            Deal::Open => shown == "deal_open",
            Deal::Deposited { is_final: false } => shown == "deposit_seen",
            Deal::Deposited { is_final: true } => shown == "deposit_final",
            Deal::Released => shown == "released",
            Deal::Closed { returned: true } => shown == "returned",
            Deal::Closed { returned: false } => shown == "closed",
        };
        assert!(is_true, "the log shows {shown} while the rail has {:?}: {:#?}", self.deal, self.steps);
        let to = review.allowed[choice % review.allowed.len()].to;
        let mut tx = db.begin().await.unwrap();
        reviews::resolve(&mut tx, &caller, self.id, to, "as the rail has it", None).await.unwrap();
        tx.commit().await.unwrap();
        self.steps.push(format!("verdict {to}"));
        // What was wished before is the operator's to keep or to drop.
        (self.cancel, self.release) = (false, false);
    }

    fn deposited(&self) -> Fact {
        let (payer, amount) = (Address::ZERO, U256::from(1));
        Fact::DepositSeen { subject_id: self.id.0, payer, amount, evidence: evidence() }
    }

    fn paid(&self) -> Fact {
        let (payer, amount) = (Address::ZERO, U256::from(1));
        Fact::DepositFinal { subject_id: self.id.0, payer, amount, evidence: evidence() }
    }

    fn released(&self) -> Fact {
        Fact::Released { subject_id: self.id.0, amount: U256::from(1), evidence: evidence() }
    }

    fn closed(&self, returned: bool) -> Fact {
        let returned = U256::from(u8::from(returned));
        Fact::Canceled { subject_id: self.id.0, returned, held: None, evidence: evidence() }
    }

    fn failed(&self, kind: Kind, retryable: bool) -> Fact {
        let (code, message) = ("reverted".to_owned(), "played".to_owned());
        Fact::Failed { subject_id: self.id.0, kind, code, message, retryable, hash: None }
    }

    /// The facts that led to what stands on the rail.
    fn so_far(&self) -> Vec<Fact> {
        let opened = Fact::DealOpened { subject_id: self.id.0, deal_id: U256::from(7), evidence: evidence() };
        match self.deal {
            Deal::None => vec![],
            Deal::Open => vec![opened],
            Deal::Deposited { is_final: false } => vec![opened, self.deposited()],
            Deal::Deposited { is_final: true } => vec![opened, self.deposited(), self.paid()],
            Deal::Released => vec![opened, self.deposited(), self.paid(), self.released()],
            Deal::Closed { returned: false } => vec![opened, self.closed(false)],
            Deal::Closed { returned: true } => vec![opened, self.deposited(), self.paid(), self.closed(true)],
        }
    }

    async fn record_facts(&self, facts: Vec<Fact>) {
        self.settle("", "", facts).await;
    }

    /// Stores what became of an operation and tells it, in one transaction.
    async fn settle(&self, kind: &str, status: &str, facts: Vec<Fact>) {
        let mut tx: Transaction = self.worker.db().begin().await.unwrap();
        let sql = "UPDATE chain_operations SET status = $1 WHERE subject_id = $2 AND kind = $3";
        tx.execute_raw(self.statement(sql, vec![status.into(), self.id.0.into(), kind.into()])).await.unwrap();
        PaymentRecorder::new(31_337).record(&mut tx, facts).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn execute(&self, sql: &str, values: Vec<Value>) {
        self.worker.db().execute_raw(self.statement(sql, values)).await.unwrap();
    }

    fn statement(&self, sql: &str, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(self.worker.db().get_database_backend(), sql, values)
    }
}
