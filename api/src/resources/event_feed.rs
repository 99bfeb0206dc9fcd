//! The events to read, for those who would rather ask than be called.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use entities::{EventId, SubjectKind, TokenFamilyId, WebhookFormat, event, webhook_body};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use payments::{Caller, Permission, event::selects, listing::Listing};
use poem::web::sse;
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Query},
    payload::{EventStream, Json},
    types::{Any, ParseFromJSON, ToJSON},
};
use queue::Database;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Tag;
use crate::{
    access::{Allowed, PaymentsRead},
    edge::Stopping,
    paging::{PageLimit, StreamSeconds},
    problem::{Code, Location, Problem, Refused, Wrong},
    query_text::QueryText,
    reach,
    state::State,
    time::Time,
};

/// Events that are examined for one answer, at most: a filter may leave out most of them.
const EXAMINED_MAX: u64 = 1_000;

/// Streams of a process at a time: each costs a query every [`EVERY`].
const STREAMS_MAX: usize = 100;

/// When to come back if all are taken, seconds.
const BUSY_S: u64 = 10;

/// Pause between two polls of a stream.
const EVERY: Duration = Duration::from_millis(500);

/// How often a stream finds out whether its sign-in was revoked.
const CHECKED_EVERY: Duration = Duration::from_secs(5);

/// How often a stream without events shows that it is alive: proxies end connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An event, as webhook endpoints get it in the format `standard`.
#[derive(Clone, Debug, Object)]
pub(crate) struct FeedEvent {
    /// The same as in webhooks; `after` takes it.
    id: Uuid,
    /// What happened, such as `payment.paid`.
    #[oai(rename = "type")]
    name: String,
    /// When it happened.
    occurred_at: Time,
    /// Its number among the events of its payment, from 1 without gaps; null where there is no payment.
    sequence: Option<i32>,
    /// What happened; its fields depend on the type, see *Events*.
    data: Any<Value>,
}

/// Events in the order in which they became visible.
#[derive(Clone, Debug, Object)]
pub(crate) struct FeedPage {
    items: Vec<FeedEvent>,
    /// What to give as `after` the next time: everything up to this event has been examined. Null when there is no event
    /// yet.
    next: Option<Uuid>,
    /// Whether there is more right now.
    has_more: bool,
}

pub(crate) struct EventFeed {
    state: State,
    streams: Arc<Semaphore>,
}

impl EventFeed {
    pub(crate) fn new(state: State) -> Self {
        Self { state, streams: Arc::new(Semaphore::new(STREAMS_MAX)) }
    }
}

#[OpenApi(prefix_path = "/api/v1/events", tag = "Tag::EventFeed")]
impl EventFeed {
    /// List events
    ///
    /// What happened at the nodes in reach, in the order in which it became visible: who has read up to an event, and goes on
    /// `after` it, misses none and gets none twice. They are kept for as long as deliveries are (90 days unless configured
    /// otherwise). What only operators may know is left out for others.
    #[oai(path = "/", method = "get", operation_id = "list_events")]
    async fn list(
        &self,
        caller: Allowed<PaymentsRead>,
        /// Only what came after this event; without it from the oldest that is kept.
        after: Query<Option<Uuid>>,
        /// The newest, newest first, in place of those after one. `next` then continues behind them.
        #[oai(default)]
        newest: Query<bool>,
        /// Only events at this node and the nodes below it.
        node_id: Query<Option<Uuid>>,
        /// Only events of this type; `payment.*` takes all that begin so.
        r#type: Query<Option<QueryText>>,
        /// How many, 1 to 100.
        #[oai(default)]
        limit: Query<PageLimit>,
    ) -> Result<Json<FeedPage>, Refused<404>> {
        let db = self.state.db();
        let feed = Feed::of(db, &caller, node_id.0, r#type.0).await?;
        let begin = position(db, &caller, after.0).await?;
        let limit = limit.0.0 as usize;
        let examined = if feed.wanted.is_some() { EXAMINED_MAX } else { limit as u64 + 1 };
        let rows = feed.rows(db, begin, newest.0, examined).await?;
        let full = rows.len() as u64 == examined;
        let matching: Vec<&event::Model> = rows.iter().filter(|row| feed.wants(row)).collect();
        let has_more = matching.len() > limit || full && feed.wanted.is_some();
        let next = match matching.get(limit - 1) {
            _ if newest.0 => rows.first(),
            Some(last) if matching.len() > limit => Some(*last),
            _ => rows.last(),
        };
        let next = next.map(|row| row.id.0).or(after.0);
        let shown: Vec<EventId> = matching.iter().take(limit).map(|row| row.id).collect();
        Ok(Json(FeedPage { items: events(db, &shown).await?, next, has_more }))
    }

    /// Stream events
    ///
    /// The same as server-sent events, as they happen: `id` is the event's, so that a browser's `EventSource` continues by
    /// itself where it was cut off. Without `after` or `Last-Event-ID` it begins with what happens from now on. It ends after
    /// `for_s`, when the access token does, and when the server stops: connect again.
    #[oai(path = "/stream", method = "get", operation_id = "stream_events")]
    #[expect(clippy::too_many_arguments, reason = "each is a filter")]
    async fn stream(
        &self,
        stopping: Stopping,
        caller: Allowed<PaymentsRead>,
        /// Only what came after this event.
        after: Query<Option<Uuid>>,
        /// The same, as browsers send it.
        #[oai(name = "Last-Event-ID")]
        last_event_id: Header<Option<Uuid>>,
        /// Only events at this node and the nodes below it.
        node_id: Query<Option<Uuid>>,
        /// Only events of this type; `payment.*` takes all that begin so.
        r#type: Query<Option<QueryText>>,
        /// How long it lasts, 1 to 3600 seconds.
        #[oai(default)]
        for_s: Query<StreamSeconds>,
    ) -> Result<EventStream<BoxStream<'static, FeedEvent>>, Refused<404, 503>> {
        let db = self.state.db();
        let places = Arc::clone(&self.streams).try_acquire_owned();
        let place = places.map_err(|_| Problem::new(Code::Unavailable).retry_after(BUSY_S))?;
        let feed = Feed::of(db, &caller, node_id.0, r#type.0).await?;
        let begin = match after.0.or(last_event_id.0) {
            Some(after) => position(db, &caller, Some(after)).await?,
            None => feed.rows(db, None, true, 1).await?.first().map(|row| row.position),
        };
        let left = u64::try_from(caller.claims.exp - entities::now().timestamp()).unwrap_or(0);
        let follower = Follower {
            state: self.state.clone(),
            sign_in: (caller.claims.kind, caller.claims.family),
            ends_at: Instant::now() + Duration::from_secs(left.min(for_s.0.0.into())),
            checked_at: Instant::now(),
            stopping: stopping.0,
            feed,
            position: begin,
            _place: place,
        };
        let events = stream::unfold(follower, Follower::next).flat_map(stream::iter).boxed();
        let with_id = |event: FeedEvent| sse::Event::message(event.to_json_string()).id(event.id.to_string());
        Ok(EventStream::new(events).keep_alive(KEEP_ALIVE).to_event(with_id))
    }
}

/// Which events a caller gets.
struct Feed {
    path: Option<String>,
    for_operators: bool,
    /// Only these types; none: all.
    wanted: Option<[String; 1]>,
}

impl Feed {
    async fn of(
        db: &Database,
        caller: &Caller,
        node_id: Option<Uuid>,
        wanted: Option<QueryText>,
    ) -> Result<Self, Problem> {
        let path = reach::path(&**db, caller, node_id).await?;
        Ok(Self { path, for_operators: caller.can(Permission::Operations), wanted: wanted.map(|wanted| [wanted.0]) })
    }

