//! The contract of bank-transfer receipts: orders and receipts, row by row; and what its other tests stand on.

use entities::{PaymentId, PaymentStatus, payment, payment_log, payment_submission};
use fixtures::{TestDatabase, on_both};
use payments::Permission;
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement, prelude::*};
use serde_json::{Value, json};

use crate::app::{TestApp, TestResponse, send};

pub(crate) const PAYMENTS: &str = "/api/payments";

impl TestResponse {
    /// Checks that it is the contract's error with this status, and returns its sentence.
    #[track_caller]
    pub(crate) fn refusal(self, status: u16) -> String {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.body["success"], false, "{}", answer.text);
        assert_eq!(answer.body.as_object().unwrap().len(), 2, "{}", answer.text);
        answer.body["error"].as_str().expect("a sentence").to_owned()
    }
}

/// Whoever looks at the bank.
pub(crate) async fn admin(app: &TestApp) -> String {
    app.token_on(app.merchant.node_id, &[Permission::ReceiptsManage]).await
}

pub(crate) async fn place(app: &TestApp) -> Value {
    let body = json!({ "total": 25.5, "totalBs": 930.75, "exchangeRate": 36.5, "items": [{ "name": "Tea pot" }] });
    let answer = send(app.client.post("/api/orders").body_json(&body)).await.expect(200);
    assert_eq!(answer.body["success"], true);
    answer.body["order"].clone()
}

pub(crate) fn receipt(order: &Value) -> Value {
    json!({
        "orderId": order["id"], "method": "PAGO_MOVIL", "amountReported": 930.75, "reference": "004211",
        "originBank": "Banesco", "payerName": "Ada", "receiptUrl": "/uploads/abc.png",
    })
}

pub(crate) async fn report(app: &TestApp, body: &Value) -> TestResponse {
    send(app.client.post(PAYMENTS).body_json(body)).await
}

pub(crate) async fn reported(app: &TestApp, order: &Value) -> String {
    let answer = report(app, &receipt(order)).await.expect(200);
    assert_eq!(answer.body["success"], true);
    answer.body["submissionId"].as_str().unwrap().to_owned()
}

pub(crate) async fn decide(app: &TestApp, token: &str, body: &Value) -> TestResponse {
    send(app.client.put(PAYMENTS).header("authorization", format!("Bearer {token}")).body_json(body)).await
}

pub(crate) async fn read(app: &TestApp, order: &Value) -> Value {
    let path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    send(app.client.get(path)).await.expect(200).body["order"].clone()
}

pub(crate) async fn payment_of(app: &TestApp, order: &Value) -> payment::Model {
    let id = read(app, order).await["paymentId"].as_str().expect("a payment").parse().unwrap();
    payment::Entity::find_by_id(PaymentId(id)).one(&*app.database.db).await.unwrap().unwrap()
}

