//! Sign-in of programs.

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::{Value, json};

use crate::app::{TestApp, send};

async fn refresh(app: &TestApp, token: &Value) -> crate::app::TestResponse {
    send(app.client.post("/api/v1/auth/refresh").body_json(&json!({ "refresh_token": token }))).await
}

on_both!(signs_in_with_a_body_or_with_headers, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (key, secret) = app.integration(app.merchant.node_id, Permission::ALL).await;
    let by_body = app.authenticate(&key, &secret).await.expect(200).body;
    assert_eq!((&by_body["token_type"], &by_body["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let expires_at = chrono::DateTime::parse_from_rfc3339(by_body["expires_at"].as_str().unwrap()).unwrap();
    let left = expires_at.to_utc() - chrono::Utc::now();
    assert!((3_590..=3_600).contains(&left.num_seconds()), "{left}");

    let by_headers = app.client.post("/api/v1/auth/authenticate").header("Api-Key", &key).header("Api-Secret", &secret);
    let by_headers = send(by_headers).await.expect(200).body;
    for pair in [by_body, by_headers] {
        app.get(pair["access_token"].as_str().unwrap(), "/api/v1/nodes").await.expect(200);
    }
});

on_both!(refuses_wrong_credentials_and_malformed_requests, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (key, secret) = app.integration(app.merchant.node_id, Permission::ALL).await;
    let (_, others) = app.integration(app.merchant.node_id, Permission::ALL).await;
    for (key, secret) in [(key.as_str(), "wrong"), (key.as_str(), others.as_str()), ("unknown", secret.as_str())] {
        let problem = app.authenticate(key, secret).await.problem(401, "unauthorized");
        assert_eq!(problem["detail"], "Invalid API key or secret");
    }
    let malformed = [json!({}), json!({ "api_key": key }), json!({ "api_key": 1, "secret_key": secret }), json!([])];
    for body in malformed {
        let request = app.client.post("/api/v1/auth/authenticate").body_json(&body);
        assert!(!send(request).await.pointers().is_empty(), "{body}");
    }
    let nothing = send(app.client.post("/api/v1/auth/authenticate")).await.pointers();
    assert_eq!(nothing, ["/api_key", "/Api-Key"]);
    let half = send(app.client.post("/api/v1/auth/authenticate").header("Api-Key", &key)).await.pointers();
    assert_eq!(half, ["/secret_key", "/Api-Secret"]);
});

on_both!(refreshes_once_and_ends_the_family_on_reuse, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (key, secret) = app.integration(app.merchant.node_id, Permission::ALL).await;
    let first = app.authenticate(&key, &secret).await.expect(200).body;
    let second = refresh(&app, &first["refresh_token"]).await.expect(200).body;
    assert_ne!(first["access_token"], second["access_token"]);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    app.get(second["access_token"].as_str().unwrap(), "/api/v1/nodes").await.expect(200);

    refresh(&app, &first["refresh_token"]).await.problem(401, "unauthorized");
    refresh(&app, &second["refresh_token"]).await.problem(401, "unauthorized");
    app.get(second["access_token"].as_str().unwrap(), "/api/v1/nodes").await.problem(401, "unauthorized");
    app.authenticate(&key, &secret).await.expect(200);
});

on_both!(of_many_refreshes_at_once_one_wins, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (key, secret) = app.integration(app.merchant.node_id, Permission::ALL).await;
    let token = app.authenticate(&key, &secret).await.expect(200).body["refresh_token"].clone();
    let all = futures_util::future::join_all((0..8).map(|_| refresh(&app, &token))).await;
    let winners = all.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(winners, 1);
    assert!(all.iter().all(|answer| answer.status == 200 || answer.status == 401));
});

on_both!(refuses_refresh_tokens_that_are_not_ones, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    refresh(&app, &json!("qr_nonsense")).await.problem(401, "unauthorized");
    assert_eq!(refresh(&app, &json!(null)).await.pointers(), ["/refresh_token"]);
    assert_eq!(refresh(&app, &json!(7)).await.pointers(), ["/refresh_token"]);
    app.user("ada", "4711", None).await;
    let login = app.login("ada", "4711").await.expect(200);
    let cookie = login.cookie("refreshToken").unwrap();
    let users = cookie.split(['=', ';']).nth(1).unwrap();
    refresh(&app, &json!(users)).await.problem(401, "unauthorized");
});

on_both!(an_expired_integration_cannot_sign_in_or_go_on, async |database: TestDatabase| {
    use entities::{integration, now};
    use sea_orm::{EntityTrait, prelude::*};
    let app = TestApp::new(database).await;
    let (key, secret) = app.integration(app.merchant.node_id, Permission::ALL).await;
    let pair = app.authenticate(&key, &secret).await.expect(200).body;
    let tx = app.database.db.begin().await.unwrap();
    integration::Entity::update_many()
        .col_expr(integration::Column::ExpiresAt, Expr::value(now()))
        .exec(&*tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    app.authenticate(&key, &secret).await.problem(401, "unauthorized");
    refresh(&app, &pair["refresh_token"]).await.problem(401, "unauthorized");
    app.get(pair["access_token"].as_str().unwrap(), "/api/v1/nodes").await.problem(401, "unauthorized");
});
