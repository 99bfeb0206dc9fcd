//! People who sign in.

use entities::{UserId, now, order, role, user};
use payments::{Caller, CallerKind};
use poem_openapi::{Object, OpenApi, param::Path, payload::Json, types::Example};
use queue::Transaction;
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait, QueryFilter, prelude::*};
use serde_json::json;
use uuid::Uuid;

use super::{
    Declined, Tag,
    roles::{find as find_role, grantable},
    sign_in_page::Reader,
    staff_list,
    user_change::UserChange,
};
use crate::{
    access::{Allowed, UsersCreate, UsersDelete, UsersRead, UsersUpdate, hash_in_turn, precis},
    audit,
    body::Body,
    problem::{Code, Problem, Wrong},
    reach,
    response::{Created, NoContent},
    state::State,
};

/// Users that are listed at most.
const USERS_MAX: u64 = 1000;

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
    /// Where they can be written to; blank is nowhere.
    #[oai(validator(max_length = 255))]
    email: Option<String>,
    /// Where they can be called; blank is nowhere.
    #[oai(validator(max_length = 64))]
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

/// A user that was changed.
#[derive(Object)]
struct UserUpdated {
    id: Uuid,
    /// Always `User updated successfully`.
    message: String,
}

/// A user. Whoever has not signed in is shown the name alone, and that only where `till.public_names` is on.
#[derive(Object)]
#[oai(rename = "TillUser")]
struct ListedUser {
    #[oai(skip_serializing_if_is_none)]
    id: Option<Uuid>,
    /// The same, as `/users/me` calls it.
    #[oai(skip_serializing_if_is_none)]
    user_id: Option<Uuid>,
    /// What they sign in as.
    name: String,
    #[oai(skip_serializing_if_is_none)]
    email: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    phone: Option<String>,
    /// Name of the role.
    #[oai(skip_serializing_if_is_none)]
    role: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    role_id: Option<Uuid>,
    /// Whether the role reaches every node and has every permission.
    #[oai(rename = "isAdmin", skip_serializing_if_is_none)]
    is_admin: Option<bool>,
}

impl ListedUser {
    fn of(user: user::Model, role: Option<&role::Model>) -> Self {
        Self {
            id: Some(user.id.0),
            user_id: Some(user.id.0),
            name: user.name,
            email: user.email,
            phone: user.phone,
            role: role.map(|role| role.name.clone()),
            role_id: Some(user.role_id.0),
            is_admin: Some(role.is_some_and(|role| role.is_admin)),
        }
    }

    /// What a sign-in page shows.
    fn named(user: user::Model) -> Self {
        let name = user.name;
        Self { id: None, user_id: None, name, email: None, phone: None, role: None, role_id: None, is_admin: None }
    }
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
        let (email, phone) = (non_blank(email), non_blank(phone));
        let (name, email) = (precis::name(&name), email.as_deref().map(precis::email));
        if name.trim().is_empty() {
            return Err(Problem::invalid("/name", Wrong::Blank).into());
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

    /// List users
    ///
    /// Those of the caller's reach who are no customers, by their names; a thousand at most. Where `till.public_names` is on,
    /// whoever has not signed in is told the names of those who may, for a sign-in page.
    #[oai(path = "/", method = "get", operation_id = "list_users")]
    async fn list(&self, reader: Reader) -> Result<Json<Vec<ListedUser>>, Declined> {
        let db = &**self.0.db();
        let Some(caller) = reader.0 else {
            let users = staff_list::of_all(db, USERS_MAX).await?;
            return Ok(Json(users.into_iter().map(ListedUser::named).collect()));
        };
        let users = staff_list::within(db, &caller, USERS_MAX).await?;
        let roles = staff_list::roles(db, &users).await?;
        let users = users.into_iter().map(|user| {
            let role = roles.get(&user.role_id);
            ListedUser::of(user, role)
        });
        Ok(Json(users.collect()))
    }

    /// Get a user
    ///
    /// 404 when they do not exist, 403 when their node is out of reach.
    #[oai(path = "/:id", method = "get", operation_id = "get_user")]
    async fn get(
        &self,
        caller: Allowed<UsersRead>,
        /// The user.
        id: Path<String>,
    ) -> Result<Json<ListedUser>, Declined<404>> {
        let db = &**self.0.db();
        let user = find(db, &caller, &id.0).await?;
        let role = find_role(db, &user.role_id.to_string()).await?;
        Ok(Json(ListedUser::of(user, Some(&role))))
    }

    /// Change a user
    ///
    /// What is left out stays as it is. Another PIN ends the user's sign-ins. Nobody can change whoever may do more than they
    /// may, or give a role that may. 404 when the user or the role does not exist, 409 when somebody has this name or
    /// address, or for another role for oneself.
    #[oai(path = "/:id", method = "put", operation_id = "update_user")]
    async fn update(
        &self,
        caller: Allowed<UsersUpdate>,
        /// The user.
        id: Path<String>,
        body: Body<UserChange, true>,
    ) -> Result<Json<UserUpdated>, Declined<404, 409>> {
        let change = body.value.checked(&self.0).await?;
        let tx = self.0.db().begin().await?;
        let user = find(&*tx, &caller, &id.0).await?;
        may_give(&tx, &caller, &find_role(&*tx, &user.role_id.to_string()).await?).await?;
        if let Some(role) = &change.role {
            let role = find_role(&*tx, role).await?;
            may_give(&tx, &caller, &role).await?;
            if is_self(&caller, user.id) && role.id != user.role_id {
                return Err(Problem::conflict("Nobody can give themselves another role").into());
            }
        }
        let audit_data = change.write(&tx, &user, caller.claims.family).await?;
        audit::record(&tx, &caller, "user.update", ("user", user.id), audit_data).await?;
        tx.commit().await?;
        let message = "User updated successfully".to_owned();
        Ok(Json(UserUpdated { id: user.id.0, message }))
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
    ) -> Result<NoContent, Declined<404, 409>> {
        let tx = self.0.db().begin().await?;
        let user = find(&*tx, &caller, &id.0).await?;
        if is_self(&caller, user.id) {
            return Err(Problem::conflict("Nobody can delete themselves").into());
        }
        may_give(&tx, &caller, &find_role(&*tx, &user.role_id.to_string()).await?).await?;
        remove(&tx, &user).await?;
        audit::record(&tx, &caller, "user.delete", ("user", user.id), json!({ "name": user.name })).await?;
        tx.commit().await?;
        Ok(NoContent::Done)
    }
}

/// The user that a client names, if they are there and in reach; what is no id names none.
async fn find<C: ConnectionTrait>(db: &C, caller: &Caller, id: &str) -> Result<user::Model, Problem> {
    const USER: &str = "User";
    let id: UserId = id.parse().map_err(|_| Problem::not_found(USER))?;
    let live = user::Column::Id.eq(id).and(user::Column::DisabledAt.is_null());
    reach::find::<user::Entity>(db, caller, USER, live).await
}

fn is_self(caller: &Caller, id: UserId) -> bool {
    matches!(caller.kind, CallerKind::User(own) if own == id)
}

/// What a blank text says, which is nothing.
pub(super) fn non_blank(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// Whoever may do less than a role can neither give it nor change or delete those who have it.
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
