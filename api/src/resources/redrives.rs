//! Redrive runs: dead letters replayed step by step, watched, and stopped when they die again.

mod request;
mod response;

use payments::Caller;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
    types::ToJSON as _,
};
use queue::{
    Transaction,
    dead_letters::{Act, Filter},
    redrive::{self, InvalidRun, Run, RunError, RunPage},
};
use serde_json::json;
use uuid::Uuid;

use self::{
    request::{DryRun, NewRedrive},
    response::{DryRunResult, Redrive, RedrivePage, RunState},
};
use super::{
    Tag,
    dead_letters::{
        self,
        filter::{LetterState, reached},
        request::Reason,
        response::LetterPage,
    },
};
use crate::{
    access::{Allowed, Operations},
    audit,
    body::Body,
    edge::RequestId,
    idempotent::Once,
    paging::{self, PerPage},
    problem::{Problem, Refused, Wrong},
    query_text::QueryText,
    response::Created,
    state::State,
};

/// Runs that one request looks at, at most, to fill a page with those in reach.
const EXAMINED_MAX: usize = 5_000;

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        match error {
            RunError::NotFound(_) => Self::not_found("Redrive"),
            RunError::Database(error) => error.into(),
            other => Self::conflict(other.to_string()),
        }
    }
}

impl From<InvalidRun> for Problem {
    fn from(error: InvalidRun) -> Self {
        match error {
            InvalidRun::Database(error) => error.into(),
            other => Self::invalid("", Wrong::Reported(other.to_string())),
        }
    }
}

