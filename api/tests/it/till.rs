//! The contract of the point of sale: payments, methods and currencies, row by row.

use entities::{PaymentId, PaymentStatus, payment, payment_log};
use fixtures::{TestDatabase, on_both};
use payments::Permission;
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, prelude::*};
use serde_json::{Value, json};

use crate::app::{TestApp, TestResponse, send};

impl TestResponse {
    /// Checks that it is the till's error with this status, and returns its sentence.
    #[track_caller]
    pub(crate) fn message(self, status: u16) -> String {
        let answer = self.expect(status);
        assert!(answer.header("content-type").starts_with("application/json"), "{}", answer.text);
        assert_eq!(answer.body.as_object().unwrap().len(), 1, "{}", answer.text);
        answer.body["message"].as_str().expect("a sentence").to_owned()
    }

    #[track_caller]
    pub(crate) fn id(self) -> String {
        self.expect(201).body["id"].as_str().expect("an id").to_owned()
    }

    /// Checks that it is a 204 without a body.
    #[track_caller]
    pub(crate) fn nothing(self) {
        assert_eq!((self.status.as_u16(), self.text.as_str()), (204, ""));
    }
}

/// Ids that every installation has: Cash, Web3, the euro and the yen.
pub(crate) const CASH: &str = "00000000-0000-7000-8000-0000000000b1";
const CARD: &str = "00000000-0000-7000-8000-0000000000b2";
const WEB3: &str = "00000000-0000-7000-8000-0000000000b7";
pub(crate) const EURO: &str = "00000000-0000-7000-8000-0000c0000978";
const YEN: &str = "00000000-0000-7000-8000-0000c0000392";

/// The body of a payment that can be written down.
pub(crate) fn entry(transaction_id: &str) -> Value {
    json!({ "method_id": CASH, "currency_id": EURO, "transaction_id": transaction_id, "amount": 12.5 })
}

async fn put(app: &TestApp, token: &str, id: &str, body: &Value) -> TestResponse {
    let request = app.client.put(format!("/payments/{id}")).header("authorization", format!("Bearer {token}"));
    send(request.body_json(body)).await
}

async fn stored(app: &TestApp, id: &str) -> payment::Model {
    let id = PaymentId(id.parse().unwrap());
    payment::Entity::find_by_id(id).one(&*app.database.db).await.unwrap().unwrap()
}

/// Types of the payment's events, checked to be numbered without gaps.
async fn events(app: &TestApp, id: &str) -> Vec<String> {
    let payment = stored(app, id).await;
    let rows = payment_log::Entity::find()
        .filter(payment_log::Column::PaymentId.eq(payment.id))
        .filter(payment_log::Column::Sequence.is_not_null())
        .order_by_asc(payment_log::Column::Sequence)
        .all(&*app.database.db)
        .await
        .unwrap();
    let numbers: Vec<i32> = rows.iter().filter_map(|row| row.sequence).collect();
    assert_eq!(numbers, (1..=payment.sequence).collect::<Vec<_>>(), "the numbers rise by one");
    rows.into_iter().map(|row| row.event_type).collect()
}

on_both!(post_payments_writes_a_completed_payment_of_the_core, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    app.get(&token, "/payments").await.nothing();
    let added = app.post(&token, "/payments", &entry("till-1")).await.expect(201).body;
    assert_eq!(added["message"], "Payment added successfully");
    assert_eq!(added.as_object().unwrap().len(), 2);
    let id = added["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "method_id": CASH, "currency_id": EURO, "transaction_id": "till-1", "amount": 12.5,
    });
    assert_eq!(app.get(&token, &format!("/payments/{id}")).await.expect(200).body, expected);
    assert_eq!(app.get(&token, "/payments").await.expect(200).body, json!([expected]));
    let row = stored(&app, id).await;
    assert_eq!((row.status, row.node_id), (PaymentStatus::Completed, app.merchant.node_id));
    assert_eq!(events(&app, id).await, ["payment.created", "payment.completed"]);
    let payment_now = app.get(&token, &format!("/api/v1/payments/{id}")).await.expect(200).body;
    assert_eq!((&payment_now["status"], &payment_now["payment_method"]), (&json!("completed"), &json!("cash")));
    app.post(&token, &format!("/api/v1/payments/{id}/cancel"), &json!({})).await.problem(409, "conflict");
});

