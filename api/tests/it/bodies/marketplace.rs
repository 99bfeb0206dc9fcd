//! A seller's account, an order paid by card, its refunds, and the seller's payout. What workers do is written by the test.

use fixtures::{Backend, TestDatabase};
use payments::{Permission, sessions::GatewayStatus};
use poem::http::Method;
use serde_json::{Value, json};

use super::Dialogue;
use crate::{
    app::TestApp,
    marketplace::{
        DASHBOARD, INTENT, ONBOARD, PAYOUT, REFUND, STATUS, details, manager, open_account, place, processor_reports,
        sale, session_of, shop_with,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn marketplace_answers() {
    let app = shop_with(TestDatabase::new(Backend::Sqlite).await, |_| {}).await;
    let bare = TestApp::new(TestDatabase::new(Backend::Sqlite).await).await;
    let mut dialogue = Dialogue::with(&bare);
    without_a_processor(&mut dialogue).await;
    dialogue.app = &app;
    let token = manager(&app).await;
    refused(&mut dialogue, &token).await;
    without_an_account(&mut dialogue, &token).await;
    let order = selling(&mut dialogue).await;
    refunding(&mut dialogue, &token, order).await;
    paying_out(&mut dialogue, &token).await;
    insta::assert_snapshot!("answers", dialogue.redacted());
}

async fn without_a_processor(dialogue: &mut Dialogue<'_>) {
    let token = manager(dialogue.app).await;
    dialogue.get(&token, STATUS).await;
    dialogue.get(&token, DASHBOARD).await;
    dialogue.post("", INTENT, &json!({ "order_id": 4_711 })).await;
}

async fn refused(dialogue: &mut Dialogue<'_>, token: &str) {
    let weak = dialogue.app.token_on(dialogue.app.merchant.node_id, Permission::DEFAULT).await;
    for token in ["", "nonsense", weak.as_str()] {
        dialogue.get(token, STATUS).await;
        dialogue.post(token, REFUND, &json!({})).await;
    }
    dialogue.post(token, ONBOARD, &json!({})).await;
    for (field, wrong) in [
        ("business_name", json!("")),
        ("city", json!(7)),
        ("email", json!("ana")),
        ("dob", json!("17.05.1990")),
        ("nif", json!("123456780")),
        ("iban", json!("PT50000201231234567890155")),
        ("tos_accepted", json!(false)),
    ] {
        let mut body = details();
        body[field] = wrong;
        dialogue.post(token, ONBOARD, &body).await;
    }
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for body in ["", "{\"order_id\":", "[]"] {
        dialogue.exchange(Method::POST, INTENT, &headers, body).await;
    }
    dialogue.exchange(Method::POST, INTENT, &[("content-type", "text/plain")], "{}").await;
    dialogue.post("", INTENT, &json!({ "order_id": "seven" })).await;
    dialogue.post(token, REFUND, &json!({ "order_id": 7, "amount_cents": 0 })).await;
    for query in ["", "?amount=", "?amount=1.5", "?amount=0"] {
        dialogue.post(token, &format!("{PAYOUT}{query}"), &Value::Null).await;
    }
    dialogue.get(token, REFUND).await;
    dialogue.get(token, "/api/payments/connect/nothing").await;
}

async fn without_an_account(dialogue: &mut Dialogue<'_>, token: &str) {
    let app = dialogue.app;
    dialogue.get(token, STATUS).await;
    dialogue.get(token, DASHBOARD).await;
    dialogue.post(token, &format!("{PAYOUT}?amount=5"), &Value::Null).await;
    let order = place(app, "10").await;
    dialogue.post("", INTENT, &json!({ "order_id": order })).await;
    for enabled in [false, true] {
        open_account(app, app.merchant.node_id, enabled).await;
        dialogue.get(token, STATUS).await;
    }
}

/// The number of an order that is paid by card.
async fn selling(dialogue: &mut Dialogue<'_>) -> i64 {
    let app = dialogue.app;
    let number = place(app, "25.25").await;
    let order = json!({ "order_id": number });
    let opened = async { processor_reports(app, session_of(app, number).await, GatewayStatus::Waiting, "0").await };
    tokio::join!(dialogue.post("", INTENT, &order), opened).0.expect(200);
    dialogue.post("", INTENT, &order).await;
    processor_reports(app, session_of(app, number).await, GatewayStatus::Captured, "25.25").await;
    dialogue.post("", INTENT, &order).await;
    dialogue.post("", INTENT, &json!({ "order_id": 4_711 })).await;
    number
}

async fn refunding(dialogue: &mut Dialogue<'_>, token: &str, order: i64) {
    let unpaid = place(dialogue.app, "10").await;
    for number in [unpaid, 4_711] {
        dialogue.post(token, REFUND, &json!({ "order_id": number })).await;
    }
    let part = json!({ "order_id": order, "amount_cents": 1_000, "reason": "broken" });
    let bearer = format!("Bearer {token}");
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", "k-1")];
    for body in [&part, &part, &json!({ "order_id": order })] {
        dialogue.exchange(Method::POST, REFUND, &headers, &body.to_string()).await;
    }
    dialogue.post(token, REFUND, &json!({ "order_id": order, "amount_cents": 1_526 })).await;
    dialogue.post(token, REFUND, &json!({ "order_id": order, "amount_cents": null, "reason": null })).await;
    dialogue.post(token, REFUND, &json!({ "order_id": order })).await;
    let strangers = dialogue.app.token_on(dialogue.app.stranger.node_id, Permission::ALL).await;
    dialogue.post(&strangers, REFUND, &part).await;
}

async fn paying_out(dialogue: &mut Dialogue<'_>, token: &str) {
    sale(dialogue.app, "100").await;
    dialogue.post(token, &format!("{PAYOUT}?amount=9000"), &Value::Null).await;
    dialogue.post(token, &format!("{PAYOUT}?amount=9000"), &Value::Null).await;
}
