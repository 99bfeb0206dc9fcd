//! The tree of tenants.

use entities::{NodeId, Plan, node, now};
use payments::Caller;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use queue::Transaction;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, prelude::*,
};
use serde_json::json;
use uuid::Uuid;

use super::Tag;
use crate::{
    access::{Allowed, NodesManage, PaymentsRead, at_root},
    audit,
    body::Body,
    idempotent::Once,
    paging::{self, Page, Paged, PerPage},
    problem::{Code, Problem, Refused},
    reach,
    response::{Created, NoContent},
    state::State,
    time::Time,
};

/// A node to be created.
#[derive(Object)]
#[oai(example)]
pub(crate) struct NewNode {
    /// The node above it; the caller's own when it is left out.
    parent_id: Option<Uuid>,
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
}

impl Example for NewNode {
    fn example() -> Self {
        Self { parent_id: None, name: "Harbour shop".to_owned() }
    }
}

/// What a node pays the platform of each card sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, poem_openapi::Enum)]
#[oai(rename = "Plan", rename_all = "snake_case")]
pub(crate) enum PlanWord {
    /// 2.0 %.
    Starter,
    /// 1.5 %.
    Business,
    /// 1.0 %.
    Professional,
    /// 0.5 %.
    Enterprise,
}

impl From<Plan> for PlanWord {
    fn from(plan: Plan) -> Self {
        match plan {
            Plan::Starter => Self::Starter,
            Plan::Business => Self::Business,
            Plan::Professional => Self::Professional,
            Plan::Enterprise => Self::Enterprise,
        }
    }
}

impl From<PlanWord> for Plan {
    fn from(plan: PlanWord) -> Self {
        match plan {
            PlanWord::Starter => Self::Starter,
            PlanWord::Business => Self::Business,
            PlanWord::Professional => Self::Professional,
            PlanWord::Enterprise => Self::Enterprise,
        }
    }
}

/// What may be changed of a node. What is left out stays.
#[derive(Object)]
#[oai(example)]
pub(crate) struct NodeChange {
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: Option<String>,
    /// What it pays the platform of each card sale; only admins and callers on the root node may say.
    plan: Option<PlanWord>,
}

impl Example for NodeChange {
    fn example() -> Self {
        Self { name: Some("Harbour shop and café".to_owned()), plan: None }
    }
}

/// A place in the tree of tenants.
#[derive(Object)]
pub(crate) struct Node {
    id: Uuid,
    /// The node above it; null for the root.
    parent_id: Option<Uuid>,
    /// Numbers joined by dots from the root, such as `1.3.6`.
    path: String,
    name: String,
    /// What it pays the platform of each card sale.
    plan: PlanWord,
    created_at: Time,
    updated_at: Time,
}

impl From<node::Model> for Node {
    fn from(node: node::Model) -> Self {
        Self {
            id: node.id.0,
            parent_id: node.parent_id.map(|id| id.0),
            path: node.path,
            name: node.name,
            plan: node.plan.into(),
            created_at: node.created_at.into(),
            updated_at: node.updated_at.into(),
        }
    }
}

