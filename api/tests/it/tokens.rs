//! Every protected route, asked with tokens that look right and are not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entities::{IntegrationId, NodeId, integration, node, now};
use fixtures::{TestDatabase, on_both};
use hmac::{Hmac, Mac, digest::KeyInit};
use payments::Permission;
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};

use crate::{
    access::{call, operations, things},
    app::{SECRET, TestApp, send},
};

fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// By hand, as the API signs by one algorithm alone.
fn signed(claims: &Value, algorithm: &str, secret: &str) -> String {
    let parts = [&json!({ "alg": algorithm, "typ": "JWT" }), claims];
    let message = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = match algorithm {
        "HS512" => hmac::<Hmac<Sha512>>(&message, secret),
        _ => hmac::<Hmac<Sha256>>(&message, secret),
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn hmac<M: Mac + KeyInit>(message: &str, secret: &str) -> Vec<u8> {
    let keyed = <M as Mac>::new_from_slice(secret.as_bytes()).unwrap();
    keyed.chain_update(message).finalize().into_bytes().to_vec()
}

/// With an unsigned header in front of the claims of a good token, and the good signature or none behind.
fn unsigned(token: &str, signature: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    format!("{header}.{}.{signature}", token.split('.').nth(1).unwrap())
}

/// A token that works, and the id of its integration.
async fn good(app: &TestApp, node_id: NodeId) -> (String, IntegrationId) {
    let token = app.token_on(node_id, Permission::ALL).await;
    app.get(&token, "/api/v1/networks").await.expect(200);
    let id = claims(&token)["sub"].as_str().unwrap().parse().unwrap();
    (token, id)
}

async fn change(app: &TestApp, row: integration::ActiveModel) {
    integration::Entity::update(row).exec(&*app.database.db).await.unwrap();
}

/// By what is wrong with them. Each worked, or one like it, a moment ago.
async fn bad_tokens(app: &TestApp, manager: &str) -> Vec<(&'static str, String)> {
    let node_id = app.merchant.node_id;
    let (live, _) = good(app, node_id).await;
    let signature = live.rsplit('.').next().unwrap();
    let mut expired = claims(&live);
    expired["exp"] = json!(now().timestamp() - 1);
    let mut other = claims(&live);
    other["family"] = json!(uuid::Uuid::now_v7());
    let mut kind = claims(&live);
    kind["kind"] = json!("user");
    let mut bad = vec![
        ("expired", signed(&expired, "HS256", SECRET)),
        ("signed with another key", signed(&claims(&live), "HS256", "another secret of tests, 32 bytes")),
        ("signed with an empty key", signed(&claims(&live), "HS256", "")),
        ("signed by another algorithm", signed(&claims(&live), "HS512", SECRET)),
        ("unsigned", unsigned(&live, "")),
        ("unsigned, with a signature", unsigned(&live, signature)),
        ("of a sign-in that never was", signed(&other, "HS256", SECRET)),
        ("of another kind of caller", signed(&kind, "HS256", SECRET)),
        ("a refresh token", {
            let (key, secret) = app.integration(node_id, Permission::ALL).await;
            app.authenticate(&key, &secret).await.expect(200).body["refresh_token"].as_str().unwrap().to_owned()
        }),
        ("a payment's own token", app.created(manager, "token").await["access_token"].as_str().unwrap().to_owned()),
    ];

    let (revoked, id) = good(app, node_id).await;
    app.delete(manager, &format!("/api/v1/integrations/{id}")).await.expect(204);
    bad.push(("of a revoked integration", revoked));
    let (over, id) = good(app, node_id).await;
    let past = Set(Some(now() - chrono::TimeDelta::seconds(1)));
    change(app, integration::ActiveModel { id: Set(id), expires_at: past, ..Default::default() }).await;
    bad.push(("of an integration whose time is over", over));
    let below = app.post(manager, "/api/v1/nodes", &json!({ "name": "below" })).await.expect(201).body;
    let below = NodeId(below["id"].as_str().unwrap().parse().unwrap());
    let (gone, _) = good(app, below).await;
    app.delete(manager, &format!("/api/v1/nodes/{below}")).await.expect(204);
    assert!(node::Entity::find_by_id(below).one(&*app.database.db).await.unwrap().unwrap().deleted_at.is_some());
    bad.push(("of a node that was deleted", gone));
    bad
}

on_both!(no_route_takes_a_token_that_is_not_good, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let manager = app.token().await;
    let (things, bodies) = things(&app, &manager).await;
    let bad = bad_tokens(&app, &manager).await;
    let mut calls = 0;
    for operation in operations(&things, &bodies) {
        if operation.is_public() {
            continue;
        }
        for (what, token) in &bad {
            let answer = call(&app, &operation, Some(token)).await;
            assert_eq!(answer.status.as_u16(), 401, "{} takes a token {what}: {}", operation.id, answer.text);
            operation.refused(answer, 401, "unauthorized");
            calls += 1;
        }
    }
    assert!(calls > 40 * bad.len(), "{calls} requests are not every route");
    // In the cookie they are no better.
    for (what, token) in &bad {
        let answer = send(app.client.get("/api/v1/networks").header("cookie", format!("access_token={token}"))).await;
        assert_eq!(answer.status.as_u16(), 401, "a cookie {what}: {}", answer.text);
    }
});

on_both!(a_payments_token_opens_its_own_payment_alone, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let (one, other) = (app.created(&token, "one").await, app.created(&token, "other").await);
    let path =
        |payment: &Value, rest: &str| format!("/api/v1/widget/payments/{}{rest}", payment["id"].as_str().unwrap());
    let its = one["access_token"].as_str().unwrap();
    for rest in ["", "/qr?origin=https://pay.example"] {
        app.get(its, &path(&one, rest)).await.expect(200);
        app.get(its, &path(&other, rest)).await.problem(401, "unauthorized");
        app.get(&token, &path(&one, rest)).await.problem(401, "unauthorized");
    }
});
