//! Dead letters: messages that nobody will try again by themselves.

mod acts;
pub(crate) mod filter;
pub(crate) mod request;
pub(crate) mod response;

use std::time::Duration;

use payments::{Caller, subjects};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use queue::{
    Subject, Transaction,
    dead_letters::{self, Act, ActError, Filter},
};
use serde_json::json;
use uuid::Uuid;

use self::{
    filter::{LetterFilter, LetterOrigin, LetterState, reached, require},
    request::{EditLetter, ManyChanged, ManyLetters, Reason},
    response::{DeadLetter, DeadLetterDetails, EditedLetter, Groups, LetterPage},
};
use super::Tag;
use crate::{
    access::{Allowed, Operations},
    audit,
    body::Body,
    edge::RequestId,
    paging::{self, PerPage},
    problem::{Code, Location, Problem, Refused, Wrong},
    query_text::QueryText,
    state::State,
    time::Time,
};

/// How long an act on many letters goes on before it answers with what it has done so far.
const PATIENCE: Duration = Duration::from_secs(10);

/// Deaths of one message that are shown.
const DEATHS: u64 = 100;

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::NotFound(_) => Self::not_found("Dead letter"),
            ActError::State { .. } => Self::conflict(error.to_string()),
            ActError::Invalid(why) => Self::invalid("/body", Wrong::NotForJob(why)),
            ActError::Database(error) => error.into(),
            other => Self::conflict(other.to_string()),
        }
    }
}

