//! Roles: sets of permissions that people share. All nodes share them, so that only callers on the root node, and admins,
//! change them.

use entities::{RoleId, now, role, role_permission, user};
use payments::{Caller, Permission};
use poem_openapi::{Object, OpenApi, param::Path, payload::Json, types::Example};
use queue::Transaction;
use sea_orm::{
    ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    Declined, Tag,
    permissions::{named, till_name},
    staff::StaffPermission,
};
use crate::{
    access::{Allowed, RolesCreate, RolesDelete, RolesRead, RolesUpdate},
    audit,
    body::Body,
    problem::{Code, Problem, Wrong},
    response::{Created, NoContent},
    state::State,
};

/// Roles that are listed at most.
const ROLES_MAX: u64 = 1000;

/// A role to be created or renamed.
#[derive(Object)]
#[oai(example)]
struct RoleRequest {
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 255))]
    role: String,
}

impl Example for RoleRequest {
    fn example() -> Self {
        Self { role: "Cashier".to_owned() }
    }
}

impl RoleRequest {
    fn name(self) -> Result<String, Problem> {
        if self.role.trim().is_empty() { Err(Problem::invalid("/role", Wrong::Blank)) } else { Ok(self.role) }
    }
}

/// A role.
#[derive(Object)]
struct StaffRole {
    id: Uuid,
    /// Its name.
    role: String,
    /// Whether it reaches every node and has every permission.
    #[oai(rename = "isAdmin")]
    is_admin: bool,
}

impl From<role::Model> for StaffRole {
    fn from(role: role::Model) -> Self {
        Self { id: role.id.0, role: role.name, is_admin: role.is_admin }
    }
}

/// A role that was created or renamed.
#[derive(Object)]
struct RoleWritten {
    id: Uuid,
    /// `Role created successfully` or `Role updated successfully`.
    message: String,
}

impl RoleWritten {
    fn new(id: RoleId, message: &str) -> Json<Self> {
        Json(Self { id: id.0, message: message.to_owned() })
    }
}

/// What a role may do.
#[derive(Object)]
#[oai(example)]
struct PermissionsRequest {
    /// Names of permissions, such as `payments_read`; they take the place of all before.
    #[oai(validator(max_items = 100))]
    permissions: Vec<String>,
}

impl Example for PermissionsRequest {
    fn example() -> Self {
        Self { permissions: vec!["payments_read".to_owned(), "payments_create".to_owned()] }
    }
}

/// What a role may do now.
#[derive(Object)]
#[oai(rename_all = "camelCase")]
struct Assigned {
    role_id: Uuid,
    /// Names of the permissions.
    assigned: Vec<String>,
}

/// Why a role is not created or renamed.
const NAME_TAKEN: &str = "There is a role with this name";

pub(crate) struct Roles(pub(crate) State);

#[OpenApi(prefix_path = "/roles", tag = "Tag::Staff")]
impl Roles {
    /// Create a role
    ///
    /// It may do nothing at first. 409 when there is one with this name.
    #[oai(path = "/", method = "post", operation_id = "create_role")]
    async fn create(
        &self,
        caller: Allowed<RolesCreate>,
        body: Body<RoleRequest, true>,
    ) -> Result<Created<RoleWritten>, Declined<409>> {
        let name = body.value.name()?;
        let row = role::Model { id: RoleId::new(), name: name.clone(), is_admin: false, created_at: now() };
        let id = row.id;
        let tx = self.0.db().begin().await?;
        let written = role::Entity::insert(row.into_active_model()).exec_without_returning(&*tx).await;
        written.map_err(|error| Problem::taken(error, NAME_TAKEN))?;
        audit::record(&tx, &caller, "role.create", ("role", id), json!({ "name": name })).await?;
        tx.commit().await?;
        Ok(Created::at(format!("/roles/{id}"), RoleWritten::new(id, "Role created successfully").0))
    }

    /// List roles
    ///
    /// All of them, by their names, which all nodes share; a thousand at most.
    #[oai(path = "/", method = "get", operation_id = "list_roles")]
    async fn list(&self, _caller: Allowed<RolesRead>) -> Result<Json<Vec<StaffRole>>, Declined> {
        let roles = role::Entity::find().order_by_asc(role::Column::Name).limit(ROLES_MAX).all(&**self.0.db()).await?;
        Ok(Json(roles.into_iter().map(StaffRole::from).collect()))
    }

    /// Get a role
    ///
    /// 404 when it does not exist.
    #[oai(path = "/:id", method = "get", operation_id = "get_role")]
    async fn get(
        &self,
        _caller: Allowed<RolesRead>,
        /// The role.
        id: Path<String>,
    ) -> Result<Json<StaffRole>, Declined<404>> {
        Ok(Json(find(&**self.0.db(), &id.0).await?.into()))
    }

    /// Rename a role
    ///
    /// 404 when it does not exist, 409 when there is another with this name, or when it came with the installation.
    #[oai(path = "/:id", method = "put", operation_id = "update_role")]
    async fn update(
        &self,
        caller: Allowed<RolesUpdate>,
        /// The role.
        id: Path<String>,
        body: Body<RoleRequest, true>,
    ) -> Result<Json<RoleWritten>, Declined<404, 409>> {
        let name = body.value.name()?;
        let tx = self.0.db().begin().await?;
        let role = find(&*tx, &id.0).await?;
        if role.is_admin || came_with_the_schema(role.id) {
            return Err(Problem::conflict("This role came with the installation").into());
        }
        grantable(&tx, &caller, role.id, &[]).await?;
        let renamed = role::Entity::update_many().col_expr(role::Column::Name, Expr::value(name.clone()));
        let renamed = renamed.filter(role::Column::Id.eq(role.id)).exec(&*tx).await;
        renamed.map_err(|error| Problem::taken(error, NAME_TAKEN))?;
        audit::record(&tx, &caller, "role.update", ("role", role.id), json!({ "was": role.name, "is": name })).await?;
        tx.commit().await?;
        Ok(RoleWritten::new(role.id, "Role updated successfully"))
    }

