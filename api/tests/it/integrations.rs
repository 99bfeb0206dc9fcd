//! Programs of a node.

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::json;

use crate::app::{TestApp, redacted};

on_both!(creates_one_that_can_sign_in_and_shows_its_secret_once, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let body = json!({ "node_id": app.merchant.node_id, "name": "Web shop" });
    let created = app.post(&token, "/api/v1/integrations", &body).await.expect(201);
    let varying = ["id", "node_id", "api_key", "secret_key", "created_at"];
    insta::assert_snapshot!("integration", redacted(&created.body, &varying));
    let (key, secret) = (&created.body["api_key"], &created.body["secret_key"]);
    app.authenticate(key.as_str().unwrap(), secret.as_str().unwrap()).await.expect(200);

    let list = app.get(&token, &format!("/api/v1/integrations?node_id={}", app.merchant.node_id)).await.expect(200);
    assert_eq!(list.body["items"][0]["id"], created.body["id"]);
    assert!(!list.text.contains(secret.as_str().unwrap()) && !list.text.contains("secret"));
});

on_both!(refuses_taken_names_strange_nodes_and_wrong_values, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let body = json!({ "node_id": app.merchant.node_id, "name": "Web shop" });
    app.post(&token, "/api/v1/integrations", &body).await.expect(201);
    app.post(&token, "/api/v1/integrations", &body).await.problem(409, "conflict");
    let elsewhere = json!({ "node_id": app.stranger.node_id, "name": "Web shop" });
    app.post(&token, "/api/v1/integrations", &elsewhere).await.problem(403, "node_out_of_reach");
    let nowhere = json!({ "node_id": uuid::Uuid::now_v7(), "name": "Web shop" });
    app.post(&token, "/api/v1/integrations", &nowhere).await.problem(404, "not_found");
    for (field, wrong) in [
        ("name", json!("")),
        ("name", json!("x".repeat(256))),
        ("name", json!(null)),
        ("node_id", json!("x")),
        ("permissions", json!("payments.read")),
        ("expires_at", json!("yesterday")),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
    ] {
        let mut body = json!({ "node_id": app.merchant.node_id, "name": "Other" });
        body[field] = wrong;
        assert_eq!(app.post(&token, "/api/v1/integrations", &body).await.pointers(), [format!("/{field}")]);
    }
    let body = json!({ "node_id": app.merchant.node_id, "name": "Other", "permissions": ["payments.read", "fly"] });
    assert_eq!(app.post(&token, "/api/v1/integrations", &body).await.pointers(), ["/permissions/1"]);
});

on_both!(nobody_grants_what_they_may_not_do, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token_on(app.merchant.node_id, &[Permission::NodesManage, Permission::PaymentsRead]).await;
    let new_integration =
        |permissions| json!({ "node_id": app.merchant.node_id, "name": "x", "permissions": permissions });
    app.post(&token, "/api/v1/integrations", &new_integration(json!(["operations"])))
        .await
        .problem(403, "permission_missing");
    app.post(&token, "/api/v1/integrations", &new_integration(json!(["payments.read"]))).await.expect(201);
});

on_both!(revoking_one_ends_its_tokens_at_once, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let body = json!({ "node_id": app.merchant.node_id, "name": "Web shop" });
    let created = app.post(&token, "/api/v1/integrations", &body).await.expect(201).body;
    let (key, secret) = (created["api_key"].as_str().unwrap(), created["secret_key"].as_str().unwrap());
    let pair = app.authenticate(key, secret).await.expect(200).body;
    let theirs = pair["access_token"].as_str().unwrap();
    app.get(theirs, "/api/v1/nodes").await.expect(200);

    let path = format!("/api/v1/integrations/{}", created["id"].as_str().unwrap());
    let strangers = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.delete(&strangers, &path).await.problem(403, "node_out_of_reach");
    let gone = app.delete(&token, &path).await.expect(204);
    assert_eq!(gone.text, "");
    app.get(theirs, "/api/v1/nodes").await.problem(401, "unauthorized");
    app.authenticate(key, secret).await.problem(401, "unauthorized");
    app.delete(&token, &path).await.problem(404, "not_found");
    // Its name is free again.
    app.post(&token, "/api/v1/integrations", &body).await.expect(201);
});

on_both!(a_repeated_answer_does_not_hold_the_secret, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let body = json!({ "node_id": app.merchant.node_id, "name": "Web shop" });
    let first = app.post_once(&token, "/api/v1/integrations", "k", &body).await.expect(201).body;
    let second = app.post_once(&token, "/api/v1/integrations", "k", &body).await.expect(201).body;
    assert_eq!(first["id"], second["id"]);
    assert!(first["secret_key"].is_string() && second["secret_key"].is_null());
});
