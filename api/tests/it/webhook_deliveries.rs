//! What became of events, sending them again, and recoveries.

use chrono::TimeDelta;
use entities::{
    DeliveryStatus, RecoveryStatus, WebhookAttemptId, WebhookDeliveryId, now, webhook_attempt, webhook_body,
    webhook_delivery, webhook_recovery,
};
use fixtures::{TestDatabase, on_both};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QueryOrder};
use serde_json::{Value, json};

use crate::{
    app::TestApp,
    webhooks::{PATH, new, path},
};

async fn tested(app: &TestApp, token: &str, webhook: &Value) -> String {
    let sent = app.post(token, &path(webhook, "/test"), &json!({})).await.expect(202).body;
    sent["delivery_id"].as_str().unwrap().to_owned()
}

async fn webhook(app: &TestApp, token: &str) -> Value {
    app.post(token, PATH, &new(app)).await.expect(201).body
}

async fn change(app: &TestApp, id: &str, change: impl FnOnce(&mut webhook_delivery::ActiveModel)) {
    let id: WebhookDeliveryId = id.parse().unwrap();
    let row = webhook_delivery::Entity::find_by_id(id).one(&*app.database.db).await.unwrap().unwrap();
    let mut row = row.into_active_model();
    change(&mut row);
    let tx = app.database.db.begin().await.unwrap();
    row.update(&*tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn attempted(app: &TestApp, id: &str, number: i32) {
    let row = webhook_attempt::Model {
        id: WebhookAttemptId::new(),
        delivery_id: id.parse().unwrap(),
        number,
        started_at: now(),
        duration_ms: 41,
        address: Some("203.0.113.9:443".to_owned()),
        status: Some(503),
        response: Some("try later".to_owned()),
        error_code: None,
        error_message: None,
    };
    let tx = app.database.db.begin().await.unwrap();
    webhook_attempt::Entity::insert(row.into_active_model()).exec_without_returning(&*tx).await.unwrap();
    tx.commit().await.unwrap();
}

on_both!(a_delivery_shows_its_attempts_and_what_is_ahead, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let webhook = webhook(&app, &token).await;
    let id = tested(&app, &token, &webhook).await;
    let at = format!("/api/v1/webhook-deliveries/{id}");
    let fresh = app.get(&token, &at).await.expect(200).body;
    assert_eq!((&fresh["attempts_left"], &fresh["attempts"]), (&json!(10), &json!([])));
    assert_eq!(fresh["event"]["type"], "webhook.test");
    assert_eq!(fresh["event"]["id"], fresh["delivery"]["event_id"]);
    attempted(&app, &id, 1).await;
    attempted(&app, &id, 2).await;
    change(&app, &id, |row| (row.attempts, row.round_attempts) = (Set(2), Set(2))).await;
    let later = app.get(&token, &at).await.expect(200).body;
    assert_eq!(later["attempts_left"], 8);
    let numbers: Vec<&Value> = later["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["number"]).collect();
    assert_eq!(numbers, [&json!(2), &json!(1)], "newest first");
    assert_eq!(later["attempts"][0]["response"], "try later");
    app.get(&token, &format!("/api/v1/webhook-deliveries/{}", uuid::Uuid::now_v7())).await.problem(404, "not_found");
});

on_both!(lists_are_filtered_and_go_on_where_they_stopped, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let webhook = webhook(&app, &token).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(tested(&app, &token, &webhook).await);
    }
    ids.reverse();
    change(&app, &ids[1], |row| row.status = Set(DeliveryStatus::Failed)).await;
    let list = async |query: &str| app.get(&token, &path(&webhook, &format!("/deliveries?{query}"))).await;
    let listed = |page: &Value| {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (mut read, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("per_page=2{cursor}")).await.expect(200).body;
        read.extend(listed(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(read, ids);
    let failed = list("status=failed").await.expect(200).body;
    assert_eq!(listed(&failed), ids[1..2]);
    assert_eq!(listed(&list("event_type=webhook.test").await.expect(200).body), ids);
    assert!(listed(&list("event_type=payment.paid").await.expect(200).body).is_empty());
    assert!(listed(&list(&format!("payment_id={}", uuid::Uuid::now_v7())).await.expect(200).body).is_empty());
    let before = (now() - TimeDelta::hours(1)).format("%FT%TZ");
    assert_eq!(listed(&list(&format!("since={before}")).await.expect(200).body), ids);
    assert!(listed(&list(&format!("until={before}")).await.expect(200).body).is_empty());
    assert_eq!(list("cursor=nonsense").await.pointers(), ["/cursor"]);
});

on_both!(anything_may_be_sent_again, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let webhook = webhook(&app, &token).await;
    let id = tested(&app, &token, &webhook).await;
    let again = format!("/api/v1/webhook-deliveries/{id}/redeliver");
    for status in [DeliveryStatus::Delivered, DeliveryStatus::Failed, DeliveryStatus::Held, DeliveryStatus::Pending] {
        change(&app, &id, |row| {
            (row.status, row.attempts, row.round_attempts, row.next_attempt_at) =
                (Set(status), Set(10), Set(10), Set(None));
        })
        .await;
        let answer = app.post(&token, &again, &json!({})).await.expect(202).body;
        assert_eq!(answer["delivery_id"], id);
        let at = format!("/api/v1/webhook-deliveries/{id}");
        let delivery = app.get(&token, &at).await.expect(200).body;
        assert_eq!(delivery["delivery"]["status"], "pending", "{status:?}");
        assert_eq!((&delivery["attempts_left"], &delivery["delivery"]["attempts"]), (&json!(10), &json!(10)));
        assert!(delivery["delivery"]["next_attempt_at"].is_string());
    }
    let tx = app.database.db.begin().await.unwrap();
    webhook_body::Entity::delete_many().exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    let problem = app.post(&token, &again, &json!({})).await.problem(409, "conflict");
    assert_eq!(problem["detail"], "The event is no longer kept");
});

on_both!(one_recovery_of_an_endpoint_runs_at_a_time, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let webhook = webhook(&app, &token).await;
    let (recover, body) = (path(&webhook, "/recover"), json!({ "since": "2020-01-01T00:00:00Z" }));
    let run = app.post_once(&token, &recover, "k-1", &body).await.expect(202).body;
    assert_eq!((&run["status"], &run["only_failed"], &run["recovered"]), (&json!("running"), &json!(true), &json!(0)));
    assert_eq!(app.post_once(&token, &recover, "k-1", &body).await.expect(202).body, run);
    let problem = app.post(&token, &recover, &body).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains(run["id"].as_str().unwrap()));
    let at = format!("/api/v1/webhook-recoveries/{}", run["id"].as_str().unwrap());
    assert_eq!(app.get(&token, &at).await.expect(200).body, run);
    let list = app.get(&token, &path(&webhook, "/recoveries")).await.expect(200).body;
    assert_eq!((&list["total"], &list["items"][0]), (&json!(1), &run));
    // One that has stopped for long makes room.
    let row = webhook_recovery::Entity::find().one(&*app.database.db).await.unwrap().unwrap();
    let mut row = row.into_active_model();
    row.updated_at = Set(now() - TimeDelta::minutes(16));
    let tx = app.database.db.begin().await.unwrap();
    row.update(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    app.post(&token, &recover, &body).await.expect(202);
    let runs = webhook_recovery::Entity::find().order_by_asc(webhook_recovery::Column::Id);
    let runs = runs.all(&*app.database.db).await.unwrap();
    assert_eq!(
        runs.iter().map(|run| run.status).collect::<Vec<_>>(),
        [RecoveryStatus::Failed, RecoveryStatus::Running]
    );
    for (body, pointer) in [
        (json!({}), "/since"),
        (json!({ "since": "yesterday" }), "/since"),
        (json!({ "since": now() + TimeDelta::hours(1) }), "/since"),
        (json!({ "since": "2020-01-02T00:00:00Z", "until": "2020-01-01T00:00:00Z" }), "/since"),
        (json!({ "since": "2020-01-01T00:00:00Z", "only_failed": "no" }), "/only_failed"),
    ] {
        assert_eq!(app.post(&token, &recover, &body).await.pointers(), [pointer], "{body}");
    }
});
