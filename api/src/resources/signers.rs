//! Keys of nodes: whose they are, what they may sign, and stopping them.

mod request;
mod response;

use entities::{NodeId, SignerId, Unscoped as _, node, now, signer, wallet};
use payments::{Caller, evm_address};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use queue::Transaction;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, UpdateMany,
    prelude::*, sea_query::Func,
};
use serde_json::json;
use uuid::Uuid;

use self::{
    request::{NewSigner, SignerChange, SignerPause, SignerRotation},
    response::{Signer, SignersChanged},
};
use super::Tag;
use crate::{
    access::{Allowed, NodesManage, PaymentsRead, SharedDataManage, at_root},
    audit,
    body::Body,
    idempotent::Once,
    paging::{self, Page, Paged, PerPage},
    problem::{Format, Problem, Refused},
    query_text::QueryText,
    reach,
    response::Created,
    state::State,
};

pub(crate) struct Signers(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/signers", tag = "Tag::Signers")]
impl Signers {
    /// Register a signer
    ///
    /// Hands a key to a node. An address belongs to one node: 409 when it is somebody's already. The key itself has to be in the
    /// workers' keystore or with the remote signer that they are configured for.
    #[oai(path = "/", method = "post", operation_id = "create_signer")]
    async fn create(
        &self,
        caller: Allowed<SharedDataManage>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<NewSigner>,
    ) -> Result<Created<Signer>, Refused<404, 409, 422>> {
        let signer = once.create(&caller, &body.canonical, async |tx| {
            let NewSigner { node_id, address, name } = body.value;
            if !evm_address::is_valid(&address) {
                return Err(Problem::invalid("/address", Format::EvmAddress));
            }
            let node = reach::node(&**tx, &caller, node_id).await?;
            Ok(Signer::from(register(tx, &caller, node.id, &address, &name).await?))
        });
        let signer = signer.await?;
        Ok(Created::at(format!("/api/v1/signers/{}", signer.id), signer))
    }

    /// List signers
    ///
    /// Those of the nodes in the caller's reach, newest first, with what holds them up.
    #[oai(path = "/", method = "get", operation_id = "list_signers")]
    async fn list(
        &self,
        caller: Allowed<PaymentsRead>,
        /// Only those of this node and of the nodes below it.
        node_id: Query<Option<Uuid>>,
        /// Only the one with this address.
        address: Query<Option<QueryText>>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Paged<Signer>>, Refused<404>> {
        let db = self.0.db();
        let mut signers = reach::rows::<signer::Entity>(&**db, &caller, node_id.0).await?;
        if let Some(address) = address.0 {
            signers = signers.filter(signer::Column::Address.eq(address.0.to_lowercase()));
        }
        let signers = signers.order_by_desc(signer::Column::Id);
        let mut signers = paging::read(db, signers, page.0, per_page.0, Signer::from).await?;
        Signer::add_lanes(&**db, &mut signers.items).await?;
        Ok(Json(signers))
    }

    /// Get a signer
    ///
    /// With what holds it up on each network.
    #[oai(path = "/:id", method = "get", operation_id = "get_signer")]
    async fn get(
        &self,
        caller: Allowed<PaymentsRead>,
        /// The signer.
        id: Path<Uuid>,
    ) -> Result<Json<Signer>, Refused<404>> {
        let db = &**self.0.db();
        let wanted = signer::Column::Id.eq(SignerId(id.0));
        let signer = reach::find::<signer::Entity>(db, &caller, "Signer", wanted).await?;
        Ok(Json(Signer::read(db, signer).await?))
    }

    /// Change a signer's name and policy
    ///
    /// Nothing is signed by the old policy once this has answered. What the new one refuses waits, visibly, until it is allowed.
    #[oai(path = "/:id", method = "patch", operation_id = "update_signer")]
    async fn update(
        &self,
        caller: Allowed<NodesManage>,
        /// The signer.
        id: Path<Uuid>,
        body: Body<SignerChange>,
    ) -> Result<Json<Signer>, Refused<404>> {
        self.change(&caller, id.0, "signer.update", |signer| body.value.apply(signer)).await
    }

    /// Pause a signer
    ///
    /// It signs nothing any more once this has answered. What it has signed and recorded before is still sent: a network may have it. Operations wait, or
    /// are taken over by another operator of the same diamond.
    #[oai(path = "/:id/pause", method = "post", operation_id = "pause_signer")]
    async fn pause(
        &self,
        caller: Allowed<NodesManage>,
        /// The signer.
        id: Path<Uuid>,
        body: Body<SignerPause>,
    ) -> Result<Json<Signer>, Refused<404>> {
        let by = caller.node_path.clone();
        self.change(&caller, id.0, "signer.pause", |signer| {
            // Whoever is above keeps the say.
            let kept = signer.paused_by.clone().filter(|before| !caller.reaches(before));
            Ok(paused(signer, Some((body.value.reason, kept.unwrap_or(by)))))
        })
        .await
    }

    /// Resume a signer
    ///
    /// It goes on with what waits. 403 when somebody above has paused it.
    #[oai(path = "/:id/resume", method = "post", operation_id = "resume_signer")]
    async fn resume(
        &self,
        caller: Allowed<NodesManage>,
        /// The signer.
        id: Path<Uuid>,
    ) -> Result<Json<Signer>, Refused<404>> {
        self.change(&caller, id.0, "signer.resume", |signer| {
            if signer.paused_by.as_deref().is_some_and(|by| !caller.reaches(by)) {
                let detail = "It was paused by somebody on a node above, who alone may take that back";
                return Err(Problem::out_of_reach().detail(detail));
            }
            Ok(paused(signer, None))
        })
        .await
    }

    /// Pause every signer
    ///
    /// The red button: nothing is signed any more by any key of the nodes in reach once this has answered. Those that were paused
    /// before keep their reason.
    #[oai(path = "/pause", method = "post", operation_id = "pause_signers")]
    async fn pause_all(
        &self,
        caller: Allowed<NodesManage>,
        body: Body<SignerPause>,
    ) -> Result<Json<SignersChanged>, Refused> {
        let tx = self.0.db().begin().await?;
        let path = reach::path(&*tx, &caller, None).await?;
        let within = |update: UpdateMany<signer::Entity>| match &path {
            Some(path) => update.filter(signer::Column::NodeId.in_subquery(payments::reach::nodes_below(path))),
            None => update,
        };
        let by = caller.node_path.as_str();
        // Those below who have paused theirs before do not take this back.
        let kept = signer::Entity::update_many()
            .col_expr(signer::Column::PausedBy, Expr::value(by))
            .filter(signer::Column::PausedBy.gte(format!("{by}.")))
            .filter(signer::Column::PausedBy.lt(format!("{by}/")));
        within(kept).exec(&*tx).await?;
        let all = signer::Entity::update_many()
            .col_expr(signer::Column::PausedAt, Expr::value(now()))
            .col_expr(signer::Column::PauseReason, Expr::value(body.value.reason.clone()))
            .col_expr(signer::Column::PausedBy, Expr::value(by))
            .col_expr(signer::Column::Revision, Expr::col(signer::Column::Revision).add(1))
            .col_expr(signer::Column::UpdatedAt, Expr::value(now()))
            .filter(signer::Column::PausedAt.is_null());
        let signers = within(all).exec(&*tx).await?.rows_affected;
        let data = json!({ "reason": body.value.reason, "signers": signers });
        audit::record(&tx, &caller, "signers.pause", ("signers", "all"), data).await?;
        tx.commit().await?;
        Ok(Json(SignersChanged { signers }))
    }

    /// Let another signer take over
    ///
    /// The wallets of this signer sign with the other one from now on, on the same diamonds. Where a diamond's owner has not made
    /// the new one an operator yet, the old one goes on as long as it is not paused. Answers with the new one.
    #[oai(path = "/:id/rotate", method = "post", operation_id = "rotate_signer")]
    async fn rotate(
        &self,
        caller: Allowed<NodesManage>,
        /// The signer.
        id: Path<Uuid>,
        body: Body<SignerRotation>,
    ) -> Result<Json<Signer>, Refused<404, 409>> {
        let tx = self.0.db().begin().await?;
        let wanted = signer::Column::Id.eq(SignerId(id.0));
        let old = reach::lock::<signer::Entity>(&tx, &caller, "Signer", wanted).await?;
        let new = signer::Column::Address.eq(body.value.to.to_lowercase());
        let new = payments::reach::within::<signer::Entity>(&caller).filter(new).one(&*tx).await?;
        let new = new.ok_or_else(|| Problem::not_found("Signer"))?;
        if new.node_id != old.node_id || new.id == old.id {
            return Err(Problem::conflict("The other signer must be another one of the same node").into());
        }
        let wallets = wallet::Entity::update_many()
            .col_expr(wallet::Column::Address, Expr::value(new.address.clone()))
            .col_expr(wallet::Column::UpdatedAt, Expr::value(now()))
            .filter(Func::lower(Expr::col(wallet::Column::Address)).eq(old.address.clone()))
            .filter(wallet::Column::NodeId.in_subquery(payments::reach::nodes_below(&path_of(&tx, old.node_id).await?)))
            .exec(&*tx)
            .await?;
        let data = json!({ "to": new.address, "wallets": wallets.rows_affected });
        audit::record(&tx, &caller, "signer.rotate", ("signer", old.id), data).await?;
        tx.commit().await?;
        Ok(Json(Signer::read(&**self.0.db(), new).await?))
    }

    /// One act on one signer, with its row of the audit.
    async fn change(
        &self,
        caller: &Caller,
        id: Uuid,
        action: &str,
        act: impl FnOnce(signer::Model) -> Result<signer::ActiveModel, Problem>,
    ) -> Result<Json<Signer>, Refused<404>> {
        let tx = self.0.db().begin().await?;
        let wanted = signer::Column::Id.eq(SignerId(id));
        let signer = reach::lock::<signer::Entity>(&tx, caller, "Signer", wanted).await?;
        let signer = act(signer)?.update(&*tx).await?;
        let data = json!({
            "name": signer.name, "actions": signer.actions, "diamonds": signer.diamonds,
            "fee_cap_wei": signer.fee_cap_wei, "gas_per_day": signer.gas_per_day,
            "spend_per_day_wei": signer.spend_per_day_wei, "pause_reason": signer.pause_reason,
        });
        audit::record(&tx, caller, action, ("signer", signer.id), data).await?;
        tx.commit().await?;
        Ok(Json(Signer::read(&**self.0.db(), signer).await?))
    }
}

/// Paused for a reason and by somebody on this path, or no longer.
fn paused(signer: signer::Model, pause: Option<(String, String)>) -> signer::ActiveModel {
    let (reason, by) = pause.unzip();
    let (revision, since) = (signer.revision + 1, signer.paused_at);
    let mut row = signer.into_active_model();
    row.paused_at = Set(reason.is_some().then(|| since.unwrap_or_else(now)));
    row.pause_reason = Set(reason);
    row.paused_by = Set(by);
    row.revision = Set(revision);
    row.updated_at = Set(now());
    row
}

async fn path_of(tx: &Transaction, node_id: NodeId) -> Result<String, Problem> {
    let node = node::Entity::find_unscoped(node_id).one(&**tx).await?;
    Ok(node.ok_or_else(|| Problem::not_found("Node"))?.path)
}

async fn register(
    tx: &Transaction,
    caller: &Caller,
    node_id: NodeId,
    address: &str,
    name: &str,
) -> Result<signer::Model, Problem> {
    let row = signer::Model::new(node_id, address, name).into_active_model();
    let taken = |error| Problem::taken(error, "There is a signer with this address");
    let signer = row.insert(&**tx).await.map_err(taken)?;
    let data = json!({ "node_id": signer.node_id, "address": signer.address });
    audit::record(tx, caller, "signer.create", ("signer", signer.id), data).await?;
    Ok(signer)
}

/// That a wallet of the node may sign with the key of this address: it belongs to the node or to one above it that the caller
/// reaches. Somebody else's is answered like one that is not there: addresses are public on the chain. For a caller on the root
/// node a key that is nobody's becomes the node's.
pub(crate) async fn of_wallet(
    tx: &Transaction,
    caller: &Caller,
    node: &node::Model,
    address: &str,
    name: &str,
) -> Result<(), Problem> {
    let of_address = signer::Column::Address.eq(address.to_lowercase());
    match signer::Entity::find().filter(of_address).one(&**tx).await? {
        None if at_root(caller) => register(tx, caller, node.id, address, name).await.map(|_| ()),
        Some(signer) => {
            let path = path_of(tx, signer.node_id).await?;
            let above = node.path == path || node.path.starts_with(&format!("{path}."));
            if above && caller.reaches(&path) { Ok(()) } else { Err(Problem::not_found("Signer")) }
        }
        None => Err(Problem::not_found("Signer")),
    }
}
