//! People who sign in.

use entities::{UserId, now, order, user};
use payments::{Caller, CallerKind};
use poem_openapi::{Object, OpenApi, param::Path, types::Example};
use queue::Transaction;
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, prelude::*};
use serde_json::json;
use uuid::Uuid;

use super::{
    Declined,
    roles::{find as find_role, grantable},
};
use crate::{
    access::{Allowed, UsersCreate, UsersDelete, hash_in_turn, precis},
    answer::{Created, Gone},
    audit,
    body::Body,
    problem::{Code, Problem},
    reach,
    resources::Tag,
    state::State,
};

/// A user to be created.
#[derive(Object)]
#[oai(example)]
struct UserRequest {
    /// What they sign in as.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    /// Four digits or more.
    #[oai(validator(min_length = 4, max_length = 64, pattern = "^[0-9]+$"))]
    pin: String,
    /// The id of their role.
    #[oai(validator(max_length = 255))]
    role: String,
    /// Where they can be written to.
    #[oai(validator(min_length = 3, max_length = 255))]
    email: Option<String>,
    /// Where they can be called.
    #[oai(validator(min_length = 1, max_length = 64))]
    phone: Option<String>,
}

impl Example for UserRequest {
    fn example() -> Self {
        Self {
            name: "ada".to_owned(),
            pin: "481516".to_owned(),
            role: "0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a53".to_owned(),
            email: None,
            phone: None,
        }
    }
}

/// A user that was created.
#[derive(Object)]
struct UserCreated {
    id: Uuid,
    name: String,
    /// Always `User created successfully`.
    message: String,
}

pub(crate) struct Users(pub(crate) State);

#[OpenApi(prefix_path = "/users", tag = "Tag::Staff")]
impl Users {
    /// Create a user
    ///
    /// On the caller's node. Nobody can give a role that may do more than they may. 404 when the role does not exist, 409
    /// when somebody has this name or address.
    #[oai(path = "/", method = "post", operation_id = "create_user")]
    async fn create(
        &self,
        caller: Allowed<UsersCreate>,
        body: Body<UserRequest, true>,
    ) -> Result<Created<UserCreated>, Declined<404, 409>> {
        let UserRequest { name, pin, role, email, phone } = body.value;
        let (name, email) = (precis::name(&name), email.as_deref().map(precis::email));
        if name.trim().is_empty() {
            return Err(Problem::invalid("/name", "must not be blank").into());
        }
        let pin_hash = hash_in_turn(&self.0, pin).await?;
        let tx = self.0.db().begin().await?;
        let role = find_role(&*tx, &role).await?;
        may_give(&tx, &caller, &role).await?;
        let now = now();
        let row = user::Model {
            id: UserId::new(),
            node_id: caller.node_id,
            role_id: role.id,
            name: name.clone(),
            email,
            phone,
            pin_hash,
            password_hash: None,
            created_at: now,
            updated_at: now,
            disabled_at: None,
        };
        let id = row.id;
        let written = user::Entity::insert(row.into_active_model()).exec_without_returning(&*tx).await;
        written.map_err(|error| Problem::taken(error, "Somebody has this name or address"))?;
        audit::record(&tx, &caller, "user.create", ("user", id), json!({ "name": name, "role": role.id })).await?;
        tx.commit().await?;
        let message = "User created successfully".to_owned();
        Ok(Created::at(format!("/users/{id}"), UserCreated { id: id.0, name, message }))
    }

    /// Delete a user
    ///
    /// They are signed out at once, and their name is free again. 409 for oneself.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_user")]
    async fn delete(
        &self,
        caller: Allowed<UsersDelete>,
        /// The user.
        id: Path<String>,
    ) -> Result<Gone, Declined<404, 409>> {
        let unknown = || Problem::not_found("User");
        let id: UserId = id.0.parse().map_err(|_| unknown())?;
        let tx = self.0.db().begin().await?;
        let live = user::Column::DisabledAt.is_null();
        let user = user::Entity::find().filter(user::Column::Id.eq(id)).filter(live).one(&*tx).await?;
        let user = user.ok_or_else(unknown)?;
        reach::require(&*tx, &caller, user.node_id).await?;
        if matches!(caller.kind, CallerKind::User(own) if own == id) {
            return Err(Problem::conflict("Nobody can delete themselves").into());
        }
        may_give(&tx, &caller, &find_role(&*tx, &user.role_id.to_string()).await?).await?;
        remove(&tx, &user).await?;
        audit::record(&tx, &caller, "user.delete", ("user", id), json!({ "name": user.name })).await?;
        tx.commit().await?;
        Ok(Gone::Gone)
    }
}

/// Whoever may do less than a role can neither give it nor delete those who have it.
async fn may_give(tx: &Transaction, caller: &Caller, role: &entities::role::Model) -> Result<(), Problem> {
    if role.is_admin && !caller.is_admin {
        return Err(Problem::new(Code::PermissionMissing).detail("Only admins decide on admins"));
    }
    grantable(tx, caller, role.id, &[]).await
}

/// Orders stay their customer's: without the row they would be anybody's. It then only stops to be of use.
async fn remove(tx: &Transaction, user: &user::Model) -> Result<(), Problem> {
    let id = user.id;
    if order::Entity::find().filter(order::Column::UserId.eq(id)).count(&**tx).await? == 0 {
        user::Entity::delete_many().filter(user::Column::Id.eq(id)).exec(&**tx).await?;
        return Ok(());
    }
    user::Entity::update_many()
        .col_expr(user::Column::Name, Expr::value(format!("{} (deleted {id})", user.name)))
        .col_expr(user::Column::Email, Expr::value(Option::<String>::None))
        .col_expr(user::Column::DisabledAt, Expr::value(now()))
        .filter(user::Column::Id.eq(id))
        .exec(&**tx)
        .await?;
    Ok(())
}
