//! A lane from the database, reconciled with the chain.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use alloy::primitives::{Address, U256};
use chrono::Utc;
use queue::Transaction;
use sea_orm::{ActiveValue::Set, Condition, QueryFilter, QueryOrder, QuerySelect, entity::prelude::*};
use uuid::Uuid;

use super::{Attempt, AttemptStatus, Context, Lane, Mined, Send, budget::Budget, pause};
use crate::{
    agent::Tip,
    error::Error,
    fees::Fees,
    keystore::KeystoreError,
    policy::Policy,
    rpc::Counts,
    signing_error::SigningError,
    table::{Amount, Place, attempt, lane, operation, send},
};

/// `None`: the signer's key is not there, which the lane's row then says.
pub(super) async fn load(context: &Arc<Context>, signer: Address, tip: Tip) -> Result<Option<Lane>, Error> {
    let network_id = context.network.id;
    let row = lane::Entity::find_by_id((network_id, Place(signer))).one(&*context.db).await?;
    let row = row.ok_or_else(|| Error::Stored(format!("lane of {signer}")))?;
    let key = match context.signers.of(signer).await {
        Ok(key) => key,
        Err(error) => return keyless(context, &row, error).await.map(|()| None),
    };
    let counts = Counts::at(&context.rpc.preferred(), signer).await?;
    // A node that does not tell its pool is believed about its blocks.
    let (mined, pending) = (counts.mined, counts.pooled.unwrap_or(counts.mined));

    let sends = read_sends(context, signer, mined).await?;
    let after_ours = sends.back().map_or(0, |send| send.nonce + 1);
    let stored = row.next_nonce.and_then(|nonce| u64::try_from(nonce).ok());
    let next_nonce = match stored {
        None => pending.max(mined),
        // Strangers with our key went on; what they did not take of ours is looked for as for any send.
        Some(stored) if mined > stored => mined.max(pending),
        // Nothing of ours is on its way to these nonces, or it would be among the sends.
        Some(stored) if mined < stored && sends.is_empty() => pending.max(mined),
        Some(stored) => stored.max(after_ours),
    };
    if stored != Some(next_nonce) {
        tracing::info!(%signer, next_nonce, ?stored, mined, pending, "chain lane takes its nonce from the chain");
        let tx = context.begin().await?;
        store_nonce(&tx, network_id, signer, next_nonce).await?;
        tx.commit().await?;
    }
    let mut lane = Lane {
        context: Arc::clone(context),
        signer,
        key,
        next_nonce,
        sends,
        window: usize::try_from(context.config.window_max.max(1)).unwrap_or(1),
        balance: row.balance.map(|balance| balance.0),
        paused: row.paused_reason.as_deref().and_then(known_pause),
        short_at: None,
        rest_until: Instant::now(),
        helps_from: Instant::now(),
        allowed: HashMap::new(),
        tracked: None,
        reorganisations: tip.reorganisations,
        gap_since: None,
        policy: Policy::read(&*context.db, signer).await?,
        budget: Budget::read(context, signer).await?,
        batch_cap: usize::MAX,
        holds_back: false,
        helped: Vec::new(),
        helped_at: None,
        asked_anew_at: Instant::now(),
    };
    lane.let_go(None).await?;
    let filled = lane.fill_gaps(pending.max(mined), tip).await;
    lane.unless_unsigned(filled).await?;
    Ok(Some(lane))
}

/// A lane without a usable key waits for one, visibly. A file that does not open is an error: trying it again costs much.
async fn keyless(context: &Context, row: &lane::Model, error: SigningError) -> Result<(), Error> {
    let signer = row.signer.0;
    let reason = match &error {
        SigningError::Keystore(KeystoreError::Missing(_)) => pause::NO_KEY,
        SigningError::Keystore(KeystoreError::Io(_)) => return Err(Error::Stored(error.to_string())),
        SigningError::Keystore(_) => pause::KEY_LOCKED,
        SigningError::Unreachable { .. } => pause::UNREACHABLE,
        SigningError::Refused { .. } | SigningError::Wrong { .. } | SigningError::NotBuilt(_) => pause::REFUSED,
    };
    context.report_lane(signer, Some(reason));
    if row.paused_reason.as_deref() != Some(reason) {
        tracing::error!(%signer, "chain lane paused: {error}");
        let tx = context.begin().await?;
        store_pause(&tx, context.network.id, signer, Some(reason), None).await?;
        tx.commit().await?;
    }
    if reason == pause::NO_KEY { Ok(()) } else { Err(error.into()) }
}

