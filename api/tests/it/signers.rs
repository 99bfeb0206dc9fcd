//! Keys of nodes: whose they are, what they may sign, and stopping them.

use chrono::Utc;
use fixtures::{TestDatabase, on_both};
use payments::Permission;
use sea_orm::{ConnectionTrait, Statement, Value as SqlValue};
use serde_json::{Value, json};

use crate::app::TestApp;

/// The merchant's own, see `fixtures`.
const KEY: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const OTHER: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";

pub(crate) async fn node_below(app: &TestApp, token: &str, name: &str) -> String {
    app.post(token, "/api/v1/nodes", &json!({ "name": name })).await.expect(201).body["id"].as_str().unwrap().to_owned()
}

fn wallet(app: &TestApp, node: &str, address: &str) -> Value {
    json!({ "node_id": node, "chain_id": app.merchant.chain_id, "name": "w", "address": address })
}

async fn key_of(app: &TestApp, token: &str, address: &str) -> Value {
    let found = app.get(token, &format!("/api/v1/signers?address={address}")).await.expect(200).body;
    found["items"][0].clone()
}

fn path(signer: &Value, act: &str) -> String {
    format!("/api/v1/signers/{}{act}", signer["id"].as_str().unwrap())
}

on_both!(a_foreign_key_is_not_found_whoever_asks_for_it, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let root = app.token().await;
    // A tenant below the root, with every permission on its own node.
    let node = node_below(&app, &root, "tenant").await;
    let tenant = app.token_on(entities::NodeId(node.parse().unwrap()), Permission::ALL).await;
    for address in [KEY, OTHER, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"] {
        let refused = app.post(&tenant, "/api/v1/wallets", &wallet(&app, &node, address)).await;
        assert_eq!(refused.problem(404, "not_found")["detail"], "Signer not found", "{address}");
    }
    // Nor may the tenant hand itself a key that is nobody's yet.
    let new = json!({ "node_id": node, "address": OTHER, "name": "mine" });
    app.post(&tenant, "/api/v1/signers", &new).await.problem(403, "permission_missing");
    // The root may: of its own key and of a new one, which is the tenant's from then on.
    app.post(&root, "/api/v1/wallets", &wallet(&app, &node, KEY)).await.expect(201);
    app.post(&root, "/api/v1/signers", &new).await.expect(201);
    app.post(&root, "/api/v1/signers", &new).await.problem(409, "conflict");
    app.post(&tenant, "/api/v1/wallets", &wallet(&app, &node, OTHER)).await.expect(201);
    // Another tenant beside it, and even the root's own node: the key belongs below.
    let beside = node_below(&app, &root, "beside").await;
    for node in [&beside, &app.merchant.node_id.to_string()] {
        app.post(&root, "/api/v1/wallets", &wallet(&app, node, OTHER)).await.problem(404, "not_found");
    }
});

on_both!(an_unknown_key_becomes_the_nodes_when_the_root_makes_its_wallet, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let root = app.token().await;
    let node = node_below(&app, &root, "tenant").await;
    app.post(&root, "/api/v1/wallets", &wallet(&app, &node, OTHER)).await.expect(201);
    let signer = key_of(&app, &root, OTHER).await;
    assert_eq!((&signer["node_id"], &signer["address"]), (&json!(node), &json!(OTHER)));
    assert_eq!((&signer["paused_at"], &signer["actions"], &signer["lanes"]), (&Value::Null, &Value::Null, &json!([])));
});

on_both!(a_policy_is_set_limit_by_limit, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let root = app.token().await;
    let signer = key_of(&app, &root, KEY).await;
    let change = json!({
        "actions": ["open", "release"], "diamonds": ["0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"],
        "fee_cap_wei": 5, "gas_per_day": 6, "spend_per_day_wei": "7",
    });
    let changed = app.patch(&root, &path(&signer, ""), &change).await.expect(200).body;
    assert_eq!(changed["actions"], json!(["open", "release"]));
    assert_eq!(changed["diamonds"], json!(["0xe7f1725e7734ce288f8367e1bb143e90bb3f0512"]));
    assert_eq!((&changed["fee_cap_wei"], &changed["gas_per_day"]), (&json!(5), &json!(6)));
    assert_eq!(changed["spend_per_day_wei"], "7");
    let changed =
        app.patch(&root, &path(&signer, ""), &json!({ "name": "cold", "actions": null })).await.expect(200).body;
    assert_eq!(
        (&changed["name"], &changed["actions"], &changed["gas_per_day"]),
        (&json!("cold"), &json!(null), &json!(6))
    );
    let sql = "SELECT revision FROM signers";
    let db = &*app.database.db;
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
    assert_eq!(row.try_get::<i64>("", "revision").unwrap(), 3, "what was decided by an older one is decided again");
    for (field, wrong) in [
        ("actions", json!(["steal"])),
        ("diamonds", json!(["0x1"])),
        ("fee_cap_wei", json!(0)),
        ("gas_per_day", json!(-1)),
        ("spend_per_day_wei", json!("1.5")),
        ("spend_per_day_wei", json!("007")),
    ] {
        let pointers = app.patch(&root, &path(&signer, ""), &json!({ field: wrong })).await.pointers();
        assert!(pointers[0].starts_with(&format!("/{field}")), "{field}: {pointers:?}");
    }
});

