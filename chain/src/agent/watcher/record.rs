//! Writes what was read: blocks, logs and cursor, and what they mean, in one transaction.

use std::collections::{HashMap, HashSet};

use alloy::primitives::{B256, U256};
use chrono::Utc;
use queue::Transaction;
use sea_orm::{
    ActiveValue::Set, Condition, ConnectionTrait, QueryFilter, QueryOrder, entity::prelude::*, sea_query::OnConflict,
};
use uuid::Uuid;

use super::{Block, Cursor, ids, scan::Scan};
use crate::{
    abi::{self, Opened},
    agent::{
        Context,
        settlement::{self, Observation},
        witness::Claim,
    },
    error::Error,
    fact::Fact,
    rpc::{Header, Log},
    table::{
        Amount, Hash, Place, ROWS_MAX, block, cursor, deal,
        log::{self, Event},
    },
};

/// Blocks kept below the last final one, so that a reorganisation deeper than the confirmations can be undone too.
const KEPT: u64 = 256;

/// The first poll of a network starts at its head: nothing of ours was sent before.
pub(super) async fn begin(context: &Context, head: &Header) -> Result<Cursor, Error> {
    let block = Block::from(head);
    let final_number = final_number(context, head, &block);
    let final_time = (final_number == block.number).then_some(block.time);
    let cursor = Cursor { scanned: block, final_number, final_time };
    let tx = context.begin().await?;
    store_blocks(context, &tx, &[block]).await?;
    store_cursor(context, &tx, &cursor).await?;
    tx.commit().await?;
    Ok(cursor)
}

/// The last block that is read and has the network's confirmations.
fn final_number(context: &Context, head: &Header, scanned: &Block) -> u64 {
    let confirmations = u64::from(context.network.confirmations.max(1));
    (head.number() + 1).saturating_sub(confirmations).min(scanned.number)
}

/// How far finality is, and will be.
struct Finality {
    settled: u64,
    number: u64,
}

async fn finality(context: &Context, cursor: &Cursor, scan: &Scan, head: &Header) -> Result<Finality, Error> {
    let scanned = scan.blocks.last().map_or(scan.ancestor, Block::from);
    // Below a fork nothing was final that is not now; without one finality never goes back.
    let settled = cursor.final_number.min(scan.ancestor.number);
    let number = last_block(context, scan, final_number(context, head, &scanned)).await?;
    Ok(Finality { settled, number: number.max(settled) })
}

/// The last block up to a number: some networks have heights without one, of which no node can tell a state.
async fn last_block(context: &Context, scan: &Scan, up_to: u64) -> Result<u64, Error> {
    let read = scan.blocks.iter().map(Header::number).filter(|number| *number <= up_to).max();
    let known = read.or_else(|| (scan.ancestor.number <= up_to).then_some(scan.ancestor.number));
    if let Some(number) = known {
        return Ok(number);
    }
    let row = block::Entity::find()
        .filter(block::Column::NetworkId.eq(context.network.id))
        .filter(block::Column::Number.lte(signed(up_to)))
        .order_by_desc(block::Column::Number)
        .one(&*context.db)
        .await?;
    Ok(row.and_then(|row| u64::try_from(row.number).ok()).unwrap_or(up_to))
}

/// What [`apply`] would turn final, for other endpoints to confirm, and the last final block as of then.
pub(super) async fn claims(
    context: &Context,
    cursor: &Cursor,
    scan: &Scan,
    head: &Header,
) -> Result<((u64, Option<B256>), Vec<Claim>), Error> {
    let Finality { settled, number } = finality(context, cursor, scan, head).await?;
    let mut rows = Vec::new();
    if number > settled {
        let waiting = waiting(context, settled, number.min(scan.ancestor.number));
        rows = log::Entity::find().filter(waiting).all(&*context.db).await?;
    }
    rows.extend(rows_of(context, &*context.db, scan, number).await?.into_iter().filter(|row| row.is_final));
    if rows.is_empty() {
        return Ok(((number, None), Vec::new()));
    }
    let read = scan.blocks.iter().find(|block| block.number() == number).map(|block| block.hash);
    let hash = match read {
        Some(hash) => Some(hash),
        None => stored(context, &*context.db, number).await?.map(|row| row.hash.0),
    };
    let terms = terms_of(context, &rows).await?;
    let claims = rows.iter().map(|row| Claim::of_log(row, terms.get(&row.subject_id).cloned()));
    Ok(((number, hash), claims.collect()))
}

