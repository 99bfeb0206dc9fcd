//! One endpoint being worked, for as long as something is due: pages of deliveries, requests in flight, results written
//! down together.
//!
//! What is in flight stands in the database as due, so that a process which dies has it sent again, by another and
//! under the same id. Nothing is counted as sent before its result is committed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use entities::{WebhookStatus, now, webhook_endpoint};
use sea_orm::DbErr;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    breaker::{self, Window},
    config::Config,
    in_flight_memory::MemoryPermit,
    lanes::{LaneContext, claim},
    limit::{LEAST, Limit},
    switch,
};

mod envelope;
mod page;
mod prefetch;
mod results;

use page::Due;
use prefetch::{Fetched, Prefetch};
use results::{Breaker, FinishedAttempt, Written};

/// Deliveries that a lane has in hand besides those in flight, at least; and results that are written without waiting
/// for more.
const PAGE: usize = 128;

/// How long results wait for more, so that many are written together.
const GATHER: Duration = Duration::from_millis(100);

/// What is due for so long although nothing of the endpoint's holds it up shows that the process does not keep up.
const LATE: TimeDelta = TimeDelta::milliseconds(500);

/// After this time a lane makes room, when endpoints wait for one.
const TURN: Duration = Duration::from_secs(5);

/// Pause after the database has failed.
const PAUSE: Duration = Duration::from_millis(500);

/// How far requests may catch up with their rate.
const CATCH_UP: Duration = Duration::from_millis(100);

/// What a process remembers of an endpoint between two turns.
#[derive(Debug, Default)]
pub(crate) struct EndpointPace {
    window: Window,
    limit: Limit,
    /// The next request goes out then, where the endpoint has a rate.
    next_request: Option<Instant>,
}

impl EndpointPace {
    pub(crate) fn is_empty(&mut self, config: &Config, now: Instant) -> bool {
        self.window.is_empty(config, now) && self.next_request.is_none_or(|at| at <= now)
    }
}

/// What a lane hands back when its turn ends.
pub(crate) struct TurnEnd {
    pub(crate) pace: EndpointPace,
    /// The endpoint's secret was made with another installation secret.
    pub(crate) foreign_secret: bool,
}

/// An endpoint that this process has.
pub(crate) struct Lane {
    context: Arc<LaneContext>,
    endpoint: webhook_endpoint::Model,
    pace: EndpointPace,
    started: Instant,
    renewed: Instant,
    prefetch: Prefetch,
    in_flight: JoinSet<FinishedAttempt>,
    results: Vec<FinishedAttempt>,
    writing: Option<JoinHandle<Written>>,
    /// When results are written that are few.
    write_at: Instant,
    /// One request finds out whether the endpoint answers again.
    probing: bool,
    lost: bool,
}

/// Why nothing more is sent for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    /// The process stops.
    Stop,
    /// The endpoint has to be read anew, or it is somebody else's turn.
    Turn,
    /// Another process has the endpoint, or may have.
    Lost,
    /// The breaker is open until this time.
    Open(DateTime<Utc>),
}

/// The process has as many requests under way as its memory allows.
struct OutOfMemory;

impl Lane {
    pub(crate) fn new(
        context: Arc<LaneContext>,
        endpoint: webhook_endpoint::Model,
        claimed_at: Instant,
        pace: EndpointPace,
    ) -> Self {
        Self {
            context,
            endpoint,
            pace,
            started: claimed_at,
            renewed: claimed_at,
            prefetch: Prefetch::new(claimed_at),
            in_flight: JoinSet::new(),
            results: Vec::new(),
            writing: None,
            write_at: claimed_at,
            probing: false,
            lost: false,
        }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) -> TurnEnd {
        if self.endpoint.status == WebhookStatus::Disabled || self.endpoint.deleted_at.is_some() {
            self.hold(&stop).await;
            return self.end(claim::Recheck::Due(None), false).await;
        }
        if !self.secret_fits() {
            return self.end(claim::Recheck::Now, true).await;
        }
        let halted = self.work(&stop).await;
        let again = match halted {
            None => claim::Recheck::Due(None),
            Some(Halt::Open(until)) => claim::Recheck::Due(Some(until)),
            Some(Halt::Stop) => claim::Recheck::Due(None),
            Some(Halt::Turn | Halt::Lost) => claim::Recheck::Now,
        };
        self.end(again, false).await
    }

