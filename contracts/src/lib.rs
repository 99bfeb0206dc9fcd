//! The diamond's compiled ABI and bytecode; no code runs here, so that anyone may depend on it.
