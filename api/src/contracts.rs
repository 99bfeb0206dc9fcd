//! Every contract, in the order of the documents: a further one is a folder, a module and a name here. What a contract
//! keeps, does beside answering, or serves on other hosts stands below.

pub(crate) mod checkout;
pub(crate) mod marketplace;
pub(crate) mod receipts;
pub(crate) mod till;

use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    edge::{AllowsOrigin, Contract, Contracts},
    gateways, resources,
    state::{Parts, State},
};

macro_rules! contracts {
    ($($name:ident),+) => {
        /// Every route of the contracts.
        pub(crate) type Api = ($($name::Api,)+);

        /// Builds them.
        pub(crate) fn api(state: &State) -> Api {
            ($($name::api(state),)+)
        }

        /// All of them, in the order of the documents, with what is served besides. Where none words errors at a path, they
        /// are problems as RFC 9457 has them, which is how the deals word theirs.
        pub static CONTRACTS: Contracts = Contracts {
            all: &[&resources::DEALS, $(&$name::CONTRACT,)+ &resources::OPERATIONS],
            otherwise: &resources::DEALS,
            strangers: &[gateways::STRANGERS],
            as_sent: gateways::AS_SENT,
        };
    };
}

contracts!(receipts, till, checkout, marketplace);

impl State {
    /// Builds what the handlers share and starts the task that loads callers; needs a Tokio runtime.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let origins = origins(&parts.config);
        Self::of(parts, &CONTRACTS, origins)
    }
}

/// Does what contracts do beside answering, until it is told to stop.
pub(crate) async fn work(state: State, stop: CancellationToken) {
    receipts::orphans::run(state, stop).await;
}

/// Pages on other hosts that contracts serve, where there are any.
fn origins(config: &Config) -> Vec<(&'static Contract, Box<AllowsOrigin>)> {
    let till = config.till.clone();
    let has_origins = !till.allowed_origins.is_empty();
    let allows: Box<AllowsOrigin> = Box::new(move |origin| till.allows(origin));
    has_origins.then_some((&till::CONTRACT, allows)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use poem::http::Method;

    use super::*;
    use crate::{disk::Room, document::paths};

    #[test]
    fn no_two_contracts_speak_at_one_path() {
        for path in paths() {
            let serving: Vec<&str> =
                CONTRACTS.all.iter().filter(|contract| (contract.owns_path)(&path)).map(|one| one.name).collect();
            assert!(serving.len() <= 1, "{path}: {serving:?}");
        }
        assert_eq!(
            ["/api/v1/payments", "/v1/payments", "/payments"].map(|path| CONTRACTS.at(path).name),
            ["deals", "checkout", "till"]
        );
    }

    #[test]
    fn what_is_written_needs_room_and_strangers_more_of_it() {
        let needed = |method, path| CONTRACTS.room_for(&method, path);
        for (path, room) in [
            ("/api/upload", Some(Room::Enough)),
            ("/api/orders/", Some(Room::Enough)),
            ("/api/v1/payments", Some(Room::Little)),
            ("/auth/login", None),
        ] {
            assert_eq!(needed(Method::POST, path), room, "{path}");
        }
        assert!(needed(Method::GET, "/api/orders").is_none(), "reading takes no room");
    }
}