pub(crate) struct DeadLetters(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/operations/dead-letters", tag = "Tag::DeadLetters")]
impl DeadLetters {
    /// List dead letters
    ///
    /// Newest first; every filter that is given narrows the choice. Shown are letters about nodes in the caller's reach, and
    /// those about no node to callers who reach every node. The cost of a page does not grow with its depth.
    #[oai(path = "/", method = "get", operation_id = "list_dead_letters")]
    #[expect(clippy::too_many_arguments, reason = "each is a filter")]
    async fn list(
        &self,
        caller: Allowed<Operations>,
        /// Only of this queue, such as `open_deal.v1`.
        queue: Query<Option<QueryText>>,
        /// Only this kind of message, such as `open_deal`.
        kind: Query<Option<QueryText>>,
        /// Only those dead this way.
        origin: Query<Option<LetterOrigin>>,
        /// Only with this error code.
        error_code: Query<Option<QueryText>>,
        /// Only of this cause: a group's fingerprint.
        fingerprint: Query<Option<QueryText>>,
        /// Only of this message, its replays included.
        message_id: Query<Option<Uuid>>,
        /// Only about this payment.
        payment_id: Query<Option<Uuid>>,
        /// Only about exactly this node.
        node_id: Query<Option<Uuid>>,
        /// Only with this text in the error message or the body, in this case.
        text: Query<Option<QueryText>>,
        /// Only dead since this time.
        since: Query<Option<Time>>,
        /// Only dead before this time.
        before: Query<Option<Time>>,
        /// Only in this state.
        state: Query<Option<LetterState>>,
        /// Only claimed or skipped by this redrive run.
        redrive_id: Query<Option<Uuid>>,
        /// With bodies and headers.
        #[oai(default)]
        bodies: Query<bool>,
        /// Continues after the page that named this cursor.
        cursor: Query<Option<QueryText>>,
        /// Letters a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<LetterPage>, Refused> {
        let text_of = |text: Query<Option<QueryText>>| text.0.map(|text| text.0);
        let filter = LetterFilter {
            queue: text_of(queue),
            kind: text_of(kind),
            origin: origin.0,
            error_code: text_of(error_code),
            fingerprint: text_of(fingerprint),
            message_id: message_id.0,
            payment_id: payment_id.0,
            node_id: node_id.0,
            text: text_of(text),
            since: since.0,
            before: before.0,
            state: state.0,
            redrive_id: redrive_id.0,
        };
        let filter = filter.within(&**self.0.db(), &caller).await?;
        let found = page(&self.0, &filter, cursor.0, per_page.0).await?;
        Ok(Json(LetterPage::new(found, bodies.0)))
    }

    /// Group dead letters by cause
    ///
    /// The place to begin: how many letters died of what, the largest group first. A group's fingerprint is a filter
    /// everywhere else. Without a state only what is `dead` counts.
    #[oai(path = "/groups", method = "get", operation_id = "group_dead_letters")]
    #[expect(clippy::too_many_arguments, reason = "each is a filter")]
    async fn groups(
        &self,
        caller: Allowed<Operations>,
        /// Only of this queue, such as `open_deal.v1`.
        queue: Query<Option<QueryText>>,
        /// Only this kind of message, such as `open_deal`.
        kind: Query<Option<QueryText>>,
        /// Only those dead this way.
        origin: Query<Option<LetterOrigin>>,
        /// Only with this error code.
        error_code: Query<Option<QueryText>>,
        /// Only about this payment.
        payment_id: Query<Option<Uuid>>,
        /// Only about exactly this node.
        node_id: Query<Option<Uuid>>,
        /// Only with this text in the error message or the body, in this case.
        text: Query<Option<QueryText>>,
        /// Only dead since this time.
        since: Query<Option<Time>>,
        /// Only dead before this time.
        before: Query<Option<Time>>,
        /// Only in this state.
        #[oai(default = "dead")]
        state: Query<LetterState>,
        /// Only claimed or skipped by this redrive run.
        redrive_id: Query<Option<Uuid>>,
        /// Groups, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Groups>, Refused> {
        let text_of = |text: Query<Option<QueryText>>| text.0.map(|text| text.0);
        let filter = LetterFilter {
            queue: text_of(queue),
            kind: text_of(kind),
            origin: origin.0,
            error_code: text_of(error_code),
            payment_id: payment_id.0,
            node_id: node_id.0,
            text: text_of(text),
            since: since.0,
            before: before.0,
            state: Some(state.0),
            redrive_id: redrive_id.0,
            ..LetterFilter::default()
        };
        let filter = filter.within(&**self.0.db(), &caller).await?;
        Ok(Json(dead_letters::groups(self.0.db(), &filter, u64::from(per_page.0.0)).await?.into()))
    }

    /// Read a dead letter
    ///
    /// With its body and headers, every death of its message, and what replaying it would do now.
    #[oai(path = "/:id", method = "get", operation_id = "get_dead_letter")]
    async fn get(
        &self,
        caller: Allowed<Operations>,
        /// The letter.
        id: Path<Uuid>,
    ) -> Result<Json<DeadLetterDetails>, Refused<404>> {
        let db = self.0.db();
        let (letter, nodes) = find(&self.0, &caller, id.0).await?;
        let of_message = Filter { message_id: Some(letter.message_id), nodes, ..Filter::default() };
        let all = dead_letters::Page { after: None, limit: DEATHS };
        let deaths = dead_letters::list(db, &of_message, all).await?;
        let foreseen = self.0.foreseer().foresee(std::slice::from_ref(&letter)).await;
        let foreseen = foreseen.map_err(unforeseen)?.into_iter().next();
        let foresight = foreseen.unwrap_or_else(|| queue::Foresight::unknown("its job does not say"));
        Ok(Json(DeadLetterDetails::new(letter, foresight, deaths)))
    }

    /// Discard a dead letter
    ///
    /// Nothing is to be done about it: no redrive takes it, and the safety net leaves its step alone for as long as nothing
    /// new happens to what it is about. Events are told all the same. `consequence` says what that means for this letter.
    /// It can be restored. 409 unless it is `dead`.
    #[oai(path = "/:id/discard", method = "post", operation_id = "discard_dead_letter")]
    async fn discard(
        &self,
        caller: Allowed<Operations>,
        request_id: RequestId,
        /// The letter.
        id: Path<Uuid>,
        body: Body<Reason>,
    ) -> Result<Json<DeadLetter>, Refused<404, 409>> {
        let reason = body.value.reason;
        let work = async |tx: &mut Transaction, act: Act<'_>| dead_letters::discard(tx, id.0, act).await;
        Ok(Json(self.act(&caller, &request_id, id.0, "dead_letter.discard", &reason, work).await?))
    }

    /// Restore a dead letter
    ///
    /// Makes a discarded letter `dead` again; also one whose replay has had no outcome for two hours, because its message
    /// was lost. 409 when it is neither.
    #[oai(path = "/:id/restore", method = "post", operation_id = "restore_dead_letter")]
    async fn restore(
        &self,
        caller: Allowed<Operations>,
        request_id: RequestId,
        /// The letter.
        id: Path<Uuid>,
        body: Body<Reason>,
    ) -> Result<Json<DeadLetter>, Refused<404, 409>> {
        let reason = body.value.reason;
        let work = async |tx: &mut Transaction, act: Act<'_>| dead_letters::restore(tx, id.0, act).await;
        Ok(Json(self.act(&caller, &request_id, id.0, "dead_letter.restore", &reason, work).await?))
    }

    /// Edit the body of a dead letter
    ///
    /// A new letter with a new message takes the place of the old one, which becomes `replaced`; both are kept, and what was
    /// changed. The new letter is `dead` until it is redriven. 409 unless the letter is `dead`, and 409 where the setting
    /// `operations.edit_dead_letters` is off, as it is by default; 403 where the new body is about a payment or node out of
    /// reach.
    #[oai(path = "/:id/edit", method = "post", operation_id = "edit_dead_letter")]
    async fn edit(
        &self,
        caller: Allowed<Operations>,
        request_id: RequestId,
        /// The letter.
        id: Path<Uuid>,
        body: Body<EditLetter>,
    ) -> Result<Json<EditedLetter>, Refused<404, 409>> {
        let (old, nodes) = find(&self.0, &caller, id.0).await?;
        if !self.0.config().operations.edit_dead_letters {
            let detail = "Editing is switched off; set operations.edit_dead_letters = true in the configuration \
                          (QUITTANCE_OPERATIONS__EDIT_DEAD_LETTERS=true) of the API processes";
            return Err(Problem::conflict(detail).into());
        }
        let EditLetter { body, reason } = body.value;
        let actor = audit::name(&caller);
        let mut tx = self.0.db().begin().await?;
        let act = Act { actor: &actor, reason: &reason };
        let edited = dead_letters::edit(&mut tx, id.0, &body, self.0.foreseer(), act).await?;
        // The new body may name somebody else's payment; one that does not exist is nobody's, and stays with the letter.
        let subject = subjects::complete(&*tx, &old.kind, &body, edited.subject).await?;
        let subject = subject.or(Subject::default().of_node(old.node_id));
        require(nodes.as_ref(), subject.node_id)?;
        dead_letters::assign(&*tx, edited.id, subject).await?;
        let data = json!({
            "reason": reason, "new_id": edited.id, "changes": edited.changes, "request_id": request_id.as_str(),
        });
        audit::record(&tx, &caller, "dead_letter.edit", ("dead_letter", id.0), data).await?;
        tx.commit().await?;
        Ok(Json(edited.into()))
    }

    /// Discard all dead letters that match
    ///
    /// Those that are dead now: later ones are not touched. Works in steps of some hundred, each with its row in the audit
    /// log, for ten seconds at most; `complete` tells whether all was done.
    #[oai(path = "/discard", method = "post", operation_id = "discard_dead_letters")]
    async fn discard_many(
        &self,
        caller: Allowed<Operations>,
        request_id: RequestId,
        body: Body<ManyLetters>,
    ) -> Result<Json<ManyChanged>, Refused> {
        let step = async |tx: &mut Transaction, filter: &Filter, act: Act<'_>, after, last| {
            dead_letters::discard_chunk(tx, filter, act, after, last).await
        };
        Ok(Json(self.many(&caller, &request_id, "dead_letters.discard", body.value, step).await?))
    }

    /// Restore all discarded letters that match
    ///
    /// Takes back what was discarded, as discarding does it.
    #[oai(path = "/restore", method = "post", operation_id = "restore_dead_letters")]
    async fn restore_many(
        &self,
        caller: Allowed<Operations>,
        request_id: RequestId,
        body: Body<ManyLetters>,
    ) -> Result<Json<ManyChanged>, Refused> {
        let step = async |tx: &mut Transaction, filter: &Filter, act: Act<'_>, after, last| {
            dead_letters::restore_chunk(tx, filter, act, after, last).await
        };
        Ok(Json(self.many(&caller, &request_id, "dead_letters.restore", body.value, step).await?))
    }
}

