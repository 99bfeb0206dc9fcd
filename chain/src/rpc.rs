//! The endpoints of one network: preference, health and fail-over.
//!
//! JSON-RPC is spoken directly over HTTP and not through a provider stack, because what becomes of money depends on
//! things such a stack hides: whether a byte left before a failure, `Retry-After`, which endpoint said what.

mod answer;
mod batch_size;
mod counts;
mod fault;
mod health;
mod provider;
mod wire;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

pub(crate) use answer::{TEXT_MAX, foreign_text};
#[cfg(any(test, fuzzing))]
pub(crate) use answer::{answers_of, has_error};
pub(crate) use counts::Counts;
pub(crate) use fault::Fault;
pub use health::ProviderHealth;
pub(crate) use provider::Provider;
pub(crate) use wire::{Header, Log, Receipt, decode, quantity};

use crate::{error::Error, network::Network};

/// One method call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) params: Value,
}

impl Call {
    pub(crate) fn new(method: &'static str, params: Value) -> Self {
        Self { method, params }
    }

    pub(crate) fn block(number: u64) -> Self {
        Self::new("eth_getBlockByNumber", json!([quantity(number), false]))
    }

    /// What the node thinks has to be offered: a tip where blocks have a base fee, else the whole price.
    pub(crate) fn price(base_fee: Option<u128>) -> Self {
        let method = if base_fee.is_some() { "eth_maxPriorityFeePerGas" } else { "eth_gasPrice" };
        Self::new(method, json!([]))
    }

    pub(crate) fn latest_block() -> Self {
        Self::new("eth_getBlockByNumber", json!(["latest", false]))
    }
}

/// What one call came back with.
pub(crate) type Answer = Result<Value, Fault>;

pub(crate) struct Rpc {
    providers: Vec<Arc<Provider>>,
}

impl Rpc {
    pub(crate) fn new(network: &Network, timeout: Duration) -> Result<Self, Error> {
        let client = provider::client(timeout)?;
        let providers = network.rpc_urls.iter().enumerate().map(|(index, url)| {
            Provider::new(client.clone(), url.clone(), index, Some(network.chain_id), timeout).map(Arc::new)
        });
        let providers = providers.collect::<Result<Vec<_>, _>>()?;
        if providers.is_empty() {
            return Err(Error::Rpc(format!("network {} has no endpoint", network.id)));
        }
        Ok(Self { providers })
    }

    /// All endpoints in the configured order.
    pub(crate) fn configured(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter().map(AsRef::as_ref)
    }

    /// All endpoints, the one to use first: in the configured order, those that failed lately at the end.
    pub(crate) fn ranked(&self) -> Vec<Arc<Provider>> {
        let mut ranked = self.providers.clone();
        ranked.sort_by_key(|provider| provider.health().retry_at());
        ranked
    }

    /// The endpoint to use now. Whoever needs several answers that fit together asks one endpoint for all of them.
    pub(crate) fn preferred(&self) -> Arc<Provider> {
        self.ranked().swap_remove(0)
    }

    pub(crate) fn health(&self) -> Vec<ProviderHealth> {
        self.providers.iter().map(|provider| provider.snapshot()).collect()
    }
}

/// An endpoint of which nothing is known yet, not even its network.
pub(crate) fn unknown(rpc_url: &secrecy::SecretString) -> Result<Provider, Error> {
    server(rpc_url, Duration::from_secs(10))
}

/// A server that belongs to no network.
pub(crate) fn server(rpc_url: &secrecy::SecretString, timeout: Duration) -> Result<Provider, Error> {
    Provider::new(provider::client(timeout)?, rpc_url.clone(), 0, None, timeout)
}
