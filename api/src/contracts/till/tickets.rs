//! Tickets: what a till sells.

use entities::{Amount, TicketId, ticket};
use payments::{
    Caller, Denied,
    till::tickets::{self, Said},
};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use queue::Database;
use rust_decimal::Decimal;
use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    Declined, Tag,
    list::{self, ListResponse, Pages},
};
use crate::{
    access::{Allowed, TicketsCreate, TicketsRead, TicketsUpdate},
    body::{Body, OptionalBody},
    money::{Cost, CostInput, ExactInput, ExactNumber},
    paging::Limit,
    problem::Problem,
    query_text::QueryText,
    response::Created,
    state::State,
    time::Time,
};

/// What a till says of a ticket. What is left out, null, or an empty id or date is not said.
#[derive(Object)]
#[oai(rename = "TicketRequest", example)]
struct TicketRequest {
    /// What the till calls it.
    #[oai(validator(max_length = 255))]
    name: Option<String>,
    /// The till's own id of what was ordered.
    #[oai(validator(max_length = 255))]
    order_id: Option<String>,
    /// The till's own id of whoever served.
    #[oai(validator(max_length = 255))]
    user_id: Option<String>,
    /// When it was, such as `2026-11-30T10:30:00Z`; kept as it is sent.
    #[oai(validator(max_length = 64))]
    ticket_date: Option<String>,
    /// 1 pending, 2 paid, 3 canceled; a new one is pending.
    #[oai(validator(minimum(value = "1"), maximum(value = "3")))]
    status: Option<i32>,
    /// What it comes to, in the till's own currency; it may be nothing.
    total_amount: Option<CostInput>,
    /// Anything.
    #[oai(validator(max_length = 4096))]
    notes: Option<String>,
}

impl Example for TicketRequest {
    fn example() -> Self {
        Self {
            name: Some("Table 7".to_owned()),
            order_id: Some("11122afd-3dda-4455-82de-310fc94f58db".to_owned()),
            user_id: None,
            ticket_date: Some("2026-11-30T10:30:00Z".to_owned()),
            status: Some(1),
            total_amount: Some(ExactInput(Decimal::new(4550, 2))),
            notes: None,
        }
    }
}

impl From<TicketRequest> for Said {
    fn from(request: TicketRequest) -> Self {
        let named = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        Self {
            name: request.name,
            order_id: named(request.order_id),
            user_id: named(request.user_id),
            ticket_date: named(request.ticket_date),
            status: request.status,
            total_amount: request.total_amount.map(|amount| Amount(amount.0)),
            notes: request.notes,
        }
    }
}

/// A ticket.
#[derive(Object)]
struct Ticket {
    id: Uuid,
    /// What the till calls it.
    name: Option<String>,
    /// The till's own id of what was ordered.
    order_id: Option<String>,
    /// The till's own id of whoever served.
    user_id: Option<String>,
    /// When it was, as the till says it.
    ticket_date: Option<String>,
    /// 1 pending, 2 paid, 3 canceled.
    status: i32,
    /// What it comes to.
    total_amount: Option<Cost>,
    /// Anything.
    notes: Option<String>,
    /// When it was written down here.
    created_at: Time,
}

impl From<ticket::Model> for Ticket {
    fn from(ticket: ticket::Model) -> Self {
        Self {
            id: ticket.id.0,
            name: ticket.name,
            order_id: ticket.order_id,
            user_id: ticket.user_id,
            ticket_date: ticket.ticket_date,
            status: ticket.status,
            total_amount: ticket.total_amount.map(|amount| ExactNumber(amount.0)),
            notes: ticket.notes,
            created_at: ticket.created_at.into(),
        }
    }
}

pub(crate) struct Tickets(pub(crate) State);

#[OpenApi(prefix_path = "/tickets", tag = "Tag::Till")]
impl Tickets {
    /// Write a ticket down
    ///
    /// On the caller's node. The body may be left out.
    #[oai(path = "/", method = "post", operation_id = "create_ticket")]
    async fn create(
        &self,
        caller: Allowed<TicketsCreate>,
        body: OptionalBody<TicketRequest, true>,
    ) -> Result<Created<Ticket>, Declined> {
        let said = body.0.map(Said::from).unwrap_or_default();
        let tx = self.0.db().begin().await?;
        let ticket = tickets::create(&tx, caller.node_id, said).await?;
        tx.commit().await?;
        Ok(Created::at(format!("/tickets/{}", ticket.id), ticket.into()))
    }

    /// List tickets
    ///
    /// All in the caller's reach, newest first. With `limit` or `cursor` a page of them; the header `Link` then names the
    /// next.
    #[oai(path = "/", method = "get", operation_id = "list_tickets")]
    async fn list(
        &self,
        caller: Allowed<TicketsRead>,
        /// Tickets a page, 1 to 1000; all tickets without it and without a cursor.
        limit: Query<Option<Limit>>,
        /// The `cursor` of the page's own link.
        cursor: Query<Option<QueryText>>,
    ) -> Result<ListResponse<Ticket>, Declined> {
        let tickets = OfCaller { db: self.0.db().clone(), caller: Caller::clone(&caller) };
        Ok(list::respond(tickets, "/tickets", limit.0, cursor.0).await?)
    }

    /// Get a ticket
    ///
    /// 404 when it does not exist, 403 when its node is out of reach.
    #[oai(path = "/:id", method = "get", operation_id = "get_ticket")]
    async fn get(
        &self,
        caller: Allowed<TicketsRead>,
        /// The ticket.
        id: Path<String>,
    ) -> Result<Json<Ticket>, Declined<404>> {
        let ticket = tickets::find(&**self.0.db(), &caller, ticket_id(&id.0)?).await.map_err(denied)?;
        Ok(Json(ticket.into()))
    }

    /// Change a ticket
    ///
    /// What is sent, and nothing else of it. 404 when it does not exist, 403 when its node is out of reach.
    #[oai(path = "/:id", method = "patch", operation_id = "update_ticket")]
    async fn update(
        &self,
        caller: Allowed<TicketsUpdate>,
        /// The ticket.
        id: Path<String>,
        body: Body<TicketRequest, true>,
    ) -> Result<Json<Ticket>, Declined<404>> {
        let id = ticket_id(&id.0)?;
        let tx = self.0.db().begin().await?;
        let ticket = tickets::update(&tx, &caller, id, body.value.into()).await.map_err(denied)?;
        tx.commit().await?;
        Ok(Json(ticket.into()))
    }
}

/// The tickets that a caller sees.
struct OfCaller {
    db: Database,
    caller: Caller,
}

impl Pages for OfCaller {
    type Row = ticket::Model;
    type Item = Ticket;

    async fn read(&self, behind: Option<Uuid>, limit: u64) -> Result<Vec<ticket::Model>, DbErr> {
        tickets::list(&*self.db, &self.caller, behind.map(TicketId), limit).await
    }

    fn id(row: &ticket::Model) -> Uuid {
        row.id.0
    }

    fn show(&self, row: ticket::Model) -> Result<Ticket, Problem> {
        Ok(row.into())
    }
}

/// The ticket that a client names; what is no id names none.
pub(super) fn ticket_id(text: &str) -> Result<TicketId, Problem> {
    text.parse().map_err(|_| Problem::not_found("Ticket"))
}

pub(super) fn denied(denied: Denied) -> Problem {
    match denied {
        Denied::NotFound => Problem::not_found("Ticket"),
        other => other.into(),
    }
}
