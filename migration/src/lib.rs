//! The schema's history, append-only and with its own column names, so that a later entity change cannot break it.
