//! What is counted of payments themselves.

use meters::Meter;

/// Every metric of this crate.
pub const METERS: &[Meter] = &[Meter::histogram(
    "quittance_accept_batch_size",
    "Payments that were accepted in one transaction",
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0],
    &[],
)];
