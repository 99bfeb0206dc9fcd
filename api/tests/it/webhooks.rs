//! Webhook endpoints: who may do what with them, what is shown, and what is refused.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{WebhookEndpointId, audit, idempotency_key, webhook_endpoint};
use fixtures::{TestDatabase, on_both};
use payments::{Permission, event::EVENT_TYPES};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QueryOrder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::app::{SECRET, TestApp, redacted};

pub(crate) const PATH: &str = "/api/v1/webhooks";

/// Everything of webhooks, and nothing of operators.
const SHOP: &[Permission] = &[Permission::WebhooksManage, Permission::PaymentsCreate, Permission::PaymentsRead];

pub(crate) fn new(app: &TestApp) -> Value {
    json!({ "node_id": app.merchant.node_id, "url": "https://shop.example/hooks?key=geheim", "events": ["payment.*"] })
}

pub(crate) fn path(webhook: &Value, what: &str) -> String {
    format!("{PATH}/{}{what}", webhook["id"].as_str().unwrap())
}

async fn created(app: &TestApp, token: &str) -> Value {
    app.post(token, PATH, &new(app)).await.expect(201).body
}

fn id(webhook: &Value) -> WebhookEndpointId {
    webhook["id"].as_str().unwrap().parse().unwrap()
}

fn shown(webhook: &Value, version: i32) -> String {
    let secrets = webhooks::Secrets::new(&SecretString::from(SECRET));
    secrets.shown(id(webhook), version).expose_secret().to_owned()
}

async fn row(app: &TestApp, webhook: &Value) -> webhook_endpoint::Model {
    webhook_endpoint::Entity::find_by_id(id(webhook)).one(&*app.database.db).await.unwrap().unwrap()
}

async fn audited(app: &TestApp) -> Vec<audit::Model> {
    audit::Entity::find().order_by_asc(audit::Column::Id).all(&*app.database.db).await.unwrap()
}

on_both!(shows_the_secret_once_and_header_values_never, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token_on(app.merchant.node_id, SHOP).await;
    let mut body = new(&app);
    body["headers"] = json!({ "Authorization": "Bearer geheim-2" });
    let created = app.post(&token, PATH, &body).await.expect(201).body;
    assert_eq!(created["secret"], shown(&created, 1));
    let varying = ["id", "node_id", "secret", "created_at", "updated_at"];
    insta::assert_snapshot!("created_webhook", redacted(&created, &varying));
    let read = app.get(&token, &path(&created, "")).await.expect(200);
    insta::assert_snapshot!("webhook", redacted(&read.body, &varying));
    assert!(!read.text.contains("geheim-2") && !read.text.contains("whsec_"), "{}", read.text);
    let list = app.get(&token, PATH).await.expect(200);
    assert_eq!((&list.body["total"], &list.body["items"][0]["id"]), (&json!(1), &created["id"]));
    assert!(!list.text.contains("geheim-2") && !list.text.contains("whsec_"), "{}", list.text);
    let acts = audited(&app).await;
    assert_eq!((acts.len(), acts[0].action.as_str()), (1, "webhook.create"));
    let logged = acts[0].data.to_string();
    assert!(
        !logged.contains("geheim") && logged.contains("https://shop.example/hooks") && logged.contains("authorization")
    );
});

on_both!(a_repeated_request_makes_one_endpoint_and_shows_its_secret_again, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token_on(app.merchant.node_id, SHOP).await;
    let first = app.post_once(&token, PATH, "k-1", &new(&app)).await.expect(201).body;
    assert_eq!(app.post_once(&token, PATH, "k-1", &new(&app)).await.expect(201).body, first);
    let rotate = path(&first, "/rotate-secret");
    let rotated = app.post_once(&token, &rotate, "k-2", &json!({})).await.expect(200).body;
    assert_eq!((&rotated["secret"], &rotated["version"]), (&json!(shown(&first, 2)), &json!(2)));
    assert_eq!(app.post_once(&token, &rotate, "k-2", &json!({})).await.expect(200).body, rotated);
    assert_eq!(app.get(&token, PATH).await.expect(200).body["total"], 1);
    let kept = idempotency_key::Entity::find().all(&*app.database.db).await.unwrap();
    assert_eq!(kept.len(), 2);
    for kept in kept {
        assert!(!kept.response_body.unwrap().contains("whsec_"), "no secret is kept");
    }
});

