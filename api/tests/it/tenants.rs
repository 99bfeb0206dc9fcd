//! Ids of another tenant, wherever a request may name one: in paths, queries and bodies. Nothing of theirs is shown,
//! used or changed.

use chrono::TimeDelta;
use entities::{NodeId, now};
use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::{Value, json};

use crate::app::{TestApp, TestResponse};

/// A node below the stranger's root with a wallet and a member, and a token on it with every permission.
struct Below {
    node: String,
    wallet: String,
    token: String,
}

fn id(answer: TestResponse) -> String {
    answer.expect(201).body["id"].as_str().unwrap().to_owned()
}

const ADDRESS: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";

async fn below(app: &TestApp) -> Below {
    let root = app.token_on(app.stranger.node_id, Permission::ALL).await;
    let node = id(app.post(&root, "/api/v1/nodes", &json!({ "name": "below" })).await);
    let wallet = json!({ "node_id": node, "chain_id": app.merchant.chain_id, "name": "own", "address": ADDRESS });
    let wallet = id(app.post(&root, "/api/v1/wallets", &wallet).await);
    let token = app.token_on(NodeId(node.parse().unwrap()), Permission::ALL).await;
    Below { node, wallet, token }
}

on_both!(lists_show_nothing_of_another_tenant, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (mine, theirs) = (app.token().await, below(&app).await);
    let node = app.merchant.node_id;
    app.created(&mine, "one").await;
    app.post(&mine, "/api/v1/members", &json!({ "node_id": node, "external_id": "ada" })).await.expect(201);
    app.post(&mine, "/api/v1/integrations", &json!({ "node_id": node, "name": "shop" })).await.expect(201);
    for list in ["payments", "integrations", "wallets", "members", "webhooks", "operations/payments"] {
        let foreign = app.get(&theirs.token, &format!("/api/v1/{list}?node_id={node}")).await;
        foreign.problem(403, "node_out_of_reach");
        // The parent's are out of reach as well: reach goes down and not up.
        let parent = app.stranger.node_id;
        app.get(&theirs.token, &format!("/api/v1/{list}?node_id={parent}")).await.problem(403, "node_out_of_reach");
    }
    let own = format!("/api/v1/payments?node_id={}", theirs.node);
    for filter in [
        format!("wallet_id={}", app.merchant.wallet_id),
        format!("network_id={}", app.merchant.network_id),
        "external_id=one".to_owned(),
        "status=pending".to_owned(),
    ] {
        let listed = app.get(&theirs.token, &format!("{own}&{filter}")).await.expect(200).body;
        assert_eq!((&listed["total"], &listed["items"]), (&json!(0), &json!([])), "{filter}");
    }
    let members = app.get(&theirs.token, "/api/v1/members?external_id=ada").await.expect(200).body;
    assert_eq!(members["total"], 0);
    let waiting = app.get(&theirs.token, "/api/v1/operations/payments?status=pending").await.expect(200).body;
    assert_eq!(waiting["total"], 0);
    // And the other way round, they see their own.
    let payment = id(app.post(&theirs.token, "/api/v1/payments", &own_payment(&app, &theirs, "own", &json!({}))).await);
    let waiting = app.get(&theirs.token, "/api/v1/operations/payments?status=pending").await.expect(200).body;
    assert_eq!((&waiting["total"], &waiting["items"][0]["id"]), (&json!(1), &json!(payment)));
});

