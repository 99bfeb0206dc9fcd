//! How the API queries nodes about reference data.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;

use crate::node::without_secrets;

/// How long a node may take: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(4);

pub(crate) fn chain_queries() -> api::ChainQueries {
    api::ChainQueries {
        token: Arc::new(|url, address| {
            Box::pin(async move {
                let at = address.parse().map_err(|_| format!("{address} is no address"))?;
                let token = within(&url, chain::token(&SecretString::from(url.clone()), at)).await?;
                Ok(api::TokenInfo { has_code: token.has_code, decimals: token.decimals })
            })
        }),
        chain_number: Arc::new(|url| {
            Box::pin(async move { within(&url, chain::chain_number(&SecretString::from(url.clone()))).await })
        }),
    }
}

async fn within<T>(url: &str, query: impl Future<Output = Result<T, chain::Error>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, query).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("{} does not answer in time", without_secrets(url))),
    }
}
