//! The gateways' clients against servers that answer as they document, and break on command.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod phoenixd;
