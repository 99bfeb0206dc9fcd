//! What a network's owner measures beside its work: how long the network was not read, what its signers have left, and
//! what waits that nobody allows.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, U256, utils::format_ether};
use metrics::gauge;
use sea_orm::{FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Statement, entity::prelude::*};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Context, lane::permit};
use crate::{
    error::Error,
    rpc::{Call, decode},
    table::lane,
};

/// How often the time since the last read is written down. It rises by itself while a node hangs.
const UNREAD_EVERY: Duration = Duration::from_secs(1);

/// How often the operations that are held back are counted.
const HELD_BACK_EVERY: Duration = Duration::from_secs(15);

/// Where counting them stops.
const COUNTED: u64 = 10_000;

/// How often balances are read, in one request to the node.
const BALANCES_EVERY: Duration = Duration::from_secs(30);

/// How many signers have their balances read.
const SIGNERS_MAX: u64 = 200;

/// Measures until it is stopped. What fails is left as it was: that the node or the database is away is seen elsewhere.
pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) -> Result<(), Error> {
    let measured = async { tokio::join!(unread(&context), held_back(&context), balances(&context)) };
    stop.run_until_cancelled(measured).await;
    Ok(())
}

/// Leaves nothing behind that a process says of a network which it does not work any more.
pub(super) fn clear(context: &Context) {
    let network = context.network.chain_id.to_string();
    gauge!("quittance_chain_unread_seconds", "network" => network.clone()).set(0);
    gauge!("quittance_chain_blocks_behind", "network" => network.clone()).set(0);
    for reason in permit::words() {
        set_held_back(&network, reason, 0);
    }
    let signers: Vec<Address> = context.troubles().keys().copied().collect();
    for signer in signers {
        context.report_lane(signer, None);
    }
}

async fn unread(context: &Context) {
    let network = context.network.chain_id.to_string();
    let gauge = gauge!("quittance_chain_unread_seconds", "network" => network);
    let (mut since, mut polled_at) = (Instant::now(), None);
    loop {
        let last = context.health.borrow().polled_at;
        if last != polled_at {
            (since, polled_at) = (Instant::now(), last);
        }
        gauge.set(since.elapsed());
        tokio::time::sleep(UNREAD_EVERY).await;
    }
}

#[derive(FromQueryResult)]
struct HeldBack {
    reason: String,
    operations: i64,
}

async fn held_back(context: &Context) {
    loop {
        match count_held_back(context).await {
            Ok(counts) => {
                let network = context.network.chain_id.to_string();
                for reason in permit::words() {
                    set_held_back(&network, reason, counts.get(reason).copied().unwrap_or(0));
                }
            }
            Err(error) => tracing::debug!(%error, "the operations that are held back were not counted"),
        }
        tokio::time::sleep(HELD_BACK_EVERY).await;
    }
}

/// One look into `chain_operations_held_back`, an index that holds nothing else.
async fn count_held_back(context: &Context) -> Result<BTreeMap<String, i64>, DbErr> {
    let sql = format!(
        "SELECT reason, COUNT(*) AS operations FROM (SELECT held_back_by AS reason FROM chain_operations \
         WHERE network_id = $1 AND status = 'pending' AND held_back_by IS NOT NULL LIMIT {COUNTED}) AS held GROUP BY reason"
    );
    let backend = context.db.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, [context.network.id.into()]);
    let counts = HeldBack::find_by_statement(statement).all(&*context.db).await?;
    Ok(counts.into_iter().map(|count| (count.reason, count.operations)).collect())
}

fn set_held_back(network: &str, reason: &'static str, operations: i64) {
    let operations = u32::try_from(operations).unwrap_or(u32::MAX);
    gauge!("quittance_chain_operations_held_back", "network" => network.to_owned(), "reason" => reason).set(operations);
}

async fn balances(context: &Context) {
    loop {
        if let Err(error) = read_balances(context).await {
            tracing::debug!(%error, "the signers' balances were not read");
        }
        tokio::time::sleep(BALANCES_EVERY).await;
    }
}

async fn read_balances(context: &Context) -> Result<(), Error> {
    let lanes = lane::Entity::find()
        .filter(lane::Column::NetworkId.eq(context.network.id))
        .order_by_asc(lane::Column::Signer)
        .limit(SIGNERS_MAX)
        .all(&*context.db)
        .await?;
    let signers: Vec<Address> = lanes.iter().map(|lane| lane.signer.0).collect();
    if signers.is_empty() {
        return Ok(());
    }
    let calls = signers.iter().map(|signer| Call::new("eth_getBalance", json!([signer, "latest"]))).collect();
    let answers = context.rpc.preferred().read_all(calls).await?;
    let network = context.network.chain_id.to_string();
    for (signer, answer) in signers.into_iter().zip(answers) {
        let balance: U256 = decode(answer)?;
        let Ok(ether) = format_ether(balance).parse::<f64>() else { continue };
        let labels = [("network", network.clone()), ("signer", signer.to_string())];
        gauge!("quittance_chain_signer_balance_ether", &labels).set(ether);
    }
    Ok(())
}
