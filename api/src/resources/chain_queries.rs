//! Queries to EVM nodes, by which reference data is checked before it is believed. The binary says how they are made: this
//! crate speaks to no chain.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::problem::{Code, Problem, Wrong};

/// What a node says of a token's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Whether there is a contract.
    pub has_code: bool,
    /// Its `decimals()`; none when it does not say.
    pub decimals: Option<u8>,
}

/// Queries the node at a JSON-RPC address about the contract at an address; an error is a sentence that names no secret.
pub type QueryToken = Arc<dyn Fn(String, String) -> BoxFuture<'static, Result<TokenInfo, String>> + Send + Sync>;

/// Queries the node at a JSON-RPC address for its chain's number.
pub type QueryChainNumber = Arc<dyn Fn(String) -> BoxFuture<'static, Result<u64, String>> + Send + Sync>;

/// The queries that reference data needs. Each has a deadline of a few seconds.
#[derive(Clone)]
pub struct ChainQueries {
    /// See [`QueryToken`].
    pub token: QueryToken,
    /// See [`QueryChainNumber`].
    pub chain_number: QueryChainNumber,
}

impl ChainQueries {
    /// Refuses a contract that is not there, or counts in other decimals; decimals that a contract does not state are taken
    /// as they were given. The first node that answers is believed.
    pub(crate) async fn check_token(&self, rpc_urls: &[String], address: &str, decimals: i32) -> Result<(), Problem> {
        for url in rpc_urls {
            match (self.token)(url.clone(), address.to_owned()).await {
                Ok(TokenInfo { has_code: false, .. }) => {
                    let rule = Wrong::Rule("there is no contract at this address on the network");
                    return Err(Problem::invalid("/address", rule));
                }
                Ok(TokenInfo { decimals: Some(said), .. }) if i32::from(said) != decimals => {
                    return Err(Problem::invalid("/decimals", Wrong::TokenDecimals(said)));
                }
                Ok(_) => return Ok(()),
                Err(error) => tracing::warn!(error, "a node does not tell of a token"),
            }
        }
        let detail = "None of the network's nodes answers, so that nobody can tell whether the token is as it is given";
        Err(Problem::new(Code::Unavailable).detail(detail))
    }

    /// Refuses a node that is on another chain. One that does not answer may be away for a while.
    pub(crate) async fn check_chain(&self, rpc_urls: &[String], number: i64) -> Result<(), Problem> {
        for (index, url) in rpc_urls.iter().enumerate() {
            match (self.chain_number)(url.clone()).await {
                Ok(said) if i64::try_from(said) != Ok(number) => {
                    let wrong = Wrong::OtherChain { node: said, network: number };
                    return Err(Problem::invalid(&format!("/rpc_urls/{index}"), wrong));
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(error, "a node does not tell its chain's number"),
            }
        }
        Ok(())
    }
}
