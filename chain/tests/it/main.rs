//! The chain crate against real nodes and real databases.
#![allow(clippy::print_stdout, reason = "tests tell their figures and what they leave behind")]

mod database;
mod ledger;
mod node;
mod relay;
mod world;

mod announcements;
mod crashes;
mod deals;
mod dialects;
mod editions;
mod endpoints;
mod failures;
mod held_returns;
mod keystore;
mod kms;
mod lanes;
mod lies;
mod nodes;
mod policies;
mod remote_signers;
mod reorganisations;
mod throughput;
mod unknown;
mod witnesses;