    /// Sends until nothing is due, or something halts it and what was in flight is written down.
    async fn work(&mut self, stop: &CancellationToken) -> Option<Halt> {
        loop {
            self.keep().await;
            let halt = self.halt(stop);
            match halt {
                Some(_) => self.prefetch.put_back(),
                None => self.fill(),
            }
            let paced = self.dispatch(halt);
            self.write(halt);
            let idle = self.in_flight.is_empty() && self.results.is_empty() && self.writing.is_none();
            if idle && !self.prefetch.is_fetching() && (halt.is_some() || self.prefetch.is_done()) {
                return halt;
            }
            self.rest(paced, halt, stop).await;
        }
    }

    /// Waits until there is something to do. Where a rate is in the way, that is at the latest when it no longer is.
    async fn rest(&mut self, paced: Option<Instant>, halt: Option<Halt>, stop: &CancellationToken) {
        let kept = if self.lost { Instant::now() + TURN } else { self.renewed + self.renew_after() };
        let rescan_at =
            if halt.is_none() && self.may_fetch() { self.prefetch.next_fetch_at(self.ahead()) } else { None };
        let write_at = (self.writing.is_none() && !self.results.is_empty()).then_some(self.write_at);
        let wake = [paced, rescan_at, write_at].into_iter().flatten().fold(kept, Instant::min);
        tokio::select! {
            Some(attempt) = self.in_flight.join_next() => self.record_attempt(attempt),
            written = finished(&mut self.writing) => self.written(written),
            fetched = self.prefetch.arrived() => self.fetched(fetched),
            () = tokio::time::sleep_until(wake.into()) => {}
            () = stop.cancelled(), if !stop.is_cancelled() => {}
        }
        while let Some(attempt) = self.in_flight.try_join_next() {
            self.record_attempt(attempt);
        }
    }

    /// How many may be in flight as the endpoint stands.
    fn most(&self) -> usize {
        self.pace.limit.allowed(self.context.config.in_flight_max)
    }

    /// How many deliveries are to be in hand ahead of those in flight; and how many results may wait to be written.
    fn ahead(&self) -> usize {
        PAGE.max(self.most() * 2)
    }

    /// Whether another page is of use.
    fn may_fetch(&self) -> bool {
        self.results.len() < self.ahead() && !self.probing
    }

    fn halt(&self, stop: &CancellationToken) -> Option<Halt> {
        let lease = Duration::from_millis(self.context.config.lease_ms);
        if self.lost || self.renewed.elapsed() >= lease {
            return Some(Halt::Lost);
        }
        if stop.is_cancelled() {
            return Some(Halt::Stop);
        }
        let crowded = self.context.crowded.load(Ordering::Relaxed) && self.started.elapsed() >= TURN;
        if crowded || self.endpoint.status == WebhookStatus::Disabled {
            return Some(Halt::Turn);
        }
        self.endpoint.breaker_until.filter(|until| self.endpoint.breaker_step > 0 && *until > now()).map(Halt::Open)
    }

    fn renew_after(&self) -> Duration {
        Duration::from_millis(self.context.config.lease_ms / 3)
    }

