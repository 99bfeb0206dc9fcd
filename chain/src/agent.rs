//! Works one network: a watcher that reads its blocks, a lane for each signer, a reconciliation, under one lease.

mod context;
mod gauges;
mod health;
mod lane;
mod lease;
mod reconciliation;
mod review;
mod settlement;
mod tip;
mod watcher;
mod witness;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy::primitives::Address;
use queue::{Database, backoff};
use sea_orm::entity::prelude::*;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use context::Context;
pub use health::AgentHealth;
pub(crate) use tip::Tip;

use crate::{
    config::Config, dialect::Dialects, error::Error, fact::Recorder, keystore::Keystore, network::Network, rpc::Rpc,
    signer::Signers, table,
};

/// How long a graceful stop waits for what is under way.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Carries out what was asked for on a network and tells what happens there. Any number of processes may run an agent
/// for the same network: one works, the others wait for its lease.
pub struct Agent {
    db: Database,
    network: Network,
    signers: Signers,
    recorder: Arc<dyn Recorder>,
    config: Config,
    waker: Waker,
    health: watch::Sender<AgentHealth>,
}

/// Wakes an agent of this process, so that a request does not wait for the next poll. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Waker(Arc<watch::Sender<u64>>);

impl Default for Waker {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Waker {
    /// Call it after the commit of a transaction with [`crate::request`]. Never blocks; many calls count as one.
    pub fn wake(&self) {
        self.0.send_modify(|calls| *calls = calls.wrapping_add(1));
    }
}

impl Agent {
    /// Puts an agent together; nothing happens before [`Agent::run`].
    #[must_use]
    pub fn new(
        db: Database,
        network: Network,
        keystore: Keystore,
        recorder: Arc<dyn Recorder>,
        config: Config,
    ) -> Self {
        let (waker, health) = (Waker::default(), watch::Sender::default());
        let signers = Signers::new(keystore, &config.remote_signers, config.signer_timeout());
        Self { db, network, signers, recorder, config, waker, health }
    }

    /// The handle that wakes this agent.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// How the agent is doing, kept up to date while it runs.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<AgentHealth> {
        self.health.subscribe()
    }

    /// Works until it is told to stop; whatever goes wrong is logged and tried again. Stopping gives the network up at
    /// once, so that another process can take it over without waiting for the lease to lapse.
    pub async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let outcome = match Rpc::new(&self.network, self.config.rpc_timeout()) {
                Ok(rpc) => self.work(rpc, &stop).await,
                Err(error) => Err(error),
            };
            self.health.send_modify(|health| {
                health.leader = false;
                health.lanes.clear();
            });
            if let Err(error) = outcome {
                tracing::error!(network = %self.network.id, "chain agent starts over: {error}");
                let pause = backoff::delay(failures, Duration::from_millis(200), Duration::from_secs(15));
                failures += 1;
                let _ = tokio::time::timeout(pause, stop.cancelled()).await;
            }
        }
    }

    /// One term as the network's owner: from taking the lease to losing it or stopping.
    async fn work(&self, rpc: Rpc, stop: &CancellationToken) -> Result<(), Error> {
        let context = Arc::new(Context {
            db: self.db.clone(),
            network: self.network.clone(),
            signers: self.signers.clone(),
            recorder: Arc::clone(&self.recorder),
            config: self.config.clone(),
            rpc,
            owner: Uuid::now_v7(),
            poll_now: tokio::sync::Notify::new(),
            health: self.health.clone(),
            troubles: Mutex::default(),
            dialects: Dialects::of(self.network.chain_id, &self.config.dialects),
            editions: Mutex::default(),
        });
        if !lease::acquire(&context, stop).await? {
            return Ok(());
        }
        tracing::info!(network = %context.network.id, owner = %context.owner, "chain agent works the network");
        self.health.send_modify(|health| health.leader = true);
        if !context.config.signers.is_empty() {
            lane::make_known(&context).await?;
        }
        let inner = stop.child_token();
        let (tip, tips) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(lease::keep(Arc::clone(&context), inner.clone()));
        tasks.spawn(gauges::run(Arc::clone(&context), inner.clone()));
        tasks.spawn(watcher::run(Arc::clone(&context), tip, inner.clone()));
        tasks.spawn(reconciliation::run(Arc::clone(&context), tips.clone(), inner.clone()));
        tasks.spawn(review::run(Arc::clone(&context), tips.clone(), inner.clone()));
        let outcome = self.open_lanes(&context, &tips, &mut tasks, &inner).await;
        inner.cancel();
        let drained = tokio::time::timeout(STOP_WITHIN, async { while tasks.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tasks.shutdown().await;
        }
        gauges::clear(&context);
        lease::release(&context).await;
        outcome
    }

    /// Starts a lane for every signer that turns up, until a task ends or the agent stops.
    async fn open_lanes(
        &self,
        context: &Arc<Context>,
        tips: &watch::Receiver<Option<Tip>>,
        tasks: &mut JoinSet<Result<(), Error>>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let mut wake = self.waker.0.subscribe();
        let mut open: HashSet<Address> = HashSet::new();
        loop {
            let lanes = table::lane::Entity::find()
                .filter(table::lane::Column::NetworkId.eq(context.network.id))
                .all(&*context.db)
                .await;
            // A database that is away for a moment is the lease's matter; until that lapses the network stays ours.
            let lanes = lanes.inspect_err(|error| tracing::warn!("chain lanes not read: {error}"));
            for lane in lanes.unwrap_or_default() {
                if open.insert(lane.signer.0) {
                    let wake = self.waker.0.subscribe();
                    tasks.spawn(lane::run(Arc::clone(context), lane.signer.0, tips.clone(), wake, stop.clone()));
                }
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                ended = tasks.join_next() => return ended_early(ended, stop),
                _ = wake.changed() => {}
                () = tokio::time::sleep(context.config.poll_interval()) => {}
            }
        }
    }
}

fn ended_early(
    ended: Option<Result<Result<(), Error>, tokio::task::JoinError>>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    match ended {
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) if !stop.is_cancelled() => Err(Error::Task(error.to_string())),
        Some(Err(_)) | None => Ok(()),
    }
}
