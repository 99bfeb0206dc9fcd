//! One process works a network at a time; another one takes over when it falls silent, or at once when it stops.

use std::{sync::Arc, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ActiveValue::Set, Condition, entity::prelude::*};
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::{
    error::Error,
    table::lease::{ActiveModel, Column, Entity},
};

/// Waits for the lease. `false`: told to stop before it was to be had.
///
/// Clocks decide only when a take-over is tried; that two owners never both write is ensured by [`Context::begin`].
pub(super) async fn acquire(context: &Context, stop: &CancellationToken) -> Result<bool, Error> {
    let row =
        ActiveModel { network_id: Set(context.network.id), owner: Set(None), lease_until: Set(DateTime::UNIX_EPOCH) };
    let tx = context.db.begin().await?;
    Entity::insert_many([row]).on_conflict_do_nothing().exec_without_returning(&*tx).await?;
    tx.commit().await?;
    while !stop.is_cancelled() {
        if take(context).await? {
            return Ok(true);
        }
        let _ = tokio::time::timeout(context.config.lease() / 10, stop.cancelled()).await;
    }
    Ok(false)
}

async fn take(context: &Context) -> Result<bool, Error> {
    let now = Utc::now();
    let free = Condition::any().add(Column::Owner.is_null()).add(Column::LeaseUntil.lt(now));
    // A look first: those who wait must not keep the one writer of SQLite busy.
    let found = Entity::find_by_id(context.network.id).filter(free.clone()).one(&*context.db).await?;
    if found.is_none() {
        return Ok(false);
    }
    let tx = context.db.begin().await?;
    let taken = Entity::update_many()
        .col_expr(Column::Owner, Expr::value(context.owner))
        .col_expr(Column::LeaseUntil, Expr::value(until(context, now)))
        .filter(Column::NetworkId.eq(context.network.id))
        .filter(free)
        .exec(&*tx)
        .await?;
    fail::fail_point!("lease.before_commit");
    tx.commit().await?;
    fail::fail_point!("lease.taken");
    Ok(taken.rows_affected == 1)
}

/// Renews the lease until told to stop. Ends with an error when it is lost, or could not be renewed in time.
pub(super) async fn keep(context: Arc<Context>, stop: CancellationToken) -> Result<(), Error> {
    let mut renewed = Instant::now();
    loop {
        if tokio::time::timeout(context.config.lease() / 3, stop.cancelled()).await.is_ok() {
            return Ok(());
        }
        match renew(&context).await {
            Ok(true) => renewed = Instant::now(),
            Ok(false) => return Err(Error::LeaseLost(context.network.id)),
            Err(error) if renewed.elapsed() > context.config.lease() => return Err(error),
            Err(error) => tracing::warn!("chain lease not renewed: {error}"),
        }
    }
}

async fn renew(context: &Context) -> Result<bool, Error> {
    let tx = context.db.begin().await?;
    let renewed = Entity::update_many()
        .col_expr(Column::LeaseUntil, Expr::value(until(context, Utc::now())))
        .filter(Column::NetworkId.eq(context.network.id))
        .filter(Column::Owner.eq(context.owner))
        .exec(&*tx)
        .await?;
    tx.commit().await?;
    Ok(renewed.rows_affected == 1)
}

/// Gives the network up. When that fails the lease lapses by itself.
pub(super) async fn release(context: &Context) {
    if let Err(error) = give_up(context).await {
        tracing::warn!("chain lease not given up: {error}");
    }
}

async fn give_up(context: &Context) -> Result<(), Error> {
    let tx = context.db.begin().await?;
    Entity::update_many()
        .col_expr(Column::Owner, Expr::value(Option::<uuid::Uuid>::None))
        .filter(Column::NetworkId.eq(context.network.id))
        .filter(Column::Owner.eq(context.owner))
        .exec(&*tx)
        .await?;
    Ok(tx.commit().await?)
}

fn until(context: &Context, now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::from_std(context.config.lease()).unwrap_or(TimeDelta::seconds(10))
}
