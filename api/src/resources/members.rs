//! A node's customers.

mod details;

use entities::{MemberId, member, now};
use payments::{Caller, listing::Listing};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Example,
};
use queue::Transaction;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, IntoActiveModel, prelude::*};
use serde_json::json;
use uuid::Uuid;

pub(crate) use self::details::{Member, MemberChange, NewMember};
use super::Tag;
use crate::{
    access::{Allowed, PaymentsCreate, PaymentsRead},
    audit,
    body::Body,
    idempotent::Once,
    paging::{self, Page, Paged, PerPage},
    problem::{Problem, Refused},
    query_text::QueryText,
    reach,
    response::Created,
    state::State,
};

/// A member to be created.
#[derive(Object)]
#[oai(example)]
pub(crate) struct NewMemberOfNode {
    /// The node whose customer it is.
    node_id: Uuid,
    #[oai(flatten)]
    member: NewMember,
}

impl Example for NewMemberOfNode {
    fn example() -> Self {
        Self { node_id: Uuid::nil(), member: NewMember::example() }
    }
}

/// The member, if it exists and its node is in reach.
async fn find(db: &impl ConnectionTrait, caller: &Caller, id: Uuid) -> Result<member::Model, Problem> {
    reach::find::<member::Entity>(db, caller, "Member", member::Column::Id.eq(MemberId(id))).await
}

pub(crate) struct Members(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/members", tag = "Tag::Members")]
impl Members {
    /// Create a member
    ///
    /// 409 when the node has one with this external id. Payments can also bring their member along.
    #[oai(path = "/", method = "post", operation_id = "create_member")]
    async fn create(
        &self,
        caller: Allowed<PaymentsCreate>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<NewMemberOfNode>,
    ) -> Result<Created<Member>, Refused<404, 409, 422>> {
        let member = once.create(&caller, &body.canonical, async |tx| insert(tx, &caller, body.value).await).await?;
        Ok(Created::at(format!("/api/v1/members/{}", member.id), member))
    }

    /// List members
    ///
    /// Those of the nodes in the caller's reach, newest first.
    #[oai(path = "/", method = "get", operation_id = "list_members")]
    async fn list(
        &self,
        caller: Allowed<PaymentsRead>,
        /// Only those of this node and of the nodes below it.
        node_id: Query<Option<Uuid>>,
        /// Only those with this external id.
        external_id: Query<Option<QueryText>>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Paged<Member>>, Refused<404>> {
        let path = reach::path(&**self.0.db(), &caller, node_id.0).await?;
        let mut members = Listing::<member::Entity>::new(member::Column::Id, member::Column::NodeId, path);
        if let Some(external_id) = external_id.0 {
            members = members.filter(member::Column::ExternalId.eq(external_id.0));
        }
        Ok(Json(paging::read_listing(self.0.db(), &members, page.0, per_page.0, Member::from).await?))
    }

    /// Get a member
    ///
    /// 404 when it does not exist, 403 when its node is out of reach.
    #[oai(path = "/:id", method = "get", operation_id = "get_member")]
    async fn get(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The member.
        id: Path<Uuid>,
    ) -> Result<Json<Member>, Refused<404>> {
        Ok(Json(find(&**self.0.db(), &caller, id.0).await?.into()))
    }

    /// Change a member
    ///
    /// What is left out stays as it is; null empties a field.
    #[oai(path = "/:id", method = "patch", operation_id = "update_member")]
    async fn update(
        &self,
        caller: Allowed<PaymentsCreate>,
        /// The member.
        id: Path<Uuid>,
        body: Body<MemberChange>,
    ) -> Result<Json<Member>, Refused<404>> {
        let tx = self.0.db().begin().await?;
        let mut member = find(&*tx, &caller, id.0).await?.into_active_model();
        body.value.apply(&mut member);
        member.updated_at = Set(now());
        let member = member.update(&*tx).await?;
        audit::record(&tx, &caller, "member.update", ("member", member.id), json!({})).await?;
        tx.commit().await?;
        Ok(Json(member.into()))
    }
}

async fn insert(tx: &Transaction, caller: &Caller, new: NewMemberOfNode) -> Result<Member, Problem> {
    let node = reach::node(&**tx, caller, new.node_id).await?;
    let taken = |error| Problem::taken(error, "The node has a member with this external id");
    let member = new.member.into_row(node.id).insert(&**tx).await.map_err(taken)?;
    let data = json!({ "node_id": node.id, "external_id": member.external_id });
    audit::record(tx, caller, "member.create", ("member", member.id), data).await?;
    Ok(member.into())
}
