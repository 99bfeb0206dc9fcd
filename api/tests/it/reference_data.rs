//! Nodes, chains, networks, currencies and members.

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::{Value, json};

use crate::app::TestApp;

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}

on_both!(nodes_grow_into_a_tree, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let shop = app.post(&token, "/api/v1/nodes", &json!({ "name": "shop" })).await.expect(201).body;
    assert_eq!(shop["parent_id"], json!(app.merchant.node_id), "the caller's own node by default");
    assert_eq!(shop["path"], "1.3");
    let till = json!({ "name": "till", "parent_id": shop["id"] });
    let till = app.post(&token, "/api/v1/nodes", &till).await.expect(201).body;
    assert_eq!(till["path"], "1.3.4");
    let list = app.get(&token, "/api/v1/nodes?per_page=2").await.expect(200).body;
    assert_eq!((id(&list["items"][0]), id(&list["items"][1])), (id(&till), id(&shop)), "newest first");
    assert_eq!(list["total"], 3);

    let path = format!("/api/v1/nodes/{}", id(&till));
    assert_eq!(app.get(&token, &path).await.expect(200).body, till);
    let renamed = app.patch(&token, &path, &json!({ "name": "Till 1" })).await.expect(200).body;
    assert_eq!((&renamed["name"], &renamed["path"]), (&json!("Till 1"), &till["path"]));
    app.delete(&token, &format!("/api/v1/nodes/{}", id(&shop))).await.problem(409, "conflict");
    app.delete(&token, &format!("/api/v1/nodes/{}", app.merchant.node_id)).await.problem(409, "conflict");
    app.delete(&token, &path).await.expect(204);
    app.get(&token, &path).await.problem(404, "not_found");
    app.delete(&token, &path).await.problem(404, "not_found");
});

on_both!(nodes_made_at_once_have_paths_of_their_own, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let nodes = futures_util::future::join_all((0..10).map(async |index| {
        app.post(&token, "/api/v1/nodes", &json!({ "name": format!("n{index}") })).await.expect(201).body
    }));
    let paths: std::collections::BTreeSet<String> = nodes.await.iter().map(|node| node["path"].to_string()).collect();
    assert_eq!(paths.len(), 10);
});

on_both!(a_deleted_nodes_callers_are_out, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let shop = app.post(&token, "/api/v1/nodes", &json!({ "name": "shop" })).await.expect(201).body;
    let theirs = app.token_on(entities::NodeId(id(&shop).parse().unwrap()), Permission::ALL).await;
    app.get(&theirs, "/api/v1/nodes").await.expect(200);
    app.delete(&token, &format!("/api/v1/nodes/{}", id(&shop))).await.expect(204);
    app.get(&theirs, "/api/v1/nodes").await.problem(401, "unauthorized");
});

on_both!(chains_have_names_of_their_own, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let chain = app.post(&token, "/api/v1/chains", &json!({ "name": "solana" })).await.expect(201).body;
    app.post(&token, "/api/v1/chains", &json!({ "name": "solana" })).await.problem(409, "conflict");
    let path = format!("/api/v1/chains/{}", id(&chain));
    assert_eq!(app.get(&token, &path).await.expect(200).body, chain);
    app.patch(&token, &path, &json!({ "name": "evm 1" })).await.problem(409, "conflict");
    assert_eq!(app.patch(&token, &path, &json!({ "name": "sol" })).await.expect(200).body["name"], "sol");
    let used = format!("/api/v1/chains/{}", app.merchant.chain_id);
    app.delete(&token, &used).await.problem(409, "conflict");
    app.delete(&token, &path).await.expect(204);
    app.get(&token, &path).await.problem(404, "not_found");
    app.post(&token, "/api/v1/chains", &json!({ "name": "sol" })).await.expect(201);
    assert_eq!(app.get(&token, "/api/v1/chains").await.expect(200).body["total"], 3);
});

on_both!(networks_are_managed_and_keep_their_addresses_secret, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let body = json!({
        "chain_id": app.merchant.chain_id, "network_id": 137, "name": "Polygon",
        "rpc_urls": ["https://rpc.example/key"], "explorer_url": "https://scan.example",
    });
    let network = app.post(&token, "/api/v1/networks", &body).await.expect(201).body;
    assert_eq!((&network["confirmations"], &network["network_id"]), (&json!(12), &json!(137)));
    app.post(&token, "/api/v1/networks", &body).await.problem(409, "conflict");
    let path = format!("/api/v1/networks/{}", id(&network));
    assert_eq!(app.get(&token, &path).await.expect(200).body, network);
    let weak = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead]).await;
    assert_eq!(app.get(&weak, &path).await.expect(200).body["rpc_urls"], json!([]));

    let change = json!({ "confirmations": 64, "explorer_url": null });
    let changed = app.patch(&token, &path, &change).await.expect(200).body;
    assert_eq!((&changed["confirmations"], &changed["explorer_url"]), (&json!(64), &json!(null)));
    assert_eq!((&changed["name"], &changed["rpc_urls"]), (&network["name"], &network["rpc_urls"]));
    for (field, wrong) in [
        ("chain_id", json!("x")),
        ("network_id", json!(0)),
        ("network_id", json!(1.5)),
        ("network_id", json!("1")),
        ("name", json!("")),
        ("confirmations", json!(-1)),
        ("explorer_url", json!("scan")),
    ] {
        let mut body = body.clone();
        body[field] = wrong;
        assert_eq!(app.post(&token, "/api/v1/networks", &body).await.pointers(), [format!("/{field}")]);
    }
    for (wrong, pointer) in [(json!([]), "/rpc_urls"), (json!(["ftp://x"]), "/rpc_urls/0"), (json!("x"), "/rpc_urls")] {
        let mut body = body.clone();
        body["rpc_urls"] = wrong;
        assert_eq!(app.post(&token, "/api/v1/networks", &body).await.pointers(), [pointer]);
    }
    let mut nowhere = body.clone();
    nowhere["chain_id"] = json!(uuid::Uuid::now_v7());
    app.post(&token, "/api/v1/networks", &nowhere).await.problem(404, "not_found");
    app.delete(&token, &path).await.expect(204);
    app.get(&token, &path).await.problem(404, "not_found");
    app.post(&token, "/api/v1/networks", &body).await.expect(201);
});