/// The letter, if it exists and is within reach, and the nodes in reach.
async fn find(
    state: &State,
    caller: &Caller,
    id: Uuid,
) -> Result<(dead_letters::DeadLetter, Option<Vec<Uuid>>), Problem> {
    let letter = dead_letters::show(state.db(), id).await?.ok_or_else(|| Problem::not_found("Dead letter"))?;
    let nodes = reached(&**state.db(), caller).await?;
    require(nodes.as_ref(), letter.node_id)?;
    Ok((letter, nodes))
}

/// What is told when a job could not look.
pub(super) fn unforeseen(error: anyhow::Error) -> Problem {
    match error.downcast::<sea_orm::DbErr>() {
        Ok(error) => error.into(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "a job could not tell what it would do");
            Problem::new(Code::Internal)
        }
    }
}

/// A page of letters.
pub(super) async fn page(
    state: &State,
    filter: &Filter,
    cursor: Option<QueryText>,
    per_page: PerPage,
) -> Result<dead_letters::LetterPage, Problem> {
    let page = dead_letters::Page { after: after(cursor)?, limit: u64::from(per_page.0) };
    Ok(dead_letters::search(state.db(), filter, page).await?)
}

/// What the cursor continues after.
pub(super) fn after(cursor: Option<QueryText>) -> Result<Option<Uuid>, Problem> {
    let invalid = || Problem::new(Code::ValidationFailed).wrong("/cursor", Location::Query, Wrong::NotACursor);
    cursor.map(|cursor| paging::after_cursor(&cursor.0).ok_or_else(invalid)).transpose()
}

fn dead() -> LetterState {
    LetterState::Dead
}
