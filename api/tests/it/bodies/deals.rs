//! A merchant's programs: signing in, a payment from its creation to its end, lists, the log, and the payer's widget.

use fixtures::{Backend, TestDatabase};
use payments::{Closing, Observation, Permission};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Dialogue;
use crate::app::TestApp;

const PATH: &str = "/api/v1/payments";

#[tokio::test(flavor = "multi_thread")]
async fn deals_answers() {
    let app = TestApp::new(TestDatabase::new(Backend::Sqlite).await).await;
    let mut dialogue = Dialogue::with(&app);
    let token = signing_in(&mut dialogue).await;
    integrations(&mut dialogue, &token).await;
    let payment = creating(&mut dialogue, &token).await;
    refused(&mut dialogue, &token).await;
    reading(&mut dialogue, &token, &payment).await;
    paying(&mut dialogue, &token, &payment).await;
    canceling(&mut dialogue, &token).await;
    failing(&mut dialogue, &token).await;
    insta::assert_snapshot!("answers", dialogue.redacted());
}

async fn signing_in(dialogue: &mut Dialogue<'_>) -> String {
    let (key, secret) = dialogue.app.integration(dialogue.app.merchant.node_id, Permission::ALL).await;
    let authenticate = "/api/v1/auth/authenticate";
    let pair = dialogue.post("", authenticate, &json!({ "api_key": key, "secret_key": secret })).await.expect(200).body;
    dialogue.post("", authenticate, &json!({ "api_key": key, "secret_key": "wrong" })).await;
    dialogue.post("", authenticate, &json!({ "api_key": key })).await;
    let refresh = json!({ "refresh_token": pair["refresh_token"] });
    dialogue.post("", "/api/v1/auth/refresh", &refresh).await;
    dialogue.post("", "/api/v1/auth/refresh", &refresh).await;
    let pair = dialogue.app.authenticate(&key, &secret).await.expect(200).body;
    pair["access_token"].as_str().unwrap().to_owned()
}

async fn integrations(dialogue: &mut Dialogue<'_>, token: &str) {
    let node_id = dialogue.app.merchant.node_id;
    let body = json!({ "node_id": node_id, "name": "Web shop" });
    let created = dialogue.post(token, "/api/v1/integrations", &body).await.expect(201).body;
    dialogue.post(token, "/api/v1/integrations", &body).await;
    dialogue.post(token, "/api/v1/integrations", &json!({ "node_id": node_id, "name": "" })).await;
    dialogue.post(token, "/api/v1/integrations", &json!({ "node_id": Uuid::now_v7(), "name": "x" })).await;
    dialogue.get(token, &format!("/api/v1/integrations?node_id={node_id}&per_page=1")).await;
    let path = format!("/api/v1/integrations/{}", created["id"].as_str().unwrap());
    for _ in 0..2 {
        dialogue.delete(token, &path).await;
    }
}

/// A payment with everything that a merchant may say.
async fn creating(dialogue: &mut Dialogue<'_>, token: &str) -> Value {
    let mut body = dialogue.app.payment("order-1");
    body["member"] = json!({ "external_id": "ada", "name": "Ada", "email": "ada@example.org" });
    body["items"] = json!([{ "name": "Pot", "price": 10.5, "external_id": "sku-7" }]);
    body["metadata"] = json!("anything");
    body["client_ip"] = json!("203.0.113.7");
    let created = dialogue.post(token, PATH, &body).await.expect(201).body;
    dialogue.post(token, PATH, &body).await;
    created
}

async fn refused(dialogue: &mut Dialogue<'_>, token: &str) {
    let app = dialogue.app;
    for (field, wrong) in [
        ("price", json!(0)),
        ("payment_method", json!("gold")),
        ("payment_address", json!("0x1")),
        ("expires_at", json!("2020-02-29T12:00:00Z")),
        ("node_id", json!("nonsense")),
        ("network_id", json!(Uuid::now_v7())),
        ("node_id", json!(app.stranger.node_id)),
        ("node_id", json!(Uuid::now_v7())),
    ] {
        let mut body = app.payment("order-2");
        body[field] = wrong;
        dialogue.post(token, PATH, &body).await;
    }
    dialogue.post(token, PATH, &json!({})).await;
    let body = app.payment("order-2");
    dialogue.post("", PATH, &body).await;
    dialogue.post("nonsense", PATH, &body).await;
    let read_only = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead]).await;
    dialogue.post(&read_only, PATH, &body).await;
    dialogue.request(poem::http::Method::PUT, token, PATH, &body).await;
}

