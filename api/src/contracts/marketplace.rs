//! The contract of connected sellers: their account at the card processor, intents, refunds and payouts, in its own words
//! over the core's payments and ledger.

mod connect;
mod intents;
mod manage;
mod payouts;
mod refunds;
mod refusal;
mod texts;
mod wrong;

#[cfg(test)]
pub(crate) use self::connect::Onboarding;
use self::refusal::Declined;

use std::{sync::Arc, time::Duration};

use gateways::Processor;
use poem::http::Method;
use poem_openapi::Tags;

use crate::{
    disk::Room,
    edge::{Class, Contract, Part},
    problem::{Code, Problem},
    state::State,
    waiting::{Waiting, not_yet},
};

/// The contract's group in the document.
#[derive(Tags)]
enum Tag {
    /// Sellers with accounts at the card processor: opening them, taking payments for them, giving back and paying out.
    /// Amounts are cents. Errors of these operations are `{"detail":"…"}`, and of values
    /// `{"detail":[{"type","loc","msg","input"}]}` with 422.
    Marketplace,
}

pub(crate) type Api = (connect::Connect, payouts::Payouts, intents::Intents, refunds::Refunds);

pub(crate) fn api(state: &State) -> Api {
    let state = || state.clone();
    (connect::Connect(state()), payouts::Payouts(state()), intents::Intents(state()), refunds::Refunds(state()))
}

/// The contract as the edge knows it.
pub(crate) static CONTRACT: Contract = Contract {
    name: "marketplace",
    owns_path,
    refuse: refusal::refuse,
    strangers: &[(Method::POST, "/api/payments/create-intent", Class::Dear)],
    formats: texts::FORMATS,
    fills: &[("/api/payments/create-intent", Room::Enough)],
    part: Part {
        summary: "Connected sellers, intents, refunds and payouts",
        groups: &[&Tag::Marketplace],
        paths: &["/auth/", "/api/auth/", "/v1/webhooks/payments/stripe"],
        error_schema: Some(|status| if status == "422" { "MarketplaceError" } else { "MarketplaceRefusal" }),
        invalid: "422",
        invalid_means: Some("The request has invalid values; or the idempotency key was used for another one."),
        ..Part::PLAIN
    },
    ..Contract::PLAIN
};

/// Whether errors at this path are told in the contract's own words.
fn owns_path(path: &str) -> bool {
    let under = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    ["/api/payments/connect", "/api/payments/create-intent", "/api/payments/refund"].into_iter().any(under)
}

/// How long an answer waits for the worker.
const PATIENCE: Duration = Duration::from_secs(10);

/// When a request that was not answered in time should be sent again, seconds.
const COME_AGAIN_S: u64 = 2;

/// The wait for the worker, which looks often at first.
fn waiting() -> Waiting {
    Waiting::new(PATIENCE, Duration::from_millis(20)).slowing_to(Duration::from_millis(500))
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

/// The worker or the processor is slower than the request waits.
fn processor_silent() -> Problem {
    not_yet("The card processor does not answer", COME_AGAIN_S)
}

#[cfg(test)]
mod tests {
    use super::owns_path;

    #[test]
    fn only_the_contracts_own_paths_have_its_errors() {
        for own in [
            "/api/payments/connect/status",
            "/api/payments/connect",
            "/api/payments/create-intent",
            "/api/payments/refund",
        ] {
            assert!(owns_path(own), "{own}");
        }
        for other in ["/api/payments", "/api/payments/accounts", "/api/payments/refunds", "/api/v1/payments", "/"] {
            assert!(!owns_path(other), "{other}");
        }
    }
}