pub(crate) struct Nodes(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/nodes", tag = "Tag::Nodes")]
impl Nodes {
    /// Create a node
    ///
    /// Below a node in the caller's reach. 404 when the parent does not exist, 403 when it is out of reach.
    #[oai(path = "/", method = "post", operation_id = "create_node")]
    async fn create(
        &self,
        caller: Allowed<NodesManage>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<NewNode>,
    ) -> Result<Created<Node>, Refused<404, 409, 422>> {
        let node = once.create(&caller, &body.canonical, async |tx| insert(tx, &caller, body.value).await).await?;
        Ok(Created::at(format!("/api/v1/nodes/{}", node.id), node))
    }

    /// List nodes
    ///
    /// The nodes in the caller's reach, newest first.
    #[oai(path = "/", method = "get", operation_id = "list_nodes")]
    async fn list(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Paged<Node>>, Refused> {
        let nodes = reach::rows::<node::Entity>(&**self.0.db(), &caller, None).await?;
        let nodes = nodes.filter(node::Column::DeletedAt.is_null()).order_by_desc(node::Column::Id);
        Ok(Json(paging::read(self.0.db(), nodes, page.0, per_page.0, Node::from).await?))
    }

    /// Get a node
    ///
    /// 404 when it does not exist, 403 when it is out of reach.
    #[oai(path = "/:id", method = "get", operation_id = "get_node")]
    async fn get(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The node.
        id: Path<Uuid>,
    ) -> Result<Json<Node>, Refused<404>> {
        Ok(Json(reach::node(&**self.0.db(), &caller, id.0).await?.into()))
    }

    /// Change a node
    ///
    /// Its path, and so who reaches it, stays the same. 403 when a caller below the root names a plan.
    #[oai(path = "/:id", method = "patch", operation_id = "update_node")]
    async fn update(
        &self,
        caller: Allowed<NodesManage>,
        /// The node.
        id: Path<Uuid>,
        body: Body<NodeChange>,
    ) -> Result<Json<Node>, Refused<404>> {
        let tx = self.0.db().begin().await?;
        if body.value.plan.is_some() && !at_root(&caller) {
            let detail = "Only admins and callers on the root node may change a node's plan";
            return Err(Problem::new(Code::PermissionMissing).detail(detail).into());
        }
        let mut node = reach::node(&*tx, &caller, id.0).await?.into_active_model();
        if let Some(name) = body.value.name {
            node.name = Set(name);
        }
        if let Some(plan) = body.value.plan {
            node.plan = Set(plan.into());
        }
        node.updated_at = Set(now());
        let node = node.update(&*tx).await?;
        let data = json!({ "name": node.name, "plan": node.plan });
        audit::record(&tx, &caller, "node.update", ("node", node.id), data).await?;
        tx.commit().await?;
        Ok(Json(node.into()))
    }

    /// Delete a node
    ///
    /// Its payments stay. Whoever stands on it cannot sign in any more. 409 for the root and for a node with nodes
    /// below it.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_node")]
    async fn delete(
        &self,
        caller: Allowed<NodesManage>,
        /// The node.
        id: Path<Uuid>,
    ) -> Result<NoContent, Refused<404, 409>> {
        let tx = self.0.db().begin().await?;
        let node = reach::node(&*tx, &caller, id.0).await?;
        let below = node::Entity::find()
            .filter(node::Column::ParentId.eq(node.id))
            .filter(node::Column::DeletedAt.is_null())
            .count(&*tx)
            .await?;
        if below > 0 || node.parent_id.is_none() {
            return Err(Problem::conflict("The root, and a node with nodes below it, cannot be deleted").into());
        }
        audit::record(&tx, &caller, "node.delete", ("node", node.id), json!({})).await?;
        let mut node = node.into_active_model();
        node.deleted_at = Set(Some(now()));
        node.update(&*tx).await?;
        tx.commit().await?;
        Ok(NoContent::Done)
    }
}

async fn insert(tx: &Transaction, caller: &Caller, new: NewNode) -> Result<Node, Problem> {
    let parent = reach::node(&**tx, caller, new.parent_id.unwrap_or(caller.node_id.0)).await?;
    let number = next_number(tx).await?;
    let node = node::ActiveModel {
        id: Set(NodeId::new()),
        parent_id: Set(Some(parent.id)),
        path: Set(format!("{}.{number}", parent.path)),
        number: Set(number),
        name: Set(new.name),
        plan: Set(Plan::Starter),
        created_at: Set(now()),
        updated_at: Set(now()),
        deleted_at: Set(None),
    };
    let node = node.insert(&**tx).await?;
    let data = json!({ "parent_id": parent.id, "name": node.name });
    audit::record(tx, caller, "node.create", ("node", node.id), data).await?;
    Ok(node.into())
}

/// Numbers are never used again, because paths are built of them; the root's lock makes creators take turns.
async fn next_number(tx: &Transaction) -> Result<i64, DbErr> {
    node::Entity::find().filter(node::Column::ParentId.is_null()).lock_exclusive().all(&**tx).await?;
    let highest: Option<Option<i64>> = node::Entity::find()
        .select_only()
        .column_as(node::Column::Number.max(), "highest")
        .into_tuple()
        .one(&**tx)
        .await?;
    Ok(highest.flatten().unwrap_or(0) + 1)
}
