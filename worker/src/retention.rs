//! Takes away what has had its time: answers to idempotency keys, refresh tokens, webhooks that were sent, orders that
//! nobody has tried to pay.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entities::{gateway_callback, idempotency_key, notice, now, refresh_token, sign_in_count};
use metrics::counter;
use payments::orders;
use queue::{Database, Transaction};
use sea_orm::{EntityTrait, ExprTrait, QueryFilter, prelude::*};
use tokio_util::sync::CancellationToken;

/// Pause between two rounds.
const EVERY: Duration = Duration::from_secs(600);

/// Gateways send a callback again for some days at most; what is older than this, they refuse by its signature.
const CALLBACKS_KEPT_FOR: TimeDelta = TimeDelta::days(30);

/// Orders that are taken away at a time, so that no step holds up what writes orders for long.
const ORDERS_MAX: u64 = 10_000;

pub struct Retention {
    pub db: Database,
    /// How long webhooks that are not pending are kept.
    pub webhooks_kept_for: TimeDelta,
    /// How long orders are kept that nobody has tried to pay.
    pub unpaid_kept_for: TimeDelta,
}

/// Runs until it is stopped; what fails is tried again the next time.
pub async fn run(retention: Retention, stop: CancellationToken) {
    loop {
        let before = now() - retention.webhooks_kept_for;
        let unpaid = orders::remove_untouched(&retention.db, now() - retention.unpaid_kept_for, ORDERS_MAX).await;
        let unpaid = unpaid.map(|removed| counter!("quittance_orders_removed_total").increment(removed));
        for swept in [sweep(&retention.db).await, webhooks::forget_before(&retention.db, before).await, unpaid] {
            if let Err(error) = swept {
                tracing::warn!(%error, "old rows could not be taken away; trying again later");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn sweep(db: &Database) -> Result<(), DbErr> {
    let now = now();
    let tx = db.begin().await?;
    idempotency_key::Entity::delete_many()
        .filter(idempotency_key::Column::CreatedAt.lt(now - payments::idempotency::KEPT_FOR))
        .exec(&*tx)
        .await?;
    refresh_token::Entity::delete_many()
        .filter(refresh_token::Column::ExpiresAt.lt(now - TimeDelta::days(7)))
        .exec(&*tx)
        .await?;
    gateway_callback::Entity::delete_many()
        .filter(gateway_callback::Column::CreatedAt.lt(now - CALLBACKS_KEPT_FOR))
        .exec(&*tx)
        .await?;
    forget_sign_ins(&tx, now).await?;
    tx.commit().await
}

/// Counts of wrong sign-ins begin anew after twelve hours; where an account is at home is known for ninety days.
async fn forget_sign_ins(tx: &Transaction, now: DateTime<Utc>) -> Result<(), DbErr> {
    use sign_in_count::Column as C;
    let nowhere_at_home = C::SignedInAt.is_null().or(C::SignedInAt.lt(now - TimeDelta::days(90)));
    sign_in_count::Entity::delete_many()
        .filter(C::UpdatedAt.lt(now - TimeDelta::days(1)))
        .filter(nowhere_at_home)
        .exec(&**tx)
        .await?;
    notice::Entity::delete_many()
        .filter(notice::Column::Key.starts_with(crate::notices::OF_SIGN_INS))
        .filter(notice::Column::CreatedAt.lt(now - TimeDelta::days(7)))
        .exec(&**tx)
        .await?;
    Ok(())
}