/// Types of the payment's events, checked to be numbered without gaps.
pub(crate) async fn events(app: &TestApp, payment: &payment::Model) -> Vec<String> {
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

/// How many messages in the outbox have events of this payment told.
async fn announcements(app: &TestApp, payment: &payment::Model) -> usize {
    let db = &*app.database.db;
    let sql = format!("SELECT id FROM outbox WHERE kind = 'announce_events' AND headers LIKE '%{}%'", payment.id);
    let sql = if db.get_database_backend() == sea_orm::DatabaseBackend::Postgres {
        sql.replace("headers LIKE", "headers::text LIKE")
    } else {
        sql
    };
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().len()
}

/// Everything that a refused request might have written.
pub(crate) async fn counts(app: &TestApp) -> [u64; 3] {
    use sea_orm::PaginatorTrait;
    let db = &*app.database.db;
    [
        payment_submission::Entity::find().count(db).await.unwrap(),
        payment::Entity::find().count(db).await.unwrap(),
        payment_log::Entity::find().count(db).await.unwrap(),
    ]
}

on_both!(an_order_has_a_number_for_people_and_one_that_nobody_can_count, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (one, two) = (place(&app).await, place(&app).await);
    let number = one["orderNumber"].as_str().unwrap();
    let characters = number.strip_prefix("KRFT-").expect("its prefix");
    assert!(characters.len() == 6 && characters.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{number}");
    assert_ne!(one["orderNumber"], two["orderNumber"]);
    let numbers = [&one, &two].map(|order| order["number"].as_i64().unwrap());
    assert!(numbers.iter().all(|number| (1 << 40..1 << 53).contains(number)), "{numbers:?}");
    assert!(numbers[0].abs_diff(numbers[1]) > 1_000, "{numbers:?} can be guessed from one another");
    one["id"].as_str().unwrap().parse::<Uuid>().expect("a UUID");
    assert_eq!((&one["status"], &one["userId"], &one["paymentId"]), (&json!("PENDING"), &Value::Null, &Value::Null));
    assert_eq!((&one["total"], &one["totalBs"], &one["exchangeRate"]), (&json!(25.5), &json!(930.75), &json!(36.5)));
    assert_eq!(one["items"], json!([{ "name": "Tea pot" }]));
    let read = read(&app, &one).await;
    assert_eq!((&read["id"], &read["payments"]), (&one["id"], &json!([])));
});

on_both!(an_order_needs_its_amounts_and_ignores_what_it_does_not_know, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let post = async |body: Value| send(app.client.post("/api/orders").body_json(&body)).await;
    post(json!({ "total": 1, "totalBs": 36.5, "shippingAddress": { "city": "Mérida" } })).await.expect(200);
    for wrong in [
        json!({ "totalBs": 36.5 }),
        json!({ "total": 1 }),
        json!({ "total": 0, "totalBs": 36.5 }),
        json!({ "total": -1, "totalBs": 36.5 }),
        json!({ "total": 1.001, "totalBs": 36.5 }),
        json!({ "total": 1, "totalBs": 36.555 }),
        json!({ "total": "one", "totalBs": 36.5 }),
        json!({ "total": 1, "totalBs": 36.5, "exchangeRate": 0 }),
        json!({ "total": 1, "totalBs": 36.5, "items": ["a\u{0}b"] }),
        json!([]),
    ] {
        post(wrong.clone()).await.refusal(400);
    }
    send(app.client.post("/api/orders").content_type("application/json").body("{")).await.refusal(400);
    send(app.client.post("/api/orders").content_type("text/plain").body("{}")).await.refusal(415);
    let long = format!("\"{}\"", "x".repeat(2 << 20));
    send(app.client.post("/api/orders").content_type("application/json").body(long)).await.refusal(413);
    let other = send(app.client.delete("/api/orders")).await;
    assert_eq!(other.header("allow"), "GET, HEAD, POST");
    other.refusal(405);
});

on_both!(amounts_keep_every_digit, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let text = r#"{"total":20999999999999.99,"totalBs":20999999999999.97,"exchangeRate":123456789012345.123456789012}"#;
    let answer = send(app.client.post("/api/orders").content_type("application/json").body(text)).await.expect(200);
    for exact in ["20999999999999.99", "20999999999999.97", "123456789012345.123456789012"] {
        assert!(answer.text.contains(exact), "{exact}: {}", answer.text);
    }
});

on_both!(orders_are_listed_in_pages, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let mut placed = Vec::new();
    for _ in 0..3 {
        placed.push(place(&app).await);
    }
    let admin = admin(&app).await;
    let first = app.get(&admin, "/api/orders?perPage=2").await.expect(200).body;
    assert_eq!((&first["success"], &first["total"], &first["perPage"]), (&json!(true), &json!(3), &json!(2)));
    assert_eq!(first["orders"], json!([placed[2], placed[1]]));
    let second = app.get(&admin, "/api/orders?perPage=2&page=2").await.expect(200).body;
    assert_eq!(second["orders"], json!([placed[0]]));
    app.get(&admin, "/api/orders?perPage=101").await.refusal(400);
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    assert_eq!(app.get(&elsewhere, "/api/orders").await.expect(200).body["orders"], json!([]));
});

on_both!(an_order_that_does_not_exist_is_404, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    for id in [uuid::Uuid::now_v7().to_string(), "nonsense".to_owned()] {
        let sentence = send(app.client.get(format!("/api/orders/{id}"))).await.refusal(404);
        assert_eq!(sentence, "Order not found");
    }
});

on_both!(reporting_a_receipt_writes_it_and_moves_order_and_payment, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let order = place(&app).await;
    let id = reported(&app, &order).await;
    let now = read(&app, &order).await;
    assert_eq!((&now["status"], now["payments"].as_array().unwrap().len()), (&json!("REPORTED"), 1));
    let receipt = &now["payments"][0];
    assert_eq!(
        (&receipt["id"], &receipt["orderId"], &receipt["status"]),
        (&json!(id), &order["id"], &json!("REPORTED"))
    );
    assert_eq!((&receipt["amountReported"], &receipt["amountExpected"]), (&json!(930.75), &json!(25.5)));
    assert_eq!((&receipt["method"], &receipt["reference"]), (&json!("PAGO_MOVIL"), &json!("004211")));
    assert_eq!((&receipt["originBank"], &receipt["payerName"]), (&json!("Banesco"), &json!("Ada")));
    assert_eq!((&receipt["verifiedAt"], &receipt["rejectionReason"]), (&Value::Null, &Value::Null));
    assert!(receipt["reportedAt"].is_string());
    let payment = payment_of(&app, &order).await;
    assert_eq!((payment.status, payment.sequence), (PaymentStatus::Submitted, 4));
    assert_eq!(payment.paid_price.to_string(), "25.5");
    let announced = ["payment.created", "payment.open", "receipt.reported", "payment.submitted"];
    assert_eq!(events(&app, &payment).await, announced);
    assert!(announcements(&app, &payment).await >= 2, "all of them are told by the one way of events");
    // Merchants' programs see the same payment.
    let shown = app.get(&app.token().await, &format!("/api/v1/payments/{}", payment.id)).await.expect(200).body;
    assert_eq!((&shown["status"], &shown["payment_method"]), (&json!("submitted"), &json!("bank_transfer")));
});