async fn terms_of(context: &Context, rows: &[log::Model]) -> Result<HashMap<Uuid, abi::Terms>, Error> {
    let subjects: Vec<Uuid> = rows.iter().map(|row| row.subject_id).collect();
    let mut terms = HashMap::with_capacity(subjects.len());
    for chunk in subjects.chunks(ROWS_MAX) {
        let deals = deal::Entity::find().filter(deal::Column::SubjectId.is_in(chunk.iter().copied()));
        let deals = deals.all(&*context.db).await?;
        terms.extend(deals.into_iter().map(|deal| (deal.subject_id, deal.terms())));
    }
    Ok(terms)
}

/// The last final block, as it is recorded.
pub(super) async fn last_final(context: &Context, cursor: &Cursor) -> Result<Option<Block>, Error> {
    let row = stored(context, &*context.db, cursor.final_number).await?;
    Ok(row.map(|row| Block { number: cursor.final_number, hash: row.hash.0, time: row.time }))
}

pub(super) async fn apply(context: &Context, cursor: &Cursor, scan: Scan, head: &Header) -> Result<Cursor, Error> {
    let scanned = scan.blocks.last().map_or(scan.ancestor, Block::from);
    let undone = scan.ancestor.number < cursor.scanned.number;
    let Finality { settled, number: final_number } = finality(context, cursor, &scan, head).await?;

    let mut tx = context.begin().await?;
    let gone = if undone { undo(context, &tx, &scan.ancestor, cursor.final_number).await? } else { Vec::new() };
    let blocks: Vec<Block> = scan.blocks.iter().map(Block::from).collect();
    store_blocks(context, &tx, &blocks).await?;
    forget_blocks(context, &tx, final_number).await?;
    let seen = store_logs(context, &tx, &scan, final_number).await?;
    let ripe = ripen(context, &tx, settled, final_number, &seen).await?;

    let mut facts = Vec::new();
    lose(&tx, &gone, &seen, &mut facts).await?;
    facts.extend(deposits_seen(&gone, &seen));
    let observations: Vec<Observation> = ripe.iter().map(Observation::from).collect();
    facts.extend(settlement::settle(&tx, &observations).await?);

    let time = blocks.iter().find(|block| block.number == final_number).map(|block| block.time);
    let final_time = match time {
        Some(time) => Some(time),
        None => stored(context, &*tx, final_number).await?.map(|row| row.time).or(cursor.final_time),
    };
    let cursor = Cursor { scanned, final_number, final_time };
    store_cursor(context, &tx, &cursor).await?;
    let tells = !facts.is_empty();
    if tells {
        fail::fail_point!("watcher.cursor_written");
    }
    context.record(&mut tx, facts).await?;
    if tells {
        fail::fail_point!("watcher.before_commit");
    }
    tx.commit().await?;
    if tells {
        fail::fail_point!("watcher.committed");
    }
    Ok(cursor)
}

async fn store_blocks(context: &Context, tx: &Transaction, blocks: &[Block]) -> Result<(), Error> {
    let rows = blocks.iter().map(|block| block::ActiveModel {
        network_id: Set(context.network.id),
        number: Set(signed(block.number)),
        hash: Set(Hash(block.hash)),
        time: Set(block.time),
    });
    block::Entity::insert_many(rows).on_conflict_do_nothing().exec_without_returning(&**tx).await?;
    Ok(())
}

async fn forget_blocks(context: &Context, tx: &Transaction, final_number: u64) -> Result<(), Error> {
    block::Entity::delete_many()
        .filter(block::Column::NetworkId.eq(context.network.id))
        .filter(block::Column::Number.lt(signed(final_number.saturating_sub(KEPT))))
        .exec(&**tx)
        .await?;
    Ok(())
}

async fn stored<C: ConnectionTrait>(
    context: &Context,
    connection: &C,
    number: u64,
) -> Result<Option<block::Model>, Error> {
    Ok(block::Entity::find_by_id((context.network.id, signed(number))).one(connection).await?)
}

async fn store_cursor(context: &Context, tx: &Transaction, cursor: &Cursor) -> Result<(), Error> {
    use cursor::Column;

    let row = cursor::ActiveModel {
        network_id: Set(context.network.id),
        scanned_number: Set(signed(cursor.scanned.number)),
        scanned_hash: Set(Hash(cursor.scanned.hash)),
        scanned_time: Set(cursor.scanned.time),
        final_number: Set(signed(cursor.final_number)),
        final_time: Set(cursor.final_time),
        updated_at: Set(Utc::now()),
    };
    let columns = [
        Column::ScannedNumber,
        Column::ScannedHash,
        Column::ScannedTime,
        Column::FinalNumber,
        Column::FinalTime,
        Column::UpdatedAt,
    ];
    let conflict = OnConflict::column(Column::NetworkId).update_columns(columns).to_owned();
    cursor::Entity::insert(row).on_conflict(conflict).exec_without_returning(&**tx).await?;
    Ok(())
}

