//! Writing down what came of attempts: all that gathered, in one transaction.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    DeliveryStatus, WebhookAttemptId, WebhookDeliveryId, WebhookEndpointId, WebhookStatus, now, webhook_attempt,
    webhook_delivery, webhook_endpoint,
};
use payments::{
    Actor,
    log::{self, NewLog},
};
use queue::Transaction;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Statement, Value, prelude::*};
use serde_json::json;

use super::PAUSE;
use crate::{
    config::{Config, milliseconds},
    fan_out::{Waiting, wake},
    in_flight_memory::MemoryPermit,
    lanes::LaneContext,
    post::{EndpointResponse, PostFailure},
    schedule, switch,
};

/// What came of an attempt; or, without an answer, a delivery whose body is gone.
#[derive(Debug)]
pub(super) struct FinishedAttempt {
    /// The delivery as it was before the attempt.
    pub(super) delivery: webhook_delivery::Model,
    pub(super) started_at: DateTime<Utc>,
    pub(super) took: Duration,
    pub(super) response: Option<EndpointResponse>,
    /// Whether it was to find out if the endpoint answers again.
    pub(super) probe: bool,
    pub(super) started: Instant,
    /// What it holds of the process's memory until it is written down.
    #[expect(dead_code, reason = "held, not read")]
    pub(super) permit: Option<MemoryPermit>,
}

impl FinishedAttempt {
    pub(super) fn without_body(delivery: webhook_delivery::Model) -> Self {
        Self::now(delivery, None, false)
    }

    /// Failed before anything was sent, since a header of the endpoint's cannot be opened.
    pub(super) fn unsent(delivery: webhook_delivery::Model, message: String, probe: bool) -> Self {
        let error = Some(PostFailure { code: "header_unopened", message });
        let response = Some(EndpointResponse { error, ..EndpointResponse::default() });
        Self::now(delivery, response, probe)
    }

    fn now(delivery: webhook_delivery::Model, response: Option<EndpointResponse>, probe: bool) -> Self {
        let (started_at, started) = (now(), Instant::now());
        Self { delivery, started_at, took: Duration::ZERO, response, probe, started, permit: None }
    }
}

/// The state of the breaker that is written with the results.
#[derive(Clone, Copy, Debug)]
pub(super) struct Breaker {
    pub(super) step: i32,
    pub(super) until: Option<DateTime<Utc>>,
}

pub(super) struct Written {
    pub(super) ids: HashSet<WebhookDeliveryId>,
    /// Whether the endpoint was disabled by it.
    pub(super) disabled: bool,
}

/// An attempt with what follows from it.
struct AttemptOutcome<'attempt> {
    finished: &'attempt FinishedAttempt,
    response: &'attempt EndpointResponse,
    /// When it is tried again; none: it is delivered, or given up.
    next: Option<DateTime<Utc>>,
}

impl AttemptOutcome<'_> {
    fn number(&self) -> i32 {
        self.finished.delivery.attempts + 1
    }

    fn status(&self) -> DeliveryStatus {
        match (self.response.is_success(), self.next) {
            (true, _) => DeliveryStatus::Delivered,
            (false, Some(_)) => DeliveryStatus::Pending,
            (false, None) => DeliveryStatus::Failed,
        }
    }
}

/// Writes until it is written. Should that take for longer than the lease, somebody else sends it again; the guard on
/// the number of attempts then lets only one of the two be counted.
pub(super) async fn write(
    context: Arc<LaneContext>,
    endpoint_id: WebhookEndpointId,
    finished: Vec<FinishedAttempt>,
    breaker: Breaker,
) -> Written {
    let ids = finished.iter().map(|finished| finished.delivery.id).collect();
    let outcomes = outcomes(&context.config, &finished);
    for pause in 1..=PATIENCE {
        match once(&context, endpoint_id, &finished, &outcomes, breaker).await {
            Ok(disabled) => return Written { ids, disabled },
            Err(error) => tracing::warn!(%error, "webhooks' results could not be written; trying again"),
        }
        tokio::time::sleep(PAUSE * pause).await;
    }
    tracing::error!(results = finished.len(), "webhooks' results are lost; what they are about is sent again");
    Written { ids, disabled: false }
}

