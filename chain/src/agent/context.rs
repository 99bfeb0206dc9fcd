//! What the parts of a working agent share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::{
    primitives::{Address, B256, Bytes},
    sol_types::SolCall,
};
use queue::{Database, Transaction};
use sea_orm::{DbBackend, QueryFilter, QuerySelect, entity::prelude::*};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::AgentHealth;
use crate::{
    abi::{self, Deals, Terms, second},
    config::Config,
    edition::{self, Edition},
    error::Error,
    fact::{Fact, Recorder},
    keystore::Keystore,
    network::Network,
    rpc::{Call, Fault, Provider, Rpc, decode, quantity},
    table::{Place, diamond, lease},
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
    /// Of the diamonds that were met so far.
    pub(crate) editions: Mutex<HashMap<Address, Edition>>,
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

    /// The edition of a diamond, as its loupe has told once. `None`: it is none that we know.
    pub(crate) async fn edition(&self, provider: &Provider, diamond: Address) -> Result<Option<Edition>, Error> {
        if let Some(known) = self.known_edition(diamond) {
            return Ok(Some(known));
        }
        let row = diamond::Entity::find_by_id((self.network.id, Place(diamond))).one(&*self.db).await?;
        if let Some(edition) = row.and_then(|row| row.edition) {
            self.remember(diamond, edition);
            return Ok(Some(edition));
        }
        let mut answers = provider.call_all(edition::questions(diamond).to_vec()).await.into_iter();
        let mut next = || answers.next().unwrap_or_else(|| Err(Fault::Lost("no answer".to_owned())));
        let told = edition::told(provider, next(), next())?;
        if let Some(edition) = told {
            diamond::Entity::update_many()
                .col_expr(diamond::Column::Edition, Expr::value(edition))
                .filter(diamond::Column::NetworkId.eq(self.network.id))
                .filter(diamond::Column::Diamond.eq(Place(diamond)))
                .exec(&*self.db)
                .await?;
            self.remember(diamond, edition);
        }
        Ok(told)
    }

    pub(crate) fn known_edition(&self, diamond: Address) -> Option<Edition> {
        self.editions.lock().unwrap_or_else(PoisonError::into_inner).get(&diamond).copied()
    }

    fn remember(&self, diamond: Address, edition: Edition) {
        self.editions.lock().unwrap_or_else(PoisonError::into_inner).insert(diamond, edition);
    }

    pub(crate) async fn read_deals(
        &self,
        provider: &Provider,
        diamond: Address,
        terms: &[Terms],
        block: Option<u64>,
    ) -> Result<Vec<abi::Deal>, Error> {
        let edition = self.edition(provider, diamond).await?;
        let edition = edition.ok_or_else(|| Error::Rpc(format!("{} knows no diamond {diamond}", provider.label())))?;
        let refs = terms.iter().map(|terms| terms.r#ref).collect();
        decode_deals(edition, provider.read(deals_of(edition, diamond, refs, block)).await?, terms)
    }
}

/// The deals of these refs as the contract has them, at a block or at the latest.
pub(crate) fn deals_of(edition: Edition, diamond: Address, refs: Vec<B256>, block: Option<u64>) -> Call {
    let input = Bytes::from(match edition {
        Edition::First => Deals::dealsOfCall { refs }.abi_encode(),
        Edition::Second => second::Deals::statusesOfCall { refs }.abi_encode(),
    });
    let block = block.map_or_else(|| "latest".to_owned(), quantity);
    Call::new("eth_call", serde_json::json!([{"to": diamond, "input": input}, block]))
}

/// Reads the answer to [`deals_of`]; anything but one deal for each ref is no answer. `terms` are those that were asked for:
/// the second edition tells only whether a deal has them.
pub(crate) fn decode_deals(edition: Edition, answer: Value, terms: &[Terms]) -> Result<Vec<abi::Deal>, Error> {
    let bytes: Bytes = decode(answer)?;
    let deals = match edition {
        Edition::First => Deals::dealsOfCall::abi_decode_returns(&bytes),
        Edition::Second => second::Deals::statusesOfCall::abi_decode_returns(&bytes).map(|statuses| {
            statuses.iter().zip(terms).map(|(status, terms)| abi::Deal::of_status(status, terms)).collect()
        }),
    };
    let deals = deals.map_err(|error| Error::Rpc(format!("deals: {error}")))?;
    let (found, count) = (deals.len(), terms.len());
    if found == count { Ok(deals) } else { Err(Error::Rpc(format!("deals: {found} of {count}"))) }
}
