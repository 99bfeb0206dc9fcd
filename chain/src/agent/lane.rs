//! A signer on a network: gives nonces to pending operations, sends them, and follows each send until it is final.
//!
//! A lane has one owner at a time and keeps its sends in memory; the database is written first, always, and read again
//! after anything went wrong.

mod broadcast;
mod budget;
mod collect;
mod contracts;
mod dispatch;
mod examine;
mod gaps;
mod help;
mod load;
mod losses;
mod maintain;
mod numbering;
mod outcome;
pub(super) mod pause;
pub(super) mod permit;
mod track;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, B256, U256};
use queue::backoff;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use load::{make_known, unmine};

use self::budget::Budget;
use super::{Context, Tip};
use crate::{error::Error, fact::AttemptKind, fees::Fees, operation::Kind, policy::Policy, signer::Signer};

/// A signed transaction in memory.
struct Attempt {
    id: Uuid,
    kind: AttemptKind,
    hash: B256,
    raw: Vec<u8>,
    fees: Fees,
    signed_at: chrono::DateTime<chrono::Utc>,
    status: AttemptStatus,
    /// What the node last said.
    answer: Option<String>,
    /// When to send it (again).
    due: Instant,
    tries: u32,
    /// When the node last said that it has it already.
    kept_at: Option<Instant>,
}

/// What is known of an attempt's way to the network.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AttemptStatus {
    /// Not sent, or sent with an unknown outcome.
    Open,
    /// A node has it.
    Accepted,
    /// Refused as too cheap; another attempt of the nonce may be with the node.
    Underpriced,
    /// No node will ever take these bytes.
    Rejected,
}

/// A nonce in use.
struct Send {
    id: Uuid,
    nonce: u64,
    /// `None`: it only fills its nonce.
    kind: Option<Kind>,
    diamond: Option<Address>,
    operations: Vec<Uuid>,
    /// The subjects of the operations, in the same order.
    subjects: Vec<Uuid>,
    gas_limit: u64,
    attempts: Vec<Attempt>,
    mined: Option<Mined>,
    /// The head block when the nonce was first found used although none of the attempts was mined.
    missing_since: Option<u64>,
}

/// Where an attempt was mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mined {
    attempt: B256,
    number: u64,
    block: B256,
    success: bool,
}