async fn reading(dialogue: &mut Dialogue<'_>, token: &str, payment: &Value) {
    let app = dialogue.app;
    let node_id = app.merchant.node_id;
    let path = format!("{PATH}/{}", payment["id"].as_str().unwrap());
    dialogue.get(token, &path).await;
    dialogue.get(token, &format!("{PATH}/{}", Uuid::now_v7())).await;
    dialogue.get(token, &format!("{PATH}/nonsense")).await;
    let strangers = app.token_on(app.stranger.node_id, Permission::ALL).await;
    dialogue.get(&strangers, &path).await;
    dialogue.get(token, &format!("{PATH}?node_id={node_id}")).await;
    dialogue.get(token, &format!("{PATH}?node_id={node_id}&status=paid")).await;
    for refused in [String::new(), format!("?node_id={}", Uuid::now_v7()), format!("?node_id={node_id}&per_page=101")] {
        dialogue.get(token, &format!("{PATH}{refused}")).await;
    }
    dialogue.post(token, &format!("{path}/retry-send"), &json!({})).await;
    let widget = format!("/api/v1/widget/payments/{}", payment["id"].as_str().unwrap());
    dialogue.get(payment["access_token"].as_str().unwrap(), &widget).await;
    dialogue.get(token, &widget).await;
}

fn opened() -> [Observation; 2] {
    let diamond_address = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512".to_owned();
    let transaction_hash = Some(format!("0x{}", "ab".repeat(32)));
    [
        Observation::SendingStarted { diamond_address },
        Observation::DealOpened { deal_id: "17".to_owned(), transaction_hash },
    ]
}

/// From the deal on chain to the end, and the log of all that.
async fn paying(dialogue: &mut Dialogue<'_>, token: &str, payment: &Value) {
    let app = dialogue.app;
    let path = format!("{PATH}/{}", payment["id"].as_str().unwrap());
    let deposited = [Observation::DepositSeen { data: json!({}) }, Observation::DepositFinal { data: json!({}) }];
    for observation in opened() {
        app.observe(payment, observation).await;
    }
    dialogue.get(token, &path).await;
    dialogue.post(token, &format!("{path}/retry-send"), &json!({})).await;
    dialogue.post(token, &format!("{path}/release"), &json!({})).await;
    for observation in deposited {
        app.observe(payment, observation).await;
    }
    dialogue.post(token, &format!("{path}/release"), &json!({})).await;
    app.observe(payment, Observation::Released { transaction_hash: None }).await;
    dialogue.post(token, &format!("{path}/cancel"), &json!({})).await;
    dialogue.get(token, &path).await;
    dialogue.get(token, &format!("{path}/logs?per_page=100")).await;
    dialogue.get(token, &format!("{PATH}/{}/logs", Uuid::now_v7())).await;
}

async fn canceling(dialogue: &mut Dialogue<'_>, token: &str) {
    let app = dialogue.app;
    let unsent = app.created(token, "order-3").await;
    let path = format!("{PATH}/{}", unsent["id"].as_str().unwrap());
    for _ in 0..2 {
        dialogue.post(token, &format!("{path}/cancel"), &json!({})).await;
    }
    dialogue.get(token, &path).await;
    let weak = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead]).await;
    dialogue.post(&weak, &format!("{path}/cancel"), &json!({})).await;
    dialogue.post(token, &format!("{PATH}/{}/cancel", Uuid::now_v7()), &json!({})).await;

    let sent = app.created(token, "order-4").await;
    let path = format!("{PATH}/{}", sent["id"].as_str().unwrap());
    for observation in opened() {
        app.observe(&sent, observation).await;
    }
    dialogue.post(token, &format!("{path}/cancel"), &Value::Null).await;
    let transaction_hash = Some(format!("0x{}", "cd".repeat(32)));
    app.observe(&sent, Observation::DealCanceled { deposit: Closing::Nothing, transaction_hash }).await;
    dialogue.get(token, &path).await;
}

async fn failing(dialogue: &mut Dialogue<'_>, token: &str) {
    let app = dialogue.app;
    let payment = app.created(token, "order-5").await;
    let (code, message) = ("reverted".to_owned(), "TokenNotAllowed".to_owned());
    app.observe(&payment, Observation::SendFailed { code, message, retryable: false }).await;
    let path = format!("{PATH}/{}", payment["id"].as_str().unwrap());
    dialogue.get(token, &path).await;
    dialogue.post(token, &format!("{path}/cancel"), &json!({})).await;
}