/// Makes the configured signers' lanes known, which then look for work.
pub(crate) async fn make_known(context: &Context) -> Result<(), Error> {
    let now = Utc::now();
    let lanes = context.config.signers.iter().map(|signer| lane::ActiveModel {
        network_id: Set(context.network.id),
        signer: Set(Place(*signer)),
        window: Set(0),
        gas_of_day: Set(0),
        spend_of_day: Set(Amount(U256::ZERO)),
        updated_at: Set(now),
        ..Default::default()
    });
    let tx = context.begin().await?;
    lane::Entity::insert_many(lanes).on_conflict_do_nothing().exec_without_returning(&*tx).await?;
    Ok(tx.commit().await?)
}

fn known_pause(reason: &str) -> Option<&'static str> {
    pause::ALL.into_iter().find(|known| *known == reason)
}

/// Everything that is not final, and what was final at a nonce that the chain says is free: a chain that lost blocks
/// gets them back.
async fn read_sends(context: &Context, signer: Address, mined: u64) -> Result<VecDeque<Send>, Error> {
    let open = Condition::any()
        .add(Expr::cust("status <> 'final'"))
        .add(send::Column::Nonce.gte(i64::try_from(mined).unwrap_or(i64::MAX)));
    let rows = send::Entity::find()
        .filter(send::Column::NetworkId.eq(context.network.id))
        .filter(send::Column::Signer.eq(Place(signer)))
        .filter(open)
        .order_by_asc(send::Column::Nonce)
        .all(&*context.db)
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut attempts: HashMap<Uuid, Vec<attempt::Model>> = HashMap::new();
    let found = attempt::Entity::find()
        .filter(attempt::Column::SendId.is_in(ids.iter().copied()))
        .order_by_asc(attempt::Column::Id)
        .all(&*context.db)
        .await?;
    for row in found {
        attempts.entry(row.send_id).or_default().push(row);
    }
    let mut operations: HashMap<Uuid, Vec<(Uuid, Uuid)>> = HashMap::new();
    let found: Vec<(Uuid, Uuid, Option<Uuid>)> = operation::Entity::find()
        .select_only()
        .columns([operation::Column::Id, operation::Column::SubjectId, operation::Column::SendId])
        .filter(operation::Column::SendId.is_in(ids))
        .into_tuple()
        .all(&*context.db)
        .await?;
    for (id, subject_id, send_id) in found {
        if let Some(send_id) = send_id {
            operations.entry(send_id).or_default().push((id, subject_id));
        }
    }
    let sends = rows.into_iter().map(|row| {
        let attempts = attempts.remove(&row.id).unwrap_or_default();
        let operations = operations.remove(&row.id).unwrap_or_default();
        send_of(row, attempts, operations)
    });
    Ok(sends.collect())
}

fn send_of(row: send::Model, attempts: Vec<attempt::Model>, operations: Vec<(Uuid, Uuid)>) -> Send {
    let mined = attempts.iter().filter(|_| row.status == send::Status::Mined).find_map(|attempt| {
        Some(Mined {
            attempt: attempt.hash.0,
            number: attempt.mined_number?.try_into().ok()?,
            block: attempt.mined_hash?.0,
            success: attempt.mined_success?,
        })
    });
    let (operations, subjects) = operations.into_iter().unzip();
    Send {
        id: row.id,
        nonce: u64::try_from(row.nonce).unwrap_or(0),
        kind: row.kind,
        diamond: row.diamond.map(|diamond| diamond.0),
        operations,
        subjects,
        gas_limit: u64::try_from(row.gas_limit).unwrap_or(0),
        attempts: attempts.into_iter().map(attempt_of).collect(),
        mined,
        missing_since: None,
    }
}