impl Send {
    /// The attempt with the highest fees, which is the one that counts at the nodes.
    fn newest(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The subjects whose logs its progress goes into, each with what is done for it.
    fn subject_kinds(&self) -> impl Iterator<Item = (Uuid, Kind)> {
        self.subjects.iter().filter_map(|subject_id| Some((*subject_id, self.kind?)))
    }

    /// The most it can cost.
    fn cost(&self) -> U256 {
        let fee = self.newest().map_or(0, |attempt| attempt.fees.max_fee);
        U256::from(self.gas_limit).saturating_mul(U256::from(fee))
    }
}

struct Lane {
    context: Arc<Context>,
    signer: Address,
    key: Signer,
    /// The nonce of the next send.
    next_nonce: u64,
    /// What is not final, by nonce.
    sends: VecDeque<Send>,
    /// Unmined sends allowed at the moment.
    window: usize,
    balance: Option<U256>,
    paused: Option<&'static str>,
    /// The balance that was too little, until there is more.
    short_at: Option<U256>,
    /// Nothing new is prepared before this.
    rest_until: Instant,
    /// Operations of other lanes are left alone before this.
    helps_from: Instant,
    /// Signers whose operations this one may carry out, and as of when.
    helped: Vec<Address>,
    helped_at: Option<Instant>,
    /// Which contracts let this signer act, and when they said so.
    allowed: HashMap<Address, (bool, Instant)>,
    /// The block at which the sends were last looked up.
    tracked: Option<B256>,
    /// As of when the sends were read.
    reorganisations: u64,
    /// The head block when a nonce before the first unmined send was found unused.
    gap_since: Option<u64>,
    policy: Policy,
    budget: Budget,
    /// Operations together that the day's budget allows, at most.
    batch_cap: usize,
    /// Operations wait that the policy or the contract does not allow.
    holds_back: bool,
    /// When what the contract does not allow was last given another try.
    asked_anew_at: Instant,
}

/// How long a lane may fail before that counts as its state.
const TROUBLED_AFTER: Duration = Duration::from_secs(10);

/// How long a paused lane waits before it looks again.
const REST: Duration = Duration::from_secs(1);

pub(super) async fn run(
    context: Arc<Context>,
    signer: Address,
    mut tips: watch::Receiver<Option<Tip>>,
    mut wake: watch::Receiver<u64>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut lane: Option<Lane> = None;
    let (mut failures, mut failing_since) = (0, None::<Instant>);
    loop {
        let tip = *tips.borrow_and_update();
        wake.mark_unchanged();
        let outcome = match tip {
            // Nothing is sent before the watcher has a place to watch from.
            None => Ok(()),
            Some(tip) => step(&context, signer, &mut lane, tip).await,
        };
        let pause = match outcome {
            Ok(()) => {
                (failures, failing_since) = (0, None);
                context.config.poll_interval()
            }
            Err(Error::LeaseLost(network)) => return Err(Error::LeaseLost(network)),
            Err(error) => {
                tracing::warn!(network = %context.network.id, %signer, "chain lane tries again: {error}");
                lane = None;
                failures += 1;
                let troubled = failing_since.get_or_insert_with(Instant::now).elapsed() > TROUBLED_AFTER;
                // Of its key it has said more already.
                if troubled && !matches!(error, Error::Signing(_)) {
                    context.report_lane(signer, Some(pause::FAILING));
                }
                backoff::delay(failures, Duration::from_millis(100), Duration::from_secs(10))
            }
        };
        let failing = failures > 0;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = wake.changed(), if !failing => {}
            changed = tips.changed(), if !failing => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn step(context: &Arc<Context>, signer: Address, lane: &mut Option<Lane>, tip: Tip) -> Result<(), Error> {
    // After a reorganisation the watcher has written anew what is mined.
    lane.take_if(|lane| lane.reorganisations != tip.reorganisations);
    let lane = match lane {
        Some(lane) => lane,
        None => match load::load(context, signer, tip).await? {
            Some(loaded) => {
                loaded.report();
                lane.insert(loaded)
            }
            None => return Ok(()),
        },
    };
    if lane.tracked != Some(tip.hash) {
        match lane.track(tip).await {
            Ok(()) => lane.tracked = Some(tip.hash),
            // The endpoint's trouble, not the lane's: what is in flight stays known, and is looked up again.
            Err(Error::Rpc(error)) => tracing::warn!(%signer, "chain lane could not track its sends: {error}"),
            Err(error) => return Err(error),
        }
    }
    let maintained = lane.maintain(tip).await;
    lane.unless_unsigned(maintained).await?;
    let filled = lane.fill(tip).await;
    lane.unless_unsigned(filled).await
}

impl Lane {
    fn unmined(&self) -> usize {
        self.sends.iter().filter(|send| send.mined.is_none()).count()
    }

    fn send_mut(&mut self, id: Uuid) -> Option<&mut Send> {
        self.sends.iter_mut().find(|send| send.id == id)
    }

    /// Says, for health checks and metrics, what holds the lane up.
    fn report(&self) {
        let held = self.holds_back.then_some(pause::HOLDING_BACK);
        self.context.report_lane(self.signer, self.paused.or(held));
    }

    /// Says, once, why nothing is sent, or that it goes on.
    async fn pause(&mut self, reason: Option<&'static str>) -> Result<(), Error> {
        if reason.is_some() {
            self.rest_until = Instant::now() + REST;
            self.helps_from = Instant::now() + help::OWN_TROUBLE;
        }
        if self.paused == reason {
            return Ok(());
        }
        match reason {
            Some(reason) => {
                tracing::error!(signer = %self.signer, balance = ?self.balance, "chain lane paused: {reason}")
            }
            None => tracing::info!(signer = %self.signer, "chain lane goes on"),
        }
        self.paused = reason;
        self.short_at = self.short_at.filter(|_| reason == Some(pause::FUNDS));
        self.report();
        let tx = self.context.begin().await?;
        load::store_pause(&tx, self.context.network.id, self.signer, reason, self.balance).await?;
        Ok(tx.commit().await?)
    }
}
