//! How money moves: what is kept of each rail beside the payments. Knows no contract.

pub mod sessions;
