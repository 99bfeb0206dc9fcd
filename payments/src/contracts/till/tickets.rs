//! Tickets, and which payments cover them.

use entities::{Amount, NodeId, PaymentId, TicketId, now, ticket, ticket_payment};
use queue::{Transaction, insert_unless_there};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    prelude::*,
};

use super::{Reference, TillError};
use crate::{
    caller::Caller,
    lock::Locked,
    reach::{self, Denied},
};

/// The status of a ticket that says none.
const PENDING: i32 = 1;

/// What a till says of a ticket; nothing is said by what is missing.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields are the contract's, `till.md`")]
pub struct Said {
    pub name: Option<String>,
    pub order_id: Option<String>,
    pub user_id: Option<String>,
    pub ticket_date: Option<String>,
    /// 1 pending, 2 paid, 3 canceled; nothing else.
    pub status: Option<i32>,
    pub total_amount: Option<Amount>,
    pub notes: Option<String>,
}

/// Writes a ticket down.
///
/// # Errors
/// When the database does not answer.
pub async fn create(tx: &Transaction, node_id: NodeId, said: Said) -> Result<ticket::Model, DbErr> {
    let Said { name, order_id, user_id, ticket_date, status, total_amount, notes } = said;
    let ticket = ticket::Model {
        id: TicketId::new(),
        node_id,
        name,
        order_id,
        user_id,
        ticket_date,
        status: status.unwrap_or(PENDING),
        total_amount,
        notes,
        created_at: now(),
    };
    ticket::Entity::insert(ticket.clone().into_active_model()).exec_without_returning(&**tx).await?;
    Ok(ticket)
}

/// Changes what is said of the ticket, and nothing else of it.
///
/// # Errors
/// [`Denied`].
pub async fn update(tx: &Transaction, caller: &Caller, id: TicketId, said: Said) -> Result<ticket::Model, Denied> {
    let before = find(&**tx, caller, id).await?;
    let change = ticket::ActiveModel {
        name: said.name.map_or(NotSet, |name| Set(Some(name))),
        order_id: said.order_id.map_or(NotSet, |id| Set(Some(id))),
        user_id: said.user_id.map_or(NotSet, |id| Set(Some(id))),
        ticket_date: said.ticket_date.map_or(NotSet, |date| Set(Some(date))),
        status: said.status.map_or(NotSet, Set),
        total_amount: said.total_amount.map_or(NotSet, |amount| Set(Some(amount))),
        notes: said.notes.map_or(NotSet, |notes| Set(Some(notes))),
        ..Default::default()
    };
    if !change.is_changed() {
        return Ok(before);
    }
    ticket::Entity::update_many().set(change).filter(ticket::Column::Id.eq(id)).exec(&**tx).await?;
    find(&**tx, caller, id).await
}

/// Tickets in reach behind this one, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list<C: ConnectionTrait>(
    db: &C,
    caller: &Caller,
    after: Option<TicketId>,
    limit: u64,
) -> Result<Vec<ticket::Model>, DbErr> {
    let mut tickets = reach::within::<ticket::Entity>(caller);
    if let Some(after) = after {
        tickets = tickets.filter(ticket::Column::Id.lt(after));
    }
    tickets.order_by_desc(ticket::Column::Id).limit(limit).all(db).await
}

/// The ticket, if it exists and its node is in reach.
///
/// # Errors
/// [`Denied`].
pub async fn find<C: ConnectionTrait>(db: &C, caller: &Caller, id: TicketId) -> Result<ticket::Model, Denied> {
    reach::find::<ticket::Entity>(db, caller, ticket::Column::Id.eq(id)).await
}

/// Has the payment cover the ticket. The payment is locked, so that nobody deletes it meanwhile.
///
/// # Errors
/// [`TillError::Unknown`] for what is not there, [`TillError::Covered`] when it does so already.
pub async fn relate(
    tx: &Transaction,
    caller: &Caller,
    payment_id: Option<PaymentId>,
    ticket_id: Option<TicketId>,
) -> Result<(), TillError> {
    let payment_id = payment_id.ok_or(TillError::Unknown(Reference::Payment))?;
    let ticket_id = ticket_id.ok_or(TillError::Unknown(Reference::Ticket))?;
    Locked::find(tx, payment_id).await?;
    super::find(&**tx, caller, payment_id).await.map_err(|denied| unknown(denied, Reference::Payment))?;
    find(&**tx, caller, ticket_id).await.map_err(|denied| unknown(denied, Reference::Ticket))?;
    let row = ticket_payment::Model { ticket_id, payment_id, created_at: now() };
    let pair = [ticket_payment::Column::TicketId, ticket_payment::Column::PaymentId];
    if insert_unless_there(&**tx, row.into_active_model(), pair).await? { Ok(()) } else { Err(TillError::Covered) }
}

fn unknown(denied: Denied, what: Reference) -> TillError {
    match denied {
        Denied::NotFound => TillError::Unknown(what),
        other => TillError::Denied(other),
    }
}

/// The relations of a ticket, oldest payment first, so many at most.
///
/// # Errors
/// When the database does not answer.
pub async fn of_ticket<C: ConnectionTrait>(
    db: &C,
    id: TicketId,
    limit: u64,
) -> Result<Vec<ticket_payment::Model>, DbErr> {
    let relations = ticket_payment::Entity::find().filter(ticket_payment::Column::TicketId.eq(id));
    relations.order_by_asc(ticket_payment::Column::PaymentId).limit(limit).all(db).await
}

/// The relations of a payment, oldest ticket first, so many at most.
///
/// # Errors
/// When the database does not answer.
pub async fn of_payment<C: ConnectionTrait>(
    db: &C,
    id: PaymentId,
    limit: u64,
) -> Result<Vec<ticket_payment::Model>, DbErr> {
    let relations = ticket_payment::Entity::find().filter(ticket_payment::Column::PaymentId.eq(id));
    relations.order_by_asc(ticket_payment::Column::TicketId).limit(limit).all(db).await
}

/// Ends the relation of the ticket with this payment, or with all, and says how many there were.
///
/// # Errors
/// When the database does not answer.
pub async fn part(tx: &Transaction, ticket_id: TicketId, payment_id: Option<PaymentId>) -> Result<u64, DbErr> {
    let mut relations = ticket_payment::Entity::delete_many().filter(ticket_payment::Column::TicketId.eq(ticket_id));
    if let Some(payment_id) = payment_id {
        relations = relations.filter(ticket_payment::Column::PaymentId.eq(payment_id));
    }
    Ok(relations.exec(&**tx).await?.rows_affected)
}
