//! Who is on the staff: users who are no customers of a shop, of whom there may be any number.

use std::collections::{BTreeSet, HashMap};

use entities::{RoleId, role, user};
use payments::{Caller, reach};
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, prelude::*, sea_query::Query,
};

use crate::access::{CUSTOMER, NOBODYS};

/// The staff in the caller's reach, by their names.
pub(super) async fn within<C: ConnectionTrait>(db: &C, caller: &Caller, max: u64) -> Result<Vec<user::Model>, DbErr> {
    staff(reach::within(caller)).limit(max).all(db).await
}

/// All who may sign in with a PIN.
pub(super) async fn of_all<C: ConnectionTrait>(db: &C, max: u64) -> Result<Vec<user::Model>, DbErr> {
    staff(user::Entity::find()).filter(user::Column::PinHash.ne(NOBODYS)).limit(max).all(db).await
}

/// The roles that these have.
pub(super) async fn roles<C: ConnectionTrait>(
    db: &C,
    users: &[user::Model],
) -> Result<HashMap<RoleId, role::Model>, DbErr> {
    let ids: BTreeSet<RoleId> = users.iter().map(|user| user.role_id).collect();
    let roles = role::Entity::find().filter(role::Column::Id.is_in(ids)).all(db).await?;
    Ok(roles.into_iter().map(|role| (role.id, role)).collect())
}

fn staff(users: Select<user::Entity>) -> Select<user::Entity> {
    let customers = Query::select()
        .column(role::Column::Id)
        .from(role::Entity)
        .and_where(role::Column::Name.eq(CUSTOMER))
        .to_owned();
    users
        .filter(user::Column::DisabledAt.is_null())
        .filter(user::Column::RoleId.not_in_subquery(customers))
        .order_by_asc(user::Column::Name)
}
