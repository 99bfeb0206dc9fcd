//! Programs of a node that sign in with an API key.

use entities::{IntegrationId, integration, now};
use payments::{Caller, Permission};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::{Example, ToJSON},
};
use queue::Transaction;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, prelude::*};
use secrecy::ExposeSecret;
use serde_json::json;
use uuid::Uuid;

use super::Tag;
use crate::{
    access::{Allowed, NewSecret, NodesManage, granted, unguessable},
    audit,
    body::Body,
    idempotent::Once,
    paging::{self, Page, Paged, PerPage},
    problem::{Code, Problem, Refused, Wrong},
    reach,
    response::{Created, NoContent},
    state::State,
    time::Time,
};

/// What an integration may be allowed to do.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "Permission", remote = "Permission")]
pub(crate) enum PermissionWord {
    /// Read payments and their logs.
    #[oai(rename = "payments.read")]
    PaymentsRead,
    /// Create, release and re-send payments.
    #[oai(rename = "payments.create")]
    PaymentsCreate,
    /// Cancel payments.
    #[oai(rename = "payments.cancel")]
    PaymentsCancel,
    /// Correct payments of a till.
    #[oai(rename = "payments.update")]
    PaymentsUpdate,
    /// Delete payments of a till, and relations of payments to tickets.
    #[oai(rename = "payments.delete")]
    PaymentsDelete,
    /// Write tickets down.
    #[oai(rename = "tickets.create")]
    TicketsCreate,
    /// Read tickets.
    #[oai(rename = "tickets.read")]
    TicketsRead,
    /// Change tickets.
    #[oai(rename = "tickets.update")]
    TicketsUpdate,
    /// Create users.
    #[oai(rename = "users.create")]
    UsersCreate,
    /// Read who the users are.
    #[oai(rename = "users.read")]
    UsersRead,
    /// Change users: their names, PINs and roles.
    #[oai(rename = "users.update")]
    UsersUpdate,
    /// Delete users.
    #[oai(rename = "users.delete")]
    UsersDelete,
    /// Create roles.
    #[oai(rename = "roles.create")]
    RolesCreate,
    /// Read which roles there are and what they may do.
    #[oai(rename = "roles.read")]
    RolesRead,
    /// Rename roles and say what they may do.
    #[oai(rename = "roles.update")]
    RolesUpdate,
    /// Delete roles.
    #[oai(rename = "roles.delete")]
    RolesDelete,
    /// Read which permissions there are.
    #[oai(rename = "permissions.read")]
    PermissionsRead,
    /// Manage webhook endpoints.
    #[oai(rename = "webhooks.manage")]
    WebhooksManage,
    /// Manage nodes, integrations, wallets and other reference data.
    #[oai(rename = "nodes.manage")]
    NodesManage,
    /// Read orders and decide on receipts of bank transfers, keep the accounts that customers transfer to.
    #[oai(rename = "receipts.manage")]
    ReceiptsManage,
    /// Keep a seller's account at the card processor, refund card payments and pay sellers out.
    #[oai(rename = "marketplace.manage")]
    MarketplaceManage,
    /// Decide on payments in review, look at and replay dead letters, look at signers.
    #[oai(rename = "operations")]
    Operations,
}

/// An integration to be created.
#[derive(Object)]
#[oai(example)]
pub(crate) struct NewIntegration {
    /// The node it acts on, with all nodes below.
    node_id: Uuid,
    /// Its name, unique for the node.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    /// What it may do; the three `payments.*` when left out. Nobody can grant what they may not do themselves.
    #[oai(validator(max_items = 32))]
    permissions: Option<Vec<PermissionWord>>,
    /// When it stops working; null for never.
    expires_at: Option<Time>,
}

impl Example for NewIntegration {
    fn example() -> Self {
        Self { node_id: Uuid::nil(), name: "Web shop".to_owned(), permissions: None, expires_at: None }
    }
}

/// An integration that was just created: the only time its secret is shown.
#[derive(Object)]
pub(crate) struct CreatedIntegration {
    id: Uuid,
    node_id: Uuid,
    name: String,
    /// What it signs in with.
    api_key: String,
    /// Its secret. Store it now: it cannot be shown again. Null when the answer to an `Idempotency-Key` is repeated.
    secret_key: Option<String>,
    permissions: Vec<PermissionWord>,
    expires_at: Option<Time>,
    created_at: Time,
}

/// A program of a node.
#[derive(Object)]
pub(crate) struct Integration {
    id: Uuid,
    node_id: Uuid,
    name: String,
    /// What it signs in with.
    api_key: String,
    permissions: Vec<PermissionWord>,
    /// When it stops working; null for never.
    expires_at: Option<Time>,
    created_at: Time,
}

impl From<integration::Model> for Integration {
    fn from(integration: integration::Model) -> Self {
        Self {
            id: integration.id.0,
            node_id: integration.node_id.0,
            name: integration.name,
            api_key: integration.api_key,
            permissions: granted(&integration.permissions).into_iter().map(Into::into).collect(),
            expires_at: integration.expires_at.map(Time),
            created_at: integration.created_at.into(),
        }
    }
}