on_both!(refuses_what_cannot_work, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token_on(app.merchant.node_id, SHOP).await;
    for (field, wrong, pointer) in [
        ("events", json!([]), "/events"),
        ("events", json!(["payment.payed"]), "/events/0"),
        ("events", json!(["*", "payments.*"]), "/events/1"),
        ("url", json!("ftp://shop.example"), "/url"),
        ("url", json!("http://169.254.169.254/latest"), "/url"),
        ("url", json!("http://0x7f.1/"), "/url"),
        ("url", json!("http://[::1]:8080/"), "/url"),
        ("url", json!("https://ada:pw@shop.example/"), "/url"),
        ("headers", json!({ "webhook-id": "mine" }), "/headers/webhook-id"),
        ("headers", json!({ "x-a": "b\r\nc: d" }), "/headers/x-a"),
        ("rate_per_second", json!(0), "/rate_per_second"),
        ("format", json!("soap"), "/format"),
        ("evnets", json!(["*"]), "/evnets"),
    ] {
        let mut body = new(&app);
        body[field] = wrong;
        assert_eq!(app.post(&token, PATH, &body).await.pointers(), [pointer], "{body}");
    }
    let mut unknown = new(&app);
    unknown["events"] = json!(["payment.payed"]);
    let problem = app.post(&token, PATH, &unknown).await.problem(400, "validation_failed").to_string();
    assert!(EVENT_TYPES.iter().all(|known| problem.contains(known.name)), "the list is told: {problem}");
    for (field, status) in [("wallet_id", 404), ("network_id", 404), ("node_id", 404)] {
        let mut body = new(&app);
        body[field] = json!(uuid::Uuid::now_v7());
        app.post(&token, PATH, &body).await.problem(status, "not_found");
    }
    let mut body = new(&app);
    body["wallet_id"] = json!(app.stranger.wallet_id);
    app.post(&token, PATH, &body).await.problem(403, "node_out_of_reach");
    body["wallet_id"] = json!(app.merchant.wallet_id);
    body["network_id"] = json!(app.merchant.network_id);
    app.post(&token, PATH, &body).await.expect(201);
});

on_both!(operators_events_are_for_operators, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let shop = app.token_on(app.merchant.node_id, SHOP).await;
    let operator = app.token_on(app.merchant.node_id, &[Permission::WebhooksManage, Permission::Operations]).await;
    let mut body = new(&app);
    body["events"] = json!(["dead_letter.created"]);
    app.post(&shop, PATH, &body).await.problem(403, "permission_missing");
    let theirs = app.post(&operator, PATH, &body).await.expect(201).body;
    assert!(row(&app, &theirs).await.operators);
    body["events"] = json!(["*"]);
    let own = app.post(&shop, PATH, &body).await.expect(201).body;
    assert!(!row(&app, &own).await.operators);
    // Whoever may not hear them may not send them elsewhere either.
    let elsewhere = json!({ "url": "https://elsewhere.example/" });
    app.patch(&shop, &path(&theirs, ""), &elsewhere).await.problem(403, "permission_missing");
    for act in ["/rotate-secret", "/disable", "/enable"] {
        app.post(&shop, &path(&theirs, act), &json!({})).await.problem(403, "permission_missing");
    }
    app.delete(&shop, &path(&theirs, "")).await.problem(403, "permission_missing");
    let sent = app.post(&operator, &path(&theirs, "/test"), &json!({})).await.expect(202).body;
    let delivery = format!("/api/v1/webhook-deliveries/{}", sent["delivery_id"].as_str().unwrap());
    app.get(&shop, &delivery).await.problem(403, "permission_missing");
    app.get(&operator, &delivery).await.expect(200);
    app.patch(&shop, &path(&own, ""), &json!({ "events": ["signer.*"] })).await.problem(403, "permission_missing");
    app.patch(&operator, &path(&own, ""), &json!({ "events": ["signer.*"] })).await.expect(200);
    assert!(row(&app, &own).await.operators);
});

