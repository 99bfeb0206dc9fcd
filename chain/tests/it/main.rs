//! The chain crate against real nodes and real databases.

mod database;
mod ledger;
mod node;
mod world;

mod deals;
