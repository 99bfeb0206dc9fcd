//! What a lane has in hand: fetched ahead of its requests, so that these never wait for the database.
//!
//! There are two stocks, each in the order in which its deliveries are due: what is due now, and, behind it, what a
//! recovery has released. A page goes on where the one before it ended; from time to time the lane reads from the
//! beginning, since what is committed late, or tried again, may be due before that.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use entities::{Unscoped as _, WebhookDeliveryId, WebhookEndpointId, WebhookStatus, webhook_endpoint};
use sea_orm::DbErr;
use tokio::task::{JoinError, JoinHandle};

use super::{
    PAUSE,
    page::{self, Due, Mark, Page, PageRequest},
};
use crate::lanes::LaneContext;

/// How often a lane reads from the beginning while it has a page ahead.
const RESCAN_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Prefetch {
    now_due: Buffer,
    recovered: Buffer,
    /// In hand: waiting, in flight, or with a result that is not written yet.
    taken: HashSet<WebhookDeliveryId>,
    /// Written down while a page was being fetched, which may still show them as due.
    settled: Vec<WebhookDeliveryId>,
    fetching: Option<JoinHandle<Result<Fetched, DbErr>>>,
    /// When the next page is read from the beginning.
    rescan_at: Instant,
    /// No page is read before this time, after the database has failed.
    not_before: Instant,
}

struct Buffer {
    waiting: VecDeque<Due>,
    /// Whether there may be more behind `after`.
    more: bool,
    after: Option<Mark>,
}

/// An endpoint as it is now, with what is due; none of that when it is disabled.
pub(super) struct Fetched {
    pub(super) endpoint: Option<webhook_endpoint::Model>,
    now_due: Option<Page>,
    recovered: Option<Page>,
}

impl Buffer {
    fn new() -> Self {
        Self { waiting: VecDeque::new(), more: true, after: None }
    }

    fn is_done(&self) -> bool {
        self.waiting.is_empty() && !self.more
    }

    fn put(&mut self, page: Page, taken: &mut HashSet<WebhookDeliveryId>) {
        self.more = page.more_after.is_some();
        self.after = page.more_after;
        self.waiting.extend(page.due.into_iter().filter(|due| taken.insert(due.delivery.id)));
    }
}

