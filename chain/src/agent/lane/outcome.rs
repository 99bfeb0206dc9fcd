//! Writes down what became of sends, and of the operations in them.

use std::collections::HashMap;

use alloy::primitives::{Address, Bytes};
use chrono::Utc;
use queue::Transaction;
use sea_orm::{QueryFilter, entity::prelude::*};
use serde_json::json;
use uuid::Uuid;

use super::{Lane, Mined, Send, examine, track::Findings};
use crate::{
    abi::{self, Reason},
    agent::{
        Tip,
        settlement::{self, Failure},
    },
    classify::{Class, classify},
    error::Error,
    fact::{AttemptKind, Evidence, Fact},
    operation::Kind,
    rpc::{Call, Header, decode, quantity},
    table::{
        Hash, operation,
        send::{Outcome, Status},
        update_from,
    },
    transaction::Draft,
};

/// Transactions that an operation is put into before it counts as failed.
const SENDS_MAX: i32 = 5;

/// A send that is final, and what its end means.
struct Ended {
    id: Uuid,
    outcome: Outcome,
    /// Of a reverted single operation.
    reason: Option<Reason>,
    /// Of a deployment.
    diamond: Option<(Address, Evidence)>,
    mined: Option<Mined>,
    refusal: String,
}

impl Lane {
    pub(super) async fn settle(&mut self, tip: Tip, findings: Findings) -> Result<(), Error> {
        let mut ended = Vec::new();
        for send in &self.sends {
            let new = findings.mined.iter().find(|(id, _)| *id == send.id).map(|(_, mined)| *mined);
            let lost = findings.lost.contains(&send.id);
            let mined = new.or(send.mined.filter(|_| !lost));
            if findings.displaced.contains(&send.id) {
                ended.push(Ended::plain(send, Outcome::Displaced, None));
            } else if let Some(mined) = mined.filter(|mined| mined.number <= tip.final_number) {
                ended.extend(self.end(send, mined).await?);
            }
        }
        if ended.is_empty() && findings.mined.is_empty() && findings.lost.is_empty() {
            return Ok(());
        }
        fail::fail_point!("outcome.receipts_read");
        let mut tx = self.context.begin().await?;
        self.write_receipts(&tx, &findings).await?;
        write_statuses(&tx, &findings, &ended).await?;
        let mut facts = self.mined_facts(&findings);
        facts.extend(write_operations(&tx, &ended).await?);
        self.context.record(&mut tx, facts).await?;
        fail::fail_point!("outcome.before_commit");
        tx.commit().await?;

        self.window = (self.window + findings.mined.len()).min(self.context.config.window_max.max(1) as usize);
        for (id, mined) in findings.mined {
            if let Some(send) = self.send_mut(id) {
                send.mined = Some(mined);
            }
        }
        for id in findings.lost {
            self.unmined_again(id);
        }
        self.sends.retain(|send| !ended.iter().any(|ended| ended.id == send.id));
        Ok(())
    }

    /// What a send with its confirmations means. `None`: the chain has another block there, so it is not final.
    async fn end(&self, send: &Send, mined: Mined) -> Result<Option<Ended>, Error> {
        let provider = self.context.rpc.preferred();
        let block: Option<Header> = decode(provider.read(Call::block(mined.number)).await?)?;
        let Some(block) = block.filter(|block| block.hash == mined.block) else { return Ok(None) };
        let attempt = send.attempts.iter().find(|attempt| attempt.hash == mined.attempt);
        if attempt.is_none_or(|attempt| attempt.kind == AttemptKind::Noop) {
            return Ok(Some(Ended::plain(send, Outcome::Noop, Some(mined))));
        }
        if !mined.success {
            let mut ended = Ended::plain(send, Outcome::Reverted, Some(mined));
            if send.subjects.len() == 1 {
                ended.reason = self.why(send, mined).await?;
            }
            return Ok(Some(ended));
        }
        let mut ended = Ended::plain(send, Outcome::Succeeded, Some(mined));
        if send.kind == Some(Kind::Deploy) {
            // Where a contract comes to stand follows from its sender and nonce; nobody's word is needed for it.
            let diamond = self.signer.create(send.nonce);
            let code = Call::new("eth_getCode", json!([diamond, quantity(mined.number)]));
            let code: Bytes = decode(provider.read(code).await?)?;
            if code.is_empty() {
                return Err(Error::Rpc(format!("{} has no code for {diamond}", provider.label())));
            }
            let evidence = Evidence {
                hash: Some(mined.attempt),
                block_number: mined.number,
                block_hash: mined.block,
                block_time: block.time(),
            };
            ended.diamond = Some((diamond, evidence));
        }
        Ok(Some(ended))
    }

