//! Cancel, release, send again, and the log that tells of it.

use fixtures::{TestDatabase, on_both};
use payments::{Closing, Observation};
use serde_json::{Value, json};

use crate::app::{TestApp, TestResponse, send};

async fn command(app: &TestApp, token: &str, payment: &Value, what: &str) -> TestResponse {
    let path = format!("/api/v1/payments/{}/{what}", payment["id"].as_str().unwrap());
    app.post(token, &path, &json!({})).await
}

async fn status(app: &TestApp, token: &str, payment: &Value) -> Value {
    let path = format!("/api/v1/payments/{}", payment["id"].as_str().unwrap());
    app.get(token, &path).await.expect(200).body["status"].clone()
}

fn opened() -> [Observation; 2] {
    let diamond_address = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512".to_owned();
    let transaction_hash = Some(format!("0x{}", "ab".repeat(32)));
    [
        Observation::SendingStarted { diamond_address },
        Observation::DealOpened { deal_id: "17".to_owned(), transaction_hash },
    ]
}

fn paid() -> [Observation; 2] {
    [Observation::DepositSeen { data: json!({}) }, Observation::DepositFinal { data: json!({}) }]
}

on_both!(cancels_at_once_what_was_not_sent, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let payment = app.created(&token, "one").await;
    for _ in 0..2 {
        let answer = command(&app, &token, &payment, "cancel").await.expect(202);
        assert_eq!(answer.body, json!({ "status": "accepted" }));
        assert_eq!(status(&app, &token, &payment).await, "canceled");
    }
    command(&app, &token, &payment, "release").await.problem(409, "conflict");
});

on_both!(cancels_through_the_chain_what_was_sent, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let payment = app.created(&token, "one").await;
    for observation in opened() {
        app.observe(&payment, observation).await;
    }
    command(&app, &token, &payment, "cancel").await.expect(202);
    assert_eq!(status(&app, &token, &payment).await, "canceling");
    command(&app, &token, &payment, "cancel").await.expect(202);
    app.observe(&payment, Observation::DealCanceled { deposit: Closing::Nothing, transaction_hash: None }).await;
    assert_eq!(status(&app, &token, &payment).await, "canceled");
});

on_both!(a_paid_payment_is_released_or_given_back, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let payment = app.created(&token, "one").await;
    for observation in opened() {
        app.observe(&payment, observation).await;
    }
    command(&app, &token, &payment, "release").await.problem(409, "conflict");
    for observation in paid() {
        app.observe(&payment, observation).await;
    }
    for _ in 0..2 {
        let answer = command(&app, &token, &payment, "release").await.expect(202);
        assert_eq!(answer.body, json!({ "status": "accepted" }));
    }
    app.observe(&payment, Observation::Released { transaction_hash: None }).await;
    assert_eq!(status(&app, &token, &payment).await, "completed");
    let problem = command(&app, &token, &payment, "cancel").await.problem(409, "conflict");
    assert_eq!(problem["detail"], "a payment that is completed cannot be canceled");

    let other = app.created(&token, "two").await;
    for observation in opened().into_iter().chain(paid()) {
        app.observe(&other, observation).await;
    }
    command(&app, &token, &other, "cancel").await.expect(202);
    app.observe(&other, Observation::DealCanceled { deposit: Closing::Returned, transaction_hash: None }).await;
    assert_eq!(status(&app, &token, &other).await, "refunded");
    command(&app, &token, &other, "cancel").await.expect(202);
});

on_both!(what_has_ended_otherwise_cannot_be_canceled, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let failed = app.created(&token, "failed").await;
    let failure = || Observation::SendFailed {
        code: "reverted".to_owned(),
        message: "TokenNotAllowed".to_owned(),
        retryable: false,
    };
    app.observe(&failed, failure()).await;
    command(&app, &token, &failed, "cancel").await.problem(409, "conflict");
    let path = format!("/api/v1/payments/{}", failed["id"].as_str().unwrap());
    let shown = app.get(&token, &path).await.expect(200).body;
    assert_eq!(shown["failure"], json!({ "code": "reverted", "message": "TokenNotAllowed", "retryable": false }));

    let expired = app.created(&token, "expired").await;
    for observation in opened().into_iter().chain([Observation::Expired]) {
        app.observe(&expired, observation).await;
    }
    command(&app, &token, &expired, "cancel").await.problem(409, "conflict");
});

on_both!(sends_again_what_is_eligible, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let payment = app.created(&token, "one").await;
    let again = command(&app, &token, &payment, "retry-send").await.expect(200).body;
    assert_eq!((&again["id"], &again["status"]), (&payment["id"], &json!("pending")));
    assert_eq!(again["access_token"], payment["access_token"]);
    command(&app, &token, &payment, "retry-send").await.expect(200);

    for observation in opened() {
        app.observe(&payment, observation).await;
    }
    let problem = command(&app, &token, &payment, "retry-send").await.problem(400, "not_eligible");
    assert_eq!(problem["detail"], "Payment not eligible for retry");

    let mut card = app.payment("card");
    card["payment_method"] = json!("credit_card");
    let card = app.post(&token, "/api/v1/payments", &card).await.expect(201).body;
    command(&app, &token, &card, "retry-send").await.problem(400, "not_eligible");
});

