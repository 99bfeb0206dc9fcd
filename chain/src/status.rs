//! What operators and jobs ask about: lanes, and how far the chain has been read.

use alloy::primitives::{Address, U256};
use chrono::{DateTime, Utc};
use queue::Database;
use sea_orm::{ConnectionTrait, FromQueryResult, QuerySelect, entity::prelude::*};
use uuid::Uuid;

use crate::{
    error::Error,
    table::{Place, cursor, lane, operation, send},
};

/// A signer on a network, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStatus {
    /// Where.
    pub network_id: Uuid,
    /// Whose nonces these are.
    pub signer: Address,
    /// As last seen, in wei; unknown before the first send.
    pub balance: Option<U256>,
    /// The nonce of the next send; unknown until an agent has asked the chain for it.
    pub next_nonce: Option<u64>,
    /// Operations that wait for a transaction.
    pub pending: u64,
    /// Transactions that are not mined.
    pub in_flight: u64,
    /// When the oldest of them was made.
    pub oldest_unmined_at: Option<DateTime<Utc>>,
    /// How many unmined ones are allowed at the moment.
    pub window: u32,
    /// Why nothing new is sent, a word of `docs/nodes.md`. Ends by itself.
    pub paused_reason: Option<String>,
    /// Since when.
    pub paused_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct Waiting {
    network_id: Uuid,
    signer: Place,
    count: i64,
    oldest: Option<DateTime<Utc>>,
}

/// Every lane of every network, ordered by network and signer.
///
/// # Errors
/// When the database fails.
pub async fn status(db: &Database) -> Result<Vec<LaneStatus>, Error> {
    let lanes = lane::Entity::find().all(&**db).await?;
    let pending: Vec<Waiting> = operation::Entity::find()
        .select_only()
        .columns([operation::Column::NetworkId, operation::Column::Signer])
        .column_as(operation::Column::Id.count(), "count")
        .column_as(operation::Column::CreatedAt.min(), "oldest")
        .filter(operation::Column::Status.eq(operation::Status::Pending))
        .group_by(operation::Column::NetworkId)
        .group_by(operation::Column::Signer)
        .into_model()
        .all(&**db)
        .await?;
    let unmined: Vec<Waiting> = send::Entity::find()
        .select_only()
        .columns([send::Column::NetworkId, send::Column::Signer])
        .column_as(send::Column::Id.count(), "count")
        .column_as(send::Column::CreatedAt.min(), "oldest")
        .filter(send::Column::Status.eq(send::Status::Unmined))
        .group_by(send::Column::NetworkId)
        .group_by(send::Column::Signer)
        .into_model()
        .all(&**db)
        .await?;
    let mut lanes: Vec<_> = lanes.into_iter().map(|lane| lane_status(&lane, &pending, &unmined)).collect();
    lanes.sort_by_key(|lane| (lane.network_id, lane.signer));
    Ok(lanes)
}

fn lane_status(lane: &lane::Model, pending: &[Waiting], unmined: &[Waiting]) -> LaneStatus {
    let of = |rows: &[Waiting]| {
        let row = rows.iter().find(|row| row.network_id == lane.network_id && row.signer == lane.signer);
        row.map_or((0, None), |row| (u64::try_from(row.count).unwrap_or(0), row.oldest))
    };
    let (in_flight, oldest_unmined_at) = of(unmined);
    LaneStatus {
        network_id: lane.network_id,
        signer: lane.signer.0,
        balance: lane.balance.map(|balance| balance.0),
        next_nonce: lane.next_nonce.and_then(|nonce| u64::try_from(nonce).ok()),
        pending: of(pending).0,
        in_flight,
        oldest_unmined_at,
        window: u32::try_from(lane.window).unwrap_or(0),
        paused_reason: lane.paused_reason.clone(),
        paused_at: lane.paused_at,
    }
}

/// A signer whose lane is paused because it has no funds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithoutFunds {
    /// Where.
    pub network_id: Uuid,
    /// The signer's address, in lower case.
    pub signer: String,
    /// Why its lane is paused, a word.
    pub reason: String,
    /// As last seen, in wei.
    pub balance: Option<String>,
    /// Since when it is paused.
    pub paused_at: DateTime<Utc>,
}

/// The signers whose lanes wait for funds.
///
/// # Errors
/// When the database fails.
pub async fn without_funds(db: &impl ConnectionTrait) -> Result<Vec<WithoutFunds>, Error> {
    let paused = lane::Entity::find().filter(lane::Column::PausedReason.eq(lane::NO_FUNDS)).all(db).await?;
    let without = |lane: lane::Model| {
        Some(WithoutFunds {
            network_id: lane.network_id,
            signer: lane.signer.to_string(),
            reason: lane.paused_reason?,
            balance: lane.balance.map(|balance| balance.to_string()),
            paused_at: lane.paused_at?,
        })
    };
    Ok(paused.into_iter().filter_map(without).collect())
}

/// The timestamp of the last final block whose events are recorded: no deposit of an earlier time can still turn up.
/// `None` while nothing of the network has been read.
///
/// # Errors
/// When the database fails.
pub async fn observed_until(db: &impl ConnectionTrait, network_id: Uuid) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(cursor::Entity::find_by_id(network_id).one(db).await?.and_then(|cursor| cursor.final_time))
}
