//! Gateways against servers on real sockets that behave as theirs are documented to.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fake_stripe;
mod localstripe;
mod stripe;
mod stripe_callbacks;
mod stripe_faults;
mod stripe_refunds;
mod stripe_sellers;
