//! Gives nonces to what was examined, writes the signed bytes down, and only then lets them go.

use std::time::Instant;

use alloy::primitives::U256;
use chrono::Utc;
use queue::Transaction;
use sea_orm::{ActiveValue::Set, QueryFilter, QuerySelect, entity::prelude::*};
use serde_json::json;
use uuid::Uuid;

use super::{
    Attempt, AttemptStatus, Lane, REST, Send,
    collect::{self, Batch, Item},
    numbering::{self, Numbered},
    pause, permit,
};
use crate::{
    agent::{
        Tip,
        settlement::{self, Failure},
    },
    edition::Deployment,
    error::Error,
    fact::{AttemptKind, Fact},
    fees::{self, Fees, Quote},
    operation::Kind,
    rpc::{Call, decode},
    table::{Amount, Hash, Place, ROWS_MAX, attempt, deal::State, lane, operation, send, update_from},
    transaction::Draft,
};

impl Lane {
    /// Sends what is pending, as far as the window allows.
    pub(super) async fn fill(&mut self, tip: Tip) -> Result<(), Error> {
        let free = self.window.saturating_sub(self.unmined());
        if free == 0 || Instant::now() < self.rest_until {
            return Ok(());
        }
        self.read_policy().await?;
        if self.policy.paused {
            return self.pause(Some(pause::PAUSED)).await;
        }
        self.try_held_back_anew().await?;
        let batch_max = usize::try_from(self.context.config.batch_max.max(1)).unwrap_or(1).min(self.batch_cap);
        let room = free.saturating_mul(batch_max);
        let mut items = collect::pending(&self.context, self.signer, room).await?;
        let others = self.others_pending(room.saturating_sub(items.len())).await?;
        let taken_over: Vec<_> = others.iter().map(|item| (item.subject_id, item.kind)).collect();
        self.hold_back_refused(&mut items).await?;
        items.extend(others);
        if items.is_empty() {
            return self.idle().await;
        }
        let margin = self.context.config.expiry_margin();
        let late = collect::too_late(&mut items, Utc::now(), margin);
        self.conclude(late, Vec::new()).await?;
        self.number(&mut items).await?;
        let mut batches = collect::batches(items, batch_max);
        batches.truncate(free);
        let mut examined = match self.examine(batches, tip).await {
            Ok(examined) => examined,
            Err(error) => {
                // The endpoint's trouble, not the lane's: what is in flight is not touched.
                tracing::warn!(signer = %self.signer, "chain lane could not examine: {error}");
                self.rest_until = Instant::now() + self.context.config.poll_interval();
                return Ok(());
            }
        };
        // That this signer cannot do it fails nothing of another's.
        examined.failures.retain(|failure| !taken_over.contains(&(failure.subject_id, failure.kind)));
        self.conclude(std::mem::take(&mut examined.failures), std::mem::take(&mut examined.satisfied)).await?;
        examined.not_operator.retain(|item| !taken_over.contains(&(item.subject_id, item.kind)));
        self.hold_back(examined.not_operator.iter().map(|item| (item, permit::NOT_OPERATOR))).await?;
        self.balance = examined.balance.or(self.balance);
        let mut ready = examined.ready;
        if ready.is_empty() {
            self.rest_until = Instant::now() + self.context.config.poll_interval();
            return if examined.unfunded { self.pause_short_of_funds().await } else { Ok(()) };
        }
        ready.sort_by_key(|(batch, _)| batch.items[0].id);
        ready.truncate(free);
        let tip_price = examined.tip.max(self.context.config.tip_min_wei.into());
        let fees = match fees::quote(tip.base_fee, tip_price, self.fee_cap()) {
            Quote::Offer(fees) => fees,
            Quote::OverCap { needed } => {
                tracing::debug!(signer = %self.signer, needed, "over the fee cap");
                return self.pause(Some(pause::FEE_CAP)).await;
            }
        };
        let affordable = self.affordable(&ready, fees);
        if affordable == 0 {
            return self.pause_short_of_funds().await;
        }
        ready.truncate(affordable);
        if let Some(word) = self.keep_to_budget(&mut ready, fees) {
            return self.over_the_days_budget(word, batch_max).await;
        }
        self.batch_cap = self.batch_cap.saturating_mul(2);
        fail::fail_point!("lane.examined");
        if !self.dispatch(ready, fees).await? && !taken_over.is_empty() {
            // Another one was faster; what is this signer's own goes first the next time.
            self.leave_others_alone();
        }
        Ok(())
    }

