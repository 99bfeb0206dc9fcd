//! Compares what is recorded with the contract's own state now and then, so that a log nobody saw does no lasting harm.

mod announcements;
mod held_returns;

use std::{collections::HashMap, sync::Arc};

use alloy::primitives::{Address, B256, U256};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{QueryFilter, QueryOrder, QuerySelect, entity::prelude::*};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Context, Tip,
    settlement::{self, Observation},
    watcher::{logs_of, mismatch},
    witness::{self, Claim},
};
use crate::{
    abi::{self, DealChange, DealState, Terms},
    error::Error,
    fact::Evidence,
    rpc::{Call, Header, Log, Provider, decode},
    table::{
        deal::{self, State},
        log::Event,
        operation,
    },
};

/// Deals compared in one round, and in one call.
const ROUND: u64 = 2_000;
const CALL: usize = 200;

pub(super) async fn run(
    context: Arc<Context>,
    tips: watch::Receiver<Option<Tip>>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut unlogged = held_returns::Unlogged::default();
    loop {
        if tokio::time::timeout(context.config.reconcile_interval(), stop.cancelled()).await.is_ok() {
            return Ok(());
        }
        let Some(tip) = *tips.borrow() else { continue };
        let rounds = [reconcile(&context, &tip, &mut unlogged).await, announcements::record(&context).await];
        for round in rounds {
            match round {
                Ok(()) => {}
                Err(Error::LeaseLost(network)) => return Err(Error::LeaseLost(network)),
                Err(error) => tracing::warn!(network = %context.network.id, "chain reconciliation: {error}"),
            }
        }
    }
}

/// At the last final block: everything up to it is recorded, so what the contract knows and we do not was missed.
async fn reconcile(context: &Context, tip: &Tip, unlogged: &mut held_returns::Unlogged) -> Result<(), Error> {
    let deals = candidates(context).await?;
    let held = held_returns::candidates(context).await?;
    if deals.is_empty() && held.is_empty() {
        return Ok(());
    }
    let provider = context.rpc.preferred();
    let block: Option<Header> = decode(provider.read(Call::block(tip.final_number)).await?)?;
    let block = block.ok_or_else(|| Error::Rpc(format!("{} lacks the last final block", provider.label())))?;
    let mut by_diamond: HashMap<Address, Vec<&deal::Model>> = HashMap::new();
    for deal in &deals {
        by_diamond.entry(deal.diamond.0).or_default().push(deal);
    }
    let mut missed = Vec::new();
    let mut unmoved = Vec::new();
    for (diamond, deals) in by_diamond {
        for deals in deals.chunks(CALL) {
            let terms: Vec<_> = deals.iter().map(|deal| deal.terms()).collect();
            let found = context.read_deals(&provider, diamond, &terms, Some(tip.final_number)).await?;
            let mut ahead = Vec::new();
            for (recorded, found) in deals.iter().copied().zip(found) {
                match state(&found) {
                    now if now == recorded.state => unmoved.push(recorded.subject_id),
                    now if now > recorded.state => ahead.push((recorded, found)),
                    now => contradiction(recorded, now),
                }
            }
            let observed = observe(&provider, diamond, &ahead, &block, context).await?;
            let terms: HashMap<Uuid, Terms> = deals.iter().map(|deal| (deal.subject_id, deal.terms())).collect();
            let claims = observed
                .iter()
                .filter_map(|seen| Some(Claim::of_observation(diamond, terms.get(&seen.subject_id)?.clone(), seen)));
            let claims: Vec<Claim> = claims.collect();
            witness::confirm(context, &provider, (block.number(), Some(block.hash)), &claims).await?;
            missed.extend(observed);
        }
    }
    let taken = held_returns::taken(context, &provider, &block, &held, unlogged).await?;
    heal(context, &deals, missed, unmoved).await?;
    held_returns::record(context, &held, taken).await
}

/// What has not moved since then is looked at.
fn overdue(context: &Context) -> DateTime<Utc> {
    Utc::now() - TimeDelta::from_std(context.config.reconcile_interval()).unwrap_or(TimeDelta::seconds(30))
}

/// What waits for an effect for too long, and the deals that were not looked at for the longest time.
async fn candidates(context: &Context) -> Result<Vec<deal::Model>, Error> {
    let network_id = context.network.id;
    let before = overdue(context);
    let waiting = operation::Entity::find()
        .select_only()
        .column(operation::Column::SubjectId)
        .filter(operation::Column::NetworkId.eq(network_id))
        .filter(Expr::cust("status = 'sending'"))
        .filter(operation::Column::UpdatedAt.lt(before))
        .order_by_asc(operation::Column::UpdatedAt)
        .limit(ROUND)
        .into_tuple::<Uuid>()
        .all(&*context.db)
        .await?;
    let mut deals = deal::Entity::find()
        .filter(deal::Column::NetworkId.eq(network_id))
        .filter(Expr::cust("state IN ('open', 'deposited')"))
        .filter(deal::Column::CheckedAt.lt(before))
        .order_by_asc(deal::Column::CheckedAt)
        .limit(ROUND)
        .all(&*context.db)
        .await?;
    let known: Vec<Uuid> = deals.iter().map(|deal| deal.subject_id).collect();
    let more = deal::Entity::find().filter(deal::Column::SubjectId.is_in(waiting)).all(&*context.db).await?;
    deals.extend(more.into_iter().filter(|deal| !known.contains(&deal.subject_id)));
    Ok(deals)
}

