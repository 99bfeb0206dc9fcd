//! Sending again what webhook endpoints have missed.

use chrono::{DateTime, TimeDelta};
use entities::{RecoveryStatus, WebhookEndpointId, WebhookRecoveryId, now, webhook_recovery};
use payments::{Caller, jobs::RecoverWebhooks};
use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use queue::{NewMessage, Transaction};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, prelude::*};
use serde_json::json;
use uuid::Uuid;

use super::{Tag, webhooks};
use crate::{
    access::{Allowed, WebhooksManage},
    audit,
    body::Body,
    idempotent::Once,
    paging::{self, Page, Paged, PerPage},
    problem::{Problem, Refused, Wrong},
    reach,
    state::State,
    time::Time,
};

/// After so long without a step, a run has stopped: its message is a dead letter, and another run may take its place.
const STOPPED_AFTER: TimeDelta = TimeDelta::minutes(15);

/// How far a recovery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "RecoveryStatus", rename_all = "snake_case", remote = "RecoveryStatus")]
pub(crate) enum Status {
    /// On its way.
    Running,
    /// At its end: everything is due, and is sent as fast as the endpoint takes it.
    Done,
    /// Given up; its error says why.
    Failed,
}

/// What is to be sent again.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct NewRecovery {
    /// Events that happened at or after this time.
    since: Time,
    /// Events that happened before this time; now when left out.
    until: Option<Time>,
    /// Only what was held or given up; otherwise every event of payments that the endpoint selects, also those that it
    /// has had, or that happened before it was created.
    #[oai(default = "yes")]
    only_failed: bool,
}

fn yes() -> bool {
    true
}

impl Example for NewRecovery {
    fn example() -> Self {
        Self { since: Time(DateTime::UNIX_EPOCH + TimeDelta::days(21_915)), until: None, only_failed: true }
    }
}

/// A run that sends again what an endpoint has missed.
#[derive(Clone, Debug, Object)]
pub(crate) struct Recovery {
    pub(crate) id: Uuid,
    webhook_id: Uuid,
    since: Time,
    until: Time,
    only_failed: bool,
    status: Status,
    /// Rows that were looked at so far.
    examined: i32,
    /// Deliveries that were made due so far.
    recovered: i32,
    /// Why it was given up.
    error: Option<String>,
    created_at: Time,
    updated_at: Time,
    finished_at: Option<Time>,
}

impl From<webhook_recovery::Model> for Recovery {
    fn from(row: webhook_recovery::Model) -> Self {
        Self {
            id: row.id.0,
            webhook_id: row.endpoint_id.0,
            since: row.since.into(),
            until: row.until.into(),
            only_failed: row.only_failed,
            status: row.status.into(),
            examined: row.examined,
            recovered: row.recovered,
            error: row.error,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            finished_at: row.finished_at.map(Time),
        }
    }
}

/// A recovery was taken down.
#[derive(ApiResponse)]
pub(crate) enum Recovering {
    /// It runs from now on; its progress can be read.
    #[oai(status = 202)]
    Accepted(Json<Recovery>),
}

pub(crate) struct WebhookRecoveries(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Webhooks")]
impl WebhookRecoveries {
    /// Recover a webhook endpoint
    ///
    /// Sends again what it has missed since a time. What it has had keeps its `webhook-id`, so that it can tell a
    /// repetition. 409 when the endpoint is disabled, or another recovery of it is still running.
    #[oai(path = "/webhooks/:id/recover", method = "post", operation_id = "recover_webhook")]
    async fn recover(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The endpoint.
        id: Path<Uuid>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<NewRecovery>,
    ) -> Result<Recovering, Refused<404, 409, 422>> {
        let run = once.create(&caller, &body.canonical, async |tx| start(tx, &caller, id.0, body.value).await).await?;
        Ok(Recovering::Accepted(Json(run)))
    }

    /// List an endpoint's recoveries
    ///
    /// Newest first.
    #[oai(path = "/webhooks/:id/recoveries", method = "get", operation_id = "list_webhook_recoveries")]
    async fn list(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The endpoint.
        id: Path<Uuid>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Paged<Recovery>>, Refused<404>> {
        let endpoint = webhooks::find(&**self.0.db(), &caller, id.0).await?;
        let runs = webhook_recovery::Entity::find()
            .filter(webhook_recovery::Column::EndpointId.eq(endpoint.id))
            .order_by_desc(webhook_recovery::Column::Id);
        Ok(Json(paging::read(self.0.db(), runs, page.0, per_page.0, Recovery::from).await?))
    }

    /// Get a recovery
    ///
    /// With its progress.
    #[oai(path = "/webhook-recoveries/:id", method = "get", operation_id = "get_webhook_recovery")]
    async fn get(
        &self,
        caller: Allowed<WebhooksManage>,
        /// The recovery.
        id: Path<Uuid>,
    ) -> Result<Json<Recovery>, Refused<404>> {
        let named = webhook_recovery::Column::Id.eq(WebhookRecoveryId(id.0));
        let run = reach::find::<webhook_recovery::Entity>(&**self.0.db(), &caller, "Webhook recovery", named).await?;
        Ok(Json(run.into()))
    }
}

async fn start(tx: &mut Transaction, caller: &Caller, id: Uuid, new: NewRecovery) -> Result<Recovery, Problem> {
    let until = new.until.map_or_else(now, |until| *until);
    if *new.since >= until {
        return Err(Problem::invalid("/since", Wrong::Rule("must be before until, and in the past")));
    }
    // Locked, so that of two requests at once the second sees the run of the first.
    let endpoint = webhooks::lock(tx, caller, id).await?;
    webhooks::require_enabled(&endpoint)?;
    make_way(tx, endpoint.id).await?;
    let actor = caller.actor();
    let run = webhook_recovery::ActiveModel {
        id: Set(WebhookRecoveryId::new()),
        endpoint_id: Set(endpoint.id),
        since: Set(*new.since),
        until: Set(until),
        only_failed: Set(new.only_failed),
        status: Set(RecoveryStatus::Running),
        cursor: Set(None),
        examined: Set(0),
        recovered: Set(0),
        error: Set(None),
        actor_type: Set(actor.kind),
        actor_id: Set(actor.id),
        created_at: Set(now()),
        updated_at: Set(now()),
        finished_at: Set(None),
    };
    let run = run.insert(&**tx).await?;
    tx.enqueue(vec![NewMessage::of(&RecoverWebhooks::new(run.id, endpoint.node_id))]).await?;
    let data = json!({ "recovery_id": run.id, "since": run.since, "until": run.until, "only_failed": run.only_failed });
    audit::record(tx, caller, "webhook.recover", ("webhook", endpoint.id), data).await?;
    Ok(run.into())
}

/// One run at a time. One that has stopped without an end is given up.
async fn make_way(tx: &Transaction, endpoint: WebhookEndpointId) -> Result<(), Problem> {
    let running = webhook_recovery::Entity::find()
        .filter(webhook_recovery::Column::EndpointId.eq(endpoint))
        .filter(webhook_recovery::Column::Status.eq(RecoveryStatus::Running))
        .one(&**tx)
        .await?;
    let Some(run) = running else { return Ok(()) };
    if run.updated_at > now() - STOPPED_AFTER {
        return Err(Problem::conflict(format!("The recovery {} is still running", run.id)));
    }
    let mut run = run.into_active_model();
    run.status = Set(RecoveryStatus::Failed);
    run.error = Set(Some("It stopped without an end, and another run took its place".to_owned()));
    run.finished_at = Set(Some(now()));
    run.updated_at = Set(now());
    run.update(&**tx).await?;
    Ok(())
}