on_both!(currencies_are_tokens_or_fiat, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let fiat = json!({ "symbol": "EUR", "name": "Euro", "decimals": 2 });
    let fiat = app.post(&token, "/api/v1/currencies", &fiat).await.expect(201).body;
    assert_eq!((&fiat["network_id"], &fiat["address"]), (&json!(null), &json!(null)));
    let network = app.merchant.network_id;
    let address = "0xc2132D05D31c914a87C6611C10748AEb04B58e8F";
    let body = json!({ "network_id": network, "symbol": "USDC", "name": "USD", "address": address, "decimals": 6 });
    let coin = app.post(&token, "/api/v1/currencies", &body).await.expect(201).body;
    app.post(&token, "/api/v1/currencies", &body).await.problem(409, "conflict");
    let list = app.get(&token, &format!("/api/v1/currencies?network_id={network}")).await.expect(200).body;
    assert_eq!((id(&list["items"][0]), &list["total"]), (id(&coin), &json!(2)));
    let path = format!("/api/v1/currencies/{}", id(&coin));
    assert_eq!(app.get(&token, &path).await.expect(200).body, coin);
    let renamed = app.patch(&token, &path, &json!({ "name": "USD Coin" })).await.expect(200).body;
    assert_eq!((&renamed["name"], &renamed["symbol"]), (&json!("USD Coin"), &json!("USDC")));
    for (field, wrong) in [
        ("network_id", json!("x")),
        ("network_id", json!(null)),
        ("symbol", json!("")),
        ("address", json!("0x1")),
        ("decimals", json!(37)),
        ("decimals", json!(-1)),
        ("decimals", json!("6")),
    ] {
        let mut body = body.clone();
        body[field] = wrong;
        assert_eq!(app.post(&token, "/api/v1/currencies", &body).await.pointers(), [format!("/{field}")], "{field}");
    }
    app.delete(&token, &path).await.expect(204);
    app.get(&token, &path).await.problem(404, "not_found");
});

on_both!(members_belong_to_a_node, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let body = json!({ "node_id": app.merchant.node_id, "external_id": "ada", "name": "Ada", "city": "London" });
    let member = app.post(&token, "/api/v1/members", &body).await.expect(201).body;
    assert_eq!((&member["name"], &member["email"]), (&json!("Ada"), &json!(null)));
    app.post(&token, "/api/v1/members", &body).await.problem(409, "conflict");
    let path = format!("/api/v1/members/{}", id(&member));
    let changed = app.patch(&token, &path, &json!({ "email": "ada@example.org", "city": null })).await.expect(200).body;
    assert_eq!(
        (&changed["name"], &changed["email"], &changed["city"]),
        (&json!("Ada"), &json!("ada@example.org"), &json!(null))
    );
    assert_eq!(app.get(&token, &path).await.expect(200).body, changed);
    let node = app.merchant.node_id;
    let list = app.get(&token, &format!("/api/v1/members?node_id={node}&external_id=ada")).await.expect(200).body;
    assert_eq!((&list["items"][0], &list["total"]), (&changed, &json!(1)));
    app.get(&token, &format!("/api/v1/members?node_id={}", app.stranger.node_id))
        .await
        .problem(403, "node_out_of_reach");
    for (field, wrong) in [("external_id", json!("")), ("node_id", json!(7)), ("phone", json!("x".repeat(65)))] {
        let mut body = body.clone();
        body[field] = wrong;
        assert_eq!(app.post(&token, "/api/v1/members", &body).await.pointers(), [format!("/{field}")]);
    }
});

on_both!(administrative_acts_are_audited, async |database: TestDatabase| {
    use entities::audit;
    use sea_orm::{EntityTrait, QueryOrder};
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let chain = app.post(&token, "/api/v1/chains", &json!({ "name": "solana" })).await.expect(201).body;
    app.delete(&token, &format!("/api/v1/chains/{}", id(&chain))).await.expect(204);
    let rows = audit::Entity::find().order_by_asc(audit::Column::Id).all(&*app.database.db).await.unwrap();
    let acts: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.object_id.as_str())).collect();
    assert_eq!(acts, [("chain.create", id(&chain)), ("chain.delete", id(&chain))]);
});
