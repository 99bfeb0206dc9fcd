//! What is counted of gateways.

use meters::{Meter, Values::Later};

/// Every metric of this crate. A gateway has its series as soon as it is set up.
pub const METERS: &[Meter] = &[
    Meter::counter(
        "quittance_gateway_requests_total",
        "Requests to a gateway, by gateway and outcome (answered, misconfigured, unavailable, unknown)",
        &[("gateway", Later), ("outcome", Later)],
    ),
    Meter::sampled(
        "quittance_gateway_reachable",
        "0 when the last request of this process to the gateway had no answer, by gateway",
        &[("gateway", Later)],
    ),
];