on_both!(post_payments_400, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let unknown = uuid::Uuid::now_v7().to_string();
    for (field, wrong) in [
        ("method_id", json!("")),
        ("method_id", json!("nonsense")),
        ("method_id", json!(unknown)),
        ("method_id", json!(7)),
        ("currency_id", json!("")),
        ("currency_id", json!(unknown)),
        ("transaction_id", json!("x".repeat(1_025))),
        ("transaction_id", json!(7)),
        ("transaction_id", json!("a\u{0}b")),
        ("amount", json!(0)),
        ("amount", json!(-1)),
        ("amount", json!("12,5")),
        ("amount", json!(1.005)),
    ] {
        let mut body = entry("till-1");
        body[field] = wrong;
        app.post(&token, "/payments", &body).await.message(400);
        body.as_object_mut().unwrap().remove(field);
        app.post(&token, "/payments", &body).await.message(400);
    }
    let mut yen = entry("till-1");
    yen["currency_id"] = json!(YEN);
    yen["amount"] = json!(100.5);
    app.post(&token, "/payments", &yen).await.message(400);
    assert_eq!(payment::Entity::find().count(&*app.database.db).await.unwrap(), 0, "nothing was written");
    let body = format!(
        r#"{{"method_id":"{CASH}","currency_id":"{EURO}","transaction_id":"big","amount":20999999999999.99,"till":7}}"#
    );
    let request = app.client.post("/payments").header("authorization", format!("Bearer {token}"));
    let id = send(request.content_type("application/json").body(body)).await.id();
    let read = app.get(&token, &format!("/payments/{id}")).await.expect(200);
    assert!(read.text.contains("20999999999999.99"), "{}", read.text);
});

on_both!(post_payments_409_transaction_id_already_used, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    for round in 0..5 {
        let body = entry(&format!("till-{round}"));
        let (one, two) = tokio::join!(app.post(&token, "/payments", &body), app.post(&token, "/payments", &body));
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", one.text, two.text);
        app.post(&token, "/payments", &body).await.message(409);
    }
    assert_eq!(payment::Entity::find().count(&*app.database.db).await.unwrap(), 5);
    app.created(&token, "order-1").await;
    app.post(&token, "/payments", &entry("order-1")).await.message(409);
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.post(&elsewhere, "/payments", &entry("till-1")).await.expect(201);
});

on_both!(a_blank_transaction_id_is_none_and_many_payments_may_have_none, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let mut ids = Vec::new();
    for blank in [json!(""), json!(""), json!("  "), Value::Null] {
        let mut body = entry("till-1");
        body["transaction_id"] = blank;
        let id = app.post(&token, "/payments", &body).await.id();
        let read = app.get(&token, &format!("/payments/{id}")).await.expect(200).body;
        assert_eq!(read["transaction_id"], "");
        ids.push(id);
    }
    let listed = app.get(&token, "/payments").await.expect(200).body;
    assert!(listed.as_array().unwrap().iter().all(|payment| payment["transaction_id"] == ""), "{listed}");
    // It is given a name, has it taken away again, and is deleted.
    let (one, other) = (&ids[0], &ids[1]);
    for (name, shown) in [(json!("till-1"), "till-1"), (json!(""), ""), (Value::Null, "")] {
        let mut body = entry("till-1");
        body["transaction_id"] = name;
        put(&app, &token, one, &body).await.expect(200);
        assert_eq!(app.get(&token, &format!("/payments/{one}")).await.expect(200).body["transaction_id"], shown);
    }
    put(&app, &token, other, &entry("till-1")).await.expect(200);
    app.post(&token, "/payments", &entry("till-1")).await.message(409);
    app.delete(&token, &format!("/payments/{one}")).await.nothing();
});

on_both!(a_transaction_id_has_up_to_1024_characters, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    // Four bytes each, drawn, so that no index can store them shorter.
    let noise: String =
        (0..1_023).map(|_| char::from_u32(0x1_0000 + rand::random::<u32>() % 0xF_0000).unwrap()).collect();
    for name in ["x".repeat(300), format!("{noise}1"), format!("{noise}2")] {
        let id = app.post(&token, "/payments", &entry(&name)).await.id();
        app.post(&token, "/payments", &entry(&name)).await.message(409);
        put(&app, &token, &id, &entry(&name)).await.expect(200);
        let read = app.get(&token, &format!("/payments/{id}")).await.expect(200).body;
        assert_eq!(read["transaction_id"], name);
        // Other contracts show the start of it, and take it for nobody else's.
        let payment_now = app.get(&token, &format!("/api/v1/payments/{id}")).await.expect(200).body;
        let external_id = payment_now["external_id"].as_str().unwrap();
        assert!(external_id.chars().count() <= 255 && name.starts_with(&external_id[..external_id.find('…').unwrap()]));
        app.delete(&token, &format!("/payments/{id}")).await.nothing();
        app.post(&token, "/payments", &entry(&name)).await.expect(201);
    }
});

on_both!(post_payments_is_safe_to_repeat_with_a_key, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let body = entry("till-1");
    let first = app.post_once(&token, "/payments", "k-1", &body).await.expect(201).body;
    assert_eq!(app.post_once(&token, "/payments", "k-1", &body).await.expect(201).body, first);
    app.post_once(&token, "/payments", "k-1", &entry("till-2")).await.message(422);
    app.post_once(&token, "/payments", "k-2", &body).await.message(409);
    app.post_once(&token, "/payments", "k-2", &entry("till-2")).await.expect(201);
});

