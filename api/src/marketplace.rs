//! The contract of connected sellers: their account at the card processor, intents, refunds and payouts, in its own words
//! over the core's payments and ledger.

mod connect;
mod intents;
mod payouts;
mod refunds;
mod refusal;
mod texts;

#[cfg(test)]
pub(crate) use self::connect::Onboarding;
use self::refusal::Declined;
pub(crate) use self::texts::{fits, wanted};

use std::{sync::Arc, time::Duration};

use gateways::Processor;
use poem::http::Method;
use tokio::time::Instant;

use crate::{
    edge::{Class, Contract, Part},
    problem::{Code, Problem},
    resources::Tag,
    state::State,
};

/// Every route of the contract.
pub(crate) type Api = (connect::Connect, payouts::Payouts, intents::Intents, refunds::Refunds);

/// Builds it.
pub(crate) fn api(state: impl Fn() -> State) -> Api {
    (connect::Connect(state()), payouts::Payouts(state()), intents::Intents(state()), refunds::Refunds(state()))
}

/// The contract as the edge knows it.
pub(crate) static CONTRACT: Contract = Contract {
    name: "marketplace",
    speaks_at,
    refuse: refusal::refuse,
    strangers: &[(Method::POST, "/api/payments/create-intent", Class::Dear)],
    credentials: &[],
    part: Part {
        summary: "Connected sellers, intents, refunds and payouts",
        groups: &[Tag::Marketplace],
        paths: &["/auth/", "/api/auth/", "/v1/webhooks/payments/stripe"],
        error_schema: Some(|status| if status == "422" { "MarketplaceError" } else { "MarketplaceRefusal" }),
        invalid: "422",
        invalid_means: Some("The request has invalid values; or the idempotency key was used for another one."),
        ..Part::PLAIN
    },
    origins: None,
};

/// Whether errors at this path are told in the contract's own words.
fn speaks_at(path: &str) -> bool {
    let under = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    ["/api/payments/connect", "/api/payments/create-intent", "/api/payments/refund"].into_iter().any(under)
}

/// How long an answer waits for the worker.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pauses between looks at a row, longer and longer, with no lock in hand.
struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    fn new() -> Self {
        Self { until: Instant::now() + PATIENCE, pause: Duration::from_millis(20) }
    }

    /// Whether there was time for one more.
    async fn pause(&mut self) -> bool {
        if Instant::now() + self.pause > self.until {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 3 / 2).min(Duration::from_millis(500));
        true
    }
}

/// The card processor. Without one, what needs it could only wait for nothing.
fn processor(state: &State) -> Result<&Arc<dyn Processor>, Problem> {
    let none = || Problem::new(Code::Unavailable).detail("No card processor is configured");
    state.gateways().processor().ok_or_else(none)
}

/// A currency as the contract writes it.
fn lower_case(symbol: &str) -> String {
    symbol.to_lowercase()
}

/// The worker or the processor is slower than anybody waits; the same request finds later what has become of it.
fn not_yet(what: &str) -> Problem {
    Problem::new(Code::Unavailable).detail(what).retry_after(2)
}

#[cfg(test)]
mod tests {
    use super::speaks_at;

    #[test]
    fn only_the_contracts_own_paths_have_its_errors() {
        for own in [
            "/api/payments/connect/status",
            "/api/payments/connect",
            "/api/payments/create-intent",
            "/api/payments/refund",
        ] {
            assert!(speaks_at(own), "{own}");
        }
        for other in ["/api/payments", "/api/payments/accounts", "/api/payments/refunds", "/api/v1/payments", "/"] {
            assert!(!speaks_at(other), "{other}");
        }
    }
}
