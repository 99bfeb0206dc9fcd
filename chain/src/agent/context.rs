//! What the parts of a working agent share.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy::primitives::Address;
use queue::{Database, Transaction};
use sea_orm::{DbBackend, QueryFilter, QuerySelect, entity::prelude::*};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::{AgentHealth, lane::pause};
use crate::{
    abi::{self, Terms},
    config::Config,
    dialect::Dialects,
    edition::{self, Edition},
    error::Error,
    fact::{Fact, Recorder},
    interface::Interface,
    network::Network,
    rpc::{Fault, Provider, Rpc},
    signer::Signers,
    table::{Place, diamond, lease},
};

pub(crate) struct Context {
    pub(crate) db: Database,
    pub(crate) network: Network,
    pub(crate) signers: Signers,
    pub(crate) recorder: Arc<dyn Recorder>,
    pub(crate) config: Config,
    pub(crate) rpc: Rpc,
    /// Whom the lease belongs to while this context works.
    pub(crate) owner: Uuid,
    /// Something was sent: the head may change any moment.
    pub(crate) poll_now: Notify,
    pub(crate) health: watch::Sender<AgentHealth>,
    pub(super) troubles: Mutex<BTreeMap<Address, &'static str>>,
    /// Of diamonds that others have written.
    pub(crate) dialects: Dialects,
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
    pub(crate) fn report_lane(&self, signer: Address, reason: Option<&'static str>) {
        let network = self.network.chain_id.to_string();
        for known in pause::reported() {
            let labels = [("network", network.clone()), ("signer", signer.to_string()), ("reason", known.to_owned())];
            metrics::gauge!("quittance_chain_lane_paused", &labels).set(u8::from(reason == Some(known)));
        }
        let unopened = {
            let mut troubles = self.troubles();
            match reason {
                Some(reason) => troubles.insert(signer, reason),
                None => troubles.remove(&signer),
            };
            troubles.values().filter(|reason| pause::is_of_key(reason)).count()
        };
        metrics::gauge!("quittance_chain_keys_unopened", "network" => network)
            .set(u32::try_from(unopened).unwrap_or(u32::MAX));
        let sentence = reason.map(pause::sentence);
        self.health.send_if_modified(|health| {
            let before = match sentence {
                Some(sentence) => health.lanes.insert(signer, sentence),
                None => health.lanes.remove(&signer),
            };
            before != sentence
        });
    }

    /// The signers that send nothing, or not everything, and why.
    pub(super) fn troubles(&self) -> MutexGuard<'_, BTreeMap<Address, &'static str>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn record(&self, tx: &mut Transaction, facts: Vec<Fact>) -> Result<(), Error> {
        if facts.is_empty() {
            return Ok(());
        }
        self.recorder.record(tx, facts).await.map_err(Error::Recorder)
    }

    /// How a diamond is spoken to. `None`: it is none that we know.
    pub(crate) async fn interface(&self, provider: &Provider, diamond: Address) -> Result<Option<Interface>, Error> {
        if let Some(dialect) = self.dialects.at(diamond) {
            return Ok(Some(Interface::Dialect(dialect.clone())));
        }
        Ok(self.edition(provider, diamond).await?.map(Interface::Edition))
    }

    /// The edition of a diamond, as its loupe has told once. `None`: it is none that we know.
    async fn edition(&self, provider: &Provider, diamond: Address) -> Result<Option<Edition>, Error> {
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
        let edition = edition::of_answers(provider, next(), next())?;
        if let Some(edition) = edition {
            diamond::Entity::update_many()
                .col_expr(diamond::Column::Edition, Expr::value(edition))
                .filter(diamond::Column::NetworkId.eq(self.network.id))
                .filter(diamond::Column::Diamond.eq(Place(diamond)))
                .exec(&*self.db)
                .await?;
            self.remember(diamond, edition);
        }
        Ok(edition)
    }

    fn known_edition(&self, diamond: Address) -> Option<Edition> {
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
        let interface = self.interface(provider, diamond).await?;
        let interface =
            interface.ok_or_else(|| Error::Rpc(format!("{} knows no diamond {diamond}", provider.label())))?;
        let refs = terms.iter().map(|terms| terms.r#ref).collect();
        interface.decode_deals(provider.read_all(interface.deals_of(diamond, refs, block)).await?, terms)
    }
}
