//! The agent that sends: it takes endpoints for which something is due, and works each on a lane of its own.
//!
//! An endpoint's row is its lane. `due_at` says when there is something to send, `lane_owner` and `lane_until` say
//! which process does it, so that rate, concurrency and breaker hold for the endpoint and not for each process, and so
//! that an endpoint which is slow keeps nobody waiting but itself. See `docs/decisions/0011-delivery-lanes.md`.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use entities::WebhookEndpointId;
use queue::Database;
use sea_orm::DbErr;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Config, Secrets,
    guard::{Lookup, system_lookup},
    header_values,
    in_flight_memory::InFlightMemory,
    lane::{EndpointPace, Lane, TurnEnd},
    post::Post,
    recovery_throttle::RecoveryThrottle,
};

pub(crate) mod claim;
mod sweep;

/// How often endpoints that nobody woke are searched for, and the whole is measured.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Longest pause while the database is away.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long a process leaves an endpoint alone whose secret it does not know.
const FOREIGN_SECRET_PAUSE: Duration = Duration::from_secs(30);

/// Endpoints that a process leaves alone for that, at most; with more of them it takes none at all.
const FOREIGN_SECRET_MAX: usize = 200;

/// Wakes the lanes of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Waker(Arc<watch::Sender<u64>>);

impl Default for Waker {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Waker {
    /// Call it after [`crate::wake`]. Never blocks; many calls count as one.
    pub fn wake(&self) {
        self.0.send_modify(|calls| *calls = calls.wrapping_add(1));
    }
}

/// The lanes of this process.
pub struct Lanes {
    db: Database,
    config: Config,
    waker: Waker,
    lookup: Lookup,
}

/// What all lanes of a process share.
pub(crate) struct LaneContext {
    pub(crate) db: Database,
    pub(crate) config: Config,
    pub(crate) secrets: Secrets,
    pub(crate) post: Post,
    /// This process, in the endpoints' rows.
    pub(crate) owner: Uuid,
    pub(crate) waker: Waker,
    pub(crate) in_flight_memory: InFlightMemory,
    pub(crate) recovery_throttle: RecoveryThrottle,
    /// Endpoints wait although every lane is taken: a lane whose turn is over makes room.
    pub(crate) crowded: AtomicBool,
}

impl Lanes {
    /// Puts them together; nothing happens before [`Self::run`]. The waker makes them poll at once.
    #[must_use]
    pub fn new(db: Database, config: Config, waker: Waker) -> Self {
        Self { db, config, waker, lookup: system_lookup() }
    }

    /// Has names looked up this way, behind the guard.
    #[must_use]
    pub fn with_lookup(self, lookup: Lookup) -> Self {
        Self { lookup, ..self }
    }

    /// Works until it is stopped, and then until what is in flight has ended, is written down, and every endpoint
    /// is given up.
    pub async fn run(self, stop: CancellationToken) {
        let post = loop {
            match Post::new(&self.config, Arc::clone(&self.lookup)) {
                Ok(post) => break post,
                Err(error) => tracing::error!(%error, "no webhook can be sent; trying again"),
            }
            if tokio::time::timeout(PAUSE_MAX, stop.cancelled()).await.is_ok() {
                return;
            }
        };
        let context = Arc::new(LaneContext {
            secrets: Secrets::new(&self.config.secret),
            in_flight_memory: InFlightMemory::new(&self.config),
            recovery_throttle: RecoveryThrottle::default(),
            db: self.db,
            config: self.config,
            post,
            owner: Uuid::now_v7(),
            waker: self.waker,
            crowded: AtomicBool::new(false),
        });
        tokio::join!(
            LanePool::new(Arc::clone(&context)).run(&stop),
            sweep::run(&context, &stop),
            seal_plain(&context, &stop)
        );
    }
}

/// Seals, once, what earlier versions have stored of headers as plain text. Requests go out meanwhile: both are read.
async fn seal_plain(context: &LaneContext, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        match header_values::seal_plain(&context.db, &context.secrets).await {
            Ok(0) => return,
            Ok(endpoints) => return tracing::info!(endpoints, "values of webhook headers are sealed from now on"),
            Err(error) => tracing::warn!(%error, "values of webhook headers are not sealed yet; trying again"),
        }
        let _ = tokio::time::timeout(PAUSE_MAX, stop.cancelled()).await;
    }
}

/// The lanes that are being worked, and what is remembered between two turns of one.
struct LanePool {
    context: Arc<LaneContext>,
    lanes: JoinSet<(WebhookEndpointId, TurnEnd)>,
    paces: HashMap<WebhookEndpointId, EndpointPace>,
    foreign_secret: HashMap<WebhookEndpointId, Instant>,
}

impl LanePool {
    fn new(context: Arc<LaneContext>) -> Self {
        Self { context, lanes: JoinSet::new(), paces: HashMap::new(), foreign_secret: HashMap::new() }
    }

    async fn run(mut self, stop: &CancellationToken) {
        let mut woken = self.context.waker.0.subscribe();
        let poll = Duration::from_millis(self.context.config.poll_interval_ms);
        let mut pause = poll;
        while !stop.is_cancelled() {
            woken.mark_unchanged();
            match self.take(stop).await {
                Ok(true) => continue,
                Ok(false) => pause = poll,
                Err(error) => {
                    tracing::warn!(%error, "due webhooks could not be looked for; trying again");
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
            tokio::select! {
                Some(ended) = self.lanes.join_next() => self.ended(ended),
                _ = woken.changed() => {}
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        while let Some(ended) = self.lanes.join_next().await {
            self.ended(ended);
        }
    }

    /// Starts lanes for what is due, and says whether there may be more than could be taken at once.
    async fn take(&mut self, stop: &CancellationToken) -> Result<bool, DbErr> {
        while let Some(ended) = self.lanes.try_join_next() {
            self.ended(ended);
        }
        self.foreign_secret.retain(|_, until| *until > Instant::now());
        let context = &self.context;
        let free = context.config.lanes_max.saturating_sub(self.lanes.len()).min(claim::TOGETHER);
        if self.foreign_secret.len() >= FOREIGN_SECRET_MAX {
            return Ok(false);
        }
        let foreign_secret: Vec<WebhookEndpointId> = self.foreign_secret.keys().copied().collect();
        if free == 0 {
            context.crowded.store(claim::anything(context, &foreign_secret).await?, Ordering::Relaxed);
            return Ok(false);
        }
        context.crowded.store(false, Ordering::Relaxed);
        let claimed_at = Instant::now();
        let claimed = claim::claim(context, free, &foreign_secret).await?;
        let all = claimed.len() == free;
        for endpoint in claimed {
            let id = endpoint.id;
            let pace = self.paces.remove(&id).unwrap_or_default();
            let lane = Lane::new(Arc::clone(context), endpoint, claimed_at, pace);
            let stop = stop.clone();
            self.lanes.spawn(async move { (id, lane.run(stop).await) });
        }
        Ok(all)
    }

    fn ended(&mut self, ended: Result<(WebhookEndpointId, TurnEnd), tokio::task::JoinError>) {
        match ended {
            Ok((id, TurnEnd { pace, foreign_secret })) => {
                let (now, config) = (Instant::now(), &self.context.config);
                self.paces.retain(|_, pace| !pace.is_empty(config, now));
                self.paces.insert(id, pace);
                if foreign_secret {
                    self.foreign_secret.insert(id, now + FOREIGN_SECRET_PAUSE);
                }
            }
            // Its lease runs out by itself.
            Err(error) => tracing::error!(%error, "a webhook lane broke off"),
        }
    }
}
