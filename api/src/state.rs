//! What every handler stands on.

use std::{ops::Deref, sync::Arc};

use futures_util::future::BoxFuture;
use gateways::Gateways;
use payments::{Acceptor, AccessTokens, CheckoutLinks};
use queue::{Database, Foreseer};
use secrecy::SecretString;

use crate::{
    config::Config,
    contract_state::ContractState,
    edge::{AllowsOrigin, Contract, Contracts, EdgeParts, EdgeState},
    gateways::callbacks::Inquiries,
    resources::chain_queries::ChainQueries,
};

/// One part that readiness depends on, beside the database, which is always checked.
#[derive(Clone)]
pub struct HealthPart {
    /// Its name in the answer, such as `broker`.
    pub name: &'static str,
    /// Whether this process can do nothing without it.
    pub needed: bool,
    /// Answers when it works, and with a sentence when not. Bounded by a deadline of two seconds.
    pub check: Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

/// Asks how many messages of the named queue wait at the broker; an error is a sentence.
pub type Depth = Arc<dyn Fn(&str) -> BoxFuture<'static, Result<u64, String>> + Send + Sync>;

/// What the binary hands in.
pub struct Parts {
    /// The database.
    pub database: Database,
    /// Takes payments in.
    pub acceptor: Acceptor,
    /// Settings, already checked with [`Config::mistakes`].
    pub config: Config,
    /// How webhooks are delivered, and what their secrets are derived from.
    pub webhooks: webhooks::Config,
    /// What payers may choose from, and whose callbacks are heard.
    pub gateways: Gateways,
    /// Where gateways send browsers.
    pub checkout_links: CheckoutLinks,
    /// What signs requests to the built-in sandbox; none where it is not served.
    pub sandbox: Option<SecretString>,
    /// What readiness depends on.
    pub health: Vec<HealthPart>,
    /// Asks the jobs what replaying a dead letter would do, and whether they could read a body.
    pub foreseer: Foreseer,
    /// Asks the broker how many messages of a queue wait there for a consumer; none where the broker keeps them in the
    /// database. Bounded by a deadline of two seconds.
    pub depth: Option<Depth>,
    /// Asks EVM nodes about reference data; none where nobody may be asked.
    pub chain: Option<ChainQueries>,
    /// Renders the metrics of this process in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// Shared by all requests; cheap to clone.
#[derive(Clone)]
pub struct State(Arc<Shared>);

struct Shared {
    edge: EdgeState,
    parts: Parts,
    access_tokens: AccessTokens,
    webhook_secrets: webhooks::Secrets,
    contract_state: ContractState,
    inquiries: Inquiries,
}

/// A handler's state is the edge's, and what is beyond HTTP besides.
impl Deref for State {
    type Target = EdgeState;

    fn deref(&self) -> &EdgeState {
        &self.0.edge
    }
}

impl State {
    /// Builds it for these contracts and the pages on other hosts that they serve, and starts the task that loads callers;
    /// needs a Tokio runtime.
    pub(crate) fn of(
        parts: Parts,
        contracts: &'static Contracts,
        origins: Vec<(&'static Contract, Box<AllowsOrigin>)>,
    ) -> Self {
        let config = &parts.config;
        let edge = EdgeParts {
            contracts,
            database: parts.database.clone(),
            auth: config.auth.clone(),
            http: config.http.clone(),
            strangers: config.strangers.clone(),
            disk: config.disk.clone(),
            base_url: parts.checkout_links.base_url().to_owned(),
            is_development: config.is_development,
            origins,
        };
        Self(Arc::new(Shared {
            edge: EdgeState::new(edge),
            access_tokens: AccessTokens::new(&config.auth.access_token_secret),
            webhook_secrets: webhooks::Secrets::new(&parts.webhooks.secret),
            contract_state: ContractState::new(config),
            inquiries: Inquiries::new(&config.http),
            parts,
        }))
    }

    pub(crate) fn acceptor(&self) -> &Acceptor {
        &self.0.parts.acceptor
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.parts.config
    }

    pub(crate) fn webhook_secrets(&self) -> &webhooks::Secrets {
        &self.0.webhook_secrets
    }

    pub(crate) fn gateways(&self) -> &Gateways {
        &self.0.parts.gateways
    }

    pub(crate) fn checkout_links(&self) -> &CheckoutLinks {
        &self.0.parts.checkout_links
    }

    pub(crate) fn sandbox(&self) -> Option<&SecretString> {
        self.0.parts.sandbox.as_ref()
    }

    pub(crate) fn inquiries(&self) -> &Inquiries {
        &self.0.inquiries
    }

    pub(crate) fn contract_state(&self) -> &ContractState {
        &self.0.contract_state
    }

    pub(crate) fn webhooks(&self) -> &webhooks::Config {
        &self.0.parts.webhooks
    }

    pub(crate) fn chain(&self) -> Option<&ChainQueries> {
        self.0.parts.chain.as_ref()
    }

    pub(crate) fn health(&self) -> &[HealthPart] {
        &self.0.parts.health
    }

    pub(crate) fn foreseer(&self) -> &Foreseer {
        &self.0.parts.foreseer
    }

    pub(crate) fn depth(&self) -> Option<&Depth> {
        self.0.parts.depth.as_ref()
    }

    pub(crate) fn render_metrics(&self) -> String {
        (self.0.parts.metrics)()
    }

    pub(crate) fn access_tokens(&self) -> &AccessTokens {
        &self.0.access_tokens
    }
}