    /// Renews the lease in time.
    async fn keep(&mut self) {
        if self.lost || self.renewed.elapsed() < self.renew_after() {
            return;
        }
        let at = Instant::now();
        match claim::renew(&self.context, self.endpoint.id).await {
            Ok(true) => self.renewed = at,
            Ok(false) => self.lost = true,
            Err(error) => {
                tracing::warn!(%error, "a webhook lane's lease could not be renewed; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Has a page fetched when there is room for it.
    fn fill(&mut self) {
        let ahead = self.ahead();
        if self.may_fetch() && self.prefetch.next_fetch_at(ahead).is_some_and(|at| at <= Instant::now()) {
            self.prefetch.fetch(&self.context, self.endpoint.id, ahead);
        }
    }

    /// Goes on with the endpoint as it is now.
    fn fetched(&mut self, fetched: Result<Result<Fetched, DbErr>, JoinError>) {
        let Some(found) = self.prefetch.fetched(&self.context, fetched) else { return };
        let Some(fresh) = found.filter(|fresh| fresh.lane_owner == Some(self.context.owner)) else {
            self.lost = true;
            return;
        };
        // The breaker is this lane's own; its last word may not be written yet.
        let (breaker_until, breaker_step) = (self.endpoint.breaker_until, self.endpoint.breaker_step);
        self.endpoint = webhook_endpoint::Model { breaker_until, breaker_step, ..fresh };
        if self.endpoint.deleted_at.is_some() || !self.secret_fits() {
            // The next turn begins with this.
            self.endpoint.status = WebhookStatus::Disabled;
        }
    }

    fn secret_fits(&self) -> bool {
        let endpoint = &self.endpoint;
        self.context.secrets.check(endpoint.id, endpoint.secret_version) == endpoint.secret_check
    }

    /// Sends what may be sent now. Returns when more may, where a rate is in the way.
    fn dispatch(&mut self, halt: Option<Halt>) -> Option<Instant> {
        let probe = self.endpoint.breaker_step > 0;
        let most = if probe { 1 } else { self.most() };
        while halt.is_none() && !self.probing && self.results.len() < self.ahead() {
            if self.in_flight.len() >= most {
                self.pace.limit.reached();
                break;
            }
            if let Some(at) = self.pace.next_request.filter(|at| *at > Instant::now()) {
                return Some(at);
            }
            let due = match self.next(most) {
                Ok(Some(due)) => due,
                Ok(None) => break,
                Err(at) => return Some(at),
            };
            let Ok(permit) = self.permit(&due) else {
                self.prefetch.give_back(due);
                break;
            };
            self.probing = probe;
            self.pace();
            self.send(due, probe, permit);
        }
        // An endpoint that is slow by itself shows nothing about the process.
        let quick = !probe && self.pace.limit.is_quick();
        if halt.is_none() && quick && self.prefetch.late().is_some_and(|late| late > LATE) {
            self.context.recovery_throttle.behind(Instant::now());
        }
        None
    }

    /// What is sent next, if there is something that may be. What a recovery has released has to leave room for what is
    /// due meanwhile, and gives way to it at all endpoints.
    fn next(&mut self, most: usize) -> Result<Option<Due>, Instant> {
        if self.prefetch.has_now_due() {
            return Ok(self.prefetch.pop_now_due());
        }
        if !self.prefetch.has_recovered() || self.in_flight.len() >= most - most / 4 {
            return Ok(None);
        }
        self.context.recovery_throttle.take(Instant::now()).map(|()| self.prefetch.pop_recovered())
    }

    /// Room for the request, which the first few need not have.
    fn permit(&self, due: &Due) -> Result<Option<MemoryPermit>, OutOfMemory> {
        if self.in_flight.len() < LEAST {
            return Ok(None);
        }
        self.context.in_flight_memory.take(due.body.as_ref().map_or(0, String::len)).map(Some).ok_or(OutOfMemory)
    }

    fn pace(&mut self) {
        let rate = self.endpoint.rate_per_second.and_then(|rate| u32::try_from(rate).ok()).filter(|rate| *rate > 0);
        self.pace.next_request = rate.map(|rate| {
            let now = Instant::now();
            let from = self.pace.next_request.map_or(now, |at| at.max(now.checked_sub(CATCH_UP).unwrap_or(now)));
            from + Duration::from_secs(1) / rate
        });
    }

    fn send(&mut self, due: Due, probe: bool, permit: Option<MemoryPermit>) {
        let Due { delivery, body, merchant } = due;
        let Some(body) = body else {
            self.results.push(FinishedAttempt::without_body(delivery));
            self.probing = false;
            return;
        };
        let request = match envelope::request(&self.context.secrets, &self.endpoint, &delivery, body, merchant) {
            Ok(request) => request,
            Err(unopened) => {
                metrics::counter!("quittance_webhook_headers_unopened_total").increment(1);
                tracing::error!(endpoint_id = %self.endpoint.id, error = %unopened, "a webhook is not sent");
                return self.record_attempt(Ok(FinishedAttempt::unsent(delivery, unopened.to_string(), probe)));
            }
        };
        let post = self.context.post.clone();
        self.in_flight.spawn(async move {
            let in_flight = metrics::gauge!("quittance_webhook_in_flight");
            in_flight.increment(1.0);
            let (started_at, started) = (now(), Instant::now());
            let response = post.send(request).await;
            in_flight.decrement(1.0);
            fail::fail_point!("webhook.sent");
            metrics::histogram!("quittance_webhook_attempt_seconds").record(started.elapsed().as_secs_f64());
            FinishedAttempt {
                delivery,
                started_at,
                took: started.elapsed(),
                response: Some(response),
                probe,
                started,
                permit,
            }
        });
    }

    fn record_attempt(&mut self, attempt: Result<FinishedAttempt, JoinError>) {
        match attempt {
            Ok(attempt) => {
                let failed = attempt.response.as_ref().is_some_and(|response| !response.is_success());
                let most = self.context.config.in_flight_max;
                self.pace.limit.record(Instant::now(), attempt.started, attempt.took, failed, most);
                self.count(failed, attempt.probe);
                self.results.push(attempt);
            }
            Err(error) => {
                // Nobody knows which it was: all that was in hand is looked for anew.
                tracing::error!(%error, "a webhook request broke off");
                self.lost = true;
            }
        }
    }

    fn count(&mut self, failed: bool, probe: bool) {
        let config = &self.context.config;
        let trips = self.pace.window.trips(config, Instant::now(), failed);
        let step = self.endpoint.breaker_step;
        let next = match (probe, failed) {
            (true, false) => {
                self.pace.window = Window::default();
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

    /// Starts writing what has gathered while the last was being written, and for a moment more if it is little and
    /// there is more to come.
    fn write(&mut self, halt: Option<Halt>) {
        if self.writing.is_some() || self.results.is_empty() {
            return;
        }
        let last = halt.is_some() || self.in_flight.is_empty() || self.results.len() >= PAGE;
        if !last && Instant::now() < self.write_at {
            return;
        }
        self.write_at = Instant::now() + GATHER;
        let breaker = Breaker { step: self.endpoint.breaker_step, until: self.endpoint.breaker_until };
        let (context, endpoint_id, attempt) =
            (Arc::clone(&self.context), self.endpoint.id, std::mem::take(&mut self.results));
        self.writing = Some(tokio::spawn(results::write(context, endpoint_id, attempt, breaker)));
    }

    fn written(&mut self, written: Result<Written, JoinError>) {
        self.writing = None;
        match written {
            Ok(Written { ids, disabled }) => {
                self.prefetch.settle(&ids);
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
        let tx = self.context.db.begin().await?;
        let endpoint = switch::locked(&tx, self.endpoint.id).await?;
        let off = |endpoint: webhook_endpoint::Model| {
            endpoint.status == WebhookStatus::Disabled || endpoint.deleted_at.is_some()
        };
        let more = endpoint.is_some_and(off) && switch::hold_some(&tx, self.endpoint.id).await?;
        tx.commit().await?;
        Ok(more)
    }

    /// Releases the lease of the endpoint.
    async fn end(self, again: claim::Recheck, foreign_secret: bool) -> TurnEnd {
        if foreign_secret {
            metrics::counter!("quittance_webhook_secret_mismatches_total").increment(1);
            tracing::error!(
                endpoint_id = %self.endpoint.id,
                "nothing is sent to this webhook endpoint: webhooks.secret is not the one that it was made with"
            );
        }
        if let Err(error) = claim::release(&self.context, self.endpoint.id, again).await {
            tracing::warn!(%error, "a webhook endpoint could not be given up; its lease runs out");
        }
        TurnEnd { pace: self.pace, foreign_secret }
    }
}

/// The end of what is under way, when something is; else this never ends.
async fn finished<T>(under_way: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match under_way {
        Some(under_way) => under_way.await,
        None => std::future::pending().await,
    }
}
