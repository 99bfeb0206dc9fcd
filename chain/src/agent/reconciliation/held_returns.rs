//! Deposits that a diamond keeps for payers whose accounts refused them: found where no log told of it, and followed until
//! their payers have taken them.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::{SolCall, SolEvent},
};
use chrono::Utc;
use sea_orm::{QueryFilter, QueryOrder, QuerySelect, entity::prelude::*};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Context, ROUND};
use crate::{
    abi::{self, DealState, Deals},
    error::Error,
    fact::{Evidence, Fact},
    rpc::{Call, Header, Log, Provider, decode, quantity},
    table::deal,
};

/// A diamond, an account and a token.
type Place = (Address, Address, Address);

/// Accounts that have taken what was kept although no log says in which transaction.
#[derive(Debug, Default)]
pub(super) struct Unlogged(BTreeSet<Place>);

/// Whether the deposit of a deal that was canceled unseen is kept: as its log tells, or where that is out of reach, as the
/// contract does.
pub(super) async fn is_held(
    context: &Context,
    provider: &Provider,
    diamond: Address,
    recorded: &deal::Model,
    found: &abi::Deal,
    block: &Header,
    logs: &[Log],
) -> Result<bool, Error> {
    // A contract of somebody else's hands back what it returns, or reverts.
    let is_ours = context.dialects.at(diamond).is_none();
    if !is_ours || found.state != DealState::Canceled || found.payer.is_zero() {
        return Ok(false);
    }
    let canceled = Deals::DealCanceled::SIGNATURE_HASH;
    let canceled_in = logs
        .iter()
        .find(|log| log.topics.first() == Some(&canceled) && log.topics.get(2) == Some(&found.r#ref))
        .map(Log::block_number);
    if let Some(number) = canceled_in {
        let topics = json!([Deals::ReturnHeld::SIGNATURE_HASH, B256::from(found.id)]);
        let logs = logs_in(provider, diamond, topics, (number, number)).await?;
        return Ok(!logs.is_empty());
    }
    let kept = kept(context, provider, block, &[(diamond, found.payer, recorded.token.0)]).await?;
    Ok(kept.first().is_some_and(|kept| *kept >= found.amount))
}

/// The deals whose deposits are kept, those first that were not looked at for the longest time.
pub(super) async fn candidates(context: &Context) -> Result<Vec<deal::Model>, Error> {
    let held = deal::Entity::find()
        .filter(deal::Column::NetworkId.eq(context.network.id))
        .filter(Expr::cust("held_for IS NOT NULL"))
        .order_by_asc(deal::Column::CheckedAt)
        .limit(ROUND);
    Ok(held.all(&*context.db).await?)
}

/// What the payers have taken as of a block. A payer takes all there is in a token, so what is less than we know of went
/// with the oldest. Nodes show a block's state before its logs now and then, so that a withdrawal without a log is recorded
/// only when a second round finds none either.
pub(super) async fn taken(
    context: &Context,
    provider: &Provider,
    block: &Header,
    held: &[deal::Model],
    unlogged: &mut Unlogged,
) -> Result<Vec<Fact>, Error> {
    let mut accounts: BTreeMap<Place, Vec<&deal::Model>> = BTreeMap::new();
    for deal in held {
        let Some(payer) = deal.held_for else { continue };
        accounts.entry((deal.diamond.0, payer.0, deal.token.0)).or_default().push(deal);
    }
    let places: Vec<_> = accounts.keys().copied().collect();
    let kept = kept(context, provider, block, &places).await?;
    let mut facts = Vec::new();
    for ((place, mut deals), kept) in accounts.into_iter().zip(kept) {
        deals.sort_by_key(|deal| (deal.created_at, deal.subject_id));
        let mut left: U256 = deals.iter().fold(U256::ZERO, |sum, deal| sum.saturating_add(deal.amount.0));
        if left <= kept {
            unlogged.0.remove(&place);
            continue;
        }
        let evidence = withdrawal(context, provider, block, place).await?;
        if evidence.hash.is_none() && unlogged.0.insert(place) {
            continue;
        }
        unlogged.0.remove(&place);
        let (_, payer, token) = place;
        for deal in deals {
            if left <= kept {
                break;
            }
            left = left.saturating_sub(deal.amount.0);
            let (subject_id, amount) = (deal.subject_id, deal.amount.0);
            facts.push(Fact::HeldReturnTaken { subject_id, payer, token, amount, evidence });
        }
    }
    Ok(facts)
}

pub(super) async fn record(context: &Context, held: &[deal::Model], taken: Vec<Fact>) -> Result<(), Error> {
    if held.is_empty() {
        return Ok(());
    }
    let subjects: Vec<Uuid> = taken.iter().map(Fact::subject_id).collect();
    let mut tx = context.begin().await?;
    deal::Entity::update_many()
        .col_expr(deal::Column::CheckedAt, Expr::value(Utc::now()))
        .filter(deal::Column::SubjectId.is_in(held.iter().map(|deal| deal.subject_id)))
        .exec(&*tx)
        .await?;
    deal::Entity::update_many()
        .col_expr(deal::Column::HeldFor, Expr::value(Option::<String>::None))
        .filter(deal::Column::SubjectId.is_in(subjects))
        .exec(&*tx)
        .await?;
    context.record(&mut tx, taken).await?;
    Ok(tx.commit().await?)
}

/// How much diamonds keep for accounts in tokens, in a block.
async fn kept(context: &Context, provider: &Provider, block: &Header, places: &[Place]) -> Result<Vec<U256>, Error> {
    let number = quantity(block.number());
    let calls = places.iter().map(|(diamond, account, token)| {
        let input = Bytes::from(Deals::withdrawableCall { account: *account, token: *token }.abi_encode());
        Call::new("eth_call", json!([{"to": diamond, "input": input}, number]))
    });
    let answers = provider.read_all(calls.collect()).await?;
    let amounts = answers.into_iter().map(|answer| {
        let bytes: Bytes = decode(answer)?;
        Deals::withdrawableCall::abi_decode_returns(&bytes)
            .map_err(|error| Error::Rpc(format!("withdrawable on network {}: {error}", context.network.id)))
    });
    amounts.collect()
}

/// The transaction in which an account took what was kept, where its log can be found; else the block that shows it.
async fn withdrawal(
    context: &Context,
    provider: &Provider,
    block: &Header,
    (diamond, account, token): Place,
) -> Result<Evidence, Error> {
    let from = block.number().saturating_sub(context.config.log_range_max);
    let topics = json!([Deals::Withdrawn::SIGNATURE_HASH, account.into_word()]);
    let logs = logs_in(provider, diamond, topics, (from, block.number())).await?;
    let of_token = |log: &&Log| log.data.get(12..32) == Some(token.as_slice());
    let log = logs.iter().rfind(of_token);
    Ok(Evidence {
        hash: log.map(|log| log.transaction_hash),
        block_number: log.map_or(block.number(), Log::block_number),
        block_hash: log.map_or(block.hash, |log| log.block_hash),
        block_time: block.time(),
    })
}

async fn logs_in(
    provider: &Provider,
    diamond: Address,
    topics: Value,
    (from, to): (u64, u64),
) -> Result<Vec<Log>, Error> {
    let filter = json!([{"fromBlock": quantity(from), "toBlock": quantity(to), "address": diamond, "topics": topics}]);
    decode(provider.read(Call::new("eth_getLogs", filter)).await?)
}
