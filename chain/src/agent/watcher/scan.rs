//! Finds out which blocks follow on what is recorded, and reads the diamonds' logs in them.

use alloy::primitives::{Address, U64};
use sea_orm::{QueryOrder, QuerySelect, entity::prelude::*};
use serde_json::{Value, json};

use super::{Block, Cursor, Found, logs, logs::Filter};
use crate::{
    abi::TOPICS,
    agent::Context,
    error::Error,
    rpc::{Call, Header, Log, Provider, decode, quantity},
    table,
};

/// Within this distance of the head every block is linked to its parent, and its logs are asked for by its hash.
const NEAR: u64 = 64;
/// Heights without a block in a row, at most; Filecoin, which has the most of them, rarely has three.
const EMPTY_MAX: u64 = 16;

/// Blocks to record, in order, and the diamonds' logs in them. `ancestor` is the last recorded block that stays.
pub(super) struct Scan {
    pub(super) ancestor: Block,
    pub(super) blocks: Vec<Header>,
    pub(super) logs: Vec<Log>,
}

pub(super) async fn head(provider: &Provider) -> Result<Header, Error> {
    let head: Option<Header> = decode(provider.read(Call::latest_block()).await?)?;
    head.ok_or_else(|| Error::Rpc(format!("{} has no head block", provider.label())))
}

/// `None` when the endpoint does not answer.
pub(crate) async fn head_number(provider: &Provider) -> Option<u64> {
    let answer = provider.read(Call::new("eth_blockNumber", json!([]))).await.ok()?;
    decode::<U64>(answer).ok().map(|number| number.to())
}

pub(super) async fn scan(
    context: &Context,
    provider: &Provider,
    cursor: &Cursor,
    head: &Header,
    range: &mut u64,
) -> Result<Found, Error> {
    let scanned = cursor.scanned;
    if head.hash == scanned.hash {
        return Ok(Found::Nothing);
    }
    if head.number() <= scanned.number {
        if recorded(context, head.number()).await? == Some(head.hash) {
            if context.network.rpc_urls.len() > 1 {
                provider.distrust(format!("is at block {}, behind {}", head.number(), scanned.number));
            }
            return Ok(Found::Nothing);
        }
        return fork(context, provider, scanned, head).await.map(Found::Blocks);
    }
    if head.number() - scanned.number > near(context) {
        return far(context, provider, scanned, head, range).await.map(Found::Blocks);
    }
    let blocks = headers(provider, scanned.number + 1, head).await?;
    if blocks.first().is_some_and(|first| first.parent_hash != scanned.hash) {
        return fork(context, provider, scanned, head).await.map(Found::Blocks);
    }
    let logs = logs::of_blocks(provider, &filter_of(context).await?, &blocks).await?;
    Ok(Found::Blocks(Scan { ancestor: scanned, blocks, logs: in_order(logs) }))
}

fn near(context: &Context) -> u64 {
    NEAR.max(u64::from(context.network.confirmations) + 16)
}

/// The blocks from a number up to the head, each the child of the one before it. Some networks have heights without a
/// block, so that nothing at a number is no fault: a block that the endpoint merely lacks shows in the links.
async fn headers(provider: &Provider, from: u64, head: &Header) -> Result<Vec<Header>, Error> {
    let calls: Vec<Call> = (from..head.number()).map(Call::block).collect();
    let count = calls.len();
    let mut blocks: Vec<Header> = Vec::new();
    for answer in provider.read_all(calls).await? {
        blocks.extend(decode::<Option<Header>>(answer)?);
    }
    let lacking = blocks.len() < count;
    blocks.push(head.clone());
    let linked = blocks.windows(2).all(|pair| pair[1].parent_hash == pair[0].hash);
    match (linked, lacking) {
        (true, _) => Ok(blocks),
        (false, true) => Err(lacks(provider)),
        (false, false) => Err(Error::Rpc("the head was replaced while it was read".to_owned())),
    }
}

fn lacks(provider: &Provider) -> Error {
    Error::Rpc(format!("{} lacks a block", provider.label()))
}

/// Far behind: a range at a time, without the blocks in between. It stays clear of the head, where blocks may still be
/// replaced.
async fn far(
    context: &Context,
    provider: &Provider,
    scanned: Block,
    head: &Header,
    range: &mut u64,
) -> Result<Scan, Error> {
    let up_to = (scanned.number + *range).min(head.number() - near(context));
    let lowest = up_to.saturating_sub(EMPTY_MAX).max(scanned.number + 1);
    let numbers = std::iter::once(scanned.number).chain(lowest..=up_to);
    let found = provider.read_all(numbers.map(Call::block).collect()).await?;
    let mut found = found.into_iter().map(decode).collect::<Result<Vec<Option<Header>>, _>>()?.into_iter();
    if found.next().flatten().is_none_or(|known| known.hash != scanned.hash) {
        return fork(context, provider, scanned, head).await;
    }
    let last = found.flatten().next_back().ok_or_else(|| lacks(provider))?;
    let diamonds = diamonds(context).await?;
    let logs: Vec<Log> = if diamonds.is_empty() {
        Vec::new()
    } else {
        let (from, to) = (quantity(scanned.number + 1), quantity(last.number()));
        let filter =
            json!([{"fromBlock": from, "toBlock": to, "address": diamonds, "topics": [context.dialects.topics()]}]);
        match provider.read(Call::new("eth_getLogs", filter)).await {
            Ok(answer) => decode(answer)?,
            Err(error) => {
                // Too many blocks, too many logs, too slow: whatever it is, less may do.
                *range = (*range / 2).max(1);
                return Err(error);
            }
        }
    };
    *range = (*range + *range / 2 + 1).min(context.config.log_range_max.max(1));
    let logs = in_order(logs);
    let mut blocks = headers_of(provider, &logs).await?;
    if blocks.last().is_none_or(|block| block.number() < last.number()) {
        blocks.push(last);
    }
    Ok(Scan { ancestor: scanned, blocks, logs })
}

