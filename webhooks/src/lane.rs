//! One endpoint being worked, for as long as something is due: pages of deliveries, requests in flight, results written
//! down together.
//!
//! What is in flight stands in the database as due, so that a process which dies has it sent again, by another and under
//! the same id. Nothing is counted as sent before its result is committed.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use entities::{WebhookDeliveryId, WebhookStatus, now, webhook_endpoint};
use sea_orm::{DbErr, EntityTrait};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    breaker::{self, Window},
    config::Config,
    lanes::{Desk, claim},
    switch,
};

mod envelope;
mod page;
mod results;

use page::Due;
use results::{Breaker, Tried, Written};

/// Deliveries that a lane has in hand besides those in flight, at most; and results that wait to be written.
const PAGE: usize = 100;

/// After this time a lane makes room, when endpoints wait for one.
const TURN: Duration = Duration::from_secs(5);

/// Pause after the database has failed.
const PAUSE: Duration = Duration::from_millis(500);

/// How far requests may catch up with their rate.
const CATCH_UP: Duration = Duration::from_millis(100);

/// What a process remembers of an endpoint between two turns.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    window: Window,
    /// The next request goes out then, where the endpoint has a rate.
    next_request: Option<Instant>,
}

impl Standing {
    pub(crate) fn is_empty(&mut self, config: &Config, now: Instant) -> bool {
        self.window.is_empty(config, now) && self.next_request.is_none_or(|at| at <= now)
    }
}

/// What comes of a turn.
pub(crate) struct Ended {
    pub(crate) standing: Standing,
    /// The endpoint's secret was made with another installation secret.
    pub(crate) strange: bool,
}

/// An endpoint that this process has.
pub(crate) struct Lane {
    desk: Arc<Desk>,
    endpoint: webhook_endpoint::Model,
    standing: Standing,
    started: Instant,
    renewed: Instant,
    waiting: VecDeque<Due>,
    in_flight: JoinSet<Tried>,
    /// In hand: waiting, in flight, or with a result that is not written yet.
    taken: HashSet<WebhookDeliveryId>,
    results: Vec<Tried>,
    writing: Option<JoinHandle<Written>>,
    /// Whether the last page was full; else the database is asked again only at this time.
    full: bool,
    look_at: Instant,
    /// One request finds out whether the endpoint answers again.
    probing: bool,
    lost: bool,
}

/// Why nothing more is sent for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    /// The process stops.
    Stop,
    /// The endpoint has to be looked at anew, or it is somebody else's turn.
    Turn,
    /// Somebody else has the endpoint, or may have.
    Lost,
    /// The breaker is open until then.
    Open(DateTime<Utc>),
}

impl Lane {
    pub(crate) fn new(
        desk: Arc<Desk>,
        endpoint: webhook_endpoint::Model,
        claimed_at: Instant,
        standing: Standing,
    ) -> Self {
        Self {
            desk,
            endpoint,
            standing,
            started: claimed_at,
            renewed: claimed_at,
            waiting: VecDeque::new(),
            in_flight: JoinSet::new(),
            taken: HashSet::new(),
            results: Vec::new(),
            writing: None,
            full: true,
            look_at: claimed_at,
            probing: false,
            lost: false,
        }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) -> Ended {
        if self.endpoint.status == WebhookStatus::Disabled || self.endpoint.deleted_at.is_some() {
            self.hold(&stop).await;
            return self.end(claim::Again::Due(None), false).await;
        }
        if !self.secret_fits() {
            return self.end(claim::Again::Now, true).await;
        }
        let halted = self.work(&stop).await;
        let again = match halted {
            None => claim::Again::Due(None),
            Some(Halt::Open(until)) => claim::Again::Due(Some(until)),
            Some(Halt::Stop) => claim::Again::Due(None),
            Some(Halt::Turn | Halt::Lost) => claim::Again::Now,
        };
        self.end(again, false).await
    }

    /// Sends until nothing is due, or something halts it and what was in flight is written down.
    async fn work(&mut self, stop: &CancellationToken) -> Option<Halt> {
        loop {
            self.keep().await;
            let halt = self.halt(stop);
            match halt {
                Some(_) => self.put_back(),
                None => self.fill().await,
            }
            let paced = self.dispatch(halt);
            self.write();
            let idle = self.in_flight.is_empty() && self.results.is_empty() && self.writing.is_none();
            if idle && self.waiting.is_empty() && (halt.is_some() || !self.full) {
                return halt;
            }
            self.rest(paced, halt, stop).await;
        }
    }

    /// What is not sent stays due.
    fn put_back(&mut self) {
        for due in self.waiting.drain(..) {
            self.taken.remove(&due.delivery.id);
        }
    }

