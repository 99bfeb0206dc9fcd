//! Chain's own tables, one module each. Hashes, addresses and amounts are text, so that an operator can read them.

pub(crate) mod attempt;
pub(crate) mod block;
pub(crate) mod cursor;
pub(crate) mod deal;
pub(crate) mod diamond;
pub(crate) mod lane;
pub(crate) mod lease;
pub(crate) mod log;
pub(crate) mod operation;
pub(crate) mod send;
mod text;

pub(crate) use text::{Amount, Hash, Place};

/// Rows of one multi-row statement: far below the 32,766 parameters of SQLite at any of our widths.
pub(crate) const ROWS_MAX: usize = 1_000;