on_both!(the_other_fields_of_a_receipt_may_be_absent, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let order = place(&app).await;
    let body = json!({ "orderId": order["id"], "method": "TRANSFERENCIA", "amountReported": 1, "reference": "1" });
    report(&app, &body).await.expect(200);
    let receipt = read(&app, &order).await["payments"][0].clone();
    for absent in ["originBank", "payerName", "receiptUrl"] {
        assert_eq!(receipt[absent], Value::Null, "{absent}");
    }
});

on_both!(a_wrong_receipt_is_400_and_writes_nothing, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let order = place(&app).await;
    let before = counts(&app).await;
    for (field, value) in [
        ("orderId", Value::Null),
        ("orderId", json!("")),
        ("orderId", json!(7)),
        ("reference", Value::Null),
        ("reference", json!("")),
        ("reference", json!("  ")),
        ("method", json!("BITCOIN")),
        ("method", json!("pago_movil")),
        ("amountReported", json!(0)),
        ("amountReported", json!(-1)),
        ("amountReported", json!("930,75")),
        ("amountReported", json!(1.001)),
        ("amountReported", Value::Null),
        ("receiptUrl", json!("javascript:alert(1)")),
        ("receiptUrl", json!("//evil.example/a.png")),
    ] {
        let mut body = receipt(&order);
        body[field] = value.clone();
        let sentence = report(&app, &body).await.refusal(400);
        assert!(sentence.starts_with(field), "{field} {value}: {sentence}");
    }
    for missing in ["orderId", "reference", "method", "amountReported"] {
        let mut body = receipt(&order);
        body.as_object_mut().unwrap().remove(missing);
        assert_eq!(report(&app, &body).await.refusal(400), format!("{missing} is required"));
    }
    for unknown in [json!(uuid::Uuid::now_v7()), json!("KRFT-AAAAAA")] {
        let mut body = receipt(&order);
        body["orderId"] = unknown;
        assert_eq!(report(&app, &body).await.refusal(404), "Order not found");
    }
    assert_eq!(counts(&app).await, before, "nothing is written");
    assert_eq!(read(&app, &order).await["status"], "PENDING");
});

on_both!(receipts_at_once_share_one_payment, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let order = place(&app).await;
    let answers = futures_util::future::join_all((0..8).map(async |number| {
        let mut body = receipt(&order);
        body["reference"] = json!(format!("{number}"));
        report(&app, &body).await
    }));
    answers.await.into_iter().for_each(|answer| drop(answer.expect(200)));
    let now = read(&app, &order).await;
    assert_eq!((&now["status"], now["payments"].as_array().unwrap().len()), (&json!("REPORTED"), 8));
    let payment = payment_of(&app, &order).await;
    let announced = events(&app, &payment).await;
    assert_eq!(announced.iter().filter(|event| *event == "receipt.reported").count(), 8);
    assert_eq!(announced.iter().filter(|event| *event == "payment.submitted").count(), 1);
    let payments: Vec<payment::Model> = payment::Entity::find().all(&*app.database.db).await.unwrap();
    assert_eq!(payments.len(), 1);
});

on_both!(the_same_report_again_is_the_first_submission, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let order = place(&app).await;
    let answers = futures_util::future::join_all((0..8).map(|_| reported(&app, &order))).await;
    assert!(answers.iter().all(|id| *id == answers[0]), "{answers:?}");
    let before = counts(&app).await;
    assert_eq!(before[0], 1, "a double click is one receipt");
    for number in 1..20 {
        let mut other = receipt(&order);
        other["reference"] = json!(format!("{number}"));
        report(&app, &other).await.expect(200);
    }
    assert_eq!(reported(&app, &order).await, answers[0], "also when no more are taken");
    let mut other = receipt(&order);
    other["reference"] = json!("20");
    report(&app, &other).await.refusal(409);
});