    /// Waits until there is something to do. Where a rate is in the way, that is at the latest when it no longer is.
    async fn rest(&mut self, paced: Option<Instant>, halt: Option<Halt>, stop: &CancellationToken) {
        let looks = halt.is_none() && self.has_room();
        if looks && self.full {
            return;
        }
        let kept = if self.lost { Instant::now() + TURN } else { self.renewed + self.renew_after() };
        let look_at = looks.then_some(self.look_at);
        let wake = [paced, look_at].into_iter().flatten().fold(kept, Instant::min);
        tokio::select! {
            Some(tried) = self.in_flight.join_next() => self.tried(tried),
            written = written(&mut self.writing) => self.written(written),
            () = tokio::time::sleep_until(wake.into()) => {}
            () = stop.cancelled(), if !stop.is_cancelled() => {}
        }
        while let Some(tried) = self.in_flight.try_join_next() {
            self.tried(tried);
        }
    }

    /// Whether another page may be fetched.
    fn has_room(&self) -> bool {
        self.waiting.is_empty()
            && self.in_flight.len() < self.desk.config.in_flight_max
            && self.results.len() < PAGE
            && !self.probing
    }

    fn halt(&self, stop: &CancellationToken) -> Option<Halt> {
        let lease = Duration::from_millis(self.desk.config.lease_ms);
        if self.lost || self.renewed.elapsed() >= lease {
            return Some(Halt::Lost);
        }
        if stop.is_cancelled() {
            return Some(Halt::Stop);
        }
        let crowded = self.desk.crowded.load(Ordering::Relaxed) && self.started.elapsed() >= TURN;
        if crowded || self.endpoint.status == WebhookStatus::Disabled {
            return Some(Halt::Turn);
        }
        self.endpoint.breaker_until.filter(|until| self.endpoint.breaker_step > 0 && *until > now()).map(Halt::Open)
    }

    fn renew_after(&self) -> Duration {
        Duration::from_millis(self.desk.config.lease_ms / 3)
    }

