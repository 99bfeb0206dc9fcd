//! Files that strangers send: what they may take, when a receipt names one, and what becomes of those that none names.
//!
//! A file's row is there before its bytes and until after them, so that a process that dies in between leaves a row whose
//! file is removed later, and never a file that nobody knows of.

use chrono::{DateTime, Utc};
use entities::{now, upload, upload_allowance};
use queue::{Database, Transaction, insert_unless_there};
use sea_orm::{
    DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, prelude::*, sea_query::ExprTrait,
};

/// What every file is counted as at least, bytes: a row, a name and a block of the disk cost that, too.
const COUNTED_MIN: i64 = 4_096;

/// The allowance that all addresses share.
const IN_ALL: &str = "";

/// Where files are handed out.
const FOLDER: &str = "/uploads/";

/// Who has used up what files may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// This address has, for the time being.
    Address,
    /// All together have, with files that no receipt names.
    InAll,
}

/// What files may take, bytes.
#[derive(Clone, Copy, Debug)]
pub struct Allowances {
    /// Those of one address.
    pub per_address: i64,
    /// Those that no receipt names, of all addresses.
    pub in_all: i64,
}

/// Counts the file and writes its row. With [`Full`], nothing of it may be committed.
///
/// # Errors
/// When the database does not answer.
pub async fn reserve(
    tx: &Transaction,
    name: &str,
    address: &str,
    length: usize,
    allowances: Allowances,
) -> Result<Result<(), Full>, DbErr> {
    let bytes = Ord::max(i64::try_from(length).unwrap_or(i64::MAX), COUNTED_MIN);
    // Everybody locks the shared row first, so that nobody waits in a circle.
    if !add(tx, IN_ALL, bytes, allowances.in_all).await? {
        return Ok(Err(Full::InAll));
    }
    let new = upload_allowance::Model { address: address.to_owned(), bytes: 0 }.into_active_model();
    insert_unless_there(&**tx, new, [upload_allowance::Column::Address]).await?;
    if !add(tx, address, bytes, allowances.per_address).await? {
        return Ok(Err(Full::Address));
    }
    let row = upload::Model {
        name: name.to_owned(),
        address: address.to_owned(),
        bytes,
        counted: true,
        created_at: now(),
        named_at: None,
        removed_at: None,
    };
    upload::Entity::insert(row.into_active_model()).exec_without_returning(&**tx).await?;
    Ok(Ok(()))
}

/// Whether there was room; then it is taken.
async fn add(tx: &Transaction, address: &str, bytes: i64, max: i64) -> Result<bool, DbErr> {
    use upload_allowance::Column as C;
    let taken = upload_allowance::Entity::update_many()
        .col_expr(C::Bytes, Expr::col(C::Bytes).add(bytes))
        .filter(C::Address.eq(address))
        .filter(C::Bytes.lte(max.saturating_sub(bytes)))
        .exec(&**tx)
        .await?;
    Ok(taken.rows_affected > 0)
}

async fn give_back(tx: &Transaction, address: &str, bytes: i64) -> Result<(), DbErr> {
    use upload_allowance::Column as C;
    upload_allowance::Entity::update_many()
        .col_expr(C::Bytes, Expr::col(C::Bytes).sub(bytes))
        .filter(C::Address.eq(address))
        .exec(&**tx)
        .await?;
    if address != IN_ALL {
        upload_allowance::Entity::delete_many()
            .filter(C::Address.eq(address))
            .filter(C::Bytes.eq(0))
            .exec(&**tx)
            .await?;
    }
    Ok(())
}

/// A receipt names this URL: if it is a file of ours, it is kept. Its address's allowance goes on counting it for a while,
/// so that naming files on orders of one's own does not make room for more.
///
/// # Errors
/// When the database does not answer.
pub async fn named(tx: &Transaction, url: &str) -> Result<(), DbErr> {
    use upload::Column as C;
    let Some((_, name)) = url.rsplit_once(FOLDER) else { return Ok(()) };
    let unnamed = || C::Name.eq(name).and(C::NamedAt.is_null()).and(C::RemovedAt.is_null());
    // The shared allowance is locked before the file, as everywhere.
    let Some(row) = upload::Entity::find().filter(unnamed()).one(&**tx).await? else { return Ok(()) };
    give_back(tx, IN_ALL, row.bytes).await?;
    let kept = upload::Entity::update_many().col_expr(C::NamedAt, Expr::value(now())).filter(unnamed());
    if kept.exec(&**tx).await?.rows_affected == 0 {
        // Another receipt has named it at the same time, or it has just been given up.
        upload_allowance::Entity::update_many()
            .col_expr(upload_allowance::Column::Bytes, Expr::col(upload_allowance::Column::Bytes).add(row.bytes))
            .filter(upload_allowance::Column::Address.eq(IN_ALL))
            .exec(&**tx)
            .await?;
    }
    Ok(())
}

/// Gives up files that nobody has named in time, at most so many, and tells their names: also of those that were given up
/// before, by a process that died. What was named is no longer counted.
///
/// # Errors
/// When the database does not answer.
pub async fn give_up(db: &Database, before: DateTime<Utc>, limit: u64) -> Result<Vec<String>, DbErr> {
    use upload::Column as C;
    let tx = db.begin().await?;
    let old = upload::Entity::find().filter(C::Counted.eq(true)).filter(C::CreatedAt.lt(before));
    let old = old.order_by_asc(C::CreatedAt).limit(limit).all(&*tx).await?;
    let (named, unnamed): (Vec<_>, Vec<_>) = old.into_iter().partition(|row| row.named_at.is_some());
    for row in named {
        let once = C::Name.eq(&row.name).and(C::Counted.eq(true));
        let uncounted = upload::Entity::update_many().col_expr(C::Counted, Expr::value(false)).filter(once);
        if uncounted.exec(&*tx).await?.rows_affected > 0 {
            give_back(&tx, &row.address, row.bytes).await?;
        }
    }
    let names: Vec<String> = unnamed.into_iter().map(|row| row.name).collect();
    upload::Entity::update_many()
        .col_expr(C::RemovedAt, Expr::value(now()))
        .filter(C::Name.is_in(&names))
        .filter(C::NamedAt.is_null())
        .filter(C::RemovedAt.is_null())
        .exec(&*tx)
        .await?;
    let given_up = upload::Entity::find().filter(C::Name.is_in(&names)).filter(C::RemovedAt.is_not_null());
    let given_up = given_up.all(&*tx).await?.into_iter().map(|row| row.name).collect();
    tx.commit().await?;
    Ok(given_up)
}

/// Forgets a file that was given up and is gone.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(db: &Database, name: &str) -> Result<(), DbErr> {
    use upload::Column as C;
    let tx = db.begin().await?;
    let gone = || C::Name.eq(name).and(C::RemovedAt.is_not_null());
    let Some(row) = upload::Entity::find().filter(gone()).one(&*tx).await? else { return Ok(()) };
    give_back(&tx, IN_ALL, row.bytes).await?;
    if upload::Entity::delete_many().filter(gone()).exec(&*tx).await?.rows_affected == 0 {
        // Another process was quicker, and has given it back.
        return Ok(());
    }
    give_back(&tx, &row.address, row.bytes).await?;
    tx.commit().await
}
