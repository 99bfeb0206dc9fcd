//! The currency that tills show prices in, which all nodes share.

use entities::{CurrencyId, base_currency, currency, now};
use queue::Transaction;
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, JoinType, QueryFilter, QueryOrder, QuerySelect, RelationDef,
    prelude::*, sea_query::OnConflict,
};

/// There is one row.
const ID: i32 = 1;

/// The one that was chosen, if somebody has.
///
/// # Errors
/// When the database does not answer.
pub async fn chosen<C: ConnectionTrait>(db: &C) -> Result<Option<currency::Model>, DbErr> {
    let of: RelationDef = currency::Entity::belongs_to(base_currency::Entity)
        .from(currency::Column::Id)
        .to(base_currency::Column::CurrencyId)
        .into();
    currency::Entity::find().join(JoinType::InnerJoin, of).one(db).await
}

/// The currency with this acronym, on no network: a token is no money that prices are told in.
///
/// # Errors
/// When the database does not answer.
pub async fn known<C: ConnectionTrait>(db: &C, acronym: &str) -> Result<Option<currency::Model>, DbErr> {
    currency::Entity::find()
        .filter(currency::Column::Symbol.eq(acronym))
        .filter(currency::Column::NetworkId.is_null())
        .filter(currency::Column::DeletedAt.is_null())
        .order_by_asc(currency::Column::Id)
        .one(db)
        .await
}

/// Chooses it.
///
/// # Errors
/// When the database does not answer.
pub async fn choose(tx: &Transaction, currency_id: CurrencyId) -> Result<(), DbErr> {
    use base_currency::Column as C;
    let row = base_currency::Model { id: ID, currency_id, updated_at: now() };
    base_currency::Entity::insert(row.into_active_model())
        .on_conflict(OnConflict::column(C::Id).update_columns([C::CurrencyId, C::UpdatedAt]).to_owned())
        .exec_without_returning(&**tx)
        .await?;
    Ok(())
}
