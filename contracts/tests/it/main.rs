//! The diamond in a real EVM (revm, with the rules of the Osaka hard fork), driven through its committed ABI and
//! bytecode. Each test has a chain of its own.

mod access;
mod attack;
mod cancel;
mod create;
mod cut;
mod deploy;
mod deposit;
mod evm;
mod gas;
mod loupe;
mod random;
mod release;
mod stolen;
mod world;
