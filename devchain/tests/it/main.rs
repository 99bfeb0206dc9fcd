//! The chain as its clients see it, through HTTP and alloy.

mod fixture;
mod transactions;