impl Prefetch {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            now_due: Buffer::new(),
            recovered: Buffer::new(),
            taken: HashSet::new(),
            settled: Vec::new(),
            fetching: None,
            rescan_at: now,
            not_before: now,
        }
    }

    /// The next that is due now.
    pub(super) fn pop_now_due(&mut self) -> Option<Due> {
        self.now_due.waiting.pop_front()
    }

    /// The next that a recovery has released.
    pub(super) fn pop_recovered(&mut self) -> Option<Due> {
        self.recovered.waiting.pop_front()
    }

    /// Puts back a delivery that could not be sent.
    pub(super) fn give_back(&mut self, due: Due) {
        let buffer = if due.delivery.recovered { &mut self.recovered } else { &mut self.now_due };
        buffer.waiting.push_front(due);
    }

    pub(super) fn has_now_due(&self) -> bool {
        !self.now_due.waiting.is_empty()
    }

    pub(super) fn has_recovered(&self) -> bool {
        !self.recovered.waiting.is_empty()
    }

    /// How long what has waited the longest of what is due now has waited.
    pub(super) fn late(&self) -> Option<chrono::TimeDelta> {
        self.now_due.waiting.front()?.delivery.next_attempt_at.map(|at| entities::now() - at)
    }

    /// Whether nothing waits and nothing more is expected.
    pub(super) fn is_done(&self) -> bool {
        self.now_due.is_done() && self.recovered.is_done() && self.fetching.is_none()
    }

    /// Whether a page is being fetched.
    pub(super) fn is_fetching(&self) -> bool {
        self.fetching.is_some()
    }

    /// Lets go of what was fetched and not sent: it stays due in the table.
    pub(super) fn put_back(&mut self) {
        for due in self.now_due.waiting.drain(..).chain(self.recovered.waiting.drain(..)) {
            self.taken.remove(&due.delivery.id);
        }
    }

    /// Lets go of deliveries whose results are written.
    pub(super) fn settle(&mut self, ids: &HashSet<WebhookDeliveryId>) {
        if self.fetching.is_some() {
            self.settled.extend(ids);
        } else {
            self.taken.retain(|id| !ids.contains(id));
        }
    }

    /// When a page is to be fetched, if so much ahead is wanted; none while there is enough, or a page is on its way.
    pub(super) fn next_fetch_at(&self, ahead: usize) -> Option<Instant> {
        if self.fetching.is_some() || self.now_due.waiting.len() >= ahead / 2 {
            return None;
        }
        let more = self.now_due.more || (self.recovered.more && self.recovered.waiting.len() < ahead / 2);
        Some(if more { self.not_before } else { self.rescan_at.max(self.not_before) })
    }

    /// Fetches what is wanted, in the background.
    pub(super) fn fetch(&mut self, context: &Arc<LaneContext>, id: WebhookEndpointId, ahead: usize) {
        let beginning = Instant::now() >= self.rescan_at;
        let count = if beginning { ahead + self.taken.len() } else { ahead };
        let request = |buffer: &Buffer, recovered| {
            let after = buffer.after.filter(|_| !beginning);
            let low = buffer.waiting.len() < ahead / 2;
            (low && (beginning || buffer.more)).then_some(PageRequest { recovered, count, after })
        };
        let (now_due, recovered) = (request(&self.now_due, false), request(&self.recovered, true));
        self.fetching = Some(tokio::spawn(fetch(Arc::clone(context), id, now_due, recovered)));
        if beginning {
            self.rescan_at = Instant::now() + RESCAN_EVERY;
        }
    }

    /// Takes in what was fetched. Returns the endpoint as it is now; none when it is not there, or when the database
    /// has failed.
    pub(super) fn fetched(
        &mut self,
        context: &LaneContext,
        fetched: Result<Result<Fetched, DbErr>, JoinError>,
    ) -> Option<Option<webhook_endpoint::Model>> {
        self.fetching = None;
        let fetched =
            fetched.map_err(|error| error.to_string()).and_then(|read| read.map_err(|error| error.to_string()));
        let endpoint = match fetched {
            Ok(fetched) => {
                for (buffer, page) in [(&mut self.now_due, fetched.now_due), (&mut self.recovered, fetched.recovered)] {
                    if let Some(page) = page {
                        buffer.put(page, &mut self.taken);
                    }
                }
                if !self.now_due.more && !self.recovered.more {
                    let soon = Instant::now() + Duration::from_millis(context.config.poll_interval_ms);
                    self.rescan_at = self.rescan_at.min(soon);
                }
                Some(fetched.endpoint)
            }
            Err(error) => {
                tracing::warn!(%error, "due webhooks could not be read; trying again");
                self.not_before = Instant::now() + PAUSE;
                None
            }
        };
        for id in self.settled.drain(..) {
            self.taken.remove(&id);
        }
        endpoint
    }

    /// The page that is on its way; else this never ends.
    pub(super) async fn arrived(&mut self) -> Result<Result<Fetched, DbErr>, JoinError> {
        super::finished(&mut self.fetching).await
    }
}

async fn fetch(
    context: Arc<LaneContext>,
    id: WebhookEndpointId,
    now_due: Option<PageRequest>,
    recovered: Option<PageRequest>,
) -> Result<Fetched, DbErr> {
    let endpoint = webhook_endpoint::Entity::find_unscoped(id).one(&*context.db).await?;
    let mut fetched = Fetched { endpoint, now_due: None, recovered: None };
    let usable = |endpoint: &webhook_endpoint::Model| {
        endpoint.status == WebhookStatus::Enabled && endpoint.lane_owner == Some(context.owner)
    };
    if !fetched.endpoint.as_ref().is_some_and(usable) {
        return Ok(fetched);
    }
    if let Some(request) = now_due {
        fetched.now_due = Some(page::due(&context.db, id, request).await?);
    }
    // What recoveries have released has its turn when nothing else is left.
    let nothing_else = fetched.now_due.as_ref().is_none_or(|page| page.more_after.is_none());
    if let Some(request) = recovered.filter(|_| nothing_else) {
        fetched.recovered = Some(page::due(&context.db, id, request).await?);
    }
    Ok(fetched)
}
