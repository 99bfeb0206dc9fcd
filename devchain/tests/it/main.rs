//! The chain as its clients see it, through HTTP and alloy.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod anvil;
mod blocks;
mod calls;
mod faults;
mod fees;
mod fixture;
mod json_rpc;
mod load;
mod logs;
mod persistence;
mod pool;
mod reorg;
mod transactions;
