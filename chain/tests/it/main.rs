//! The chain crate against real nodes and real databases.
#![allow(clippy::print_stdout, reason = "tests tell their figures and what they leave behind")]

mod database;
mod ledger;
mod node;
mod relay;
mod world;

mod crashes;
mod deals;
mod editions;
mod endpoints;
mod failures;
mod held_returns;
mod keystore;
mod lanes;
mod lies;
mod nodes;
mod reorganisations;
mod throughput;
mod unknown;
mod witnesses;
