//! Reads that start from the caller's reach. Code that answers requests begins here and nowhere else.

use entities::{NodeId, OfNode, PaymentId, node, payment};
use queue::Transaction;
use sea_orm::{
    Condition, ConnectionTrait, DbErr, QueryFilter, QuerySelect, Select,
    prelude::*,
    sea_query::{IntoCondition, Query, SelectStatement},
};

use crate::caller::Caller;

/// Why something cannot be handed out.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// There is no such thing.
    #[error("not found")]
    NotFound,
    /// It is there, and belongs to a node that the caller does not reach.
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

/// Ids of the nodes with this path and below it.
#[must_use]
pub fn nodes_below(path: &str) -> SelectStatement {
    Query::select().column(node::Column::Id).from(node::Entity).cond_where(below(path)).to_owned()
}

/// Rows of the nodes that the caller reaches.
#[must_use]
pub fn within<E: OfNode>(caller: &Caller) -> Select<E> {
    limited(E::find(), caller)
}

/// Rows of the node with this path and of all below it; the caller's reach has to be checked before.
#[must_use]
pub fn of_subtree<E: OfNode>(path: &str) -> Select<E> {
    E::find().filter(E::of_nodes(nodes_below(path)))
}

/// The row that these conditions name, if it is there and belongs to a node that the caller reaches.
///
/// # Errors
/// [`Denied`].
pub async fn find<E: OfNode>(
    db: &impl ConnectionTrait,
    caller: &Caller,
    which: impl IntoCondition,
) -> Result<E::Model, Denied> {
    one(db, caller, E::find().filter(which)).await
}

/// The same, locked until the transaction ends.
///
/// # Errors
/// [`Denied`].
pub async fn lock<E: OfNode>(tx: &Transaction, caller: &Caller, which: impl IntoCondition) -> Result<E::Model, Denied> {
    one(&**tx, caller, E::find().filter(which).lock_exclusive()).await
}

/// Whether there is one that is out of reach is queried only when none is within.
async fn one<E: OfNode>(db: &impl ConnectionTrait, caller: &Caller, wanted: Select<E>) -> Result<E::Model, Denied> {
    if let Some(row) = limited(wanted.clone(), caller).one(db).await? {
        return Ok(row);
    }
    let exists = !caller.is_admin && wanted.one(db).await?.is_some();
    Err(if exists { Denied::OutOfReach } else { Denied::NotFound })
}

fn limited<E: OfNode>(rows: Select<E>, caller: &Caller) -> Select<E> {
    if caller.is_admin { rows } else { rows.filter(E::of_nodes(nodes_below(&caller.node_path))) }
}

/// The node, if it exists and the caller reaches it.
///
/// # Errors
/// [`Denied`].
pub async fn find_node<C: ConnectionTrait>(db: &C, caller: &Caller, id: NodeId) -> Result<node::Model, Denied> {
    let live = Condition::all().add(node::Column::Id.eq(id)).add(node::Column::DeletedAt.is_null());
    find::<node::Entity>(db, caller, live).await
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
    find::<payment::Entity>(db, caller, payment::Column::Id.eq(id)).await
}
