//! Payments in review, and an operator's verdict on them.

use entities::{audit, payment_log};
use fixtures::{TestDatabase, on_both};
use payments::{Observation, Permission};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};
use serde_json::{Value, json};

use crate::app::{TestApp, TestResponse};

const OPERATOR: &[Permission] = &[Permission::Operations];

fn path(payment: &Value, what: &str) -> String {
    format!("/api/v1/operations/payments/{}/{what}", payment["id"].as_str().unwrap())
}

async fn resolve(app: &TestApp, token: &str, payment: &Value, to: &str) -> TestResponse {
    app.post(token, &path(payment, "resolve"), &json!({ "as": to, "reason": "seen on the explorer" })).await
}

fn attempts() -> Value {
    json!({ "operation": "open", "attempts": [{ "hash": "0xa", "provider": "one", "answer": "timeout" }] })
}

fn started() -> Observation {
    Observation::SendingStarted { diamond_address: "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512".to_owned() }
}

/// A payment whose opening nobody knows the outcome of.
async fn unknown(app: &TestApp, token: &str, external_id: &str) -> Value {
    let payment = app.created(token, external_id).await;
    app.observe(&payment, started()).await;
    app.observe(&payment, Observation::OutcomeUnknown { data: attempts() }).await;
    payment
}

async fn audited(app: &TestApp) -> Vec<audit::Model> {
    let rows = audit::Entity::find().filter(audit::Column::Action.eq("payment.resolve"));
    rows.order_by_asc(audit::Column::Id).all(&*app.database.db).await.unwrap()
}

on_both!(a_review_shows_the_evidence_of_a_verdict, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (token, operator) = (app.token().await, app.token_on(app.merchant.node_id, OPERATOR).await);
    let payment = unknown(&app, &token, "one").await;
    app.created(&token, "another").await;
    let waiting = app.get(&operator, "/api/v1/operations/payments").await.expect(200).body;
    assert_eq!((&waiting["total"], &waiting["items"][0]["id"]), (&json!(1), &payment["id"]));
    assert_eq!(waiting["items"][0]["access_token"], Value::Null, "an operator is not the payer");

    let review = app.get(&operator, &path(&payment, "review")).await.expect(200).body;
    assert_eq!((&review["status"], &review["before"]), (&json!("needs_review"), &json!("pending")));
    assert_eq!((&review["shown"], &review["lost"]), (&json!("nothing"), &Value::Null));
    assert_eq!(review["cause"]["data"]["attempts"], attempts()["attempts"]);
    assert_eq!(review["since"], review["cause"]["created_at"]);
    let verdicts: Vec<&str> =
        review["verdicts"].as_array().unwrap().iter().map(|verdict| verdict["as"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["pending", "failed", "canceled"]);
    assert!(review["verdicts"].as_array().unwrap().iter().all(|verdict| verdict["means"].as_str().unwrap().len() > 20));

    // Its deal turns up while it waits.
    app.observe(&payment, Observation::DealOpened { deal_id: "17".to_owned(), transaction_hash: None }).await;
    let review = app.get(&operator, &path(&payment, "review")).await.expect(200).body;
    assert_eq!((&review["shown"], &review["noted"][0]["event_type"]), (&json!("deal_open"), &json!("deal.opened")));
    assert_eq!(review["noted"].as_array().unwrap().len(), 1);

    // What waits for nothing can be looked at as well.
    resolve(&app, &operator, &payment, "open").await.expect(200);
    let review = app.get(&operator, &path(&payment, "review")).await.expect(200).body;
    assert_eq!((&review["status"], &review["before"]), (&json!("open"), &json!("needs_review")));
    assert_eq!((&review["verdicts"], &review["cause"]["data"]["reason"]), (&json!([]), &json!("seen on the explorer")));
});

