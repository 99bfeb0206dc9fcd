//! Reference data that a chain knows better than whoever fills the form in.

use std::sync::Arc;

use alloy::signers::local::PrivateKeySigner;
use devchain::{BlockTime, DevChain};
use fixtures::{TestDatabase, on_both};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::app::TestApp;

/// The number of the development chain.
const NUMBER: i64 = 31_337;

/// As the binary queries.
fn queries() -> api::ChainQueries {
    api::ChainQueries {
        token: Arc::new(|url, address| {
            Box::pin(async move {
                let at = address.parse().map_err(|_| "no address".to_owned())?;
                let info = chain::token(&SecretString::from(url), at).await.map_err(|error| error.to_string())?;
                Ok(api::TokenInfo { has_code: info.has_code, decimals: info.decimals })
            })
        }),
        chain_number: Arc::new(|url| {
            Box::pin(
                async move { chain::chain_number(&SecretString::from(url)).await.map_err(|error| error.to_string()) },
            )
        }),
    }
}

/// A development chain with a token of six decimals.
struct Chain {
    url: String,
    token: String,
    stop: CancellationToken,
}

impl Chain {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = devchain::Config { block_time: BlockTime::Instant, ..devchain::Config::default() };
        let chain = DevChain::start(config).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(chain.serve(listener, stop.clone()));
        let rich = PrivateKeySigner::from_bytes(&chain.accounts()[0].private_key).unwrap();
        let account = chain::Account::connect(SecretString::from(url.clone()), rich).await.unwrap();
        let token = account.deploy_test_token().await.unwrap().to_checksum(None);
        Self { url, token, stop }
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

on_both!(a_tokens_contract_is_queried_for_its_decimals, async |database: TestDatabase| {
    let chain = Chain::start().await;
    let app = TestApp::with_parts(database, |parts| parts.chain = Some(queries())).await;
    let token = app.token().await;
    let network = json!({
        "chain_id": app.merchant.chain_id, "network_id": NUMBER, "name": "Development", "rpc_urls": [chain.url],
    });
    let network = app.post(&token, "/api/v1/networks", &network).await.expect(201).body;
    let currency = |address: &Value, decimals: i32| {
        json!({
            "network_id": network["id"], "symbol": "USDT", "name": "USD", "address": address, "decimals": decimals,
        })
    };
    let path = "/api/v1/currencies";
    let real = json!(chain.token);
    let refused = app.post(&token, path, &currency(&real, 2)).await;
    assert_eq!(refused.body["errors"][0]["pointer"], "/decimals", "{}", refused.body);
    assert!(refused.body["errors"][0]["detail"].as_str().unwrap().contains("must be 6"), "{}", refused.body);
    let nothing = json!("0x00000000000000000000000000000000000000aa");
    assert_eq!(app.post(&token, path, &currency(&nothing, 6)).await.pointers(), ["/address"]);
    let coin = app.post(&token, path, &currency(&json!(null), 6)).await;
    assert_eq!(coin.pointers(), ["/decimals"], "a network's own coin has 18");
    app.post(&token, path, &currency(&json!(null), 18)).await.expect(201);
    let right = app.post(&token, path, &currency(&real, 6)).await.expect(201).body;

    // One that was believed before, and is looked at when it is changed.
    let one = format!("{path}/{}", right["id"].as_str().unwrap());
    app.patch(&token, &one, &json!({ "name": "Tether" })).await.expect(200);
    let sql = format!("UPDATE currencies SET decimals = 2 WHERE address = '{}'", chain.token);
    sea_orm::ConnectionTrait::execute_unprepared(&*app.database.db, &sql).await.unwrap();
    app.patch(&token, &one, &json!({ "name": "USD" })).await.problem(409, "conflict");

    let away =
        json!({ "network_id": app.merchant.network_id, "symbol": "X", "name": "X", "address": real, "decimals": 6 });
    app.post(&token, path, &away).await.problem(503, "unavailable");
});

on_both!(a_node_of_another_chain_is_refused, async |database: TestDatabase| {
    let chain = Chain::start().await;
    let app = TestApp::with_parts(database, |parts| parts.chain = Some(queries())).await;
    let token = app.token().await;
    let network = |number: i64| {
        json!({
            "chain_id": app.merchant.chain_id, "network_id": number, "name": "A", "rpc_urls": ["http://127.0.0.1:9", chain.url],
        })
    };
    let refused = app.post(&token, "/api/v1/networks", &network(137)).await;
    assert_eq!(refused.pointers(), ["/rpc_urls/1"]);
    app.post(&token, "/api/v1/networks", &network(NUMBER)).await.expect(201);
    let other = format!("/api/v1/networks/{}", app.merchant.network_id);
    let change = json!({ "rpc_urls": [chain.url] });
    assert_eq!(app.patch(&token, &other, &change).await.pointers(), ["/rpc_urls/0"]);
});
