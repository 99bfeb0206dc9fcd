//! What was made says where it is; and times are written in one way, in answers and in events.

use fixtures::{TestDatabase, on_both};
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::{Value, json};

use crate::{
    app::{TestApp, TestResponse},
    checkout, till,
};

/// Where a 201 says that it is.
#[track_caller]
fn location(answer: &TestResponse, name: &str) -> String {
    assert_eq!(answer.status, 201, "{name}: {}", answer.text);
    let location = answer.header("location").to_owned();
    assert!(location.starts_with('/'), "{name} has no Location");
    location
}

on_both!(whatever_is_created_says_where_it_is, async |database: TestDatabase| {
    let app = checkout::shop(database).await;
    let token = app.token().await;
    let (node, network) = (app.merchant.node_id, app.merchant.network_id);
    let address = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";
    for (path, body) in [
        ("/api/v1/payments", app.payment("one")),
        ("/api/v1/nodes", json!({ "parent_id": node, "name": "Shop" })),
        ("/api/v1/members", json!({ "node_id": node, "external_id": "ada" })),
        (
            "/api/v1/wallets",
            json!({ "node_id": node, "chain_id": app.merchant.chain_id, "name": "Two", "address": address }),
        ),
        (
            "/api/v1/webhooks",
            json!({ "node_id": node, "url": "https://shop.example/hook", "events": ["payment.paid"] }),
        ),
        ("/payments", till::entry("till-1")),
        ("/tickets", json!({ "name": "Table 7" })),
        ("/v1/payments", checkout::order("a checkout")),
    ] {
        let created = app.post(&token, path, &body).await;
        let location = location(&created, path);
        assert!(location.starts_with(&format!("{path}/")), "{path}: {location}");
        let got = app.get(&token, &location).await.expect(200).body;
        let id = |body: &Value| body["id"].as_str().or(body["data"]["id"].as_str()).map(str::to_owned);
        let same = id(&got) == id(&created.body) || id(&got[0]).is_some();
        assert!(same, "{path}: {got} at {location}");
    }
    let deploy = json!({ "node_id": node, "network_id": network });
    let wallet = format!("/api/v1/wallets/{}", app.merchant.wallet_id);
    assert_eq!(location(&app.post(&token, &format!("{wallet}/deploy"), &deploy).await, "deploy"), wallet);
    let integration = app.post(&token, "/api/v1/integrations", &json!({ "node_id": node, "name": "Shop" })).await;
    let gone = app.delete(&token, &location(&integration, "integrations")).await;
    assert_eq!(gone.status, 204);
    // The same answer again for the same key, its place included.
    let two = app.payment("two");
    let first = app.post_once(&token, "/api/v1/payments", "key-1", &two).await;
    let again = app.post_once(&token, "/api/v1/payments", "key-1", &two).await;
    assert_eq!(location(&first, "first"), location(&again, "again"));
});

on_both!(who_reaches_everything_gets_where_it_is, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    app.user("root", "481516", None).await;
    let login = app.login("root", "481516").await.expect(200);
    let admin = login.cookie("accessToken").unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
    let chain = app.post(&admin, "/api/v1/chains", &json!({ "name": "other" })).await;
    app.get(&admin, &location(&chain, "chains")).await.expect(200);
    let currency = json!({ "symbol": "XTS", "name": "Test", "decimals": 2 });
    let currency = app.post(&admin, "/api/v1/currencies", &currency).await;
    app.get(&admin, &location(&currency, "currencies")).await.expect(200);
    let role = app.post(&admin, "/roles", &json!({ "role": "Cashier" })).await;
    assert_eq!(location(&role, "roles"), format!("/roles/{}", role.body["id"].as_str().unwrap()));
    let user = json!({ "name": "ada", "pin": "4711", "role": role.body["id"] });
    let user = app.post(&admin, "/users", &user).await;
    assert_eq!(location(&user, "users"), format!("/users/{}", user.body["id"].as_str().unwrap()));
});

/// Every text in a body that says a time in another form than `2030-01-31T12:00:00.000000Z`.
fn other_times(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let is_time = text.len() > 18 && chrono::DateTime::parse_from_rfc3339(text).is_ok();
            if is_time && !(text.ends_with('Z') && text.len() == "2030-01-31T12:00:00.000000Z".len()) {
                found.push(text.clone());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| other_times(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| other_times(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

on_both!(times_are_written_in_one_way, async |database: TestDatabase| {
    let app = checkout::shop(database).await;
    let token = app.token().await;
    let webhook = json!({ "node_id": app.merchant.node_id, "url": "https://shop.example/hook", "events": ["*"] });
    app.post(&token, "/api/v1/webhooks", &webhook).await.expect(201);
    let mut body = app.payment("one");
    body["expires_at"] = json!("2031-01-31T12:00:00.123456789+02:00");
    body["member"] = json!({ "external_id": "ada" });
    let payment = app.post(&token, "/api/v1/payments", &body).await.expect(201).body;
    assert_eq!(payment["expires_at"], "2031-01-31T10:00:00.123456Z");
    let id = payment["id"].as_str().unwrap();
    checkout::created(&app, &token, "a checkout").await;
    app.post(&token, "/tickets", &json!({})).await.expect(201);
    let node = app.merchant.node_id;
    let mut found = Vec::new();
    let widget = app.get(payment["access_token"].as_str().unwrap(), &format!("/api/v1/widget/payments/{id}")).await;
    other_times(&widget.expect(200).body, &mut found);
    for path in [
        format!("/api/v1/payments/{id}"),
        format!("/api/v1/payments?node_id={node}"),
        format!("/api/v1/payments/{id}/logs"),
        "/api/v1/nodes".to_owned(),
        "/api/v1/members".to_owned(),
        "/api/v1/webhooks".to_owned(),
        "/api/v1/integrations".to_owned(),
        "/payments".to_owned(),
        "/v1/payments".to_owned(),
    ] {
        let answer = app.get(&token, &path).await.expect(200);
        assert!(answer.text.contains("T") || path == "/payments", "{path}: {}", answer.text);
        other_times(&answer.body, &mut found);
    }
    assert_eq!(found, Vec::<String>::new());

    let (logs, payments) = (entities::payment_log::Entity::find(), entities::payment::Entity::find());
    let logs = logs.order_by_asc(entities::payment_log::Column::Id).all(&*app.database.db).await.unwrap();
    let payments = payments.all(&*app.database.db).await.unwrap();
    for log in logs.iter().filter(|log| log.sequence.is_some()) {
        let payment = payments.iter().find(|payment| payment.id == log.payment_id).unwrap();
        let event = serde_json::to_value(payments::event::of_payment(log, payment)).unwrap();
        other_times(&event, &mut found);
    }
    assert_eq!(found, Vec::<String>::new(), "in events");
});