on_both!(changes_keep_what_is_left_out, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token_on(app.merchant.node_id, SHOP).await;
    let mut body = new(&app);
    body["headers"] = json!({ "x-key": "geheim", "x-old": "1" });
    body["description"] = json!("orders");
    let webhook = app.post(&token, PATH, &body).await.expect(201).body;
    let change = json!({ "headers": { "x-key": "***", "x-new": "2" }, "rate_per_second": 5 });
    let changed = app.patch(&token, &path(&webhook, ""), &change).await.expect(200).body;
    assert_eq!(changed["headers"], json!({ "x-key": "***", "x-new": "***" }));
    assert_eq!((&changed["description"], &changed["rate_per_second"]), (&json!("orders"), &json!(5)));
    let stored = row(&app, &webhook).await;
    assert_eq!(opened(&stored, "x-key"), "geheim");
    assert_eq!(opened(&stored, "x-new"), "2");
    assert_eq!(stored.headers.as_object().unwrap().len(), 2);
    assert!(!stored.headers.to_string().contains("geheim"), "no value stands in the table: {}", stored.headers);
    let change = json!({ "description": null, "rate_per_second": null, "events": ["payment.paid", "payment.paid"] });
    let changed = app.patch(&token, &path(&webhook, ""), &change).await.expect(200).body;
    assert_eq!((&changed["description"], &changed["rate_per_second"]), (&Value::Null, &Value::Null));
    assert_eq!(changed["events"], json!(["payment.paid"]));
    let refused = app.patch(&token, &path(&webhook, ""), &json!({ "url": "http://10.0.0.1/" })).await;
    assert_eq!(refused.pointers(), ["/url"]);
    assert_eq!(row(&app, &webhook).await.url, "https://shop.example/hooks?key=geheim");
});

/// The value of a header as it is sent.
fn opened(stored: &webhook_endpoint::Model, name: &str) -> String {
    let secrets = webhooks::Secrets::new(&SecretString::from(SECRET));
    let value = secrets.open(stored.id, name, &stored.headers[name]).unwrap();
    value.expose_secret().to_owned()
}

on_both!(another_origin_takes_no_header_values_along, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token_on(app.merchant.node_id, SHOP).await;
    let mut body = new(&app);
    body["headers"] = json!({ "authorization": "Bearer geheim", "x-key": "geheim" });
    let webhook = app.post(&token, PATH, &body).await.expect(201).body;
    let patch = async |change: Value| app.patch(&token, &path(&webhook, ""), &change).await.expect(200).body;

    let masked = json!({ "authorization": "***", "x-key": "***" });
    let same = patch(json!({ "url": "https://shop.example/elsewhere" })).await;
    assert_eq!(same["headers"], masked, "the same place");
    for url in ["http://shop.example/elsewhere", "https://shop.example:8443/", "https://evil.example/"] {
        let there = json!({ "url": url, "headers": { "authorization": "***", "x-key": "new" } });
        assert_eq!(patch(there).await["headers"], json!({ "x-key": "***" }), "{url}: a mask is no value");
        assert_eq!(opened(&row(&app, &webhook).await, "x-key"), "new");
        let back = json!({ "url": "https://shop.example/elsewhere" });
        assert_eq!(patch(back).await["headers"], json!({}), "{url}: and nothing comes back");
        patch(json!({ "headers": { "authorization": "Bearer geheim", "x-key": "geheim" } })).await;
        assert_eq!(patch(json!({ "url": url })).await["headers"], json!({}), "{url}");
        let again = json!({
            "url": "https://shop.example/elsewhere", "headers": { "authorization": "Bearer geheim", "x-key": "geheim" },
        });
        assert_eq!(patch(again).await["headers"], masked, "sent anew in the same request");
    }
});

on_both!(a_second_rotation_never_makes_three_secrets, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token_on(app.merchant.node_id, SHOP).await;
    let webhook = created(&app, &token).await;
    let rotate = path(&webhook, "/rotate-secret");
    let first = app.post(&token, &rotate, &json!({})).await.expect(200).body;
    assert_eq!(first["secret"], shown(&webhook, 2));
    let until: DateTime<Utc> = first["previous_secret_until"].as_str().unwrap().parse().unwrap();
    let left = until - entities::now();
    assert!(left > TimeDelta::hours(23) && left <= TimeDelta::hours(24), "{left}");
    let problem = app.post(&token, &rotate, &json!({})).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("revoke_previous"), "{problem}");
    assert_eq!(row(&app, &webhook).await.secret_version, 2, "nothing was rotated");
    let second = app.post(&token, &rotate, &json!({ "revoke_previous": true })).await.expect(200).body;
    assert_eq!((&second["version"], &second["previous_secret_until"]), (&json!(3), &Value::Null));
    let stored = row(&app, &webhook).await;
    let secrets = webhooks::Secrets::new(&SecretString::from(SECRET));
    assert_eq!(stored.secret_check, secrets.check(stored.id, 3));
    assert_eq!(stored.previous_secret_until, None);
    // Once the 24 hours are over, it goes on as the first time.
    let mut later = stored.into_active_model();
    later.previous_secret_until = Set(Some(entities::now() - TimeDelta::seconds(1)));
    let tx = app.database.db.begin().await.unwrap();
    later.update(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(app.post(&token, &rotate, &json!({})).await.expect(200).body["version"], 4);
});

