//! The caller's reach, as refusals and as conditions on nodes.

use entities::{NodeId, node};
use payments::{Caller, Denied, Missing, RequestError, reach};
use sea_orm::{
    ConnectionTrait, EntityTrait, QuerySelect,
    sea_query::{Query, SelectStatement},
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
    match reach::find_node(db, caller, NodeId(id)).await {
        Err(Denied::NotFound) => Err(Problem::not_found("Node")),
        other => Ok(other?),
    }
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

/// Ids of the nodes in reach: those of one node and below it if it is given, else of the caller's.
pub(crate) async fn nodes(
    db: &impl ConnectionTrait,
    caller: &Caller,
    under: Option<Uuid>,
) -> Result<SelectStatement, Problem> {
    let path = path(db, caller, under).await?;
    let mut ids = Query::select().column(node::Column::Id).from(node::Entity).to_owned();
    if let Some(path) = path {
        ids.cond_where(reach::below(&path));
    }
    Ok(ids)
}

/// Refuses to act on a thing of a node that is out of reach.
pub(crate) async fn require(db: &impl ConnectionTrait, caller: &Caller, owner: NodeId) -> Result<(), Problem> {
    let path: Option<String> =
        node::Entity::find_by_id(owner).select_only().column(node::Column::Path).into_tuple().one(db).await?;
    let reached = path.is_some_and(|path| caller.reaches(&path));
    if reached { Ok(()) } else { Err(Problem::out_of_reach()) }
}