on_both!(a_pause_says_why_and_the_red_button_reaches_no_further_than_its_caller, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let root = app.token().await;
    let node = node_below(&app, &root, "tenant").await;
    let tenant = app.token_on(entities::NodeId(node.parse().unwrap()), Permission::ALL).await;
    app.post(&root, "/api/v1/signers", &json!({ "node_id": node, "address": OTHER, "name": "t" })).await.expect(201);
    let all = app.post(&tenant, "/api/v1/signers/pause", &json!({ "reason": "stolen" })).await.expect(200).body;
    assert_eq!(all, json!({ "signers": 1 }));
    assert_eq!(key_of(&app, &root, KEY).await["paused_at"], Value::Null);
    let paused = key_of(&app, &tenant, OTHER).await;
    assert_eq!((paused["pause_reason"].as_str(), paused["paused_at"].is_string()), (Some("stolen"), true));
    let own = key_of(&app, &root, KEY).await;
    let paused = app.post(&root, &path(&own, "/pause"), &json!({ "reason": "moves" })).await.expect(200).body;
    assert_eq!(paused["pause_reason"], "moves");
    // Whoever presses the button finds those that were paused before as they are.
    let all = app.post(&root, "/api/v1/signers/pause", &json!({ "reason": "all of them" })).await.expect(200).body;
    assert_eq!(all, json!({ "signers": 0 }));
    let resumed = app.post(&root, &path(&own, "/resume"), &json!({})).await.expect(200).body;
    assert_eq!((&resumed["paused_at"], &resumed["pause_reason"]), (&Value::Null, &Value::Null));
    app.post(&tenant, &path(&own, "/pause"), &json!({ "reason": "x" })).await.problem(403, "node_out_of_reach");
    // What was paused below before the root's button is the root's to take back; the reason stays that of the first.
    let theirs = key_of(&app, &tenant, OTHER).await;
    let refused = app.post(&tenant, &path(&theirs, "/resume"), &json!({})).await;
    assert!(refused.problem(403, "node_out_of_reach")["detail"].as_str().unwrap().contains("above"));
    app.post(&tenant, &path(&theirs, "/pause"), &json!({ "reason": "mine again" })).await.expect(200);
    app.post(&tenant, &path(&theirs, "/resume"), &json!({})).await.problem(403, "node_out_of_reach");
    app.post(&root, &path(&theirs, "/resume"), &json!({})).await.expect(200);
    app.post(&tenant, &path(&theirs, "/pause"), &json!({ "reason": "mine" })).await.expect(200);
    app.post(&tenant, &path(&theirs, "/resume"), &json!({})).await.expect(200);
    assert_eq!(key_of(&app, &tenant, KEY).await, Value::Null);
});

on_both!(wallets_sign_with_the_other_key_after_a_rotation, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let root = app.token().await;
    let own = key_of(&app, &root, KEY).await;
    let rotate = path(&own, "/rotate");
    app.post(&root, &rotate, &json!({ "to": OTHER })).await.problem(404, "not_found");
    let elsewhere = node_below(&app, &root, "tenant").await;
    let theirs = "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc";
    for (node, address) in [(elsewhere.as_str(), theirs), (&app.merchant.node_id.to_string(), OTHER)] {
        let new = json!({ "node_id": node, "address": address, "name": "new" });
        app.post(&root, "/api/v1/signers", &new).await.expect(201);
    }
    for to in [theirs, KEY] {
        app.post(&root, &rotate, &json!({ "to": to })).await.problem(409, "conflict");
    }
    let before = app.get(&root, &format!("/api/v1/wallets/{}", app.merchant.wallet_id)).await.expect(200).body;
    let new = app.post(&root, &rotate, &json!({ "to": OTHER })).await.expect(200).body;
    assert_eq!(new["address"], OTHER);
    let after = app.get(&root, &format!("/api/v1/wallets/{}", app.merchant.wallet_id)).await.expect(200).body;
    assert_eq!((&after["address"], &after["diamonds"]), (&json!(OTHER), &before["diamonds"]));
});

on_both!(what_holds_a_signer_up_is_shown_by_network, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let root = app.token().await;
    let lane = "INSERT INTO chain_lanes (network_id, signer, balance, paused_reason, paused_at, \"window\", updated_at, \
                gas_of_day, spend_of_day) VALUES ($1, $2, '7', 'gas_per_day', $3, 1, $3, 9, '11')";
    let operation = "INSERT INTO chain_operations (id, subject_id, kind, network_id, signer, status, sends, \
                     held_back_by, created_at, updated_at) VALUES ($1, $1, $2, $3, $4, 'pending', 0, $5, $6, $6)";
    let (network, now) = (app.merchant.network_id.0, Utc::now());
    let write = async |sql: &str, values: Vec<SqlValue>| {
        let tx = app.database.db.begin().await.unwrap();
        tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await.unwrap();
        tx.commit().await.unwrap();
    };
    write(lane, vec![network.into(), KEY.into(), now.into()]).await;
    for (kind, held) in [("open", None), ("release", Some("policy_action".to_owned()))] {
        let id = uuid::Uuid::now_v7();
        write(operation, vec![id.into(), kind.into(), network.into(), KEY.into(), held.into(), now.into()]).await;
    }
    let lane = key_of(&app, &root, KEY).await["lanes"][0].clone();
    assert_eq!((&lane["network_id"], &lane["balance_wei"]), (&json!(network), &json!("7")));
    assert_eq!(
        (&lane["pending"], &lane["held_back"], &lane["paused_reason"]),
        (&json!(2), &json!(1), &json!("gas_per_day"))
    );
    assert_eq!((&lane["gas_of_day"], &lane["spend_of_day_wei"]), (&json!(9), &json!("11")));
});