    fn wants(&self, row: &event::Model) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| selects(wanted, &row.event_type))
    }

    /// Of all types, behind this position.
    async fn rows(
        &self,
        db: &Database,
        after: Option<i64>,
        newest: bool,
        most: u64,
    ) -> Result<Vec<event::Model>, DbErr> {
        use event::Column::{NodeId, Operators, Position};
        let mut listing = Listing::<event::Entity>::new(Position, NodeId, self.path.clone());
        if !self.for_operators {
            listing = listing.filter(Operators.eq(false));
        }
        if let Some(after) = after {
            listing = listing.filter(Position.gt(after));
        }
        let listing = if newest { listing } else { listing.oldest_first() };
        listing.page(&**db, 0, most).await
    }
}

/// The position of an event in reach.
async fn position(db: &Database, caller: &Caller, after: Option<Uuid>) -> Result<Option<i64>, Problem> {
    let Some(id) = after else { return Ok(None) };
    let row = payments::reach::within::<event::Entity>(caller).filter(event::Column::Id.eq(EventId(id)));
    let unknown = || Problem::new(Code::ValidationFailed).wrong("/after", Location::Query, Wrong::NotACursor);
    Ok(Some(row.one(&**db).await?.ok_or_else(unknown)?.position))
}

/// These events in this order.
async fn events(db: &Database, ids: &[EventId]) -> Result<Vec<FeedEvent>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let bodies = webhook_body::Entity::find()
        .filter(webhook_body::Column::EventId.is_in(ids.iter().copied()))
        .filter(webhook_body::Column::Format.eq(WebhookFormat::Standard))
        .all(&**db)
        .await?;
    let mut bodies: HashMap<EventId, String> = bodies.into_iter().map(|row| (row.event_id, row.body)).collect();
    let read =
        |body: String| FeedEvent::parse_from_json_string(&body).map_err(|error| DbErr::Json(error.into_message()));
    ids.iter().filter_map(|id| bodies.remove(id)).map(read).collect()
}

/// A stream under way.
struct Follower {
    state: State,
    sign_in: (SubjectKind, TokenFamilyId),
    /// When its token expires, or it has lasted long enough.
    ends_at: Instant,
    /// When it was last found out whether the sign-in is still good.
    checked_at: Instant,
    stopping: CancellationToken,
    feed: Feed,
    position: Option<i64>,
    /// Its place among all streams.
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next events, when there are some; none when the stream ends.
    async fn next(mut self) -> Option<(Vec<FeedEvent>, Self)> {
        loop {
            if Instant::now() >= self.ends_at || !self.may_go_on().await {
                return None;
            }
            match self.read().await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => return Some((events, self)),
                Err(error) => {
                    tracing::warn!(%error, "a stream of events ends");
                    return None;
                }
            }
            let stopping = self.stopping.clone();
            stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await?;
        }
    }

    /// Whether the sign-in is still good, found out anew from time to time.
    async fn may_go_on(&mut self) -> bool {
        if self.checked_at.elapsed() < CHECKED_EVERY {
            return true;
        }
        self.checked_at = Instant::now();
        let caller = self.state.callers().load(self.sign_in.0, self.sign_in.1).await;
        caller.is_ok_and(|caller| caller.is_some_and(|caller| caller.can(Permission::PaymentsRead)))
    }

    async fn read(&mut self) -> Result<Vec<FeedEvent>, DbErr> {
        let rows = self.feed.rows(self.state.db(), self.position, false, EXAMINED_MAX / 10).await?;
        self.position = rows.last().map(|row| row.position).or(self.position);
        let ids: Vec<EventId> = rows.iter().filter(|row| self.feed.wants(row)).map(|row| row.id).collect();
        events(self.state.db(), &ids).await
    }
}
