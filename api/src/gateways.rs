//! What gateways call, and the built-in gateway that one can play with. Knows no contract and no resource.

pub(crate) mod callbacks;
pub(crate) mod lightning;
pub(crate) mod sandbox;

use crate::state::State;

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