/// How often writing is tried: for half a minute.
const PATIENCE: u32 = 10;

fn outcomes<'attempt>(config: &Config, finished: &'attempt [FinishedAttempt]) -> Vec<AttemptOutcome<'attempt>> {
    let now = now();
    let outcome = |finished: &'attempt FinishedAttempt| {
        let response = finished.response.as_ref()?;
        let failed = finished.delivery.round_attempts.saturating_add(1);
        let pause = if response.is_success() { None } else { schedule::pause(config, failed, response.retry_after) };
        Some(AttemptOutcome { finished, response, next: pause.map(|pause| now + pause) })
    };
    finished.iter().filter_map(outcome).collect()
}

async fn once(
    context: &LaneContext,
    endpoint_id: WebhookEndpointId,
    finished: &[FinishedAttempt],
    outcomes: &[AttemptOutcome<'_>],
    breaker: Breaker,
) -> Result<bool, DbErr> {
    let mut tx = context.db.begin().await?;
    let Some(endpoint) = switch::locked(&tx, endpoint_id).await? else { return Ok(false) };
    let mut written = delivered(&tx, outcomes).await?;
    for outcome in outcomes.iter().filter(|outcome| !outcome.response.is_success()) {
        if failed(&tx, outcome).await? {
            written.insert(outcome.finished.delivery.id);
        }
    }
    for bodiless in finished.iter().filter(|attempt| attempt.response.is_none()) {
        give_up(&tx, &bodiless.delivery).await?;
    }
    let written: Vec<&AttemptOutcome<'_>> =
        outcomes.iter().filter(|outcome| written.contains(&outcome.finished.delivery.id)).collect();
    if !written.is_empty() {
        let attempts = written.iter().map(|outcome| attempt(outcome));
        webhook_attempt::Entity::insert_many(attempts).exec_without_returning(&*tx).await?;
        log::append(&*tx, written.iter().filter_map(|outcome| trace(endpoint_id, outcome)).collect()).await?;
    }
    let reason = update_endpoint(&tx, context, endpoint, &written, breaker).await?;
    let waiting = match reason {
        Some(reason) => switch::disable(&mut tx, endpoint_id, &reason).await?,
        None => None,
    };
    fail::fail_point!("webhook.results_written");
    tx.commit().await?;
    fail::fail_point!("webhook.results_committed");
    count(&written);
    notify(context, waiting.as_ref()).await;
    Ok(waiting.is_some())
}

/// Wakes the lanes of the other endpoints; the sweep finds those that could not be woken.
async fn notify(context: &LaneContext, waiting: Option<&Waiting>) {
    let Some(waiting) = waiting else { return };
    if let Err(error) = wake(&context.db, waiting).await {
        tracing::warn!(%error, "endpoints could not be told of a disabled one; the sweep does it");
    }
    context.waker.wake();
}

/// Writes the successes, one statement for all that are alike. Returns which of them were as they were before.
async fn delivered(tx: &Transaction, outcomes: &[AttemptOutcome<'_>]) -> Result<HashSet<WebhookDeliveryId>, DbErr> {
    let mut alike: BTreeMap<(i32, Option<u16>), Vec<WebhookDeliveryId>> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.response.is_success()) {
        let delivery = &outcome.finished.delivery;
        alike.entry((delivery.attempts, outcome.response.status)).or_default().push(delivery.id);
    }
    let mut written = HashSet::new();
    for ((attempts, status), ids) in alike {
        let mut values: Vec<Value> =
            vec![DeliveryStatus::Delivered.word().into(), now().into(), status.map(i32::from).into(), attempts.into()];
        let first = values.len() + 1;
        let places: Vec<String> = (first..first + ids.len()).map(|place| format!("${place}")).collect();
        values.extend(ids.iter().map(|id| Value::from(id.0)));
        let sql = format!(
            "UPDATE webhook_deliveries SET status = $1, delivered_at = $2, updated_at = $2, last_status = $3, \
             last_error = NULL, next_attempt_at = NULL, attempts = attempts + 1, round_attempts = round_attempts + 1 \
             WHERE attempts = $4 AND id IN ({}) RETURNING id",
            places.join(", ")
        );
        let rows = tx.query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
        for row in rows {
            written.insert(WebhookDeliveryId(row.try_get_by_index(0)?));
        }
    }
    Ok(written)
}

/// Writes a failure. What became of the delivery meanwhile (held, asked for once more) stays, the attempt counts.
async fn failed(tx: &Transaction, outcome: &AttemptOutcome<'_>) -> Result<bool, DbErr> {
    let delivery = &outcome.finished.delivery;
    let same = "status = 'pending' AND round_attempts = $6";
    let sql = format!(
        "UPDATE webhook_deliveries SET attempts = attempts + 1, updated_at = $1, last_status = $2, last_error = $3, \
         status = CASE WHEN {same} THEN $4 ELSE status END, \
         next_attempt_at = CASE WHEN {same} THEN $5 ELSE next_attempt_at END, \
         round_attempts = CASE WHEN {same} THEN round_attempts + 1 ELSE round_attempts END \
         WHERE id = $7 AND attempts = $8"
    );
    let values: [Value; 8] = [
        now().into(),
        outcome.response.status.map(i32::from).into(),
        outcome.response.summary().into(),
        outcome.status().word().into(),
        outcome.next.into(),
        delivery.round_attempts.into(),
        delivery.id.0.into(),
        delivery.attempts.into(),
    ];
    let updated = tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
    Ok(updated.rows_affected() > 0)
}

/// Nothing can be sent where the body is no longer kept.
async fn give_up(tx: &Transaction, delivery: &webhook_delivery::Model) -> Result<(), DbErr> {
    use webhook_delivery::Column::{Attempts, Id, LastError, NextAttemptAt, Status, UpdatedAt};
    webhook_delivery::Entity::update_many()
        .col_expr(Status, Expr::value(DeliveryStatus::Failed.word()))
        .col_expr(NextAttemptAt, Expr::value(None::<DateTime<Utc>>))
        .col_expr(LastError, Expr::value("the event's body is no longer kept"))
        .col_expr(UpdatedAt, Expr::value(now()))
        .filter(Id.eq(delivery.id))
        .filter(Attempts.eq(delivery.attempts))
        .exec(&**tx)
        .await?;
    Ok(())
}

fn attempt(outcome: &AttemptOutcome<'_>) -> webhook_attempt::ActiveModel {
    let (finished, response) = (outcome.finished, outcome.response);
    let error = response.error.as_ref();
    webhook_attempt::ActiveModel {
        id: Set(WebhookAttemptId::new()),
        delivery_id: Set(finished.delivery.id),
        number: Set(outcome.number()),
        started_at: Set(finished.started_at),
        duration_ms: Set(i32::try_from(finished.took.as_millis()).unwrap_or(i32::MAX)),
        address: Set(response.address.map(|address| address.to_string())),
        status: Set(response.status.map(i32::from)),
        response: Set(response.body.clone()),
        error_code: Set(error.map(|failure| failure.code.to_owned())),
        error_message: Set(error.map(|failure| failure.message.clone())),
    }
}

/// The row in the payment's log, where the event is about one.
fn trace(endpoint_id: WebhookEndpointId, outcome: &AttemptOutcome<'_>) -> Option<NewLog> {
    let delivery = &outcome.finished.delivery;
    let (event_type, message) = match outcome.status() {
        DeliveryStatus::Delivered => ("webhook.delivered", format!("{} was delivered", delivery.event_type)),
        DeliveryStatus::Pending => {
            ("webhook.failed", format!("{} was not taken; it is tried again", delivery.event_type))
        }
        DeliveryStatus::Failed | DeliveryStatus::Held => {
            ("webhook.failed", format!("{} was not taken; it is given up", delivery.event_type))
        }
    };
    Some(NewLog {
        payment_id: delivery.payment_id?,
        sequence: None,
        event_type,
        message,
        actor: Actor::worker("webhooks"),
        data: json!({
            "endpoint_id": endpoint_id,
            "delivery_id": delivery.id,
            "event_id": delivery.event_id,
            "event_type": delivery.event_type,
            "attempt": outcome.number(),
            "status": outcome.response.status,
            "duration_ms": u64::try_from(outcome.finished.took.as_millis()).unwrap_or(u64::MAX),
            "error_code": outcome.response.error.as_ref().map(|failure| failure.code),
            "next_attempt_at": outcome.next.map(entities::rfc3339),
        }),
    })
}

/// Writes how the endpoint stands after these attempts. Returns why it has to be disabled, if it has to.
async fn update_endpoint(
    tx: &Transaction,
    context: &LaneContext,
    mut endpoint: webhook_endpoint::Model,
    written: &[&AttemptOutcome<'_>],
    breaker: Breaker,
) -> Result<Option<String>, DbErr> {
    for outcome in written {
        let ended = outcome.finished.started_at + TimeDelta::from_std(outcome.finished.took).unwrap_or_default();
        if outcome.response.is_success() {
            endpoint.last_success_at = Some(endpoint.last_success_at.map_or(ended, |last| last.max(ended)));
            (endpoint.failing_since, endpoint.failures) = (None, 0);
        } else {
            endpoint.failing_since.get_or_insert(ended);
            endpoint.failures = endpoint.failures.saturating_add(1);
        }
    }
    if endpoint.lane_owner == Some(context.owner) {
        (endpoint.breaker_step, endpoint.breaker_until) = (breaker.step, breaker.until);
    }
    let gone = written.iter().any(|outcome| outcome.response.error.is_none() && outcome.response.status == Some(410));
    let enabled = endpoint.status == WebhookStatus::Enabled;
    let reason =
        if gone { Some("it answered 410 Gone".to_owned()) } else { disable_reason(&context.config, &endpoint) };
    let mut row = webhook_endpoint::ActiveModel { id: Set(endpoint.id), ..Default::default() };
    row.last_success_at = Set(endpoint.last_success_at);
    row.failing_since = Set(endpoint.failing_since);
    row.failures = Set(endpoint.failures);
    row.breaker_step = Set(endpoint.breaker_step);
    row.breaker_until = Set(endpoint.breaker_until);
    webhook_endpoint::Entity::update(row).exec_without_returning(&**tx).await?;
    Ok(reason.filter(|_| enabled))
}

/// Why nothing more is expected of an endpoint that has failed for so long and so often.
fn disable_reason(config: &Config, endpoint: &webhook_endpoint::Model) -> Option<String> {
    let since = endpoint.failing_since?;
    let long = now() - since >= milliseconds(config.disable_after_s.saturating_mul(1_000));
    let often = u32::try_from(endpoint.failures).unwrap_or(0) >= config.disable_failures_min;
    (long && often).then(|| format!("it failed {} times in a row since {}", endpoint.failures, since.format("%FT%TZ")))
}

fn count(written: &[&AttemptOutcome<'_>]) {
    for outcome in written {
        let outcome = match outcome.status() {
            DeliveryStatus::Delivered => "delivered",
            DeliveryStatus::Pending => "retried",
            DeliveryStatus::Failed | DeliveryStatus::Held => "given_up",
        };
        metrics::counter!("quittance_webhook_attempts_total", "outcome" => outcome).increment(1);
    }
}
