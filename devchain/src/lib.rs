//! An in-process EVM with JSON-RPC for the embedded default and for tests; never for production.
