//! Reads that start from the caller's reach. Code that answers requests begins here and nowhere else.

use entities::{NodeId, PaymentId, node, payment};
use sea_orm::{
    Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, Select, prelude::*, sea_query::Query,
};

use crate::caller::Caller;

/// Why something cannot be handed out.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// There is no such thing.
    #[error("not found")]
    NotFound,
    /// It belongs to a node that the caller does not reach.
    #[error("Insufficient permission to access payment's node")]
    OutOfReach,
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Nodes whose path is this one or continues it. Digits and dots only, so nothing in a path is a wildcard.
#[must_use]
pub fn below(path: &str) -> Condition {
    // A range and not LIKE: '/' follows '.', and both databases use the unique index on the path for it.
    Condition::any().add(node::Column::Path.eq(path)).add(
        Condition::all().add(node::Column::Path.gte(format!("{path}."))).add(node::Column::Path.lt(format!("{path}/"))),
    )
}

/// Payments of the nodes that the caller reaches.
#[must_use]
pub fn within(caller: &Caller) -> Select<payment::Entity> {
    if caller.is_admin { payment::Entity::find() } else { of_subtree(&caller.node_path) }
}

/// Payments of the node with this path and of all below it; the caller's reach has to be checked before.
#[must_use]
pub fn of_subtree(path: &str) -> Select<payment::Entity> {
    let nodes = Query::select().column(node::Column::Id).from(node::Entity).cond_where(below(path)).to_owned();
    payment::Entity::find().filter(payment::Column::NodeId.in_subquery(nodes))
}

/// The node, if it exists and the caller reaches it.
///
/// # Errors
/// [`Denied`].
pub async fn find_node<C: ConnectionTrait>(db: &C, caller: &Caller, id: NodeId) -> Result<node::Model, Denied> {
    let node = node::Entity::find()
        .filter(node::Column::Id.eq(id))
        .filter(node::Column::DeletedAt.is_null())
        .one(db)
        .await?
        .ok_or(Denied::NotFound)?;
    if caller.reaches(&node.path) { Ok(node) } else { Err(Denied::OutOfReach) }
}

/// The payment, if it exists and the caller reaches its node.
///
/// # Errors
/// [`Denied`].
pub async fn find_payment<C: ConnectionTrait>(
    db: &C,
    caller: &Caller,
    id: PaymentId,
) -> Result<payment::Model, Denied> {
    if let Some(payment) = within(caller).filter(payment::Column::Id.eq(id)).one(db).await? {
        return Ok(payment);
    }
    let exists: Option<PaymentId> = payment::Entity::find()
        .select_only()
        .column(payment::Column::Id)
        .filter(payment::Column::Id.eq(id))
        .into_tuple()
        .one(db)
        .await?;
    Err(if exists.is_some() { Denied::OutOfReach } else { Denied::NotFound })
}
