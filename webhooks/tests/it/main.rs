//! Events on their way to real sockets, over real databases.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "a test looks at any tenant's rows")]

mod breaker;
mod checkout;
mod death;
mod feed;
mod header_values;
mod in_flight;
mod isolation;
mod kept_connections;
mod receiver;
mod retention;
mod retries;
mod rig;
mod signatures;
mod switch;
mod zoo;
