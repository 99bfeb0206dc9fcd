//! A signer on a network: gives nonces to pending operations, sends them, and follows each send until it is final.
//!
//! A lane has one owner at a time and keeps its sends in memory; the database is written first, always, and read again
//! after anything went wrong.

mod broadcast;
mod collect;
mod contracts;
mod dispatch;
mod examine;
mod follow;
mod gaps;
mod help;
mod load;
mod losses;
mod numbering;
mod nurse;
mod outcome;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, B256, U256},
    signers::local::PrivateKeySigner,
};
use queue::backoff;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use load::{make_known, unmine};

use super::{Context, Tip};
use crate::{error::Error, fact::AttemptKind, fees::Fees, operation::Kind};

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
    /// The block that was last followed up.
    followed: Option<B256>,
    /// As of when the sends were read.
    reorganisations: u64,
    /// The head block when a nonce before the first unmined send was found unused.
    gap_since: Option<u64>,
}

/// Why a lane sends nothing new. The words stand in the database and in [`crate::LaneStatus`].
mod pause {
    pub(super) const FUNDS: &str = crate::table::lane::NO_FUNDS;
    pub(super) const FEE_CAP: &str = "fee_cap";
    pub(super) const NO_KEY: &str = "no_key";
    pub(super) const KEY_LOCKED: &str = "key_locked";

    /// Every one.
    pub(super) const ALL: [&str; 4] = [FUNDS, FEE_CAP, NO_KEY, KEY_LOCKED];

    /// For health checks: the rest of a sentence about the signer.
    pub(super) fn sentence(reason: &str) -> &'static str {
        match reason {
            FUNDS => "cannot pay for what it has to send",
            FEE_CAP => "waits until gas costs less than chain.fee_cap_wei",
            NO_KEY => "has no key in the keystore",
            KEY_LOCKED => "has a key file that does not open with the keystore's password",
            _ => "is paused",
        }
    }
}

/// How long a lane may fail before that counts as its state.
const TROUBLED_AFTER: Duration = Duration::from_secs(10);

/// What is said of a lane that does not get as far as its transactions.
const FAILING: &str = "fails at what it asks of its node or its database, see the log";

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
                if troubled && !matches!(error, Error::Keystore(_)) {
                    context.tell_of_lane(signer, Some(FAILING));
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
                context.tell_of_lane(signer, loaded.paused.map(pause::sentence));
                lane.insert(loaded)
            }
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
        self.context.tell_of_lane(self.signer, reason.map(pause::sentence));
        self.paused = reason;
        let tx = self.context.begin().await?;
        load::store_pause(&tx, self.context.network.id, self.signer, reason, self.balance).await?;
        Ok(tx.commit().await?)
    }
}