/// Takes back what was recorded above a block and returns the logs that stood there.
async fn undo(
    context: &Context,
    tx: &Transaction,
    ancestor: &Block,
    final_number: u64,
) -> Result<Vec<log::Model>, Error> {
    let network_id = context.network.id;
    let above = signed(ancestor.number);
    block::Entity::delete_many()
        .filter(block::Column::NetworkId.eq(network_id))
        .filter(block::Column::Number.gt(above))
        .exec(&**tx)
        .await?;
    super::super::lane::unmine(tx, network_id, ancestor.number, ancestor.number < final_number).await?;
    let gone = log::Entity::delete_many()
        .filter(log::Column::NetworkId.eq(network_id))
        .filter(log::Column::BlockNumber.gt(above))
        .exec_with_returning(&**tx)
        .await?;
    fail::fail_point!("watcher.undone");
    Ok(gone)
}

/// Inserts the logs that are about our deals and returns their rows.
async fn store_logs(
    context: &Context,
    tx: &Transaction,
    scan: &Scan,
    final_number: u64,
) -> Result<Vec<log::Model>, Error> {
    let rows = rows_of(context, &**tx, scan, final_number).await?;
    ids::count(context, tx, &scan.logs).await?;
    for chunk in rows.chunks(ROWS_MAX) {
        let chunk = chunk.iter().cloned().map(log::ActiveModel::from);
        log::Entity::insert_many(chunk).on_conflict_do_nothing().exec_without_returning(&**tx).await?;
        fail::fail_point!("watcher.logs_written");
    }
    Ok(rows)
}

/// The logs that are about our deals, as rows.
async fn rows_of<C: ConnectionTrait>(
    context: &Context,
    connection: &C,
    scan: &Scan,
    final_number: u64,
) -> Result<Vec<log::Model>, Error> {
    let events: Vec<(&Log, abi::Event)> =
        scan.logs.iter().filter_map(|log| Some((log, context.dialects.decode(log)?))).collect();
    if events.is_empty() {
        return Ok(Vec::new());
    }
    fail::fail_point!("watcher.logs_read");
    let times: HashMap<u64, Block> = scan.blocks.iter().map(|header| (header.number(), Block::from(header))).collect();
    let deals = deals_of(context, connection, &events).await?;
    let held: HashMap<_, _> = events
        .iter()
        .filter_map(|(log, event)| match event {
            abi::Event::ReturnHeld { deal_id, payer } => Some(((log.transaction_hash, *deal_id), *payer)),
            abi::Event::Deal(_) => None,
        })
        .collect();
    let fallback = scan.blocks.last().map_or(scan.ancestor.time, Header::time);
    let rows = events.iter().filter_map(|(log, event)| {
        let mut row = row_of(context, &deals, log, event)?;
        row.block_time = times.get(&log.block_number()).map_or(fallback, |block| block.time);
        if let Some(payer) = held.get(&(log.transaction_hash, row.deal_id.0)).filter(|_| row.event == Event::Canceled) {
            (row.held, row.account) = (true, Some(Place(*payer)));
        }
        row.is_final = log.block_number() <= final_number;
        Some(row)
    });
    Ok(rows.collect())
}

async fn deals_of<C: ConnectionTrait>(
    context: &Context,
    connection: &C,
    events: &[(&Log, abi::Event)],
) -> Result<HashMap<B256, deal::Model>, Error> {
    let mut refs: Vec<B256> = events.iter().filter_map(|(_, event)| reference(event)).collect();
    refs.sort_unstable();
    refs.dedup();
    let mut deals = HashMap::with_capacity(refs.len());
    for chunk in refs.chunks(ROWS_MAX) {
        let rows = deal::Entity::find()
            .filter(deal::Column::Reference.is_in(chunk.iter().copied().map(Hash)))
            .filter(deal::Column::NetworkId.eq(context.network.id))
            .all(connection)
            .await?;
        deals.extend(rows.into_iter().map(|row| (row.reference.0, row)));
    }
    Ok(deals)
}

fn reference(event: &abi::Event) -> Option<B256> {
    match event {
        abi::Event::Deal(event) => Some(event.reference),
        abi::Event::ReturnHeld { .. } => None,
    }
}

