//! What callers see of signers.

use entities::{signer, signer_lane};
use poem_openapi::Object;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, prelude::*};
use uuid::Uuid;

use crate::time::Time;

/// A key of a node, and what it may sign.
#[derive(Object)]
pub(crate) struct Signer {
    pub(crate) id: Uuid,
    /// Whose key it is.
    node_id: Uuid,
    /// Its address, in lower case.
    address: String,
    name: String,
    /// What it may do: `deploy`, `open`, `release`, `cancel`; null: everything.
    actions: Option<Vec<String>>,
    /// The diamonds that it may act on; null: all.
    diamonds: Option<Vec<String>>,
    /// The highest fee per gas that it offers, in wei; null: no other limit than the installation's.
    fee_cap_wei: Option<i64>,
    /// Gas limits of what it signs in any 24 hours on a network, in all; null: no limit.
    gas_per_day: Option<i64>,
    /// The most that what it signs in any 24 hours on a network may cost, in wei; null: no limit.
    spend_per_day_wei: Option<String>,
    /// Since when it signs nothing; null while it does.
    paused_at: Option<Time>,
    /// Why it was paused.
    pause_reason: Option<String>,
    /// How far it is on each network that it has had work on.
    lanes: Vec<SignerLane>,
    created_at: Time,
    updated_at: Time,
}

/// How far a signer is on a network.
#[derive(Object)]
pub(crate) struct SignerLane {
    network_id: Uuid,
    /// As last seen, in wei; null until it was.
    balance_wei: Option<String>,
    /// Operations that wait for a transaction.
    pending: i64,
    /// Those of them that its policy, or the contract they are for, does not allow. They go on when it does.
    held_back: i64,
    /// Why, or one of the reasons: `policy_action`, `policy_diamond` or `not_operator`; null when none are.
    held_back_by: Option<String>,
    /// Why nothing new is sent: `paused`, `insufficient_funds`, `fee_cap`, `gas_per_day`, `spend_per_day`, `no_key`,
    /// `key_locked`, `signer_unreachable`, `signer_refused` or `policy`; null while it is sent. Ends by itself with its cause.
    paused_reason: Option<String>,
    paused_at: Option<Time>,
    /// Gas limits of what it signed in the 24 hours before its last transaction, in all.
    gas_of_day: i64,
    /// The most that this may cost, in wei.
    spend_of_day_wei: String,
}

impl From<signer::Model> for Signer {
    fn from(signer: signer::Model) -> Self {
        let texts = |list: Option<Json>| list.map(|list| serde_json::from_value(list).unwrap_or_default());
        Self {
            id: signer.id.0,
            node_id: signer.node_id.0,
            address: signer.address,
            name: signer.name,
            actions: texts(signer.actions),
            diamonds: texts(signer.diamonds),
            fee_cap_wei: signer.fee_cap_wei,
            gas_per_day: signer.gas_per_day,
            spend_per_day_wei: signer.spend_per_day_wei,
            paused_at: signer.paused_at.map(Time::from),
            pause_reason: signer.pause_reason,
            lanes: Vec::new(),
            created_at: signer.created_at.into(),
            updated_at: signer.updated_at.into(),
        }
    }
}

impl Signer {
    /// With its lanes.
    pub(crate) async fn read(db: &impl ConnectionTrait, signer: signer::Model) -> Result<Self, DbErr> {
        let mut signer = Self::from(signer);
        Self::add_lanes(db, std::slice::from_mut(&mut signer)).await?;
        Ok(signer)
    }

    /// Reads the lanes of all of them at once.
    pub(crate) async fn add_lanes(db: &impl ConnectionTrait, signers: &mut [Self]) -> Result<(), DbErr> {
        let addresses = signers.iter().map(|signer| signer.address.clone());
        let rows = signer_lane::Entity::find()
            .filter(signer_lane::Column::Signer.is_in(addresses))
            .order_by_asc(signer_lane::Column::NetworkId)
            .all(db)
            .await?;
        for row in rows {
            if let Some(signer) = signers.iter_mut().find(|signer| signer.address == row.signer) {
                signer.lanes.push(row.into());
            }
        }
        Ok(())
    }
}

impl From<signer_lane::Model> for SignerLane {
    fn from(lane: signer_lane::Model) -> Self {
        Self {
            network_id: lane.network_id.0,
            balance_wei: lane.balance,
            pending: lane.pending,
            held_back: lane.held_back,
            held_back_by: lane.held_back_by,
            paused_reason: lane.paused_reason,
            paused_at: lane.paused_at.map(Time::from),
            gas_of_day: lane.gas_of_day,
            spend_of_day_wei: lane.spend_of_day,
        }
    }
}

/// How many signers an act was about.
#[derive(Object)]
pub(crate) struct SignersChanged {
    pub(crate) signers: u64,
}