on_both!(a_bank_reference_that_another_order_has_is_pointed_out, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let admin = admin(&app).await;
    let orders = [place(&app).await, place(&app).await, place(&app).await];
    let mut ids = Vec::new();
    for (order, reference) in orders.iter().zip(["004211", " 42-11", "4212"]) {
        let mut body = receipt(order);
        body["reference"] = json!(reference);
        ids.push(json!(report(&app, &body).await.expect(200).body["submissionId"]));
    }
    let hints = async || {
        let mut hints = Vec::new();
        for order in &orders {
            hints.push(read(&app, order).await["payments"][0]["duplicateOf"].clone());
        }
        hints
    };
    assert_eq!(hints().await, [Value::Null, ids[0].clone(), Value::Null]);
    let verdict = |order: &Value, status: &str| json!({ "orderId": order["id"], "status": status });
    decide(&app, &admin, &verdict(&orders[1], "CONFIRMED")).await.expect(200);
    assert_eq!(hints().await, [ids[1].clone(), ids[0].clone(), Value::Null], "also of what is confirmed later");
    decide(&app, &admin, &verdict(&orders[0], "CONFIRMED")).await.expect(200);
    decide(&app, &admin, &verdict(&orders[1], "REJECTED")).await.expect(200);
    assert_eq!(hints().await, [Value::Null, ids[0].clone(), Value::Null], "what was rejected is no transfer");
    // Another tenant's receipts are nobody's business.
    let theirs = app.token_on(app.stranger.node_id, Permission::ALL).await;
    let mut body = app.payment("theirs");
    body["payment_method"] = json!("bank_transfer");
    for (name, id) in [("node_id", app.stranger.node_id.0), ("currency_id", app.stranger.currency_id.0)] {
        body[name] = json!(id);
    }
    body["network_id"] = json!(app.stranger.network_id);
    let created = app.post(&theirs, "/api/v1/payments", &body).await.expect(201).body;
    report(&app, &receipt(&created)).await.expect(200);
    assert_eq!(read(&app, &created).await["payments"][0]["duplicateOf"], Value::Null);
});

on_both!(keys_make_orders_and_receipts_safe_to_repeat, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let post = async |path: &str, key: &str, body: &Value| {
        send(app.client.post(path).header("idempotency-key", key).body_json(body)).await
    };
    let order = json!({ "total": 1, "totalBs": 36.5 });
    let first = post("/api/orders", "k-1", &order).await.expect(200).body;
    assert_eq!(post("/api/orders", "k-1", &order).await.expect(200).body, first);
    post("/api/orders", "k-1", &json!({ "total": 2, "totalBs": 73 })).await.refusal(422);
    let body = receipt(&first["order"]);
    let reported = post(PAYMENTS, "k-2", &body).await.expect(200).body;
    assert_eq!(post(PAYMENTS, "k-2", &body).await.expect(200).body, reported);
    assert_eq!(read(&app, &first["order"]).await["payments"].as_array().unwrap().len(), 1);
    let mut other = body.clone();
    other["reference"] = json!("2");
    post(PAYMENTS, "k-2", &other).await.refusal(422);
    // A refused request frees its key.
    post(PAYMENTS, "k-3", &json!({ "orderId": "x", "method": "PAGO_MOVIL", "amountReported": 1, "reference": "1" }))
        .await
        .refusal(404);
    post(PAYMENTS, "k-3", &body).await.expect(200);
});

on_both!(a_bank_transfer_that_a_program_requested_is_paid_the_same_way, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (token, admin) = (app.token().await, admin(&app).await);
    let mut body = app.payment("invoice-7");
    body["payment_method"] = json!("bank_transfer");
    body["payment_address"] = json!("DE89 3704 0044 0532 0130 00");
    let created = app.post(&token, "/api/v1/payments", &body).await.expect(201).body;
    assert_eq!(created["status"], "open");
    let order = read(&app, &created).await;
    assert_eq!((&order["status"], &order["paymentId"]), (&json!("PENDING"), &created["id"]));
    assert_eq!((&order["total"], &order["totalBs"]), (&json!(10.5), &Value::Null));
    report(&app, &receipt(&order)).await.expect(200);
    decide(&app, &admin, &json!({ "orderId": order["id"], "status": "CONFIRMED" })).await.expect(200);
    let path = format!("/api/v1/payments/{}", created["id"].as_str().unwrap());
    assert_eq!(app.get(&token, &path).await.expect(200).body["status"], "paid");
    let payment = payment_of(&app, &order).await;
    let announced = [
        "payment.created",
        "payment.open",
        "receipt.reported",
        "payment.submitted",
        "receipt.confirmed",
        "payment.paid",
    ];
    assert_eq!(events(&app, &payment).await, announced);
});