    /// Fewer operations together may still be within the budget; one alone that is not has to wait.
    async fn over_the_days_budget(&mut self, word: &'static str, batch_max: usize) -> Result<(), Error> {
        if self.batch_cap <= 1 {
            return self.pause(Some(word)).await;
        }
        self.batch_cap = (self.batch_cap.min(batch_max) / 2).max(1);
        Ok(())
    }

    /// Nothing waits: a lane that holds nothing up is not paused. One that was short of funds stays so until it has more, though
    /// another took its work: whatever comes next would find it without.
    async fn idle(&mut self) -> Result<(), Error> {
        if self.paused.is_none() || self.unmined() > 0 {
            return Ok(());
        }
        if let Some(before) = self.short_at
            && !self.has_more_than(before).await
        {
            self.rest_until = Instant::now() + REST;
            return Ok(());
        }
        self.pause(None).await
    }

    /// No answer is no more.
    async fn has_more_than(&self, before: U256) -> bool {
        let call = Call::new("eth_getBalance", json!([self.signer, "latest"]));
        let answer = self.context.rpc.preferred().read(call).await.and_then(decode::<U256>);
        answer.is_ok_and(|now| now > before)
    }

    async fn pause_short_of_funds(&mut self) -> Result<(), Error> {
        self.short_at = self.balance;
        self.pause(Some(pause::FUNDS)).await
    }

    /// How many of these the signer can pay for on top of what is in flight. Nodes reckon with the most each may cost.
    fn affordable(&self, ready: &[(Batch, u64)], fees: Fees) -> usize {
        let Some(balance) = self.balance else { return ready.len() };
        let unmined = self.sends.iter().filter(|send| send.mined.is_none());
        let mut spent = unmined.fold(U256::ZERO, |sum, send| sum.saturating_add(send.cost()));
        let mut count = 0;
        for (_, gas) in ready {
            let cost = U256::from(*gas).saturating_mul(U256::from(fees.max_fee));
            spent = spent.saturating_add(cost);
            if spent > balance {
                break;
            }
            count += 1;
        }
        count
    }

    /// Writes down what needs no transaction: what cannot succeed, and what the chain shows already.
    async fn conclude(&mut self, failures: Vec<Failure>, satisfied: Vec<Item>) -> Result<(), Error> {
        if failures.is_empty() && satisfied.is_empty() {
            return Ok(());
        }
        let mut tx = self.context.begin().await?;
        let failures = self.still_own(&tx, failures).await?;
        let facts = settlement::fail(&tx, failures).await?;
        let rows = satisfied.iter().map(|item| {
            let goal = match item.kind {
                Kind::Open | Kind::Deploy => State::Open,
                Kind::Release => State::Released,
                Kind::Cancel => State::Canceled,
            };
            // What is not final yet is confirmed by its event, or by the reconciliation.
            let known = item.state.is_some_and(|state| state >= goal);
            let status = if known { operation::Status::Confirmed } else { operation::Status::Sending };
            vec![item.id.into(), status.to_value().into(), Utc::now().into()]
        });
        update_from(
            &tx,
            "UPDATE chain_operations SET status = v.column2, send_id = NULL, \
             sending_since = COALESCE(sending_since, v.column3), updated_at = v.column3",
            "WHERE chain_operations.id = v.column1 AND chain_operations.status = 'pending'",
            rows.collect(),
        )
        .await?;
        self.context.record(&mut tx, facts).await?;
        Ok(tx.commit().await?)
    }

    /// Those whose operation still waits at this signer: another one may have sent it in the meantime.
    async fn still_own(&self, tx: &Transaction, mut failures: Vec<Failure>) -> Result<Vec<Failure>, Error> {
        let subjects = failures.iter().map(|failure| failure.subject_id);
        let waiting: Vec<(Uuid, Kind)> = operation::Entity::find()
            .select_only()
            .columns([operation::Column::SubjectId, operation::Column::Kind])
            .filter(operation::Column::SubjectId.is_in(subjects))
            .filter(operation::Column::NetworkId.eq(self.context.network.id))
            .filter(operation::Column::Signer.eq(Place(self.signer)))
            .filter(operation::Column::Status.eq(operation::Status::Pending))
            .lock_exclusive()
            .into_tuple()
            .all(&**tx)
            .await?;
        failures.retain(|failure| waiting.contains(&(failure.subject_id, failure.kind)));
        Ok(failures)
    }