    /// List what a role may do
    ///
    /// 404 when it does not exist. The role of the admins has every permission.
    #[oai(path = "/:id/permissions", method = "get", operation_id = "get_role_permissions")]
    async fn permissions(
        &self,
        _caller: Allowed<RolesRead>,
        /// The role.
        id: Path<String>,
    ) -> Result<Json<Vec<StaffPermission>>, Declined<404>> {
        let db = &**self.0.db();
        let role = find(db, &id.0).await?;
        let held = held(db, role.id).await?;
        let all = Permission::ALL.iter().copied().filter(|permission| role.is_admin || held.contains(permission));
        Ok(Json(all.map(StaffPermission::from).collect()))
    }

    /// Say what a role may do
    ///
    /// Replaces what it may do; nobody can give what they do not have. 404 when the role does not exist, 409 for that of
    /// the admins, who may do everything.
    #[oai(path = "/:id/permissions", method = "put", operation_id = "set_role_permissions")]
    async fn set(
        &self,
        caller: Allowed<RolesUpdate>,
        /// The role.
        id: Path<String>,
        body: Body<PermissionsRequest, true>,
    ) -> Result<Json<Assigned>, Declined<404, 409>> {
        let mut wanted = parse_permissions(&body.value.permissions)?;
        wanted.sort_unstable_by_key(|permission| permission.word());
        wanted.dedup();
        let tx = self.0.db().begin().await?;
        let role = find(&*tx, &id.0).await?;
        if role.is_admin {
            return Err(Problem::conflict("The role of the admins has every permission").into());
        }
        grantable(&tx, &caller, role.id, &wanted).await?;
        let of_role = role_permission::Column::RoleId.eq(role.id);
        role_permission::Entity::delete_many().filter(of_role).exec(&*tx).await?;
        let rows = wanted.iter().map(|permission| {
            let permission = permission.word().to_owned();
            role_permission::Model { role_id: role.id, permission }.into_active_model()
        });
        if !wanted.is_empty() {
            role_permission::Entity::insert_many(rows).exec_without_returning(&*tx).await?;
        }
        let assigned: Vec<String> = wanted.into_iter().map(till_name).collect();
        audit::record(&tx, &caller, "role.permissions", ("role", role.id), json!({ "permissions": assigned })).await?;
        tx.commit().await?;
        Ok(Json(Assigned { role_id: role.id.0, assigned }))
    }

    /// Delete a role
    ///
    /// 409 when somebody has it, or when it came with the installation.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_role")]
    async fn delete(
        &self,
        caller: Allowed<RolesDelete>,
        /// The role.
        id: Path<String>,
    ) -> Result<NoContent, Declined<404, 409>> {
        let tx = self.0.db().begin().await?;
        let role = find(&*tx, &id.0).await?;
        if role.is_admin || came_with_the_schema(role.id) {
            return Err(Problem::conflict("This role came with the installation").into());
        }
        if user::Entity::find().filter(user::Column::RoleId.eq(role.id)).count(&*tx).await? > 0 {
            return Err(Problem::conflict("Users have this role").into());
        }
        grantable(&tx, &caller, role.id, &[]).await?;
        role_permission::Entity::delete_many().filter(role_permission::Column::RoleId.eq(role.id)).exec(&*tx).await?;
        role::Entity::delete_many().filter(role::Column::Id.eq(role.id)).exec(&*tx).await?;
        audit::record(&tx, &caller, "role.delete", ("role", role.id), json!({ "name": role.name })).await?;
        tx.commit().await?;
        Ok(NoContent::Done)
    }
}

/// The role that a client names; what is no id names none.
pub(super) async fn find<C: ConnectionTrait>(db: &C, id: &str) -> Result<role::Model, Problem> {
    let unknown = || Problem::not_found("Role");
    let id: RoleId = id.parse().map_err(|_| unknown())?;
    role::Entity::find().filter(role::Column::Id.eq(id)).one(db).await?.ok_or_else(unknown)
}

/// Refuses to give, or to take from others, what the caller does not have.
pub(super) async fn grantable(
    tx: &Transaction,
    caller: &Caller,
    role: RoleId,
    wanted: &[Permission],
) -> Result<(), Problem> {
    if held(&**tx, role).await?.iter().chain(wanted).all(|permission| caller.can(*permission)) {
        return Ok(());
    }
    Err(Problem::new(Code::PermissionMissing).detail("Nobody can give what they do not have"))
}

/// What a role may do by its rows; an admin's may do everything without any.
async fn held<C: ConnectionTrait>(db: &C, role: RoleId) -> Result<Vec<Permission>, DbErr> {
    let rows = role_permission::Entity::find().filter(role_permission::Column::RoleId.eq(role)).all(db).await?;
    Ok(rows.iter().filter_map(|row| Permission::from_word(&row.permission)).collect())
}

fn parse_permissions(names: &[String]) -> Result<Vec<Permission>, Problem> {
    let unknown = |index: usize| Problem::invalid(&format!("/permissions/{index}"), Wrong::Rule("is no permission"));
    let all = names.iter().enumerate().map(|(index, name)| named(name).ok_or_else(|| unknown(index)));
    all.collect()
}

/// Whether a migration has written the role: its id then begins at the beginning of time. Others look for these by name.
fn came_with_the_schema(id: RoleId) -> bool {
    id.0.as_u128() >> 80 == 0
}
