//! The diamond's compiled ABI and bytecode; no code runs here, so that anyone may depend on it.
//!
//! The Solidity sources stand in `solidity/`. After a change to them, `npm ci --ignore-scripts && node build.mjs` in
//! this folder compiles them again; `node build.mjs --check` tells whether the committed output is theirs.

/// The ABI, as JSON, of everything that a fresh diamond answers: the functions of all its facets, their events, and
/// every custom error that may come back, those of OpenZeppelin's libraries and tokens included.
pub const DIAMOND_ABI: &str = include_str!("../artifacts/Diamond.abi.json");

/// The diamond's creation code as hexadecimal digits without prefix. It takes no arguments: one creation transaction
/// with this as its data deploys the facets, cuts them in, and makes the sender the owner.
pub const DIAMOND_BYTECODE: &str = include_str!("../artifacts/Diamond.bin");

/// The same as [`DIAMOND_ABI`] of the diamonds that were deployed before the second edition, which stay in use.
pub const FIRST_DIAMOND_ABI: &str = include_str!("../artifacts/first/Diamond.abi.json");

/// What created them: like [`DIAMOND_BYTECODE`], without arguments.
pub const FIRST_DIAMOND_BYTECODE: &str = include_str!("../artifacts/first/Diamond.bin");

/// The ABI, as JSON, of the token for development and tests: ERC-20 with six decimals that anybody may mint.
pub const TEST_TOKEN_ABI: &str = include_str!("../artifacts/TestToken.abi.json");

/// The test token's creation code as hexadecimal digits without prefix.
pub const TEST_TOKEN_BYTECODE: &str = include_str!("../artifacts/TestToken.bin");