on_both!(a_verdict_is_given_once_and_recorded_in_both_logs, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (token, operator) = (app.token().await, app.token_on(app.merchant.node_id, OPERATOR).await);
    let payment = unknown(&app, &token, "one").await;
    let refused = resolve(&app, &operator, &payment, "paid").await.problem(409, "conflict");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("pending or failed or canceled, not paid"), "{detail}");
    assert!(audited(&app).await.is_empty(), "what was refused is no act");

    for _ in 0..2 {
        let answer = resolve(&app, &operator, &payment, "failed").await.expect(200).body;
        assert_eq!((&answer["id"], &answer["status"]), (&payment["id"], &json!("failed")));
        assert_eq!(answer["failure"]["message"], "seen on the explorer");
    }
    let late = resolve(&app, &operator, &payment, "canceled").await.problem(409, "conflict");
    assert_eq!(late["detail"], "A payment that is failed waits for no verdict");

    let acts = audited(&app).await;
    assert_eq!(acts.len(), 1, "a repetition is no act of its own");
    assert_eq!((acts[0].object_type.as_str(), json!(acts[0].object_id)), ("payment", payment["id"].clone()));
    assert_eq!((&acts[0].data["as"], &acts[0].data["reason"]), (&json!("failed"), &json!("seen on the explorer")));
    assert_eq!(acts[0].data["shown"], "nothing");
    let rows = payment_log::Entity::find().filter(payment_log::Column::EventType.eq("payment.failed"));
    let rows = rows.all(&*app.database.db).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].actor_type, rows[0].actor_id.as_ref()),
        (entities::ActorType::Operator, Some(&acts[0].actor_id))
    );
    assert_eq!(
        (&rows[0].data["reason"], &rows[0].data["from"]),
        (&json!("seen on the explorer"), &json!("needs_review"))
    );
});

on_both!(of_two_verdicts_at_once_one_is_given, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (token, operator) = (app.token().await, app.token_on(app.merchant.node_id, OPERATOR).await);
    for round in 0..5 {
        let payment = unknown(&app, &token, &format!("round {round}")).await;
        let (one, other) =
            tokio::join!(resolve(&app, &operator, &payment, "failed"), resolve(&app, &operator, &payment, "canceled"),);
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{} {}", one.text, other.text);
        assert_eq!(audited(&app).await.len(), round + 1);
    }
});

on_both!(only_operators_of_the_node_decide, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let payment = unknown(&app, &token, "one").await;
    let shop = app.token_on(app.merchant.node_id, Permission::DEFAULT).await;
    resolve(&app, &shop, &payment, "failed").await.problem(403, "permission_missing");
    app.get(&shop, &path(&payment, "review")).await.problem(403, "permission_missing");
    let stranger = app.token_on(app.stranger.node_id, Permission::ALL).await;
    resolve(&app, &stranger, &payment, "failed").await.problem(403, "node_out_of_reach");
    app.get(&stranger, &path(&payment, "review")).await.problem(403, "node_out_of_reach");
    let nothing = json!({ "id": uuid::Uuid::now_v7() });
    let problem = resolve(&app, &token, &nothing, "failed").await.problem(404, "not_found");
    assert_eq!(problem["detail"], "Payment not found");
    app.get(&token, &path(&nothing, "review")).await.problem(404, "not_found");
    assert!(audited(&app).await.is_empty());
});

on_both!(a_verdict_needs_a_reason_and_a_status, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let payment = unknown(&app, &token, "one").await;
    for (body, pointer) in [
        (json!({ "as": "failed" }), "/reason"),
        (json!({ "as": "failed", "reason": "no" }), "/reason"),
        (json!({ "as": "failed", "reason": "x".repeat(1001) }), "/reason"),
        (json!({ "reason": "it is so" }), "/as"),
        (json!({ "as": "lost", "reason": "it is so" }), "/as"),
    ] {
        assert_eq!(app.post(&token, &path(&payment, "resolve"), &body).await.pointers(), [pointer], "{body}");
    }
    // With a key, the first answer comes again whatever became of the payment since.
    let body = json!({ "as": "pending", "reason": "it is so" });
    let first = app.post_once(&token, &path(&payment, "resolve"), "key", &body).await.expect(200).body;
    app.observe(&payment, Observation::DealOpened { deal_id: "17".to_owned(), transaction_hash: None }).await;
    let again = app.post_once(&token, &path(&payment, "resolve"), "key", &body).await.expect(200).body;
    assert_eq!(first, again);
    assert_eq!(audited(&app).await.len(), 1);
});