    /// `false`: nothing was sent.
    async fn dispatch(&mut self, ready: Vec<(Batch, u64)>, fees: Fees) -> Result<bool, Error> {
        let numbered = numbering::ids(&ready);
        let mut sends = Vec::with_capacity(ready.len());
        for (nonce, (batch, gas_limit)) in (self.next_nonce..).zip(ready) {
            sends.push(self.sign(batch, nonce, gas_limit, fees));
        }
        // Those before one that is not signed have their nonces in front of it.
        let sends = futures_util::future::try_join_all(sends).await?;
        self.pause(None).await?;
        fail::fail_point!("lane.signed");
        if !self.write(&sends, &numbered).await? {
            // Something was withdrawn, or an id taken, in the meantime; the rest comes with the next fill.
            return Ok(false);
        }
        self.next_nonce += u64::try_from(sends.len()).unwrap_or(0);
        for send in &sends {
            self.budget.add(Utc::now(), send.gas_limit, send.cost());
        }
        let due: Vec<(Uuid, Uuid)> = sends.iter().filter_map(|send| Some((send.id, send.newest()?.id))).collect();
        self.sends.extend(sends);
        fail::fail_point!("lane.committed");
        self.broadcast(&due).await?;
        Ok(true)
    }

    async fn sign(&self, batch: Batch, nonce: u64, gas_limit: u64, fees: Fees) -> Result<Send, Error> {
        let draft = Draft {
            chain_id: self.context.network.chain_id,
            nonce,
            to: batch.diamond,
            value: U256::ZERO,
            input: batch.input(&self.deployment(&batch))?,
            gas_limit,
            fees,
        };
        let attempt = self.attempt(&draft, AttemptKind::Call).await?;
        let (operations, subjects) = batch.items.iter().map(|item| (item.id, item.subject_id)).unzip();
        Ok(Send {
            id: Uuid::now_v7(),
            nonce,
            kind: Some(batch.kind),
            diamond: batch.diamond,
            operations,
            subjects,
            gas_limit,
            attempts: vec![attempt],
            mined: None,
            missing_since: None,
        })
    }

    /// A diamond of this signer's making belongs to whom it was asked for, else to the configured owner, or else to the
    /// signer.
    pub(super) fn deployment(&self, batch: &Batch) -> Deployment {
        let config = &self.context.config;
        let asked = batch.items.first().and_then(|item| item.owner).map(|owner| owner.0);
        let owner = asked.or(config.diamond_owner).unwrap_or(self.signer);
        Deployment { owner, operators: vec![self.signer], delay_s: config.diamond_delay_s }
    }

    /// Signs, if the policy allows these very bytes.
    pub(super) async fn attempt(&self, draft: &Draft, kind: AttemptKind) -> Result<Attempt, Error> {
        self.policy.check(draft, self.signer, &self.context.dialects)?;
        let signed = self.key.sign(draft).await?;
        Ok(Attempt {
            id: Uuid::now_v7(),
            kind,
            hash: signed.hash,
            raw: signed.raw,
            fees: draft.fees,
            signed_at: Utc::now(),
            status: AttemptStatus::Open,
            answer: None,
            due: Instant::now(),
            tries: 0,
            kept_at: None,
        })
    }

    /// The nonces, the sends, their bytes, the operations and the facts in one transaction. `false`: an operation is no
    /// longer pending, or an id no longer free, and nothing was written.
    async fn write(&self, sends: &[Send], numbered: &[Numbered]) -> Result<bool, Error> {
        let mut tx = self.context.begin().await?;
        if !self.confirm_policy(&tx).await? {
            return Ok(false);
        }
        self.allocate(&tx, sends).await?;
        fail::fail_point!("lane.nonce_taken");
        if !self.take(&tx, numbered).await? {
            return Ok(false);
        }
        self.insert(&tx, sends).await?;
        fail::fail_point!("lane.attempts_written");
        let now = Utc::now();
        let taken = sends.iter().flat_map(|send| {
            send.operations.iter().map(|id| vec![(*id).into(), send.id.into(), now.into(), Place(self.signer).into()])
        });
        let taken: Vec<_> = taken.collect();
        let count = u64::try_from(taken.len()).unwrap_or(0);
        let changed = update_from(
            &tx,
            "UPDATE chain_operations SET status = 'sending', send_id = v.column2, sends = sends + 1, held_back_by = NULL, \
             signer = v.column4, sending_since = COALESCE(sending_since, v.column3), updated_at = v.column3",
            "WHERE chain_operations.id = v.column1 AND chain_operations.status = 'pending'",
            taken,
        )
        .await?;
        if changed != count {
            return Ok(false);
        }
        let facts = sends.iter().flat_map(|send| send.attempts.iter().flat_map(|attempt| signed(send, attempt)));
        self.context.record(&mut tx, facts.collect()).await?;
        fail::fail_point!("lane.before_commit");
        tx.commit().await?;
        Ok(true)
    }

