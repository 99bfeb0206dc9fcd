//! Questions to an EVM node that are asked once, from the command line.

use std::time::Duration;

use alloy::{
    primitives::{Address, U256},
    providers::{Provider, ProviderBuilder, RootProvider},
    rpc::types::TransactionRequest,
    transports::{RpcError, TransportErrorKind},
};
use anyhow::Context;

/// Ether that a sponsored account gets.
const GIFT_ETHER: u64 = 1_000;

/// A node behind a URL.
pub(crate) struct Node(RootProvider);

impl Node {
    pub(crate) fn at(rpc_url: &str) -> anyhow::Result<Self> {
        let url = rpc_url.parse().map_err(|_| anyhow::anyhow!("{} is no URL", without_secrets(rpc_url)))?;
        Ok(Self(ProviderBuilder::default().connect_http(url)))
    }

    pub(crate) async fn chain_id(&self) -> anyhow::Result<u64> {
        self.0.get_chain_id().await.map_err(shown)
    }

    pub(crate) async fn has_code(&self, at: Address) -> anyhow::Result<bool> {
        Ok(!self.0.get_code_at(at).await.map_err(shown)?.is_empty())
    }

    /// An account that the node itself signs for. Only development nodes have such.
    pub(crate) async fn own_account(&self) -> Option<Address> {
        self.0.get_accounts().await.ok()?.into_iter().next()
    }

    /// Gives ether from the node's own account and waits until it is there.
    pub(crate) async fn give(&self, from: Address, to: Address) -> anyhow::Result<()> {
        let wei = U256::from(GIFT_ETHER) * U256::from(10).pow(U256::from(18));
        let gift = TransactionRequest::default().from(from).to(to).value(wei);
        let pending =
            self.0.send_transaction(gift).await.map_err(shown).context("the node's own account gives no ether")?;
        let pending = pending.with_timeout(Some(Duration::from_secs(30)));
        pending.watch().await.map_err(|_| anyhow::anyhow!("the ether of the node's own account did not arrive"))?;
        Ok(())
    }
}

/// What the node answered, or that it did not: the transport's own words name the URL, and with it a key.
fn shown(error: RpcError<TransportErrorKind>) -> anyhow::Error {
    match error {
        RpcError::ErrorResp(answer) => anyhow::anyhow!("the node says: {} ({})", answer.message, answer.code),
        RpcError::Transport(TransportErrorKind::HttpError(answer)) => {
            anyhow::anyhow!("the node answers with HTTP status {}", answer.status)
        }
        RpcError::DeserError { .. } => anyhow::anyhow!("what answers is no node: its answer is not JSON-RPC"),
        _ => anyhow::anyhow!("the node cannot be reached"),
    }
}

/// A URL as it may be shown: hosted nodes carry their key in path or query.
pub(crate) fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".to_owned() };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn keys_in_urls_are_not_shown() {
        assert_eq!(without_secrets("https://user:pass@node.example/v3/key?x=y"), "https://node.example");
        assert_eq!(without_secrets("http://127.0.0.1:8545"), "http://127.0.0.1:8545");
        assert_eq!(without_secrets("key"), "…");
    }
}
