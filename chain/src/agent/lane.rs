//! A signer on a network: gives nonces to pending operations, sends them, and follows each send until it is final.
//!
//! A lane has one owner at a time and keeps its sends in memory; the database is written first, always, and read again
//! after anything went wrong.

mod broadcast;
mod collect;
mod dispatch;
mod examine;
mod follow;
mod gaps;
mod help;
mod load;
mod nurse;
mod outcome;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, B256, U256},
    signers::local::PrivateKeySigner,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use load::{make_known, unmine};

use super::{Context, Tip};
use crate::{backoff, error::Error, fact::AttemptKind, fees::Fees, operation::Kind};

/// A signed transaction in memory.
struct Attempt {
    id: Uuid,
    kind: AttemptKind,
    hash: B256,
    raw: Vec<u8>,
    fees: Fees,
    signed_at: chrono::DateTime<chrono::Utc>,
    standing: Standing,
    /// What the node last said.
    answer: Option<String>,
    /// When to send it (again).
    due: Instant,
    tries: u32,
}

/// What is known of an attempt's way to the network.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
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

    /// Whom its way is told to.
    fn told(&self) -> impl Iterator<Item = (Uuid, Kind)> {
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
    key: PrivateKeySigner,
    /// The nonce of the next send.
    next_nonce: u64,
    /// What is not final, by nonce.
    sends: VecDeque<Send>,
    /// Unmined sends allowed at the moment.
    window: usize,
    balance: Option<U256>,
    paused: Option<&'static str>,
    /// Nothing new is prepared before this.
    rest_until: Instant,
    /// Operations of other lanes are left alone before this.
    helps_from: Instant,
    /// Which contracts let this signer act, and when they said so.
    allowed: HashMap<Address, (bool, Instant)>,
    /// Contracts that are known to have code.
    contracts: HashSet<Address>,
    /// The block that was last followed up.
    followed: Option<B256>,
    /// As of when the sends were read.
    reorganisations: u64,
    /// The head block when a nonce before the first unmined send was found unused.
    gap_since: Option<u64>,
}

/// Why a lane sends nothing new. The words stand in the database and in [`crate::LaneStatus`].
mod pause {
    pub(super) const FUNDS: &str = "insufficient_funds";
    pub(super) const FEE_CAP: &str = "fee_cap";
    pub(super) const NO_KEY: &str = "no_key";
}

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
    let mut failures = 0;
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
                failures = 0;
                context.config.poll_interval()
            }
            Err(Error::LeaseLost(network)) => return Err(Error::LeaseLost(network)),
            Err(error) => {
                tracing::warn!(network = %context.network.id, %signer, "chain lane tries again: {error}");
                lane = None;
                failures += 1;
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
            Some(loaded) => lane.insert(loaded),
            None => return Ok(()),
        },
    };
    if lane.followed != Some(tip.hash) {
        match lane.follow(tip).await {
            Ok(()) => lane.followed = Some(tip.hash),
            // The endpoint's trouble, not the lane's: what is in flight stays known, and is looked up again.
            Err(Error::Rpc(error)) => tracing::warn!(%signer, "chain lane could not follow its sends: {error}"),
            Err(error) => return Err(error),
        }
    }
    lane.nurse(tip).await?;
    lane.fill(tip).await
}

impl Lane {
    fn unmined(&self) -> usize {
        self.sends.iter().filter(|send| send.mined.is_none()).count()
    }

    fn send_mut(&mut self, id: Uuid) -> Option<&mut Send> {
        self.sends.iter_mut().find(|send| send.id == id)
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
        metrics::gauge!("chain_lane_paused", "signer" => self.signer.to_string()).set(u8::from(reason.is_some()));
        self.paused = reason;
        let tx = self.context.begin().await?;
        load::store_pause(&tx, self.context.network.id, self.signer, reason, self.balance).await?;
        Ok(tx.commit().await?)
    }
}
