//! A shop's token, its payments, and every way that one ends; refusals in two languages.

use fixtures::{Backend, TestDatabase};
use payments::{
    Permission,
    sessions::{GatewayReport, GatewayStatus},
};
use poem::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Dialogue;
use crate::{
    app::TestResponse,
    checkout::{PATH, order, shop_with},
    checkout_submit::{gateway_says, id_of, reported, waiting},
};

#[tokio::test(flavor = "multi_thread")]
async fn checkout_answers() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let app = shop_with(database, &[gateways::Source::Stripe, gateways::Source::MvolaComoros]).await;
    let mut dialogue = Dialogue::with(&app);
    let token = signing_in(&mut dialogue).await;
    let payment = creating(&mut dialogue, &token).await;
    refused(&mut dialogue, &token).await;
    completing(&mut dialogue, &token, &payment).await;
    failing(&mut dialogue, &token).await;
    canceling(&mut dialogue, &token).await;
    listing(&mut dialogue, &token).await;
    insta::assert_snapshot!("answers", dialogue.redacted());
}

async fn signing_in(dialogue: &mut Dialogue<'_>) -> String {
    let (id, secret) = dialogue.app.integration(dialogue.app.merchant.node_id, Permission::ALL).await;
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let grant = |secret: &str| format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let answer = dialogue.exchange(Method::POST, "/v1/token", &headers, &grant(&secret)).await;
    for refused in [grant("wrong"), grant(&secret).replace("client_credentials", "password"), grant("")] {
        dialogue.exchange(Method::POST, "/v1/token", &headers, &refused).await;
    }
    answer.expect(200).body["access_token"].as_str().unwrap().to_owned()
}

/// A payment with everything that a shop may say.
async fn creating(dialogue: &mut Dialogue<'_>, token: &str) -> Value {
    let mut body = order("order-1");
    body["context"] = json!({
        "locale": "fr-KM", "channels": ["web"], "redirectMode": "embedded",
        "terminalId": "0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a41",
    });
    body["payer"] = json!({
        "firstName": "Ada", "lastName": "Soilihi", "email": "ada@example.org", "phone": "+2693210000",
        "address": { "line1": "Rue 1", "city": "Moroni", "country": "KM", "postcode": "1000" },
    });
    body["clientNote"] = json!("with a ribbon");
    body["plan"] = json!({ "source": "MVK" });
    let created = dialogue.post(token, PATH, &body).await.expect(201).body["data"].clone();
    dialogue.get(token, &path(&created, "")).await;
    created
}

fn path(payment: &Value, rest: &str) -> String {
    format!("{PATH}/{}{rest}", payment["id"].as_str().unwrap())
}

/// In English as long as nobody asks for another language.
async fn refused(dialogue: &mut Dialogue<'_>, token: &str) {
    let app = dialogue.app;
    let unknown = json!({ "id": Uuid::now_v7() });
    let read_only = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead]).await;
    let mut wrong = order("order-2");
    wrong["purchase"]["total"]["value"] = json!("15000.5");
    wrong["successUrl"] = json!(7);
    for language in ["de", "fr-KM, en;q=0.5"] {
        let language = ("accept-language", language);
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), language];
        for body in [wrong.to_string(), order("order-1").to_string(), "{".to_owned()] {
            dialogue.exchange(Method::POST, PATH, &headers, &body).await;
        }
        dialogue.exchange(Method::GET, &path(&unknown, ""), &headers[..1], "").await;
        let in_language = [headers[0], language];
        dialogue.exchange(Method::GET, &path(&unknown, ""), &in_language, "").await;
        dialogue.exchange(Method::PUT, PATH, &in_language, "").await;
        dialogue.exchange(Method::GET, &format!("{PATH}?limit=101"), &in_language, "").await;
        dialogue.exchange(Method::GET, PATH, &[language], "").await;
        let bearer = format!("Bearer {read_only}");
        let headers = [("authorization", bearer.as_str()), headers[1], language];
        dialogue.exchange(Method::POST, PATH, &headers, &order("order-2").to_string()).await;
    }
}

/// Submits while the gateway answers.
async fn submit(
    dialogue: &mut Dialogue<'_>,
    token: &str,
    payment: &Value,
    body: &Value,
    report: GatewayReport,
) -> TestResponse {
    let app = dialogue.app;
    let path = path(payment, "/submit");
    tokio::join!(dialogue.post(token, &path, body), gateway_says(app, id_of(payment), report)).0
}

async fn completing(dialogue: &mut Dialogue<'_>, token: &str, payment: &Value) {
    let submit_path = path(payment, "/submit");
    dialogue.post(token, &submit_path, &json!({ "source": "XYZ" })).await;
    dialogue.post(token, &submit_path, &json!({ "source": "PYP" })).await;
    let submitted = submit(dialogue, token, payment, &json!({}), waiting()).await.expect(200).body;
    for url in ["captureUrl", "declineUrl"] {
        let url = submitted["data"]["billing"][url].as_str().unwrap().replace("http://127.0.0.1:9154", "");
        dialogue.get("", &url).await;
        dialogue.get("", &url.replace("sig=", "sig=0")).await;
    }
    for report in [reported(GatewayStatus::Approved, 0), reported(GatewayStatus::Captured, 15_000)] {
        gateway_says(dialogue.app, id_of(payment), report).await;
        dialogue.get(token, &path(payment, "")).await;
    }
    dialogue.post(token, &path(payment, "/cancel"), &json!({})).await;
    dialogue.post(token, &submit_path, &json!({ "source": "STR" })).await;
}

async fn failing(dialogue: &mut Dialogue<'_>, token: &str) {
    let body = json!({
        "purchase": { "total": { "value": "12.50", "currency": "EUR" } }, "context": { "redirectMode": "hosted" },
    });
    let payment = dialogue.post(token, PATH, &body).await.expect(201).body["data"].clone();
    dialogue.post(token, &path(&payment, "/submit"), &json!({})).await;
    let declined =
        GatewayStatus::Failed { code: "card_declined".to_owned(), message: "The card was declined".to_owned() };
    submit(dialogue, token, &payment, &json!({ "source": "STR" }), reported(declined, 0)).await;
    dialogue.get(token, &path(&payment, "")).await;
}

async fn canceling(dialogue: &mut Dialogue<'_>, token: &str) {
    let payment = dialogue.post(token, PATH, &order("order-3")).await.expect(201).body["data"].clone();
    for _ in 0..2 {
        dialogue.post(token, &path(&payment, "/cancel"), &json!({})).await;
    }
    let strangers = dialogue.app.token_on(dialogue.app.stranger.node_id, Permission::ALL).await;
    dialogue.post(&strangers, &path(&payment, "/cancel"), &json!({})).await;
    dialogue.get(&strangers, &path(&payment, "")).await;
}

async fn listing(dialogue: &mut Dialogue<'_>, token: &str) {
    dialogue.get(token, &format!("{PATH}?sort=clientId&limit=1&offset=1")).await;
    dialogue.get(token, &format!("{PATH}?offset=90")).await;
    for refused in ["sort=nonsense", "offset=-1"] {
        dialogue.get(token, &format!("{PATH}?{refused}")).await;
    }
}
