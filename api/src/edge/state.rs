//! What all requests share, whatever they are for.

use std::sync::Arc;

use queue::Database;

use super::{Allowances, AllowsOrigin, AuthConfig, Contract, Contracts, HttpConfig, Strangers, StrangersConfig};
use crate::{
    access::{CallerLoader, SignIns, TokenIssuer},
    disk::{Disk, DiskConfig},
    offload::Offload,
};

/// What the edge is built from.
pub(crate) struct EdgeParts {
    pub(crate) contracts: &'static Contracts,
    pub(crate) database: Database,
    pub(crate) auth: AuthConfig,
    pub(crate) http: HttpConfig,
    pub(crate) strangers: StrangersConfig,
    pub(crate) disk: DiskConfig,
    /// The address that browsers know this installation by.
    pub(crate) base_url: String,
    /// Whether this is a playground: every page and every answer then says so.
    pub(crate) is_development: bool,
    /// Contracts that serve pages on other hosts, and which; browsers keep all others from reading their answers.
    pub(crate) origins: Vec<(&'static Contract, Box<AllowsOrigin>)>,
}

/// Shared by all requests; cheap to clone.
#[derive(Clone)]
pub struct EdgeState(Arc<Shared>);

struct Shared {
    parts: EdgeParts,
    tokens: TokenIssuer,
    callers: CallerLoader,
    sign_ins: SignIns,
    allowances: Allowances,
    strangers: Strangers,
    offload: Offload,
    disk: Disk,
}

impl EdgeState {
    /// Starts the task that loads callers; needs a Tokio runtime.
    pub(crate) fn new(parts: EdgeParts) -> Self {
        Self(Arc::new(Shared {
            tokens: TokenIssuer::new(&parts.auth),
            callers: CallerLoader::start(parts.database.clone()),
            sign_ins: SignIns::default(),
            allowances: Allowances::new(&parts.http),
            strangers: Strangers::new(&parts.strangers),
            offload: Offload::new(&parts.auth),
            disk: Disk::new(&parts.disk),
            parts,
        }))
    }

    pub(crate) fn contracts(&self) -> &'static Contracts {
        self.0.parts.contracts
    }

    pub(crate) fn db(&self) -> &Database {
        &self.0.parts.database
    }

    pub(crate) fn auth(&self) -> &AuthConfig {
        &self.0.parts.auth
    }

    pub(crate) fn http(&self) -> &HttpConfig {
        &self.0.parts.http
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.0.parts.base_url
    }

    pub(crate) fn is_development(&self) -> bool {
        self.0.parts.is_development
    }

    /// Which pages on other hosts the contract serves, if any.
    pub(crate) fn origins(&self, contract: &Contract) -> Option<&AllowsOrigin> {
        self.0.parts.origins.iter().find(|(served, _)| *served == contract).map(|(_, allows)| &**allows)
    }

    pub(crate) fn tokens(&self) -> &TokenIssuer {
        &self.0.tokens
    }

    pub(crate) fn callers(&self) -> &CallerLoader {
        &self.0.callers
    }

    pub(crate) fn sign_ins(&self) -> &SignIns {
        &self.0.sign_ins
    }

    pub(crate) fn allowances(&self) -> &Allowances {
        &self.0.allowances
    }

    pub(crate) fn strangers(&self) -> &Strangers {
        &self.0.strangers
    }

    pub(crate) fn offloads(&self) -> &Offload {
        &self.0.offload
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.0.disk
    }
}