/// The blocks that these logs, which are in order, stand in; each must be the one that its logs name.
async fn headers_of(provider: &Provider, logs: &[Log]) -> Result<Vec<Header>, Error> {
    let mut places: Vec<_> = logs.iter().map(|log| (log.block_number(), log.block_hash)).collect();
    places.dedup();
    let calls = places.iter().map(|(number, _)| Call::block(*number)).collect();
    let mut blocks = Vec::with_capacity(places.len());
    for ((_, hash), answer) in places.iter().zip(provider.read_all(calls).await?) {
        let block: Option<Header> = decode(answer)?;
        let block = block.filter(|block| block.hash == *hash);
        blocks.push(block.ok_or_else(|| Error::Rpc(format!("{} has logs without their block", provider.label())))?);
    }
    Ok(blocks)
}

/// Finds the last recorded block that is still on the chain, and reads what follows on it.
async fn fork(context: &Context, provider: &Provider, scanned: Block, head: &Header) -> Result<Scan, Error> {
    let recorded = table::block::Entity::find()
        .filter(table::block::Column::NetworkId.eq(context.network.id))
        .filter(table::block::Column::Number.lte(i64::try_from(head.number()).unwrap_or(i64::MAX)))
        .order_by_desc(table::block::Column::Number)
        .all(&*context.db)
        .await?;
    let numbers = recorded.iter().filter_map(|row| u64::try_from(row.number).ok());
    let answers = provider.read_all(numbers.map(Call::block).collect()).await?;
    let mut ancestor = None;
    for (row, answer) in recorded.iter().zip(answers) {
        let block: Option<Header> = decode(answer)?;
        if let Some(block) = block.filter(|block| block.hash == row.hash.0) {
            ancestor = Some(Block::from(&block));
            break;
        }
    }
    let ancestor = ancestor.ok_or(Error::ForeignChain(context.network.id))?;
    if ancestor == scanned {
        // Nothing was replaced: what should follow on it is not there.
        return Err(lacks(provider));
    }
    tracing::warn!(network = %context.network.id, ancestor = ancestor.number, head = head.number(), "reorganisation");
    metrics::counter!("quittance_chain_reorganisations_total").increment(1);
    if head.number() - ancestor.number > near(context) {
        // Too much for one step: undo first, then read on as usual.
        return Ok(Scan { ancestor, blocks: Vec::new(), logs: Vec::new() });
    }
    if head.number() == ancestor.number {
        return Ok(Scan { ancestor, blocks: Vec::new(), logs: Vec::new() });
    }
    let blocks = headers(provider, ancestor.number + 1, head).await?;
    if blocks.first().is_some_and(|first| first.parent_hash != ancestor.hash) {
        return Err(Error::Rpc("the chain was replaced while it was read".to_owned()));
    }
    let logs = logs::of_blocks(provider, &filter_of(context).await?, &blocks).await?;
    Ok(Scan { ancestor, blocks, logs: in_order(logs) })
}

async fn recorded(context: &Context, number: u64) -> Result<Option<alloy::primitives::B256>, Error> {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let row = table::block::Entity::find_by_id((context.network.id, number)).one(&*context.db).await?;
    Ok(row.map(|row| row.hash.0))
}

/// Whose logs to read. Asked for after the head: whatever is mined up to it was asked for before, so its diamond is
/// among them.
async fn diamonds(context: &Context) -> Result<Vec<Address>, Error> {
    let places: Vec<table::Place> = table::diamond::Entity::find()
        .select_only()
        .column(table::diamond::Column::Diamond)
        .filter(table::diamond::Column::NetworkId.eq(context.network.id))
        .into_tuple()
        .all(&*context.db)
        .await?;
    Ok(places.into_iter().map(|place| place.0).collect())
}

fn in_order(mut logs: Vec<Log>) -> Vec<Log> {
    logs.retain(|log| !log.removed);
    logs.sort_by_key(|log| (log.block_number(), log.index()));
    logs
}

async fn filter_of(context: &Context) -> Result<Filter, Error> {
    Ok(Filter { diamonds: diamonds(context).await?, topics: context.dialects.topics() })
}

/// Used by the reconciliation: the logs of these deals in a range, and of others where a contract of somebody else's is asked.
pub(crate) fn logs_of(
    context: &Context,
    diamond: Address,
    refs: &[alloy::primitives::B256],
    from: u64,
    to: u64,
) -> Call {
    let topics = match context.dialects.at(diamond) {
        Some(dialect) => json!([dialect.topics()]),
        None => json!([TOPICS, Value::Null, refs]),
    };
    let filter = json!({"fromBlock": quantity(from), "toBlock": quantity(to), "address": diamond, "topics": topics});
    Call::new("eth_getLogs", json!([filter]))
}
