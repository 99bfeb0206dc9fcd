//! Turns what the chain tells into what happens to payments and diamonds.

mod inquiry;

use alloy::primitives::{Address, B256, U256};
use chain::{DealEvent, Evidence, Fact, HeldReturn, Kind, Recorder};
use entities::{DiamondId, DiamondStatus, PaymentId, diamond, now};
use payments::{Actor, Closing, Observation, Observed, rail::Lost};
use queue::Transaction;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::{Value, json};

/// Records a network's facts.
pub struct PaymentRecorder {
    actor: Actor,
}

impl PaymentRecorder {
    #[must_use]
    pub fn new(chain_id: u64) -> Self {
        Self { actor: Actor::chain(chain_id) }
    }
}

#[async_trait::async_trait]
impl Recorder for PaymentRecorder {
    async fn record(&self, tx: &mut Transaction, facts: Vec<Fact>) -> anyhow::Result<()> {
        let mut observed = Vec::with_capacity(facts.len());
        for fact in facts {
            match fact {
                Fact::Deployed { subject_id, diamond, evidence } => {
                    deployed(tx, DiamondId(subject_id), diamond, evidence.hash).await?;
                }
                Fact::Failed { subject_id, kind: Kind::Deploy, code, message, .. } => {
                    not_deployed(tx, DiamondId(subject_id), code, message).await?;
                }
                Fact::Signed { kind: Kind::Deploy, .. }
                | Fact::Broadcast { kind: Kind::Deploy, .. }
                | Fact::Mined { kind: Kind::Deploy, .. } => {}
                Fact::OutcomeUnknown { subject_id, kind: Kind::Deploy, inquiry } => {
                    let evidence = inquiry::evidence(Kind::Deploy, *inquiry);
                    tracing::error!(diamond_id = %subject_id, %evidence, "nobody knows whether the diamond is deployed");
                }
                fact => {
                    let payment_id = PaymentId(fact.subject_id());
                    if let Some(what) = observation(fact) {
                        observed.push(Observed::new(payment_id, what, self.actor.clone()));
                    }
                }
            }
        }
        payments::record(tx, observed).await?;
        Ok(())
    }
}

/// What a fact about a payment means for it.
fn observation(fact: Fact) -> Option<Observation> {
    Some(match fact {
        Fact::Signed { kind, hash, nonce, max_fee_per_gas, max_priority_fee_per_gas, attempt_kind, .. } => {
            let fees = json!({
                "max_fee_per_gas_wei": max_fee_per_gas.to_string(),
                "max_priority_fee_per_gas_wei": max_priority_fee_per_gas.to_string(),
            });
            let data = json!({
                "operation": kind.as_str(), "attempt": attempt_kind.as_str(), "transaction_hash": hash,
                "nonce": nonce, "fees": fees,
            });
            trace("attempt.signed", "A transaction is signed and stored", data)
        }
        Fact::Broadcast { kind, hash, provider, answer, .. } => {
            let data = json!({
                "operation": kind.as_str(), "transaction_hash": hash, "provider": provider, "answer": answer,
            });
            trace("attempt.broadcast", "The transaction was handed to a node", data)
        }
        Fact::Mined { kind, hash, block_number, success, .. } => {
            let data = json!({
                "operation": kind.as_str(), "transaction_hash": hash, "block_number": block_number, "success": success,
            });
            trace("attempt.mined", "The transaction is in a block", data)
        }
        Fact::DealOpened { deal_id, evidence, .. } => {
            Observation::DealOpened { deal_id: deal_id.to_string(), transaction_hash: text(evidence.hash) }
        }
        Fact::DepositSeen { payer, amount, evidence, .. } => {
            Observation::DepositSeen { data: deposit(payer, &amount.to_string(), evidence) }
        }
        Fact::DepositFinal { payer, amount, evidence, .. } => {
            Observation::DepositFinal { data: deposit(payer, &amount.to_string(), evidence) }
        }
        Fact::DepositGone { payer, amount, evidence, .. } => {
            let mut data = deposit(payer, &amount.to_string(), evidence);
            data["lost"] = json!(Lost::DealDeposited.word());
            Observation::DepositGone { data }
        }
        Fact::Released { evidence, .. } => Observation::Released { transaction_hash: text(evidence.hash) },
        Fact::Canceled { returned, held, evidence, .. } => canceled(returned, held, evidence),
        Fact::HeldReturnTaken { payer, amount, evidence, .. } => Observation::ReturnWithdrawn {
            at: evidence.block_time,
            data: deposit(payer, &amount.to_string(), evidence),
        },
        Fact::FinalityBroken { lost, evidence, .. } => {
            let lost = match lost {
                DealEvent::Created => Lost::DealCreated,
                DealEvent::Deposited => Lost::DealDeposited,
                DealEvent::Released => Lost::DealReleased,
                DealEvent::Canceled => Lost::DealCanceled,
            };
            Observation::FinalityBroken { lost, data: place(evidence) }
        }
        Fact::Failed { kind: Kind::Open, code, message, retryable, .. } => {
            Observation::SendFailed { code, message, retryable }
        }
        Fact::Failed { kind: Kind::Cancel, code, message, .. } => Observation::CancelFailed { code, message },
        Fact::Failed { kind: Kind::Release, code, message, .. } => Observation::ReleaseFailed { code, message },
        // The money is the diamond's until the release turns out to be mined: the payment stays paid, and says so.
        Fact::OutcomeUnknown { kind: Kind::Release, inquiry, .. } => {
            let message = "Nobody knows what became of the release; it is still being sent";
            trace("release.unknown", message, inquiry::evidence(Kind::Release, *inquiry))
        }
        Fact::OutcomeUnknown { kind, inquiry, .. } => {
            Observation::OutcomeUnknown { data: inquiry::evidence(kind, *inquiry) }
        }
        Fact::Failed { kind: Kind::Deploy, .. } | Fact::Deployed { .. } => return None,
    })
}

