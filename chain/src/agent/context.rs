//! What the parts of a working agent share.

use std::sync::Arc;

use alloy::primitives::Address;
use queue::{Database, Transaction};
use sea_orm::{DbBackend, QuerySelect, entity::prelude::*};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::AgentHealth;
use crate::{
    abi::{self, Deals},
    config::Config,
    error::Error,
    fact::{Fact, Recorder},
    keystore::Keystore,
    network::Network,
    rpc::{Call, Provider, Rpc, decode, quantity},
    table::lease,
};

pub(crate) struct Context {
    pub(crate) db: Database,
    pub(crate) network: Network,
    pub(crate) keystore: Keystore,
    pub(crate) recorder: Arc<dyn Recorder>,
    pub(crate) config: Config,
    pub(crate) rpc: Rpc,
    /// Whom the lease belongs to while this context works.
    pub(crate) owner: Uuid,
    /// Something was sent: the head may change any moment.
    pub(crate) poll_now: Notify,
    pub(crate) health: watch::Sender<AgentHealth>,
}

impl Context {
    /// A transaction of the network's owner. The lease's row stays locked against a change of owner until it ends, so
    /// that a process that was thought dead cannot commit anything after another one took over.
    pub(crate) async fn begin(&self) -> Result<Transaction, Error> {
        let tx = self.db.begin().await?;
        let mut row = lease::Entity::find_by_id(self.network.id);
        if self.db.get_database_backend() == DbBackend::Postgres {
            row = row.lock_shared();
        }
        let owner = row.one(&*tx).await?.and_then(|lease| lease.owner);
        if owner == Some(self.owner) { Ok(tx) } else { Err(Error::LeaseLost(self.network.id)) }
    }

    /// Says, for health checks and metrics, why a lane sends nothing, or that it can.
    pub(crate) fn tell_of_lane(&self, signer: Address, trouble: Option<&'static str>) {
        let labels = [("network", self.network.chain_id.to_string()), ("signer", signer.to_string())];
        metrics::gauge!("chain_lane_paused", &labels).set(u8::from(trouble.is_some()));
        self.health.send_if_modified(|health| {
            let before = match trouble {
                Some(trouble) => health.lanes.insert(signer, trouble),
                None => health.lanes.remove(&signer),
            };
            before != trouble
        });
    }

    pub(crate) async fn record(&self, tx: &mut Transaction, facts: Vec<Fact>) -> Result<(), Error> {
        if facts.is_empty() {
            return Ok(());
        }
        self.recorder.record(tx, facts).await.map_err(Error::Recorder)
    }

    /// The deals of these refs as the contract has them, at a block or at the latest.
    pub(crate) fn deals_of(&self, diamond: Address, refs: Vec<alloy::primitives::B256>, block: Option<u64>) -> Call {
        use alloy::{primitives::Bytes, sol_types::SolCall};

        let input = Bytes::from(Deals::dealsOfCall { refs }.abi_encode());
        let block = block.map_or_else(|| "latest".to_owned(), quantity);
        Call::new("eth_call", serde_json::json!([{"to": diamond, "input": input}, block]))
    }

    pub(crate) async fn read_deals(
        &self,
        provider: &Provider,
        diamond: Address,
        refs: Vec<alloy::primitives::B256>,
        block: Option<u64>,
    ) -> Result<Vec<abi::Deal>, Error> {
        let count = refs.len();
        decode_deals(provider.read(self.deals_of(diamond, refs, block)).await?, count)
    }
}

/// Reads the answer to [`Context::deals_of`]; anything but one deal for each ref is no answer.
pub(crate) fn decode_deals(answer: serde_json::Value, count: usize) -> Result<Vec<abi::Deal>, Error> {
    use alloy::{primitives::Bytes, sol_types::SolCall};

    let bytes: Bytes = decode(answer)?;
    let deals =
        Deals::dealsOfCall::abi_decode_returns(&bytes).map_err(|error| Error::Rpc(format!("dealsOf: {error}")))?;
    if deals.len() == count { Ok(deals) } else { Err(Error::Rpc(format!("dealsOf: {} of {count}", deals.len()))) }
}