/// Whatever is known of an attempt's broadcast, a new owner sends it again, at once.
fn attempt_of(row: attempt::Model) -> Attempt {
    let fee = |fee: i64| u128::try_from(fee).unwrap_or(0);
    // A transaction of a type begins with its number, one from before there were types with that of a list.
    let legacy = row.raw.first().is_some_and(|first| *first >= 0xc0);
    Attempt {
        id: row.id,
        kind: row.kind,
        hash: row.hash.0,
        raw: row.raw,
        fees: Fees { max_fee: fee(row.max_fee_per_gas), tip: fee(row.max_priority_fee_per_gas), legacy },
        signed_at: row.signed_at,
        status: AttemptStatus::Open,
        answer: row.answer,
        due: Instant::now(),
        tries: 0,
        kept_at: None,
    }
}

async fn store_nonce(tx: &Transaction, network_id: Uuid, signer: Address, nonce: u64) -> Result<(), Error> {
    lane::Entity::update_many()
        .col_expr(lane::Column::NextNonce, Expr::value(i64::try_from(nonce).unwrap_or(i64::MAX)))
        .col_expr(lane::Column::UpdatedAt, Expr::value(Utc::now()))
        .filter(lane::Column::NetworkId.eq(network_id))
        .filter(lane::Column::Signer.eq(Place(signer)))
        .exec(&**tx)
        .await?;
    Ok(())
}

pub(super) async fn store_pause(
    tx: &Transaction,
    network_id: Uuid,
    signer: Address,
    reason: Option<&str>,
    balance: Option<U256>,
) -> Result<(), Error> {
    let now = Utc::now();
    lane::Entity::update_many()
        .col_expr(lane::Column::PausedReason, Expr::value(reason.map(str::to_owned)))
        .col_expr(lane::Column::PausedAt, Expr::value(reason.map(|_| now)))
        .col_expr(lane::Column::Balance, Expr::value(balance.map(Amount)))
        .col_expr(lane::Column::UpdatedAt, Expr::value(now))
        .filter(lane::Column::NetworkId.eq(network_id))
        .filter(lane::Column::Signer.eq(Place(signer)))
        .exec(&**tx)
        .await?;
    Ok(())
}

/// Blocks above a number are gone: what was mined in them is to be mined again. `deep`: final ones are among them.
pub(crate) async fn unmine(tx: &Transaction, network_id: Uuid, above: u64, deep: bool) -> Result<(), Error> {
    let above = i64::try_from(above).unwrap_or(i64::MAX);
    let statuses = if deep { "('mined', 'final')" } else { "('mined')" };
    let sends: Vec<Uuid> = send::Entity::find()
        .select_only()
        .column(send::Column::Id)
        .filter(send::Column::NetworkId.eq(network_id))
        .filter(Expr::cust(format!("status IN {statuses}")))
        .filter(
            send::Column::Id.in_subquery(
                sea_orm::sea_query::Query::select()
                    .column(attempt::Column::SendId)
                    .from(attempt::Entity)
                    .and_where(attempt::Column::MinedNumber.gt(above))
                    .to_owned(),
            ),
        )
        .into_tuple()
        .all(&**tx)
        .await?;
    if sends.is_empty() {
        return Ok(());
    }
    send::Entity::update_many()
        .col_expr(send::Column::Status, Expr::value(send::Status::Unmined))
        .col_expr(send::Column::Outcome, Expr::value(Option::<send::Outcome>::None))
        .col_expr(send::Column::UpdatedAt, Expr::value(Utc::now()))
        .filter(send::Column::Id.is_in(sends.iter().copied()))
        .exec(&**tx)
        .await?;
    attempt::Entity::update_many()
        .col_expr(attempt::Column::MinedNumber, Expr::value(Option::<i64>::None))
        .col_expr(attempt::Column::MinedHash, Expr::value(Option::<String>::None))
        .col_expr(attempt::Column::MinedSuccess, Expr::value(Option::<bool>::None))
        .filter(attempt::Column::SendId.is_in(sends))
        .exec(&**tx)
        .await?;
    Ok(())
}