pub(crate) struct Redrives(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/operations/redrives", tag = "Tag::DeadLetters")]
impl Redrives {
    /// See what a redrive would do
    ///
    /// Counts and groups what matches, and asks the jobs of up to 10,000 letters what each would do now: go on, find it
    /// already done, or fail again. Changes nothing.
    #[oai(path = "/dry-run", method = "post", operation_id = "dry_run_redrive")]
    async fn dry_run(&self, caller: Allowed<Operations>, body: Body<DryRun>) -> Result<Json<DryRunResult>, Refused> {
        let db = self.0.db();
        let filter = body.value.filter.within(&**db, &caller).await?;
        let limit = body.value.limit.map(u64::from);
        let plan = redrive::plan(db, &filter, limit, self.0.foreseer()).await;
        Ok(Json(plan.map_err(dead_letters::unforeseen)?.into()))
    }

    /// Start a redrive
    ///
    /// Claims the letters that match and are `dead`, the oldest first, replays a few and waits for their outcomes, then the
    /// rest at the given rate; letters of one payment follow one another. A replay only resumes what was left: the guards of
    /// the jobs see to it that nothing is done a second time. It goes on in the workers, whatever becomes of the caller.
    #[oai(path = "/", method = "post", operation_id = "create_redrive")]
    async fn create(
        &self,
        caller: Allowed<Operations>,
        request_id: RequestId,
        /// Makes a repetition safe: the same key does not start a second run.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<NewRedrive>,
    ) -> Result<Created<Redrive>, Refused<409, 422>> {
        let state = &self.0;
        let new_run = body.value;
        let filter = new_run.filter.clone().within(&**state.db(), &caller).await?;
        let run = once.create(&caller, &body.canonical, async |tx| {
            let data = json!({ "asked": new_run.to_json(), "request_id": request_id.as_str() });
            let run = redrive::create(tx, new_run.run(filter, audit::name(&caller))).await?;
            audit::record(tx, &caller, "redrive.create", ("redrive", run.id), data).await?;
            Ok(Redrive::from(run))
        });
        let run = run.await?;
        Ok(Created::at(format!("/api/v1/operations/redrives/{}", run.id), run))
    }

    /// List redrives
    ///
    /// Newest first: those whose letters are all within the caller's reach.
    #[oai(path = "/", method = "get", operation_id = "list_redrives")]
    async fn list(
        &self,
        caller: Allowed<Operations>,
        /// Only those in this state.
        state: Query<Option<RunState>>,
        /// Continues after the page that named this cursor.
        cursor: Query<Option<QueryText>>,
        /// Runs a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<RedrivePage>, Refused> {
        let db = self.0.db();
        let nodes = reached(&**db, &caller).await?;
        let (wanted, mut examined) = (per_page.0.0 as usize, 0);
        let mut after = dead_letters::after(cursor.0)?;
        let mut items: Vec<Redrive> = Vec::new();
        let limit = u64::from(per_page.0.0) + 1;
        loop {
            let page = RunPage { after, state: state.0.map(Into::into), limit };
            let runs = redrive::list(db, page).await?;
            let last = runs.len() < wanted + 1;
            examined += runs.len();
            for run in runs {
                if items.len() == wanted || examined > EXAMINED_MAX {
                    return Ok(Json(RedrivePage { items, next_cursor: after.map(paging::cursor_after) }));
                }
                after = Some(run.id);
                if visible(nodes.as_ref(), &run) {
                    items.push(run.into());
                }
            }
            if last {
                return Ok(Json(RedrivePage { items, next_cursor: None }));
            }
        }
    }

    /// Read a redrive
    ///
    /// Where it stands, its counts as of this moment, and when it will be through.
    #[oai(path = "/:id", method = "get", operation_id = "get_redrive")]
    async fn get(
        &self,
        caller: Allowed<Operations>,
        /// The run.
        id: Path<Uuid>,
    ) -> Result<Json<Redrive>, Refused<404>> {
        Ok(Json(self.find(&caller, id.0).await?.into()))
    }

    /// List a redrive's letters
    ///
    /// What became of each: `claimed` ones are still to be replayed, `replayed` ones under way, `resolved` and `dead_again`
    /// are outcomes; what is `dead` was skipped, and its `state_reason` says why.
    #[oai(path = "/:id/letters", method = "get", operation_id = "list_redrive_letters")]
    async fn letters(
        &self,
        caller: Allowed<Operations>,
        /// The run.
        id: Path<Uuid>,
        /// Only those in this state.
        state: Query<Option<LetterState>>,
        /// Continues after the page that named this cursor.
        cursor: Query<Option<QueryText>>,
        /// Letters a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<LetterPage>, Refused<404>> {
        let run = self.find(&caller, id.0).await?;
        let nodes = reached(&**self.0.db(), &caller).await?;
        let state = state.0.map(Into::into);
        let filter = Filter { redrive_id: Some(run.id), nodes, state, ..Filter::default() };
        let found = dead_letters::page(&self.0, &filter, cursor.0, per_page.0).await?;
        Ok(Json(LetterPage::new(found, false)))
    }

    /// Pause a redrive
    ///
    /// Nothing more is replayed until it is resumed; outcomes of what is on its way are still counted. 409 unless it is under
    /// way.
    #[oai(path = "/:id/pause", method = "post", operation_id = "pause_redrive")]
    async fn pause(
        &self,
        caller: Allowed<Operations>,
        request_id: RequestId,
        /// The run.
        id: Path<Uuid>,
        body: Body<Reason>,
    ) -> Result<Json<Redrive>, Refused<404, 409>> {
        let work = async |tx: &mut Transaction, act: Act<'_>| redrive::pause(tx, id.0, act).await;
        Ok(Json(self.act(&caller, &request_id, id.0, "redrive.pause", &body.value.reason, work).await?))
    }

    /// Resume a redrive
    ///
    /// One that is paused, or has stopped by its own rule; that rule then looks at new outcomes only. 409 otherwise.
    #[oai(path = "/:id/resume", method = "post", operation_id = "resume_redrive")]
    async fn resume(
        &self,
        caller: Allowed<Operations>,
        request_id: RequestId,
        /// The run.
        id: Path<Uuid>,
        body: Body<Reason>,
    ) -> Result<Json<Redrive>, Refused<404, 409>> {
        let work = async |tx: &mut Transaction, act: Act<'_>| redrive::resume(tx, id.0, act).await;
        Ok(Json(self.act(&caller, &request_id, id.0, "redrive.resume", &body.value.reason, work).await?))
    }

    /// Abort a redrive
    ///
    /// What it has not replayed is `dead` again; what is on its way goes on. 409 when it has ended.
    #[oai(path = "/:id/abort", method = "post", operation_id = "abort_redrive")]
    async fn abort(
        &self,
        caller: Allowed<Operations>,
        request_id: RequestId,
        /// The run.
        id: Path<Uuid>,
        body: Body<Reason>,
    ) -> Result<Json<Redrive>, Refused<404, 409>> {
        let work = async |tx: &mut Transaction, act: Act<'_>| redrive::abort(tx, id.0, act).await;
        Ok(Json(self.act(&caller, &request_id, id.0, "redrive.abort", &body.value.reason, work).await?))
    }
}

impl Redrives {
    /// The run, if it exists and the caller reaches all that it may touch.
    async fn find(&self, caller: &Caller, id: Uuid) -> Result<Run, Problem> {
        let run = redrive::show(self.0.db(), id).await?.ok_or_else(|| Problem::not_found("Redrive"))?;
        let nodes = reached(&**self.0.db(), caller).await?;
        if visible(nodes.as_ref(), &run) { Ok(run) } else { Err(Problem::out_of_reach()) }
    }

    /// An act on a run with its audit row, in one transaction.
    async fn act(
        &self,
        caller: &Caller,
        request_id: &RequestId,
        id: Uuid,
        action: &str,
        reason: &str,
        work: impl AsyncFnOnce(&mut Transaction, Act<'_>) -> Result<Run, RunError>,
    ) -> Result<Redrive, Problem> {
        self.find(caller, id).await?;
        let actor = audit::name(caller);
        let mut tx = self.0.db().begin().await?;
        let run = work(&mut tx, Act { actor: &actor, reason }).await?;
        let data = json!({ "reason": reason, "request_id": request_id.as_str() });
        audit::record(&tx, caller, action, ("redrive", id), data).await?;
        tx.commit().await?;
        Ok(run.into())
    }
}

/// Whether all that the run may touch is among these nodes.
fn visible(nodes: Option<&Vec<Uuid>>, run: &Run) -> bool {
    let Some(nodes) = nodes else { return true };
    run.filter.nodes.as_ref().is_some_and(|touched| touched.iter().all(|node| nodes.contains(node)))
}
