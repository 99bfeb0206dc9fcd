//! Reads the network's blocks in order, keeps what concerns our deals, and undoes it when blocks are replaced.

mod ids;
mod logs;
mod record;
mod scan;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::B256;
use chrono::{DateTime, Utc};
use queue::backoff;
use sea_orm::entity::prelude::*;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(super) use record::mismatch;
pub(super) use scan::{head_number, logs_of};

use super::{Context, Tip, witness};
use crate::{
    error::Error,
    rpc::{Header, Provider},
    table,
};

/// A block as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    number: u64,
    hash: B256,
    time: DateTime<Utc>,
}

impl From<&Header> for Block {
    fn from(header: &Header) -> Self {
        Self { number: header.number(), hash: header.hash, time: header.time() }
    }
}

/// How far the blocks are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    scanned: Block,
    final_number: u64,
    final_time: Option<DateTime<Utc>>,
}

/// What a poll found.
enum Found {
    /// The head block is recorded.
    Nothing,
    /// These blocks follow, or replace, what is recorded.
    Blocks(scan::Scan),
}

struct Watcher {
    context: Arc<Context>,
    tip: watch::Sender<Option<Tip>>,
    /// `None`: to be loaded, at the start and after anything went wrong.
    cursor: Option<Cursor>,
    /// Blocks in one `eth_getLogs` when far behind.
    range: u64,
    /// When there was last a new block, or the other endpoints were last asked for one.
    advanced_at: Instant,
    reorganisations: u64,
}

/// How many polls a head may stand still before other endpoints are asked whether theirs does too.
const STALLED_AFTER: u32 = 40;

pub(super) async fn run(
    context: Arc<Context>,
    tip: watch::Sender<Option<Tip>>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let range = context.config.log_range_max.max(1);
    let mut watcher = Watcher { context, tip, cursor: None, range, advanced_at: Instant::now(), reorganisations: 0 };
    let mut failures = 0;
    loop {
        let pause = match watcher.poll().await {
            Ok(true) => Duration::ZERO,
            Ok(false) => watcher.context.config.poll_interval(),
            Err(Error::LeaseLost(network)) => return Err(Error::LeaseLost(network)),
            Err(error) => {
                watcher.failed(&error);
                backoff::delay(failures, Duration::from_millis(100), Duration::from_secs(10))
            }
        };
        failures = if watcher.cursor.is_some() { 0 } else { failures.saturating_add(1) };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = watcher.context.poll_now.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Watcher {
    /// Takes one step. `true`: there is more to read at once.
    async fn poll(&mut self) -> Result<bool, Error> {
        let cursor = match self.cursor {
            Some(cursor) => Some(cursor),
            None => load(&self.context).await?,
        };
        // One endpoint for the whole step: head, blocks and logs must fit together.
        let provider = self.context.rpc.preferred();
        let head = scan::head(&provider).await?;
        let (cursor, more) = match cursor {
            None => (record::begin(&self.context, &head).await?, false),
            Some(cursor) => match scan::scan(&self.context, &provider, &cursor, &head, &mut self.range).await? {
                Found::Nothing => {
                    self.compare(&provider, &head).await;
                    (cursor, false)
                }
                Found::Blocks(scan) => {
                    self.advanced_at = Instant::now();
                    let undone = scan.ancestor.number < cursor.scanned.number;
                    self.corroborate(&provider, &cursor, &scan, &head).await?;
                    let cursor = record::apply(&self.context, &cursor, scan, &head).await?;
                    self.reorganisations += u64::from(undone);
                    (cursor, cursor.scanned.number < head.number())
                }
            },
        };
        self.cursor = Some(cursor);
        self.publish(&cursor, &head);
        Ok(more)
    }

    /// What becomes final has to be borne out by another endpoint, where there is one. If it is not, what is recorded
    /// and not final goes back, as after a reorganisation: it is read again, from the others first.
    async fn corroborate(
        &mut self,
        provider: &Provider,
        cursor: &Cursor,
        scan: &scan::Scan,
        head: &Header,
    ) -> Result<(), Error> {
        if self.context.network.rpc_urls.len() < 2 {
            return Ok(());
        }
        let (block, claims) = record::claims(&self.context, cursor, scan, head).await?;
        let Err(error) = witness::confirm(&self.context, provider, block, &claims).await else { return Ok(()) };
        tracing::error!(network = %self.context.network.id, teller = provider.label(), "{error}");
        provider.distrust(error.to_string());
        if let Some(ancestor) = record::last_final(&self.context, cursor).await? {
            let nothing = scan::Scan { ancestor, blocks: Vec::new(), logs: Vec::new() };
            record::apply(&self.context, cursor, nothing, head).await?;
            self.reorganisations += 1;
        }
        Err(error)
    }

    /// An endpoint that stands still looks like a network that does. Ask the others now and then.
    async fn compare(&mut self, provider: &Provider, head: &Header) {
        if self.advanced_at.elapsed() < self.context.config.poll_interval() * STALLED_AFTER {
            return;
        }
        self.advanced_at = Instant::now();
        for other in self.context.rpc.ranked() {
            if other.label() == provider.label() {
                continue;
            }
            if let Ok(its) = scan::head(&other).await
                && its.number() > head.number()
            {
                provider.distrust(format!(
                    "stands at block {} while {} has {}",
                    head.number(),
                    other.label(),
                    its.number()
                ));
                return;
            }
        }
    }

    fn publish(&self, cursor: &Cursor, head: &Header) {
        let Cursor { scanned, final_number, .. } = *cursor;
        let tip = Tip {
            number: scanned.number,
            hash: scanned.hash,
            base_fee: head.base_fee(),
            final_number,
            reorganisations: self.reorganisations,
        };
        self.tip.send_if_modified(|known| known.replace(tip) != Some(tip));
        self.context.health.send_modify(|health| {
            health.head = Some(scanned.number);
            health.polled_at = Some(Utc::now());
            health.last_error = None;
            health.providers = self.context.rpc.health();
        });
        let network = self.context.network.chain_id.to_string();
        metrics::gauge!("quittance_chain_blocks_behind", "network" => network.clone())
            .set(u32::try_from(head.number().saturating_sub(scanned.number)).unwrap_or(u32::MAX));
        let head_time = u32::try_from(head.time().timestamp()).unwrap_or(0);
        metrics::gauge!("quittance_chain_head_timestamp_seconds", "network" => network).set(head_time);
    }

    fn failed(&mut self, error: &Error) {
        self.cursor = None;
        tracing::warn!(network = %self.context.network.id, "chain watcher tries again: {error}");
        self.context.health.send_modify(|health| {
            health.last_error = Some(error.to_string());
            health.providers = self.context.rpc.health();
        });
    }
}

async fn load(context: &Context) -> Result<Option<Cursor>, Error> {
    let row = table::cursor::Entity::find_by_id(context.network.id).one(&*context.db).await?;
    Ok(row.map(|row| Cursor {
        scanned: Block {
            number: u64::try_from(row.scanned_number).unwrap_or(0),
            hash: row.scanned_hash.0,
            time: row.scanned_time,
        },
        final_number: u64::try_from(row.final_number).unwrap_or(0),
        final_time: row.final_time,
    }))
}