    /// Keeps the lease.
    async fn keep(&mut self) {
        if self.lost || self.renewed.elapsed() < self.renew_after() {
            return;
        }
        let at = Instant::now();
        match claim::renew(&self.desk, self.endpoint.id).await {
            Ok(true) => self.renewed = at,
            Ok(false) => self.lost = true,
            Err(error) => {
                tracing::warn!(%error, "a webhook lane's lease could not be renewed; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Fetches a page when there is room for it, with the endpoint as it is now.
    async fn fill(&mut self) {
        if !self.has_room() || !(self.full || Instant::now() >= self.look_at) {
            return;
        }
        if let Err(error) = self.fetch().await {
            tracing::warn!(%error, "due webhooks could not be read; trying again");
            self.full = true;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn fetch(&mut self) -> Result<(), DbErr> {
        let found = webhook_endpoint::Entity::find_by_id(self.endpoint.id).one(&*self.desk.db).await?;
        let Some(fresh) = found.filter(|fresh| fresh.lane_owner == Some(self.desk.owner)) else {
            self.lost = true;
            return Ok(());
        };
        // The breaker is this lane's own; its last word may not be written yet.
        let (breaker_until, breaker_step) = (self.endpoint.breaker_until, self.endpoint.breaker_step);
        self.endpoint = webhook_endpoint::Model { breaker_until, breaker_step, ..fresh };
        if self.endpoint.deleted_at.is_some() || !self.secret_fits() {
            // The next turn begins with this.
            self.endpoint.status = WebhookStatus::Disabled;
        }
        if self.endpoint.status == WebhookStatus::Disabled {
            return Ok(());
        }
        let (page, full) = page::due(&self.desk.db, self.endpoint.id, PAGE, &self.taken).await?;
        self.full = full;
        self.look_at = Instant::now() + Duration::from_millis(self.desk.config.poll_interval_ms);
        self.taken.extend(page.iter().map(|due| due.delivery.id));
        self.waiting.extend(page);
        Ok(())
    }

    fn secret_fits(&self) -> bool {
        let endpoint = &self.endpoint;
        self.desk.secrets.check(endpoint.id, endpoint.secret_version) == endpoint.secret_check
    }

    /// Sends what may be sent now. Returns when more may, where a rate is in the way.
    fn dispatch(&mut self, halt: Option<Halt>) -> Option<Instant> {
        let probe = self.endpoint.breaker_step > 0;
        let most = if probe { 1 } else { self.desk.config.in_flight_max };
        while halt.is_none() && self.in_flight.len() < most && !self.probing {
            if self.waiting.is_empty() || self.results.len() >= PAGE {
                break;
            }
            if let Some(at) = self.standing.next_request.filter(|at| *at > Instant::now()) {
                return Some(at);
            }
            let Some(due) = self.waiting.pop_front() else { break };
            self.probing = probe;
            self.pace();
            self.send(due, probe);
        }
        None
    }

    fn pace(&mut self) {
        let rate = self.endpoint.rate_per_second.and_then(|rate| u32::try_from(rate).ok()).filter(|rate| *rate > 0);
        self.standing.next_request = rate.map(|rate| {
            let now = Instant::now();
            let from = self.standing.next_request.map_or(now, |at| at.max(now.checked_sub(CATCH_UP).unwrap_or(now)));
            from + Duration::from_secs(1) / rate
        });
    }

    fn send(&mut self, due: Due, probe: bool) {
        let Due { delivery, body, merchant } = due;
        let Some(body) = body else {
            self.results.push(Tried::without_body(delivery));
            self.probing = false;
            return;
        };
        let request = match envelope::request(&self.desk.secrets, &self.endpoint, &delivery, body, merchant) {
            Ok(request) => request,
            Err(unopened) => {
                metrics::counter!("quittance_webhook_headers_unopened_total").increment(1);
                tracing::error!(endpoint_id = %self.endpoint.id, error = %unopened, "a webhook is not sent");
                return self.tried(Ok(Tried::unsent(delivery, unopened.to_string(), probe)));
            }
        };
        let post = self.desk.post.clone();
        self.in_flight.spawn(async move {
            let in_flight = metrics::gauge!("quittance_webhook_in_flight");
            in_flight.increment(1.0);
            let (started_at, started) = (now(), Instant::now());
            let answer = post.send(request).await;
            in_flight.decrement(1.0);
            fail::fail_point!("webhook.sent");
            metrics::histogram!("quittance_webhook_attempt_seconds").record(started.elapsed().as_secs_f64());
            Tried { delivery, started_at, took: started.elapsed(), answer: Some(answer), probe }
        });
    }

    fn tried(&mut self, tried: Result<Tried, tokio::task::JoinError>) {
        match tried {
            Ok(tried) => {
                let failed = tried.answer.as_ref().is_some_and(|answer| !answer.is_success());
                self.count(failed, tried.probe);
                self.results.push(tried);
            }
            Err(error) => {
                // Nobody knows which it was: all that was in hand is looked for anew.
                tracing::error!(%error, "a webhook request broke off");
                self.lost = true;
            }
        }
    }

    fn count(&mut self, failed: bool, probe: bool) {
        let config = &self.desk.config;
        let trips = self.standing.window.trips(config, Instant::now(), failed);
        let step = self.endpoint.breaker_step;
        let next = match (probe, failed) {
            (true, false) => {
                self.standing.window = Window::default();
                0
            }
            (true, true) => step.saturating_add(1),
            (false, _) if step == 0 && trips => 1,
            (false, _) => return,
        };
        self.probing = false;
        self.endpoint.breaker_step = next;
        self.endpoint.breaker_until = (next > 0).then(|| now() + breaker::open_for(config, next));
        tracing::info!(endpoint_id = %self.endpoint.id, open = next > 0, step = next, "a webhook endpoint's breaker");
    }

    /// Starts writing what has gathered while the last was being written.
    fn write(&mut self) {
        if self.writing.is_some() || self.results.is_empty() {
            return;
        }
        let breaker = Breaker { step: self.endpoint.breaker_step, until: self.endpoint.breaker_until };
        let (desk, endpoint_id, tried) = (Arc::clone(&self.desk), self.endpoint.id, std::mem::take(&mut self.results));
        self.writing = Some(tokio::spawn(results::write(desk, endpoint_id, tried, breaker)));
    }

    fn written(&mut self, written: Result<Written, tokio::task::JoinError>) {
        self.writing = None;
        match written {
            Ok(Written { ids, disabled }) => {
                self.taken.retain(|id| !ids.contains(id));
                if disabled {
                    self.endpoint.status = WebhookStatus::Disabled;
                }
            }
            Err(error) => {
                tracing::error!(%error, "writing webhooks' results broke off");
                self.lost = true;
            }
        }
    }

    /// Holds all that is pending for an endpoint that is disabled or deleted.
    async fn hold(&mut self, stop: &CancellationToken) {
        while !stop.is_cancelled() && !self.lost {
            self.keep().await;
            match self.hold_some().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "a disabled endpoint's webhooks could not be held; trying again");
                    return tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn hold_some(&self) -> Result<bool, DbErr> {
        let tx = self.desk.db.begin().await?;
        let endpoint = switch::locked(&tx, self.endpoint.id).await?;
        let off = |endpoint: webhook_endpoint::Model| {
            endpoint.status == WebhookStatus::Disabled || endpoint.deleted_at.is_some()
        };
        let more = endpoint.is_some_and(off) && switch::hold_some(&tx, self.endpoint.id).await?;
        tx.commit().await?;
        Ok(more)
    }

    /// Gives the endpoint up.
    async fn end(self, again: claim::Again, strange: bool) -> Ended {
        if strange {
            metrics::counter!("quittance_webhook_secret_mismatches_total").increment(1);
            tracing::error!(
                endpoint_id = %self.endpoint.id,
                "nothing is sent to this webhook endpoint: webhooks.secret is not the one that it was made with"
            );
        }
        if let Err(error) = claim::release(&self.desk, self.endpoint.id, again).await {
            tracing::warn!(%error, "a webhook endpoint could not be given up; its lease runs out");
        }
        Ended { standing: self.standing, strange }
    }
}

/// What is being written, when it is; else this never ends.
async fn written(writing: &mut Option<JoinHandle<Written>>) -> Result<Written, tokio::task::JoinError> {
    match writing {
        Some(writing) => writing.await,
        None => std::future::pending().await,
    }
}
