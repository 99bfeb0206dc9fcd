//! One chain agent for every network, also for those that are added while the process runs.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chain::{Agent, Config, Keystore, Network};
use entities::{NetworkId, network};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Context, PaymentRecorder, context::RunningAgent};

/// Pause between two reads of the table of networks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

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
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    while tasks.join_next().await.is_some() {}
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
