//! The caller's reach, as refusals and as conditions on nodes.

use entities::{NodeId, OfNode, Unscoped as _, node};
use payments::{Caller, Denied, Missing, RequestError, reach};
use queue::Transaction;
use sea_orm::{
    ConnectionTrait, QueryFilter, QuerySelect, Select,
    sea_query::{IntoCondition, Query, SelectStatement},
};
use uuid::Uuid;

use crate::problem::Problem;

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotFound => Self::not_found("Resource"),
            Denied::OutOfReach => Self::out_of_reach(),
            Denied::Database(error) => error.into(),
        }
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NotFound(what) => Self::not_found(match what {
                Missing::Order => "Order",
                Missing::Submission => "Submission",
            }),
            RequestError::OutOfReach => Self::out_of_reach(),
            RequestError::Conflict(conflict) => Self::conflict(conflict.to_string()),
            RequestError::Database(error) => error.into(),
        }
    }
}

/// The node, if it exists and the caller reaches it.
pub(crate) async fn node(db: &impl ConnectionTrait, caller: &Caller, id: Uuid) -> Result<node::Model, Problem> {
    found("Node", reach::find_node(db, caller, NodeId(id)).await)
}

/// The row that these conditions name, if it is there and the caller reaches its node; `what` it is starts the sentence that
/// it is not there.
pub(crate) async fn find<E: OfNode>(
    db: &impl ConnectionTrait,
    caller: &Caller,
    what: &str,
    which: impl IntoCondition,
) -> Result<E::Model, Problem> {
    found(what, reach::find::<E>(db, caller, which).await)
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock<E: OfNode>(
    tx: &Transaction,
    caller: &Caller,
    what: &str,
    which: impl IntoCondition,
) -> Result<E::Model, Problem> {
    found(what, reach::lock::<E>(tx, caller, which).await)
}

fn found<T>(what: &str, looked_up: Result<T, Denied>) -> Result<T, Problem> {
    match looked_up {
        Err(Denied::NotFound) => Err(Problem::not_found(what)),
        other => Ok(other?),
    }
}

/// Rows of the nodes in reach: those of one node and below it if it is given, else of the caller's.
pub(crate) async fn rows<E: OfNode>(
    db: &impl ConnectionTrait,
    caller: &Caller,
    under: Option<Uuid>,
) -> Result<Select<E>, Problem> {
    Ok(E::find().filter(E::of_nodes(nodes(db, caller, under).await?)))
}

/// The path below which the nodes in reach are, none for all of them: that of one node if it is given, else the caller's.
pub(crate) async fn path(
    db: &impl ConnectionTrait,
    caller: &Caller,
    under: Option<Uuid>,
) -> Result<Option<String>, Problem> {
    Ok(match under {
        Some(id) => Some(node(db, caller, id).await?.path),
        None => (!caller.is_admin).then(|| caller.node_path.clone()),
    })
}

async fn nodes(db: &impl ConnectionTrait, caller: &Caller, under: Option<Uuid>) -> Result<SelectStatement, Problem> {
    Ok(match path(db, caller, under).await? {
        Some(path) => reach::nodes_below(&path),
        None => Query::select().column(node::Column::Id).from(node::Entity).to_owned(),
    })
}

/// Refuses to act on a thing of a node that is out of reach.
pub(crate) async fn require(db: &impl ConnectionTrait, caller: &Caller, owner: NodeId) -> Result<(), Problem> {
    let path: Option<String> =
        node::Entity::find_unscoped(owner).select_only().column(node::Column::Path).into_tuple().one(db).await?;
    let reached = path.is_some_and(|path| caller.reaches(&path));
    if reached { Ok(()) } else { Err(Problem::out_of_reach()) }
}