on_both!(commands_take_no_body_or_an_empty_one, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let payment = app.created(&token, "one").await;
    let path = format!("/api/v1/payments/{}/cancel", payment["id"].as_str().unwrap());
    let post = || app.client.post(&path).header("authorization", format!("Bearer {token}"));
    send(post().content_type("application/json").body("[1]")).await.problem(400, "validation_failed");
    send(post().content_type("application/json").body("{")).await.problem(400, "malformed_request");
    send(post().content_type("text/plain").body("x")).await.problem(415, "unsupported_media_type");
    send(post()).await.expect(202);
});

on_both!(unknown_payments_are_not_found, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let unknown = json!({ "id": uuid::Uuid::now_v7() });
    for what in ["cancel", "release", "retry-send"] {
        let problem = command(&app, &token, &unknown, what).await.problem(404, "not_found");
        assert_eq!(problem["detail"], "Payment not found");
    }
    let path = format!("/api/v1/payments/{}", unknown["id"].as_str().unwrap());
    app.get(&token, &path).await.problem(404, "not_found");
    app.get(&token, &format!("{path}/logs")).await.problem(404, "not_found");
});

on_both!(the_log_shows_who_did_what_and_by_which_request, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let request = app.client.post("/api/v1/payments").header("authorization", format!("Bearer {token}"));
    let request = request.header("x-request-id", "request-7").body_json(&app.payment("one"));
    let payment = send(request).await.expect(201).body;
    command(&app, &token, &payment, "cancel").await.expect(202);
    let path = format!("/api/v1/payments/{}/logs", payment["id"].as_str().unwrap());
    let logs = app.get(&token, &path).await.expect(200).body;
    let items = logs["items"].as_array().unwrap();
    let kinds: Vec<&str> = items.iter().map(|item| item["event_type"].as_str().unwrap()).collect();
    assert_eq!(kinds.first(), Some(&"payment.canceled"), "newest first: {kinds:?}");
    assert_eq!(kinds.last(), Some(&"payment.created"));
    let first = items.last().unwrap();
    assert_eq!((&first["actor_type"], &first["data"]["request_id"]), (&json!("integration"), &json!("request-7")));
    let fields: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["actor_id", "actor_type", "created_at", "data", "event_type", "id", "message"]);
    assert_eq!((&logs["page"], &logs["per_page"], &logs["total"]), (&json!(1), &json!(10), &json!(items.len())));
    let second = app.get(&token, &format!("{path}?page=2&per_page=1")).await.expect(200).body;
    assert_eq!(second["items"][0]["id"], items[1]["id"]);
});

on_both!(a_deposit_that_the_payer_refuses_is_announced_as_kept_and_not_as_returned, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let payment = app.created(&token, "one").await;
    let path = format!("/api/v1/payments/{}", payment["id"].as_str().unwrap());
    for observation in [opened(), paid()].concat() {
        app.observe(&payment, observation).await;
    }
    command(&app, &token, &payment, "cancel").await.expect(202);
    let held = Closing::Held {
        payer: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8".to_owned(),
        token: Some("0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512".to_owned()),
        amount_base_units: "10500000".to_owned(),
    };
    for _ in 0..2 {
        let deposit = held.clone();
        app.observe(&payment, Observation::DealCanceled { deposit, transaction_hash: Some("0xc".to_owned()) }).await;
    }
    let payment_now = app.get(&token, &path).await.expect(200).body;
    assert_eq!(payment_now["status"], "canceled", "the payer has nothing back");
    assert_eq!(payment_now["return_held"]["payer"], "0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
    assert_eq!(payment_now["return_held"]["token_address"], "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512");
    assert_eq!(
        (&payment_now["return_held"]["amount"], &payment_now["return_held"]["withdrawn_at"]),
        (&payment_now["paid_price"], &Value::Null)
    );
    let logs = app.get(&token, &format!("{path}/logs?per_page=100")).await.expect(200).body;
    let rows = |event: &str| -> Vec<Value> {
        let of_type = |row: &&Value| row["event_type"] == event;
        logs["items"].as_array().unwrap().iter().filter(of_type).cloned().collect()
    };
    assert_eq!((rows("payment.canceled").len(), rows("payment.return_held").len()), (1, 1), "{logs:#}");
    let logged = &rows("payment.return_held")[0];
    assert!(logged["message"].as_str().unwrap().contains("kept for the payer, who calls withdraw"), "{logged}");
    assert_eq!(logged["data"]["held"]["amount_base_units"], "10500000");

    let at = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    app.observe(&payment, Observation::ReturnWithdrawn { at, data: json!({ "transaction_hash": "0xd" }) }).await;
    let payment_now = app.get(&token, &path).await.expect(200).body;
    assert_eq!(payment_now["status"], "canceled");
    assert!(
        payment_now["return_held"]["withdrawn_at"].as_str().unwrap().starts_with("2027-01-15T08:00:00"),
        "{payment_now}"
    );
});