on_both!(get_payments_lists_every_contract_and_pages, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let deal = app.created(&token, "order-1").await;
    let listed = app.get(&token, "/payments").await.expect(200).body;
    let expected = json!([{
        "id": deal["id"], "method_id": WEB3, "currency_id": app.merchant.currency_id,
        "transaction_id": "order-1", "amount": 10.5,
    }]);
    assert_eq!(listed, expected);
    for number in 1..=4 {
        app.post(&token, "/payments", &entry(&format!("till-{number}"))).await.expect(201);
    }
    let (mut path, mut payment_now) = ("/payments?limit=2".to_owned(), Vec::new());
    loop {
        let page = app.get(&token, &path).await.expect(200);
        payment_now.extend(page.body.as_array().unwrap().iter().map(|item| item["transaction_id"].clone()));
        assert!(page.body.as_array().unwrap().len() <= 2);
        let Some(next) = page.headers.get("link") else { break };
        path = next.to_str().unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    }
    assert_eq!(payment_now, ["till-4", "till-3", "till-2", "till-1", "order-1"]);
    for wrong in ["limit=0", "limit=1001", "limit=x", "cursor=x"] {
        app.get(&token, &format!("/payments?{wrong}")).await.message(400);
    }
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.get(&elsewhere, "/payments").await.nothing();
    app.get(&elsewhere, &format!("/payments/{}", deal["id"].as_str().unwrap())).await.message(403);
});

on_both!(get_payments_returns_all_of_them_however_many, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let first = app.post(&token, "/payments", &entry("till-1")).await.id();
    let first = stored(&app, &first).await;
    let more: Vec<_> = (0..2_104)
        .map(|number| {
            let id = PaymentId::new();
            payment::Model { id, external_id: format!("more-{number}"), ..first.clone() }.into_active_model()
        })
        .collect();
    let tx = app.database.db.begin().await.unwrap();
    for rows in more.chunks(500) {
        payment::Entity::insert_many(rows.to_vec()).exec_without_returning(&*tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    let answer = app.get(&token, "/payments").await.expect(200);
    let all = answer.body.as_array().expect("an array, closed");
    assert_eq!(all.len(), 2_105);
    assert!(answer.headers.get("link").is_none(), "there is nothing more");
    let ids: Vec<&str> = all.iter().map(|payment| payment["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted_by(|newer, older| newer > older), "newest first, each once");
    let page = app.get(&token, "/payments?limit=1000").await.expect(200);
    assert_eq!(page.body.as_array().unwrap()[..], all[..1_000]);
    assert!(!page.header("link").is_empty());
});

on_both!(get_payments_id_404, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    for unknown in [uuid::Uuid::now_v7().to_string(), "nonsense".to_owned()] {
        assert_eq!(app.get(&token, &format!("/payments/{unknown}")).await.message(404), "Payment not found");
    }
    let answer = send(app.client.patch("/payments/methods").header("authorization", format!("Bearer {token}"))).await;
    assert!(answer.header("allow").contains("GET"));
    answer.message(405);
});

on_both!(put_payments_id, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let id = app.post(&token, "/payments", &entry("till-1")).await.id();
    app.post(&token, "/payments", &entry("till-2")).await.expect(201);
    let mut changed = entry("till-1");
    changed["amount"] = json!(13);
    changed["method_id"] = json!(CARD);
    let answer = put(&app, &token, &id, &changed).await.expect(200);
    assert_eq!(answer.text, "\"Payment updated successfully\"");
    let read = app.get(&token, &format!("/payments/{id}")).await.expect(200).body;
    assert_eq!((&read["amount"], &read["method_id"]), (&json!(13), &json!(CARD)));
    assert_eq!(events(&app, &id).await, ["payment.created", "payment.completed", "payment.updated"]);
    put(&app, &token, &id, &entry("till-2")).await.message(409);
    put(&app, &token, &id, &entry("till-3")).await.expect(200);
    let before = stored(&app, &id).await;
    let unknown = uuid::Uuid::now_v7().to_string();
    for field in ["method_id", "currency_id"] {
        for wrong in ["", "nonsense", &unknown] {
            let mut body = entry("till-3");
            body[field] = json!(wrong);
            put(&app, &token, &id, &body).await.message(404);
        }
    }
    for (field, wrong) in [("amount", json!(0)), ("transaction_id", json!(7)), ("method_id", Value::Null)] {
        let mut body = entry("till-3");
        body[field] = wrong;
        put(&app, &token, &id, &body).await.message(400);
        put(&app, &token, &unknown, &body).await.message(400);
    }
    put(&app, &token, &unknown, &entry("till-3")).await.message(404);
    assert_eq!(stored(&app, &id).await, before, "nothing changed");
    let deal = app.created(&token, "order-1").await["id"].as_str().unwrap().to_owned();
    put(&app, &token, &deal, &entry("till-4")).await.message(409);
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    put(&app, &elsewhere, &id, &entry("till-3")).await.message(403);
});

on_both!(delete_payments_id, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let id = app.post(&token, "/payments", &entry("till-1")).await.id();
    let path = format!("/payments/{id}");
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.delete(&elsewhere, &path).await.message(403);
    let (one, two) = tokio::join!(app.delete(&token, &path), app.delete(&token, &path));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404], "{} {}", one.text, two.text);
    app.delete(&token, &path).await.message(404);
    app.get(&token, &path).await.message(404);
    put(&app, &token, &id, &entry("till-1")).await.message(404);
    app.get(&token, "/payments").await.nothing();
    assert_eq!(stored(&app, &id).await.status, PaymentStatus::Canceled);
    assert_eq!(events(&app, &id).await, ["payment.created", "payment.completed", "payment.canceled"]);
    app.post(&token, "/payments", &entry("till-1")).await.expect(201);
    let deal = app.created(&token, "order-1").await["id"].as_str().unwrap().to_owned();
    app.delete(&token, &format!("/payments/{deal}")).await.message(409);
    assert_eq!(stored(&app, &deal).await.status, PaymentStatus::Pending);
});

