//! What holds for every payment, whatever rail it is paid on and whichever contract it came in by: the one state machine, its
//! log and events, locks, reach and money. Knows no rail and no contract.

pub mod access_token;
pub(crate) mod caller;
pub mod commands;
pub mod deal;
pub(crate) mod debt;
pub mod event;
pub mod evm_address;
pub mod idempotency;
pub mod jobs;
pub mod listing;
pub(crate) mod lock;
pub mod log;
pub mod method;
pub mod money;
pub mod observation;
pub(crate) mod off_chain;
pub mod rail;
pub mod reach;
pub(crate) mod record;
pub(crate) mod request_error;
pub(crate) mod row;
#[cfg(test)]
pub(crate) mod samples;
pub mod subjects;
pub mod transition;
pub mod verdict;
