//! Which payments cover which tickets.

use entities::ticket_payment;
use payments::{
    Denied,
    till::{self, TillError, tickets},
};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::Example,
};
use uuid::Uuid;

use super::{
    Declined, Listed, Tag, in_body,
    payments_taken::payment_id,
    tickets::{denied, ticket_id},
};
use crate::{
    access::{Allowed, PaymentsCreate, PaymentsDelete, PaymentsRead},
    body::Body,
    problem::{Code, Location, Problem, Wrong},
    query_text::QueryText,
    response::{Created, NoContent},
    state::State,
};

/// Relations that are listed at most; nobody splits one bill among more.
const RELATIONS_MAX: u64 = 1000;

/// What is to be related.
#[derive(Object)]
#[oai(rename = "TicketPaymentRequest", example)]
struct RelationRequest {
    /// The payment that covers the ticket, or a part of it.
    #[oai(validator(max_length = 255))]
    payment_id: String,
    /// The ticket.
    #[oai(validator(max_length = 255))]
    ticket_id: String,
}

impl Example for RelationRequest {
    fn example() -> Self {
        let id = "0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a51";
        Self { payment_id: id.to_owned(), ticket_id: "0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a52".to_owned() }
    }
}

/// That a payment covers a ticket.
#[derive(Object)]
#[oai(rename = "TicketPayment")]
struct Relation {
    payment_id: Uuid,
    ticket_id: Uuid,
}

impl From<ticket_payment::Model> for Relation {
    fn from(relation: ticket_payment::Model) -> Self {
        Self { payment_id: relation.payment_id.0, ticket_id: relation.ticket_id.0 }
    }
}

/// A relation that was written down.
#[derive(Object)]
#[oai(rename = "TicketPaymentCreated", rename_all = "camelCase")]
struct Related {
    payment_id: String,
    ticket_id: String,
    /// Always `Ticket payment relationship created successfully`.
    message: String,
}

pub(crate) struct Relations(pub(crate) State);

#[OpenApi(prefix_path = "/payments/ticket-payments", tag = "Tag::Till")]
impl Relations {
    /// Have a payment cover a ticket
    ///
    /// A payment may cover several tickets, and a ticket may have several payments. 400 when one of them is blank or
    /// unknown, 409 when the payment covers the ticket already.
    #[oai(path = "/", method = "post", operation_id = "create_ticket_payment")]
    async fn create(
        &self,
        caller: Allowed<PaymentsCreate>,
        body: Body<RelationRequest, true>,
    ) -> Result<Created<Related>, Declined<409>> {
        let RelationRequest { payment_id, ticket_id } = body.value;
        let tx = self.0.db().begin().await?;
        tickets::relate(&tx, &caller, payment_id.parse().ok(), ticket_id.parse().ok()).await.map_err(in_body)?;
        tx.commit().await?;
        let message = "Ticket payment relationship created successfully".to_owned();
        Ok(Created::nowhere(Related { payment_id, ticket_id, message }))
    }

    /// List a ticket's payments
    ///
    /// 404 when the ticket does not exist.
    #[oai(path = "/by-ticket/:id", method = "get", operation_id = "list_ticket_payments_by_ticket")]
    async fn by_ticket(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The ticket.
        id: Path<String>,
    ) -> Result<Listed<Relation>, Declined<404>> {
        let (db, id) = (&**self.0.db(), ticket_id(&id.0)?);
        tickets::find(db, &caller, id).await.map_err(denied)?;
        let relations = tickets::of_ticket(db, id, RELATIONS_MAX).await?;
        Ok(Listed::of(relations.into_iter().map(Relation::from).collect()))
    }

    /// List a payment's tickets
    ///
    /// 404 when the payment does not exist.
    #[oai(path = "/by-payment/:id", method = "get", operation_id = "list_ticket_payments_by_payment")]
    async fn by_payment(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The payment.
        id: Path<String>,
    ) -> Result<Listed<Relation>, Declined<404>> {
        let (db, id) = (&**self.0.db(), payment_id(&id.0)?);
        till::find(db, &caller, id).await.map_err(TillError::from)?;
        let relations = tickets::of_payment(db, id, RELATIONS_MAX).await?;
        Ok(Listed::of(relations.into_iter().map(Relation::from).collect()))
    }

    /// End a relation
    ///
    /// 404 when there is no such relation.
    #[oai(path = "/", method = "delete", operation_id = "delete_ticket_payment")]
    async fn delete(
        &self,
        caller: Allowed<PaymentsDelete>,
        /// The payment.
        #[oai(name = "paymentId")]
        payment: Query<Option<QueryText>>,
        /// The ticket.
        #[oai(name = "ticketId")]
        ticket: Query<Option<QueryText>>,
    ) -> Result<NoContent, Declined<404>> {
        let required = |name: &str| Problem::new(Code::ValidationFailed).wrong(name, Location::Query, Wrong::Required);
        let payment = payment.0.ok_or_else(|| required("/paymentId"))?;
        let ticket = ticket.0.ok_or_else(|| required("/ticketId"))?;
        let unknown = || Problem::not_found("Ticket payment relationship");
        let payment = payment_id(&payment.0).map_err(|_| unknown())?;
        let ticket = ticket_id(&ticket.0).map_err(|_| unknown())?;
        let tx = self.0.db().begin().await?;
        match tickets::find(&*tx, &caller, ticket).await {
            Ok(_) => {}
            Err(Denied::NotFound) => return Err(unknown().into()),
            Err(other) => return Err(denied(other).into()),
        }
        if tickets::part(&tx, ticket, Some(payment)).await? == 0 {
            return Err(unknown().into());
        }
        tx.commit().await?;
        Ok(NoContent::Done)
    }

    /// End all relations of a ticket
    ///
    /// Also where there are none.
    #[oai(path = "/by-ticket/:id", method = "delete", operation_id = "delete_ticket_payments_by_ticket")]
    async fn delete_by_ticket(
        &self,
        caller: Allowed<PaymentsDelete>,
        /// The ticket.
        id: Path<String>,
    ) -> Result<NoContent, Declined> {
        let Ok(id) = id.0.parse() else { return Ok(NoContent::Done) };
        let tx = self.0.db().begin().await?;
        match tickets::find(&*tx, &caller, id).await {
            Ok(_) => drop(tickets::part(&tx, id, None).await?),
            Err(Denied::NotFound) => return Ok(NoContent::Done),
            Err(other) => return Err(denied(other).into()),
        }
        tx.commit().await?;
        Ok(NoContent::Done)
    }
}
