//! JSON-RPC itself, and HTTP around it.

use serde_json::{Value, json};

use crate::fixture::{Served, manual};

#[tokio::test]
async fn the_simple_methods_answer() {
    let served = Served::start(manual()).await;
    for (method, params, answer) in [
        ("eth_chainId", json!([]), json!("0x7a69")),
        ("eth_blockNumber", json!([]), json!("0x0")),
        ("eth_syncing", json!([]), json!(false)),
        ("eth_accounts", json!([]), json!([])),
        ("net_version", json!([]), json!("31337")),
        ("net_listening", json!([]), json!(true)),
        (
            "web3_sha3",
            json!(["0x68656c6c6f"]),
            json!("0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8"),
        ),
        ("eth_getBalance", json!([served.chain.accounts()[0].address, "latest"]), json!("0x21e19e0c9bab2400000")),
        ("eth_getCode", json!([served.chain.accounts()[0].address, "latest"]), json!("0x")),
        (
            "eth_getStorageAt",
            json!([served.chain.accounts()[0].address, "0x0", "latest"]),
            json!(format!("0x{}", "0".repeat(64))),
        ),
    ] {
        assert_eq!(served.call(method, params).await, answer, "{method}");
    }
    assert!(served.call("web3_clientVersion", json!([])).await.as_str().unwrap().starts_with("quittance-devchain/"));
}

#[tokio::test]
async fn malformed_requests_get_the_specified_errors() {
    let served = Served::start(manual()).await;
    let cases = [
        ("{", -32700, Value::Null),
        ("[]", -32600, Value::Null),
        ("1", -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600, json!(1)),
        (r#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}"#, -32600, json!(1)),
        (r#"{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}"#, -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":"a","method":"eth_nonsense"}"#, -32601, json!("a")),
        (r#"{"jsonrpc":"2.0","id":2,"method":"eth_getBalance"}"#, -32602, json!(2)),
        (r#"{"jsonrpc":"2.0","id":2,"method":"eth_getBalance","params":["0x12"]}"#, -32602, json!(2)),
        (r#"{"jsonrpc":"2.0","id":2,"method":"eth_getBalance","params":{}}"#, -32602, json!(2)),
        (r#"{"jsonrpc":"2.0","id":2,"method":"eth_getBlockByNumber","params":["newest"]}"#, -32602, json!(2)),
        (r#"{"jsonrpc":"2.0","id":2,"method":"eth_sendRawTransaction","params":["xyz"]}"#, -32602, json!(2)),
    ];
    for (request, code, id) in cases {
        let answer = served.chain.rpc(request.as_bytes().to_vec()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &id), "{request}: {answer}");
        assert_eq!(answer["jsonrpc"], "2.0");
    }
    let missing = served.error("eth_getBalance", json!([])).await;
    assert_eq!(missing["message"], "missing value for required argument 0");
    let unknown = served.error("eth_nonsense", json!([])).await;
    assert_eq!(unknown["message"], "the method eth_nonsense does not exist/is not available");
}

#[tokio::test]
async fn batches_are_answered_in_order_and_notifications_not_at_all() {
    let served = Served::start(manual()).await;
    let answer = served
        .post(json!([
            {"jsonrpc": "2.0", "id": 7, "method": "eth_chainId"},
            {"jsonrpc": "2.0", "method": "evm_mine"},
            {"jsonrpc": "2.0", "id": null, "method": "eth_blockNumber", "params": null},
            "nonsense",
            {"jsonrpc": "2.0", "id": "x", "method": "eth_nonsense"},
        ]))
        .await;
    assert_eq!(answer[0], json!({"jsonrpc": "2.0", "id": 7, "result": "0x7a69"}));
    assert_eq!(answer[1], json!({"jsonrpc": "2.0", "id": null, "result": "0x1"}));
    assert_eq!(answer[2]["error"]["code"], -32600);
    assert_eq!((&answer[3]["id"], &answer[3]["error"]["code"]), (&json!("x"), &json!(-32601)));
    assert_eq!(answer.as_array().unwrap().len(), 4);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"});
    let many = served.post(Value::Array(vec![call.clone(); 1000])).await;
    assert_eq!(many.as_array().unwrap().len(), 1000);
    assert_eq!(served.post(Value::Array(vec![call; 1001])).await["error"]["code"], -32600);
    let notification = json!({"jsonrpc": "2.0", "method": "eth_chainId"}).to_string();
    assert!(served.chain.rpc(notification.into_bytes()).await.unwrap().is_empty());
}

#[tokio::test]
async fn browsers_of_any_origin_may_call() {
    let served = Served::start(manual()).await;
    let client = reqwest::Client::new();
    let preflight = client
        .request(reqwest::Method::OPTIONS, &served.url)
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .send()
        .await
        .unwrap();
    assert!(preflight.status().is_success());
    assert!(preflight.headers().contains_key("access-control-allow-origin"));
    assert!(preflight.headers().contains_key("access-control-allow-headers"));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}).to_string();
    let answer = client.post(&served.url).header("origin", "https://shop.example").body(body).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert!(["*", "https://shop.example"].contains(&answer.headers()["access-control-allow-origin"].to_str().unwrap()));
    assert_eq!(answer.json::<Value>().await.unwrap()["result"], "0x7a69");
    let huge = client.post(&served.url).body(vec![b' '; (5 << 20) + 1]).send().await;
    assert!(huge.map_or(true, |answer| answer.status() == 413));
    assert!(client.get(&served.url).send().await.unwrap().text().await.unwrap().contains("JSON-RPC"));
}