on_both!(methods_and_currencies, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead]).await;
    let methods = app.get(&token, "/payments/methods").await.expect(200).body;
    let names: Vec<&str> = methods.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    let seeded = ["Cash", "Credit Card", "Debit Card", "Bitcoin Lightning", "Bank Transfer", "Mobile Money", "Web3"];
    assert_eq!(names, seeded);
    for method in methods.as_array().unwrap() {
        assert_eq!(method.as_object().unwrap().len(), 2);
        let path = format!("/payments/methods/{}", method["id"].as_str().unwrap());
        assert_eq!(app.get(&token, &path).await.expect(200).body, *method);
    }
    let currencies = app.get(&token, "/payments/currencies").await.expect(200).body;
    let of = |acronym: &str| {
        let found = currencies.as_array().unwrap().iter().filter(|row| row["acronym"] == acronym).collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{acronym}");
        found[0].clone()
    };
    assert!(currencies.as_array().unwrap().len() > 170);
    let euro = json!({ "id": EURO, "acronym": "EUR", "name": "Euro", "symbol": "€", "decimals": 2 });
    assert_eq!(of("EUR"), euro);
    assert_eq!((&of("JPY")["decimals"], &of("KWD")["decimals"]), (&json!(0), &json!(3)));
    assert_eq!((&of("BTC")["symbol"], &of("BTC")["decimals"]), (&json!("₿"), &json!(8)));
    assert_eq!(app.get(&token, &format!("/payments/currencies/{EURO}")).await.expect(200).body, euro);
    for unknown in [uuid::Uuid::now_v7().to_string(), "nonsense".to_owned()] {
        app.get(&token, &format!("/payments/methods/{unknown}")).await.message(404);
        app.get(&token, &format!("/payments/currencies/{unknown}")).await.message(404);
    }
});

on_both!(who_then_what_then_the_body_then_what_is_there, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let nobody = send(app.client.post("/payments").content_type("application/json").body("{")).await;
    assert_eq!(nobody.message(401), "Unauthorized API access");
    assert_eq!(app.post("nonsense", "/payments", &json!({})).await.message(401), "Unauthorized API access");
    let weak = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead]).await;
    let request = app.client.post("/payments").header("authorization", format!("Bearer {weak}"));
    let answer = send(request.content_type("application/json").body("{")).await;
    assert_eq!(answer.message(403), "Permission required");
    assert_eq!(put(&app, &weak, "nonsense", &json!({})).await.message(403), "Permission required");
    assert_eq!(app.delete(&weak, "/payments/nonsense").await.message(403), "Permission required");

    app.user("ada", "4711", Some(&[Permission::PaymentsCreate])).await;
    let login = app.login("ada", "4711").await.expect(200);
    let cookie = login.cookie("accessToken").unwrap().split(';').next().unwrap().to_owned();
    let write = async |origin: Option<&str>, transaction_id: &str| {
        let request = app.client.post("/payments").header("cookie", &cookie).header("host", "pay.example");
        let request = match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        send(request.body_json(&entry(transaction_id))).await
    };
    write(None, "till-1").await.expect(201);
    write(Some("https://pay.example"), "till-2").await.expect(201);
    write(Some("https://evil.example"), "till-3").await.message(403);
});