/// A payment of their own that names these things.
fn own_payment(app: &TestApp, theirs: &Below, external_id: &str, changes: &Value) -> Value {
    let mut body = app.payment(external_id);
    body["node_id"] = json!(theirs.node);
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

on_both!(bodies_cannot_name_what_belongs_to_another_tenant, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (mine, theirs) = (app.token().await, below(&app).await);
    let (node, parent) = (app.merchant.node_id, app.stranger.node_id);
    let member = json!({ "node_id": node, "external_id": "ada", "name": "Ada" });
    let member = id(app.post(&mine, "/api/v1/members", &member).await);
    let parents = app.token_on(parent, Permission::ALL).await;
    let aunt = json!({ "node_id": parent, "external_id": "aunt", "name": "Aunt" });
    let aunt = id(app.post(&parents, "/api/v1/members", &aunt).await);

    for foreign in [node, parent] {
        for (path, body) in [
            ("integrations", json!({ "node_id": foreign, "name": "spy" })),
            ("nodes", json!({ "parent_id": foreign, "name": "spy" })),
            ("members", json!({ "node_id": foreign, "external_id": "spy" })),
            (
                "wallets",
                json!({
                    "node_id": foreign, "chain_id": app.merchant.chain_id, "name": "spy", "address": ADDRESS,
                }),
            ),
            ("payments", own_payment(&app, &theirs, "spy", &json!({ "node_id": foreign }))),
        ] {
            app.post(&theirs.token, &format!("/api/v1/{path}"), &body).await.problem(403, "node_out_of_reach");
        }
        let deploy = json!({ "node_id": foreign, "network_id": app.merchant.network_id });
        let path = format!("/api/v1/wallets/{}/deploy", theirs.wallet);
        app.post(&theirs.token, &path, &deploy).await.problem(403, "node_out_of_reach");
    }
    let deploy = json!({ "node_id": theirs.node, "network_id": app.merchant.network_id });
    let path = format!("/api/v1/wallets/{}/deploy", app.merchant.wallet_id);
    app.post(&theirs.token, &path, &deploy).await.problem(403, "node_out_of_reach");

    // Their own payment, with somebody else's wallet or member; an answer that showed the member would be a leak.
    for (changes, what) in [
        (json!({ "wallet_id": app.merchant.wallet_id }), "Wallet"),
        (json!({ "member_id": member }), "Member"),
        (json!({ "member_id": aunt }), "Member"),
    ] {
        let answer = app.post(&theirs.token, "/api/v1/payments", &own_payment(&app, &theirs, "spy", &changes)).await;
        assert!(!answer.text.contains("Aunt") && !answer.text.contains("Ada"), "{}", answer.text);
        let problem = answer.problem(404, "not_found");
        assert_eq!(problem["detail"], format!("{what} not found"), "{changes}");
    }
    // Whoever reaches both may use the parent's member for a node below.
    let used = own_payment(&app, &theirs, "parents", &json!({ "member_id": aunt }));
    let used = app.post(&parents, "/api/v1/payments", &used).await.expect(201).body;
    assert_eq!(used["member"]["name"], "Aunt");
});

on_both!(the_same_external_ids_are_another_tenants_own, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (mine, theirs) = (app.token().await, below(&app).await);
    let first = app.created(&mine, "order").await;
    let inline = json!({ "member": { "external_id": "ada", "name": "Eve" } });
    let member = json!({ "node_id": app.merchant.node_id, "external_id": "ada", "name": "Ada" });
    let member = id(app.post(&mine, "/api/v1/members", &member).await);
    let body = own_payment(&app, &theirs, "order", &inline);
    let second = app.post(&theirs.token, "/api/v1/payments", &body).await.expect(201).body;
    assert_ne!(first["id"], second["id"]);
    assert_ne!(second["member_id"], json!(member));
    let ada = app.get(&mine, &format!("/api/v1/members/{member}")).await.expect(200).body;
    assert_eq!(ada["name"], "Ada", "an inline member of another tenant changes nothing");
    // An idempotency key of one is no key of the other.
    let mut again = own_payment(&app, &theirs, "again", &json!({}));
    again["expires_at"] = json!(now() + TimeDelta::hours(3));
    let one = app.post_once(&mine, "/api/v1/payments", "key-1", &app.payment("keyed")).await.expect(201).body;
    let other = app.post_once(&theirs.token, "/api/v1/payments", "key-1", &again).await.expect(201).body;
    assert_ne!(one["id"], other["id"]);
});