fn state(deal: &abi::Deal) -> State {
    match deal.state {
        DealState::Open => State::Open,
        DealState::Deposited => State::Deposited,
        DealState::Released => State::Released,
        DealState::Canceled => State::Canceled,
        DealState::None | DealState::__Invalid => State::None,
    }
}

/// Recorded as final and not on the contract: a lying or stale endpoint, or a chain that lost blocks, which the watcher
/// finds by their hashes. Nothing is concluded from it here.
fn contradiction(recorded: &deal::Model, now: State) {
    metrics::counter!("quittance_chain_contradictions_total").increment(1);
    tracing::error!(subject = %recorded.subject_id, recorded = ?recorded.state, ?now, "the contract contradicts a record");
}

/// Puts the missed events together: from their logs where they can be found, else from the state alone.
async fn observe(
    provider: &Provider,
    diamond: Address,
    ahead: &[(&deal::Model, abi::Deal)],
    block: &Header,
    context: &Context,
) -> Result<Vec<Observation>, Error> {
    if ahead.is_empty() {
        return Ok(Vec::new());
    }
    let refs: Vec<B256> = ahead.iter().map(|(recorded, _)| recorded.reference.0).collect();
    let from = block.number().saturating_sub(context.config.log_range_max);
    let logs = provider.read(logs_of(context, diamond, &refs, from, block.number())).await;
    let logs: Vec<Log> = logs.and_then(decode).unwrap_or_default();
    let told: Vec<(&Log, DealChange)> = logs
        .iter()
        .filter_map(|log| match context.dialects.decode(log)? {
            abi::Event::Deal(change) => Some((log, change)),
            abi::Event::ReturnHeld { .. } => None,
        })
        .collect();
    let log_of = |event: Event, reference: B256| {
        let same = |(_, change): &&(&Log, DealChange)| change.kind == event && change.reference == reference;
        told.iter().find(same).map(|(log, _)| *log)
    };
    let mut observations = Vec::new();
    for (recorded, found) in ahead {
        metrics::counter!("quittance_chain_healed_total").increment(1);
        tracing::warn!(subject = %recorded.subject_id, state = ?state(found), "an event was missed and is healed");
        let held = held_returns::is_held(context, provider, diamond, recorded, found, block, &logs).await?;
        for event in missed(recorded.state, found) {
            let log = log_of(event, found.r#ref);
            observations.push(Observation {
                subject_id: recorded.subject_id,
                event,
                deal_id: found.id,
                account: (event == Event::Deposited || held).then_some(found.payer),
                amount: if event == Event::Canceled && found.payer.is_zero() { U256::ZERO } else { found.amount },
                held: held && event == Event::Canceled,
                mismatch: mismatch(recorded, &found.opened(), found.amount),
                evidence: Evidence {
                    hash: log.map(|log| log.transaction_hash),
                    block_number: log.map_or(block.number(), Log::block_number),
                    block_hash: log.map_or(block.hash, |log| log.block_hash),
                    block_time: block.time(),
                },
            });
        }
    }
    Ok(observations)
}

/// The events between a recorded state and the contract's.
fn missed(recorded: State, found: &abi::Deal) -> Vec<Event> {
    let mut events = Vec::new();
    if recorded < State::Open {
        events.push(Event::Created);
    }
    if recorded < State::Deposited && !found.payer.is_zero() {
        events.push(Event::Deposited);
    }
    match found.state {
        DealState::Released => events.push(Event::Released),
        DealState::Canceled => events.push(Event::Canceled),
        DealState::None | DealState::Open | DealState::Deposited | DealState::__Invalid => {}
    }
    events
}

async fn heal(
    context: &Context,
    deals: &[deal::Model],
    missed: Vec<Observation>,
    unmoved: Vec<Uuid>,
) -> Result<(), Error> {
    let mut tx = context.begin().await?;
    let checked: Vec<Uuid> = deals.iter().map(|deal| deal.subject_id).collect();
    deal::Entity::update_many()
        .col_expr(deal::Column::CheckedAt, Expr::value(Utc::now()))
        .filter(deal::Column::SubjectId.is_in(checked))
        .exec(&*tx)
        .await?;
    // Said to be done by somebody else, in a block that did not last: to be done after all.
    operation::Entity::update_many()
        .col_expr(operation::Column::Status, Expr::value(operation::Status::Pending))
        .col_expr(operation::Column::UpdatedAt, Expr::value(Utc::now()))
        .filter(operation::Column::SubjectId.is_in(unmoved))
        .filter(operation::Column::Status.eq(operation::Status::Sending))
        .filter(operation::Column::SendId.is_null())
        .filter(operation::Column::UpdatedAt.lt(overdue(context)))
        .exec(&*tx)
        .await?;
    let facts = settlement::settle(&tx, &missed).await?;
    context.record(&mut tx, facts).await?;
    fail::fail_point!("reconciliation.before_commit");
    Ok(tx.commit().await?)
}