    /// Makes the call again on the block in which it reverted. `None`: there it does not revert, so that the reason lay
    /// in its place within the block, or in its gas.
    async fn why(&self, send: &Send, mined: Mined) -> Result<Option<Reason>, Error> {
        let Some(attempt) = send.attempts.iter().find(|attempt| attempt.hash == mined.attempt) else {
            return Ok(None);
        };
        let draft = Draft::of(&attempt.raw)?;
        let mut call = json!({"from": self.signer, "input": draft.input, "gas": quantity(draft.gas_limit)});
        if let Some(to) = draft.to {
            call["to"] = json!(to);
        }
        let provider = self.context.rpc.preferred();
        let answer = provider.call_all(vec![Call::new("eth_call", json!([call, quantity(mined.number)]))]).await.pop();
        match answer {
            Some(Ok(_)) | None => Ok(None),
            Some(Err(fault)) => match classify(&fault) {
                Class::Reverted(data) => Ok(Some(self.context.dialects.reason(draft.to, &data.unwrap_or_default()))),
                _ => Err(provider.error("eth_call", &fault)),
            },
        }
    }

    async fn write_receipts(&self, tx: &Transaction, findings: &Findings) -> Result<(), Error> {
        let mut rows = Vec::new();
        for (id, mined) in &findings.mined {
            let number = i64::try_from(mined.number).unwrap_or(i64::MAX);
            let Some(send) = self.sends.iter().find(|send| send.id == *id) else { continue };
            for attempt in &send.attempts {
                let this = attempt.hash == mined.attempt;
                rows.push(vec![
                    attempt.id.into(),
                    this.then_some(number).into(),
                    this.then(|| Hash(mined.block).to_string()).into(),
                    this.then_some(mined.success).into(),
                ]);
            }
        }
        for id in &findings.lost {
            let Some(send) = self.sends.iter().find(|send| send.id == *id) else { continue };
            let nothing =
                || vec![Option::<i64>::None.into(), Option::<String>::None.into(), Option::<bool>::None.into()];
            rows.extend(send.attempts.iter().map(|attempt| [vec![attempt.id.into()], nothing()].concat()));
        }
        update_from(
            tx,
            "UPDATE chain_attempts SET mined_number = v.column2, mined_hash = v.column3, mined_success = v.column4",
            "WHERE chain_attempts.id = v.column1",
            rows,
        )
        .await?;
        Ok(())
    }

    fn mined_facts(&self, findings: &Findings) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (id, mined) in &findings.mined {
            let Some(send) = self.sends.iter().find(|send| send.id == *id) else { continue };
            facts.extend(send.subject_kinds().map(|(subject_id, kind)| Fact::Mined {
                subject_id,
                kind,
                hash: mined.attempt,
                block_number: mined.number,
                success: mined.success,
            }));
        }
        facts
    }
}

impl Ended {
    fn plain(send: &Send, outcome: Outcome, mined: Option<Mined>) -> Self {
        Self { id: send.id, outcome, reason: None, diamond: None, mined, refusal: send.refusal() }
    }
}