fn row_of(context: &Context, deals: &HashMap<B256, deal::Model>, log: &Log, event: &abi::Event) -> Option<log::Model> {
    let abi::Event::Deal(event) = event else { return None };
    let deal = deals.get(&event.reference).filter(|deal| deal.diamond.0 == log.address)?;
    let amount = event.amount.unwrap_or(deal.amount.0);
    let mismatch = event.opened.as_ref().and_then(|opened| mismatch(deal, opened, amount));
    let now = Utc::now();
    Some(log::Model {
        id: Uuid::now_v7(),
        network_id: context.network.id,
        diamond: Place(log.address),
        block_number: signed(log.block_number()),
        block_hash: Hash(log.block_hash),
        block_time: now,
        transaction_hash: Hash(log.transaction_hash),
        log_index: i32::try_from(log.index()).unwrap_or(i32::MAX),
        event: event.kind,
        subject_id: deal.subject_id,
        deal_id: Amount(event.deal_id),
        account: event.payer.map(Place),
        amount: Amount(amount),
        held: false,
        mismatch,
        is_final: false,
        created_at: now,
    })
}

/// How a deal on the contract differs from what was asked for.
pub(crate) fn mismatch(deal: &deal::Model, opened: &Opened, amount: U256) -> Option<String> {
    let mut differences = Vec::new();
    if opened.payee != deal.payee.0 {
        differences.push(format!("payee {} instead of {}", opened.payee, deal.payee.0));
    }
    if opened.token != deal.token.0 {
        differences.push(format!("token {} instead of {}", opened.token, deal.token.0));
    }
    if amount != deal.amount.0 {
        differences.push(format!("amount {amount} instead of {}", deal.amount.0));
    }
    if let Some(expires_at) = opened.expires_at.filter(|expires_at| signed(*expires_at) != deal.expires_at) {
        differences.push(format!("expiry {expires_at} instead of {}", deal.expires_at));
    }
    (!differences.is_empty()).then(|| differences.join(", "))
}

/// What is recorded and not final in the blocks after one and up to another.
fn waiting(context: &Context, after: u64, up_to: u64) -> Condition {
    Condition::all()
        .add(log::Column::NetworkId.eq(context.network.id))
        .add(log::Column::BlockNumber.gt(signed(after)))
        .add(log::Column::BlockNumber.lte(signed(up_to)))
        .add(log::Column::IsFinal.eq(false))
}

/// Turns what has its confirmations now final, and returns it with what was final when it was seen, in their order.
async fn ripen(
    context: &Context,
    tx: &Transaction,
    settled: u64,
    final_number: u64,
    seen: &[log::Model],
) -> Result<Vec<log::Model>, Error> {
    let mut ripe = Vec::new();
    if final_number > settled {
        let waiting = waiting(context, settled, final_number);
        ripe = log::Entity::find().filter(waiting.clone()).all(&**tx).await?;
        if !ripe.is_empty() {
            log::Entity::update_many()
                .col_expr(log::Column::IsFinal, Expr::value(true))
                .filter(waiting)
                .exec(&**tx)
                .await?;
        }
    }
    // What was just inserted as final is not among those that waited.
    ripe.extend(seen.iter().filter(|row| row.is_final).cloned());
    ripe.sort_by_key(|row| (row.block_number, row.log_index));
    Ok(ripe)
}

/// What stood in blocks that are gone and does not stand in those that took their place.
async fn lose(tx: &Transaction, gone: &[log::Model], seen: &[log::Model], facts: &mut Vec<Fact>) -> Result<(), Error> {
    let seen: HashSet<_> = seen.iter().map(|row| (row.subject_id, row.event)).collect();
    let lost: Vec<_> = gone.iter().filter(|row| !seen.contains(&(row.subject_id, row.event))).collect();
    for row in lost.iter().filter(|row| row.event == Event::Deposited && !row.is_final) {
        facts.push(Fact::DepositGone {
            subject_id: row.subject_id,
            payer: row.account.map(|account| account.0).unwrap_or_default(),
            amount: row.amount.0,
            evidence: settlement::evidence(row),
        });
    }
    let broken: Vec<_> = lost.into_iter().filter(|row| row.is_final).collect();
    for row in &broken {
        let (subject_id, lost) = (row.subject_id, row.event);
        facts.push(Fact::FinalityBroken { subject_id, lost, evidence: settlement::evidence(row) });
    }
    settlement::unsettle(tx, &broken).await
}

fn deposits_seen(gone: &[log::Model], seen: &[log::Model]) -> Vec<Fact> {
    let before: HashSet<Uuid> =
        gone.iter().filter(|row| row.event == Event::Deposited).map(|row| row.subject_id).collect();
    // A deposit that is final at once is told by the settlement, after its deal.
    let new = seen.iter().filter(|row| row.event == Event::Deposited && !row.is_final);
    new.filter(|row| !before.contains(&row.subject_id))
        .map(|row| Fact::DepositSeen {
            subject_id: row.subject_id,
            payer: row.account.map(|account| account.0).unwrap_or_default(),
            amount: row.amount.0,
            evidence: settlement::evidence(row),
        })
        .collect()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
