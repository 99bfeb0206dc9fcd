//! Tickets: what a till sells.

use entities::{TicketId, ticket};
use payments::{Denied, till::tickets};
use poem_openapi::{Object, OpenApi, param::Path, payload::Json, types::Example};
use uuid::Uuid;

use super::Declined;
use crate::{
    access::{Allowed, PaymentsRead, TicketsCreate},
    answer::Created,
    body::OptionalBody,
    problem::Problem,
    resources::Tag,
    state::State,
    time::Time,
};

/// A ticket to be written down.
#[derive(Object)]
#[oai(rename = "TicketRequest", example)]
struct TicketRequest {
    /// What the till calls it.
    #[oai(validator(max_length = 255))]
    name: Option<String>,
}

impl Example for TicketRequest {
    fn example() -> Self {
        Self { name: Some("Table 7".to_owned()) }
    }
}

/// A ticket.
#[derive(Object)]
struct Ticket {
    id: Uuid,
    /// What the till calls it.
    name: Option<String>,
    created_at: Time,
}

impl From<ticket::Model> for Ticket {
    fn from(ticket: ticket::Model) -> Self {
        Self { id: ticket.id.0, name: ticket.name, created_at: ticket.created_at.into() }
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
        let name = body.0.and_then(|request| request.name);
        let tx = self.0.db().begin().await?;
        let ticket = tickets::create(&tx, caller.node_id, name).await?;
        tx.commit().await?;
        Ok(Created::at(format!("/tickets/{}", ticket.id), ticket.into()))
    }

    /// Get a ticket
    ///
    /// 404 when it does not exist, 403 when its node is out of reach.
    #[oai(path = "/:id", method = "get", operation_id = "get_ticket")]
    async fn get(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The ticket.
        id: Path<String>,
    ) -> Result<Json<Ticket>, Declined<404>> {
        let ticket = tickets::find(&**self.0.db(), &caller, ticket_id(&id.0)?).await.map_err(denied)?;
        Ok(Json(ticket.into()))
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
