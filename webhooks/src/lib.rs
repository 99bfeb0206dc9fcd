//! Events on their way to those who subscribed: fan-out, secrets, delivery. Never decides anything about a payment.

#![allow(missing_docs, reason = "nobody outside of this repository reads this crate's documentation")]

mod again;
mod breaker;
mod config;
mod event_data;
mod fan_out;
mod feed;
mod formats;
mod guard;
mod header_values;
mod in_flight_memory;
mod lane;
mod lanes;
mod limit;
mod meters;
mod post;
mod recovery_throttle;
mod retention;
mod schedule;
mod secret;
mod switch;
mod test_event;

pub use again::{Urgency, owe, send_again};
pub use config::Config;
pub use event_data::{
    AccountUpdated, DeadLetterCreated, EndpointDisabled, PayoutChanged, SignInBlocked, SignerLowBalance,
};
pub use fan_out::{Outgoing, Waiting, fan_out, wake};
pub use guard::{Lookup, UrlRefused, check_url, same_origin, without_query};
pub use header_values::{NotSealed, Unopened, length_of};
pub use lanes::{Lanes, Waker};
pub use meters::METERS;
pub use retention::forget_before;
pub use secret::{Secrets, derived_secret};
pub use switch::{delete, disable, enable};
pub use test_event::{EndpointTested, send_test};