on_both!(of_two_rotations_at_once_one_is_made, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token_on(app.merchant.node_id, SHOP).await;
    let webhook = created(&app, &token).await;
    let (rotate, body) = (path(&webhook, "/rotate-secret"), json!({}));
    let (one, other) = tokio::join!(app.post(&token, &rotate, &body), app.post(&token, &rotate, &body));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", one.text, other.text);
    assert_eq!(row(&app, &webhook).await.secret_version, 2);
});

on_both!(disabling_holds_notifies_the_others_and_is_undone, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token_on(app.merchant.node_id, SHOP).await;
    let webhook = created(&app, &token).await;
    let mut body = new(&app);
    body["events"] = json!(["endpoint.disabled"]);
    let other = app.post(&token, PATH, &body).await.expect(201).body;
    app.post(&token, &path(&webhook, "/test"), &json!({})).await.expect(202);
    for _ in 0..2 {
        let disabled =
            app.post(&token, &path(&webhook, "/disable"), &json!({ "reason": "we move" })).await.expect(200).body;
        assert_eq!((&disabled["status"], &disabled["disabled_reason"]), (&json!("disabled"), &json!("we move")));
        assert_eq!(disabled["enabled"], false, "both words for the same");
        assert_eq!(disabled["backlog"], json!({ "pending": 0, "held": 1, "failed": 0 }));
    }
    let logged = app.get(&token, &path(&other, "/deliveries")).await.expect(200).body;
    assert_eq!(
        (logged["items"].as_array().unwrap().len(), &logged["items"][0]["event_type"]),
        (1, &json!("endpoint.disabled"))
    );
    app.post(&token, &path(&webhook, "/test"), &json!({})).await.problem(409, "conflict");
    let since = json!({ "since": "2020-01-01T00:00:00Z" });
    app.post(&token, &path(&webhook, "/recover"), &since).await.problem(409, "conflict");
    for _ in 0..2 {
        let enabled = app.post(&token, &path(&webhook, "/enable"), &json!({})).await.expect(200).body;
        assert_eq!((&enabled["status"], &enabled["disabled_reason"]), (&json!("enabled"), &Value::Null));
        assert_eq!(enabled["enabled"], true);
        assert_eq!(enabled["backlog"]["held"], 1, "held until it is recovered");
    }
    let acts: Vec<String> = audited(&app).await.into_iter().map(|act| act.action).collect();
    let once = |action: &str| acts.iter().filter(|act| *act == action).count();
    assert_eq!((once("webhook.disable"), once("webhook.enable"), once("webhook.test")), (1, 1, 1), "{acts:?}");
});

on_both!(a_deleted_endpoint_is_gone_but_for_what_was_owed_to_it, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token_on(app.merchant.node_id, SHOP).await;
    let webhook = created(&app, &token).await;
    let sent = app.post(&token, &path(&webhook, "/test"), &json!({})).await.expect(202).body;
    app.delete(&token, &path(&webhook, "")).await.expect(204);
    for what in ["", "/recoveries"] {
        app.get(&token, &path(&webhook, what)).await.problem(404, "not_found");
    }
    app.delete(&token, &path(&webhook, "")).await.problem(404, "not_found");
    for what in ["/test", "/enable", "/disable", "/rotate-secret"] {
        app.post(&token, &path(&webhook, what), &json!({})).await.problem(404, "not_found");
    }
    assert_eq!(app.get(&token, PATH).await.expect(200).body["total"], 0);
    let owed = app.get(&token, &path(&webhook, "/deliveries")).await.expect(200).body;
    assert_eq!((&owed["items"][0]["id"], &owed["items"][0]["status"]), (&sent["delivery_id"], &json!("held")));
    let delivery = format!("/api/v1/webhook-deliveries/{}", sent["delivery_id"].as_str().unwrap());
    app.get(&token, &delivery).await.expect(200);
    app.post(&token, &format!("{delivery}/redeliver"), &json!({})).await.problem(409, "conflict");
});