pub(crate) struct Integrations(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/integrations", tag = "Tag::Integrations")]
impl Integrations {
    /// Create an integration
    ///
    /// The answer holds its secret, which is never shown again. 404 when the node does not exist, 403 when it is out of
    /// reach or a permission is asked for that the caller does not have, 409 when the node has an integration with this
    /// name.
    #[oai(path = "/", method = "post", operation_id = "create_integration")]
    async fn create(
        &self,
        caller: Allowed<NodesManage>,
        /// Makes a repetition safe; a repeated answer does not hold the secret.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<NewIntegration, true>,
    ) -> Result<Created<CreatedIntegration>, Refused<404, 409, 422>> {
        let created = once
            .create_keeping(&caller, &body.canonical, async |tx| insert(tx, &caller, body.value).await, without_secret)
            .await?;
        Ok(Created::at(format!("/api/v1/integrations/{}", created.id), created))
    }

    /// List integrations
    ///
    /// Those of the nodes in the caller's reach that are not revoked, newest first, without their secrets.
    #[oai(path = "/", method = "get", operation_id = "list_integrations")]
    async fn list(
        &self,
        caller: Allowed<NodesManage>,
        /// Only those of this node and of the nodes below it.
        node_id: Query<Option<Uuid>>,
        /// The number of the page.
        #[oai(default)]
        page: Query<Page>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<Paged<Integration>>, Refused<404>> {
        let integrations = reach::rows::<integration::Entity>(&**self.0.db(), &caller, node_id.0).await?;
        let integrations =
            integrations.filter(integration::Column::RevokedAt.is_null()).order_by_desc(integration::Column::Id);
        Ok(Json(paging::read(self.0.db(), integrations, page.0, per_page.0, Integration::from).await?))
    }

    /// Revoke an integration
    ///
    /// At once, with every token it holds.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_integration")]
    async fn delete(
        &self,
        caller: Allowed<NodesManage>,
        /// The integration.
        id: Path<Uuid>,
    ) -> Result<NoContent, Refused<404>> {
        let tx = self.0.db().begin().await?;
        let live = integration::Column::Id.eq(IntegrationId(id.0)).and(integration::Column::RevokedAt.is_null());
        let found = reach::find::<integration::Entity>(&*tx, &caller, "Integration", live).await?;
        let mut integration = found.into_active_model();
        integration.revoked_at = Set(Some(now()));
        let integration = integration.update(&*tx).await?;
        audit::record(&tx, &caller, "integration.revoke", ("integration", integration.id), json!({})).await?;
        tx.commit().await?;
        Ok(NoContent::Done)
    }
}

async fn insert(tx: &Transaction, caller: &Caller, new: NewIntegration) -> Result<CreatedIntegration, Problem> {
    if new.expires_at.is_some_and(|expires_at| *expires_at <= now()) {
        return Err(Problem::invalid("/expires_at", Wrong::Past));
    }
    let node = reach::node(&**tx, caller, new.node_id).await?;
    let mut permissions: Vec<Permission> = match new.permissions {
        Some(words) => words.into_iter().map(Into::into).collect(),
        None => Permission::DEFAULT.to_vec(),
    };
    permissions.sort_by_key(|permission| permission.word());
    permissions.dedup();
    if let Some(lacking) = permissions.iter().find(|permission| !caller.can(**permission)) {
        let detail = format!("The permission {} cannot be granted by a caller who lacks it", lacking.word());
        return Err(Problem::new(Code::PermissionMissing).detail(detail));
    }
    let no_random = |error: anyhow::Error| {
        tracing::error!(%error, "no API key");
        Problem::new(Code::Internal)
    };
    let secret = NewSecret::generate("qs_").map_err(no_random)?;
    let integration = integration::ActiveModel {
        id: Set(IntegrationId::new()),
        node_id: Set(node.id),
        name: Set(new.name),
        api_key: Set(unguessable("qk_").map_err(no_random)?),
        secret_hash: Set(secret.hash),
        permissions: Set(json!(permissions)),
        expires_at: Set(new.expires_at.map(|time| *time)),
        revoked_at: Set(None),
        created_at: Set(now()),
    };
    let taken = |error| Problem::taken(error, "The node has an integration with this name");
    let integration = integration.insert(&**tx).await.map_err(taken)?;
    let data = json!({ "node_id": node.id, "name": integration.name, "permissions": permissions });
    audit::record(tx, caller, "integration.create", ("integration", integration.id), data).await?;
    Ok(CreatedIntegration {
        id: integration.id.0,
        node_id: integration.node_id.0,
        name: integration.name,
        api_key: integration.api_key,
        secret_key: Some(secret.secret.expose_secret().to_owned()),
        permissions: permissions.into_iter().map(Into::into).collect(),
        expires_at: integration.expires_at.map(Time),
        created_at: integration.created_at.into(),
    })
}

/// What is kept for a repeated key: a secret that is stored nowhere else is not stored here either.
fn without_secret(created: &CreatedIntegration) -> String {
    let mut kept = created.to_json().unwrap_or_default();
    kept["secret_key"] = serde_json::Value::Null;
    kept.to_string()
}
