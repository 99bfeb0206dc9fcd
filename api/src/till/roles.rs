//! Roles: sets of permissions that people share. All nodes share them, so that only callers on the root node, and admins,
//! change them.

use entities::{RoleId, now, role, role_permission, user};
use payments::{Caller, Permission};
use poem_openapi::{Object, OpenApi, param::Path, payload::Json, types::Example};
use queue::Transaction;
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, prelude::*};
use serde_json::json;
use uuid::Uuid;

use super::{
    Declined,
    permissions::{named, till_name},
};
use crate::{
    access::{Allowed, RolesCreate, RolesDelete, RolesUpdate},
    answer::{Created, Gone},
    audit,
    body::Body,
    problem::{Code, Problem},
    resources::Tag,
    state::State,
};

/// A role to be created.
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

/// A role that was created.
#[derive(Object)]
struct RoleCreated {
    id: Uuid,
    /// Always `Role created successfully`.
    message: String,
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
    ) -> Result<Created<RoleCreated>, Declined<409>> {
        let name = body.value.role;
        if name.trim().is_empty() {
            return Err(Problem::invalid("/role", "must not be blank").into());
        }
        let row = role::Model { id: RoleId::new(), name: name.clone(), is_admin: false, created_at: now() };
        let id = row.id;
        let tx = self.0.db().begin().await?;
        let written = role::Entity::insert(row.into_active_model()).exec_without_returning(&*tx).await;
        written.map_err(|error| Problem::taken(error, "There is a role with this name"))?;
        audit::record(&tx, &caller, "role.create", ("role", id), json!({ "name": name })).await?;
        tx.commit().await?;
        let message = "Role created successfully".to_owned();
        Ok(Created::at(format!("/roles/{id}"), RoleCreated { id: id.0, message }))
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
        let mut wanted = wanted(&body.value.permissions)?;
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
    ) -> Result<Gone, Declined<404, 409>> {
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
        Ok(Gone::Gone)
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
    let held = role_permission::Entity::find().filter(role_permission::Column::RoleId.eq(role)).all(&**tx).await?;
    let held = held.iter().filter_map(|row| Permission::from_word(&row.permission));
    if held.chain(wanted.iter().copied()).all(|permission| caller.can(permission)) {
        return Ok(());
    }
    Err(Problem::new(Code::PermissionMissing).detail("Nobody can give what they do not have"))
}

fn wanted(names: &[String]) -> Result<Vec<Permission>, Problem> {
    let unknown = |index: usize| Problem::invalid(&format!("/permissions/{index}"), "is no permission");
    let all = names.iter().enumerate().map(|(index, name)| named(name).ok_or_else(|| unknown(index)));
    all.collect()
}

/// Whether a migration has written the role: its id then begins at the beginning of time. Others look for these by name.
fn came_with_the_schema(id: RoleId) -> bool {
    id.0.as_u128() >> 80 == 0
}
