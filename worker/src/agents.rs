//! One chain agent for every network, also for those that are added while the process runs.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chain::{Agent, Config, Keystore, Network};
use entities::{NetworkId, network, node, signer, wallet};
use queue::insert_unless_there;
use sea_orm::{EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, prelude::*};
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Context, PaymentRecorder, context::RunningAgent};

/// Pause between two reads of the table of networks.
const POLL_EVERY: Duration = Duration::from_secs(2);

pub struct ChainAgents {
    /// The context in which jobs find the agents' wakers.
    pub context: Context,
    pub keystore: Keystore,
    pub config: Config,
}

/// Runs the agents until it is stopped, and then until each has given its network up.
pub async fn chain_agents(agents: ChainAgents, stop: CancellationToken) {
    let mut running: HashMap<NetworkId, (network::Model, CancellationToken)> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        if let Err(error) = register_keys(&agents.context, &agents.config).await {
            tracing::warn!(%error, "keys that are nobody's could not be registered; trying again");
        }
        match networks(&agents.context).await {
            Ok(networks) => {
                running.retain(|id, (was, stop)| {
                    let same = networks.iter().any(|network| network.id == *id && same_for_agent(network, was));
                    if !same {
                        agents.context.remove_agent(*id);
                        stop.cancel();
                    }
                    same
                });
                for network in networks {
                    running.entry(network.id).or_insert_with(|| {
                        let stop = stop.child_token();
                        start(&agents, &network, &stop, &mut tasks);
                        (network, stop)
                    });
                }
            }
            Err(error) => tracing::warn!(%error, "the networks could not be read; trying again"),
        }
        while tasks.try_join_next().is_some() {}
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(POLL_EVERY) => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Every key that signs has an owner whom it may be limited and stopped by: the installation's own (`chain.signers`) the root
/// node, and one that a wallet names which was made by a process of an older release, the wallet's node.
async fn register_keys(context: &Context, config: &Config) -> Result<(), DbErr> {
    let known: Vec<String> =
        signer::Entity::find().select_only().column(signer::Column::Address).into_tuple().all(&*context.db).await?;
    let known: HashSet<String> = known.into_iter().collect();
    let mut missing: Vec<signer::Model> = Vec::new();
    let wallets = wallet::Entity::find().filter(wallet::Column::DeletedAt.is_null()).order_by_asc(wallet::Column::Id);
    for wallet in wallets.all(&*context.db).await? {
        if !known.contains(&wallet.address.to_lowercase()) {
            missing.push(signer::Model::new(wallet.node_id, &wallet.address, &wallet.name));
        }
    }
    let own = config.signers.iter().map(|address| format!("{address:#x}"));
    let own: Vec<String> = own.filter(|address| !known.contains(address)).collect();
    if !own.is_empty() {
        let root = node::Entity::find().filter(node::Column::ParentId.is_null()).order_by_asc(node::Column::Number);
        if let Some(root) = root.one(&*context.db).await? {
            missing.extend(own.iter().map(|address| signer::Model::new(root.id, address, "chain.signers")));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let tx = context.db.begin().await?;
    for signer in missing {
        insert_unless_there(&*tx, signer.into_active_model(), [signer::Column::Address]).await?;
    }
    tx.commit().await
}

async fn networks(context: &Context) -> Result<Vec<network::Model>, DbErr> {
    network::Entity::find().filter(network::Column::DeletedAt.is_null()).all(&*context.db).await
}

/// Whether an agent would work the same way; a new name is no reason to start it again.
fn same_for_agent(one: &network::Model, other: &network::Model) -> bool {
    one.network_id == other.network_id && one.rpc_urls == other.rpc_urls && one.confirmations == other.confirmations
}

fn start(agents: &ChainAgents, network: &network::Model, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
    let (Ok(chain_id), Ok(confirmations)) = (u64::try_from(network.network_id), u32::try_from(network.confirmations))
    else {
        tracing::error!(network = network.name, "the network's numbers are out of range; it is not worked");
        return;
    };
    let urls: Vec<String> = serde_json::from_value(network.rpc_urls.clone()).unwrap_or_default();
    let known = Network {
        id: network.id.0,
        chain_id,
        rpc_urls: urls.into_iter().map(SecretString::from).collect(),
        confirmations,
    };
    let recorder = Arc::new(PaymentRecorder::new(chain_id));
    let db = agents.context.db.clone();
    let agent = Agent::new(db, known, agents.keystore.clone(), recorder, agents.config.clone());
    let (waker, health) = (agent.waker(), agent.health());
    agents.context.set_agent(network.id, RunningAgent { network: network.name.clone(), waker, health });
    tracing::info!(network = network.name, chain_id, "working a network");
    tasks.spawn(agent.run(stop.clone()));
}
