//! What gateways call, and the built-in gateway that one can play with. Knows no contract and no resource.

pub(crate) mod callbacks;
pub(crate) mod lightning;
pub(crate) mod sandbox;
