//! Writing rows that somebody may have written already: of those that do it at once one waits for the other's commit, and
//! then finds the row there.

use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, TryInsertResult};

/// Writes the row unless one is there with the same values in these columns, which are unique together. Whether it did.
///
/// # Errors
/// A statement failed: the caller rolls a transaction back.
pub async fn insert_unless_there<A, C>(
    db: &C,
    row: A,
    unique: impl IntoIterator<Item = <A::Entity as EntityTrait>::Column>,
) -> Result<bool, DbErr>
where
    A: ActiveModelTrait,
    C: ConnectionTrait,
{
    Ok(insert_missing(db, [row], unique).await? > 0)
}

/// Writes those of the rows that are not there, by these columns, in one statement, and returns how many those are.
///
/// # Errors
/// A statement failed: the caller rolls a transaction back.
pub async fn insert_missing<A, C>(
    db: &C,
    rows: impl IntoIterator<Item = A>,
    unique: impl IntoIterator<Item = <A::Entity as EntityTrait>::Column>,
) -> Result<u64, DbErr>
where
    A: ActiveModelTrait,
    C: ConnectionTrait,
{
    let insert = A::Entity::insert_many(rows).on_conflict_do_nothing_on(unique);
    match insert.exec_without_returning(db).await? {
        TryInsertResult::Inserted(written) => Ok(written),
        TryInsertResult::Conflicted | TryInsertResult::Empty => Ok(0),
    }
}
