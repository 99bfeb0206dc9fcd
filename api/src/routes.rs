//! Everything that is served, as one endpoint: the resources, what gateways call, and the contracts.

use std::{collections::HashSet, sync::LazyLock, time::Duration};

use poem::{Endpoint, EndpointExt, IntoEndpoint, Response};
use poem_openapi::OpenApiService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    contracts::{self, CONTRACTS},
    document,
    edge::{self, Audience, Edge, EdgeState, Guarded, admissions, no_texts},
    gateways,
    resources::{self, documentation::Documentation, health::Health},
    state::State,
};

/// Everything that is served.
pub(crate) type Api = (resources::Api, gateways::Api, contracts::Api);

/// Builds it.
fn api(state: &State) -> Api {
    (resources::api(state), gateways::api(state), contracts::api(state))
}

/// Parameters that are no texts.
static NO_TEXTS: LazyLock<HashSet<String>> = LazyLock::new(no_texts::<Api>);

/// Everything that is served, for a server or a test client.
#[must_use]
pub fn routes(state: State) -> impl Endpoint<Output = Response> {
    let timeout = Duration::from_millis(state.config().http.request_timeout_ms);
    let service = document::service(Guarded::new(api(&state), timeout, &CONTRACTS));
    let edge = EdgeState::clone(&state);
    Edge::new(service.into_endpoint().data(state), edge, Audience::Public, &NO_TEXTS)
}

/// Every route with the word for what it costs a stranger, for the table test; none where nobody has said it.
#[doc(hidden)]
#[must_use]
pub fn admission_classes(state: &State) -> Vec<(String, Option<&'static str>)> {
    admissions(api(state), &CONTRACTS)
}

/// Health, metrics and documents alone, for a process that serves nothing else, or on an address of the operators' own.
#[must_use]
pub fn health_routes(state: State) -> impl Endpoint<Output = Response> {
    let timeout = Duration::from_millis(state.config().http.request_timeout_ms);
    // Guarded like all others, which is also how the edge knows that a 503 is an answer of ours, with its report.
    let health = Guarded::new((Health(state.clone()), Documentation), timeout, &CONTRACTS);
    let service = OpenApiService::new(health, "Quittance", env!("CARGO_PKG_VERSION"));
    Edge::new(service.into_endpoint(), EdgeState::clone(&state), Audience::Operators, &NO_TEXTS)
}

/// Serves HTTP/1.1 until the token is cancelled, then finishes what is under way.
///
/// # Errors
/// When the listener is unusable.
pub async fn serve(
    state: State,
    routes: impl Endpoint<Output = Response> + 'static,
    listener: TcpListener,
    cancelled: CancellationToken,
) -> std::io::Result<()> {
    let forgetting = tokio::spawn(forget_idle(state.clone(), cancelled.clone()));
    let working = tokio::spawn(contracts::work(state.clone(), cancelled.clone()));
    let served = edge::serve::serve(EdgeState::clone(&state), routes, listener, cancelled).await;
    forgetting.abort();
    working.abort();
    served
}

async fn forget_idle(state: State, cancelled: CancellationToken) {
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    while cancelled.run_until_cancelled(minute.tick()).await.is_some() {
        state.contract_state().forget_idle();
        state.inquiries().forget_idle();
    }
}

#[cfg(test)]
mod tests {
    use super::NO_TEXTS;

    #[test]
    fn numbers_and_lists_are_no_texts() {
        for (parameter, is_none) in [("page", true), ("desc", true), ("wallet_id", false), ("status", false)] {
            assert_eq!(NO_TEXTS.contains(parameter), is_none, "{parameter}");
        }
    }
}
