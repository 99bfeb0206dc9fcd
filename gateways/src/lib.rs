//! Payment gateways and the card processor behind one trait each; knows no SQL and no payments of ours.
//!
//! Every call carries the reference of ours that is also its idempotency key. A call whose answer is lost is an
//! [`Error::Unknown`]: the caller polls before it sends again.

#![allow(missing_docs, reason = "nobody outside of this repository reads this crate's documentation")]

mod config;
mod gateway;
mod http;
mod measured;
mod meters;
mod mobile_money;
mod money;
mod oauth;
mod paypal;
pub mod phoenixd;
mod processor;
mod registry;
mod sandbox;
mod sandbox_processor;
mod source;
mod stripe;

pub use config::{
    Config, LightningConfig, MobileMoneyConfig, OperatorConfig, PayPalConfig, PhoenixdConfig, SandboxConfig,
    StripeConfig,
};
pub use gateway::{
    Callback, CallbackRefused, CallbackSubject, Error, Gateway, Handle, Notification, OnBehalf, Order, Payer, Payment,
    Refund, Refunded, Returns, State,
};
pub use meters::METERS;
pub use money::Money;
pub use phoenixd::Phoenixd;
pub use processor::{Account, PaidOut, Payout, PayoutState, Processor, Seller};
pub use registry::{BuildError, Gateways};
pub use sandbox::Sandbox;
pub use sandbox_processor::SandboxProcessor;
pub use source::{Source, UnknownSource};
pub use stripe::Stripe;