fn trace(event_type: &'static str, message: &str, data: Value) -> Observation {
    Observation::Trace { event_type, message: message.to_owned(), data }
}

fn deposit(payer: Address, amount_base_units: &str, evidence: Evidence) -> Value {
    let mut data = place(evidence);
    data["payer"] = json!(payer.to_checksum(None));
    data["amount_base_units"] = json!(amount_base_units);
    data
}

fn canceled(returned: U256, held: Option<HeldReturn>, evidence: Evidence) -> Observation {
    let deposit = match held {
        Some(HeldReturn { payer, token }) => Closing::Held {
            payer: payer.to_checksum(None),
            token: (!token.is_zero()).then(|| token.to_checksum(None)),
            amount_base_units: returned.to_string(),
        },
        None if returned.is_zero() => Closing::Nothing,
        None => Closing::Returned,
    };
    Observation::DealCanceled { deposit, transaction_hash: text(evidence.hash) }
}

fn place(evidence: Evidence) -> Value {
    json!({
        "transaction_hash": evidence.hash,
        "block_number": evidence.block_number,
        "block_hash": evidence.block_hash,
        "block_time": evidence.block_time,
    })
}

fn text(hash: Option<B256>) -> Option<String> {
    hash.map(|hash| hash.to_string())
}

async fn deployed(tx: &Transaction, id: DiamondId, at: Address, hash: Option<B256>) -> Result<(), DbErr> {
    let deployed = diamond::Entity::update_many()
        .col_expr(diamond::Column::Status, Expr::value(DiamondStatus::Deployed))
        .col_expr(diamond::Column::Address, Expr::value(at.to_checksum(None)))
        .col_expr(diamond::Column::TransactionHash, Expr::value(text(hash)));
    finish(tx, id, deployed).await
}

async fn not_deployed(tx: &Transaction, id: DiamondId, code: String, message: String) -> Result<(), DbErr> {
    let failed = diamond::Entity::update_many()
        .col_expr(diamond::Column::Status, Expr::value(DiamondStatus::Failed))
        .col_expr(diamond::Column::FailureCode, Expr::value(code))
        .col_expr(diamond::Column::FailureMessage, Expr::value(message));
    finish(tx, id, failed).await
}

async fn finish(tx: &Transaction, id: DiamondId, update: sea_orm::UpdateMany<diamond::Entity>) -> Result<(), DbErr> {
    update
        .col_expr(diamond::Column::UpdatedAt, Expr::value(now()))
        .filter(diamond::Column::Id.eq(id))
        .filter(diamond::Column::Status.ne(DiamondStatus::Deployed))
        .exec(&**tx)
        .await?;
    Ok(())
}
