//! What gateways call, and the built-in gateway that one can play with. Knows no contract and no resource.

pub(crate) mod callbacks;
pub(crate) mod lightning;
pub(crate) mod sandbox;

use poem_openapi::Tags;

use crate::state::State;

/// Their group in the document.
#[derive(Tags)]
enum Tag {
    /// What payment gateways tell us; for them alone.
    Gateways,
}

/// Every callback, and the sandbox.
pub(crate) type Api = (callbacks::GatewayCallbacks, lightning::LightningCallbacks, sandbox::Api);

/// Builds them.
pub(crate) fn api(state: &State) -> Api {
    (
        callbacks::GatewayCallbacks(state.clone()),
        lightning::LightningCallbacks(state.clone()),
        sandbox::api(|| state.clone()),
    )
}