async fn write_statuses(tx: &Transaction, findings: &Findings, ended: &[Ended]) -> Result<(), Error> {
    let now = Utc::now();
    let row = |id: Uuid, status: Status, outcome: Option<Outcome>| {
        vec![id.into(), status.to_value().into(), outcome.map(|outcome| outcome.to_value()).into(), now.into()]
    };
    let is_ended = |id: &Uuid| ended.iter().any(|ended| ended.id == *id);
    let mined = findings.mined.iter().map(|(id, _)| id).filter(|id| !is_ended(id));
    let mut rows: Vec<_> = mined.map(|id| row(*id, Status::Mined, None)).collect();
    rows.extend(findings.lost.iter().map(|id| row(*id, Status::Unmined, None)));
    rows.extend(ended.iter().map(|ended| row(ended.id, Status::Final, Some(ended.outcome))));
    update_from(
        tx,
        "UPDATE chain_sends SET status = v.column2, outcome = v.column3, updated_at = v.column4",
        "WHERE chain_sends.id = v.column1",
        rows,
    )
    .await?;
    Ok(())
}

/// The operations of ended sends that no event has confirmed. Usually there are none.
async fn write_operations(tx: &Transaction, ended: &[Ended]) -> Result<Vec<Fact>, Error> {
    use operation::Column;

    let by_send: HashMap<Uuid, &Ended> = ended.iter().map(|ended| (ended.id, ended)).collect();
    let left = operation::Entity::find()
        .filter(Column::SendId.is_in(by_send.keys().copied()))
        .filter(Column::Status.eq(operation::Status::Sending))
        .all(&**tx)
        .await?;
    let (mut again, mut failures, mut facts) = (Vec::new(), Vec::new(), Vec::new());
    for operation in &left {
        let Some(ended) = operation.send_id.and_then(|id| by_send.get(&id)) else { continue };
        if let Some((diamond, evidence)) = ended.diamond {
            settlement::confirm(tx, operation.kind, &[operation.subject_id]).await?;
            facts.push(Fact::Deployed { subject_id: operation.subject_id, diamond, evidence });
            continue;
        }
        match ended.failure(operation) {
            Some(failure) => failures.push(failure),
            None => again.push(operation.id),
        }
    }
    operation::Entity::update_many()
        .col_expr(Column::Status, Expr::value(operation::Status::Pending))
        .col_expr(Column::UpdatedAt, Expr::value(Utc::now()))
        .filter(Column::Id.is_in(again))
        .exec(&**tx)
        .await?;
    facts.extend(settlement::fail(tx, failures).await?);
    Ok(facts)
}

impl Ended {
    /// `None`: the operation is examined again, alone, and either turns out to be done, or fails with its own reason,
    /// or is sent once more.
    fn failure(&self, operation: &operation::Model) -> Option<Failure> {
        let hash = self.mined.map(|mined| mined.attempt);
        let (subject_id, kind) = (operation.subject_id, operation.kind);
        let failure = |code: &str, message: &str, retryable| {
            let (code, message) = (code.to_owned(), message.to_owned());
            Some(Failure { subject_id, kind, code, message, retryable, hash })
        };
        match (self.outcome, &self.reason) {
            (Outcome::Noop, _) => failure("rejected", &self.refusal, true),
            // It waits until the signer is an operator, or another one carries it out.
            (Outcome::Reverted, Some(reason)) if reason.code == abi::NOT_OPERATOR => None,
            (Outcome::Reverted, Some(reason)) if reason.code != abi::DEAL_EXISTS => {
                failure(&reason.code, &reason.message, examine::retryable(&reason.code))
            }
            _ if operation.sends >= SENDS_MAX => {
                let message = format!("had no effect in {} transactions", operation.sends);
                failure("no_effect", &message, true)
            }
            (Outcome::Reverted | Outcome::Succeeded | Outcome::Displaced, _) => None,
        }
    }
}
