//! The queue over real databases and brokers. Every test of the suite runs on each combination in [`rig::Backend`].
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod batches;
mod crashes;
mod dead_letters;
mod delivery;
mod filters;
mod full;
mod inbox;
mod operators;
mod outbox;
mod private_authority;
mod rabbit;
mod redrive;
mod retries;
mod rig;
mod shutdown;
mod standing;