    /// The rows of sends and of their attempts.
    pub(super) async fn insert(&self, tx: &Transaction, sends: &[Send]) -> Result<(), Error> {
        let now = Utc::now();
        let rows = sends.iter().map(|send| send::ActiveModel {
            id: Set(send.id),
            network_id: Set(self.context.network.id),
            signer: Set(Place(self.signer)),
            nonce: Set(i64::try_from(send.nonce).unwrap_or(i64::MAX)),
            kind: Set(send.kind),
            diamond: Set(send.diamond.map(Place)),
            operations: Set(i32::try_from(send.operations.len()).unwrap_or(i32::MAX)),
            gas_limit: Set(i64::try_from(send.gas_limit).unwrap_or(i64::MAX)),
            status: Set(send::Status::Unmined),
            outcome: Set(None),
            created_at: Set(now),
            updated_at: Set(now),
        });
        send::Entity::insert_many(rows).exec_without_returning(&**tx).await?;
        fail::fail_point!("lane.sends_written");
        let attempts: Vec<_> =
            sends.iter().flat_map(|send| send.attempts.iter().map(|attempt| (send.id, attempt))).collect();
        insert_attempts(tx, &attempts).await
    }

    /// Moves the lane's nonce on, if it stands where this owner believes.
    async fn allocate(&self, tx: &Transaction, sends: &[Send]) -> Result<(), Error> {
        use lane::Column;

        let nonce = |nonce: u64| i64::try_from(nonce).unwrap_or(i64::MAX);
        let count = u64::try_from(sends.len()).unwrap_or(0);
        let (gas, wei) = sends.iter().fold(self.budget.total(), |(gas, wei), send| {
            (gas.saturating_add(send.gas_limit), wei.saturating_add(send.cost()))
        });
        let moved = lane::Entity::update_many()
            .col_expr(Column::NextNonce, Expr::value(nonce(self.next_nonce + count)))
            .col_expr(Column::Balance, Expr::value(self.balance.map(Amount)))
            .col_expr(Column::GasOfDay, Expr::value(i64::try_from(gas).unwrap_or(i64::MAX)))
            .col_expr(Column::SpendOfDay, Expr::value(Amount(wei)))
            .col_expr(Column::Window, Expr::value(i32::try_from(self.window).unwrap_or(i32::MAX)))
            .col_expr(Column::UpdatedAt, Expr::value(Utc::now()))
            .filter(Column::NetworkId.eq(self.context.network.id))
            .filter(Column::Signer.eq(Place(self.signer)))
            .filter(Column::NextNonce.eq(nonce(self.next_nonce)))
            .exec(&**tx)
            .await?;
        if moved.rows_affected == 1 { Ok(()) } else { Err(Error::LaneMoved(self.signer)) }
    }
}

pub(super) async fn insert_attempts(tx: &Transaction, attempts: &[(Uuid, &Attempt)]) -> Result<(), Error> {
    let fee = |fee: u128| i64::try_from(fee).unwrap_or(i64::MAX);
    let rows: Vec<_> = attempts
        .iter()
        .map(|(send_id, attempt)| attempt::ActiveModel {
            id: Set(attempt.id),
            send_id: Set(*send_id),
            kind: Set(attempt.kind),
            hash: Set(Hash(attempt.hash)),
            raw: Set(attempt.raw.clone()),
            max_fee_per_gas: Set(fee(attempt.fees.max_fee)),
            max_priority_fee_per_gas: Set(fee(attempt.fees.tip)),
            signed_at: Set(attempt.signed_at),
            broadcast_at: Set(None),
            provider: Set(None),
            answer: Set(None),
            mined_number: Set(None),
            mined_hash: Set(None),
            mined_success: Set(None),
        })
        .collect();
    for chunk in rows.chunks(ROWS_MAX) {
        attempt::Entity::insert_many(chunk.to_vec()).exec_without_returning(&**tx).await?;
    }
    Ok(())
}

pub(super) fn signed<'a>(send: &'a Send, attempt: &'a Attempt) -> impl Iterator<Item = Fact> + 'a {
    send.subject_kinds().map(|(subject_id, kind)| Fact::Signed {
        subject_id,
        kind,
        hash: attempt.hash,
        nonce: send.nonce,
        max_fee_per_gas: attempt.fees.max_fee,
        max_priority_fee_per_gas: attempt.fees.tip,
        attempt_kind: attempt.kind,
    })
}
