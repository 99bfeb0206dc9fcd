//! Gateways against servers that behave as the gateways' documentation says, and fail on command.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fake;
mod fake_stripe;
mod growth;
mod localstripe;
mod mobile_money;
mod mobile_money_callbacks;
mod operator;
mod paypal;
mod paypal_callbacks;
mod paypal_money;
mod paypal_server;
mod phoenixd;
mod registry;
mod stripe;
mod stripe_callbacks;
mod stripe_faults;
mod stripe_refunds;
mod stripe_sellers;
