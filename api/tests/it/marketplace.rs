//! The contract of connected sellers: every refusal in its words, and guards against many at once. What the worker and the
//! processor add is shown in `worker/tests/it/marketplace.rs`.

use entities::{GatewaySessionId, NodeId, order};
use fixtures::{Merchant, TestDatabase, on_both};
use futures_util::future::join_all;
use gateways::{Gateways, SandboxConfig, SandboxProcessor};
use payments::{
    Actor, Permission, ledger,
    sellers::{self, AccountReport, Details},
    sessions::{self, GatewayStatus},
};
use poem::{EndpointExt, test::TestClient};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::{Value, json};

use crate::app::{TestApp, TestResponse, send, state_with};

pub(crate) const STATUS: &str = "/api/payments/connect/status";
pub(crate) const ONBOARD: &str = "/api/payments/connect/onboard";
pub(crate) const DASHBOARD: &str = "/api/payments/connect/dashboard";
pub(crate) const PAYOUT: &str = "/api/payments/connect/payout";
pub(crate) const INTENT: &str = "/api/payments/create-intent";
pub(crate) const REFUND: &str = "/api/payments/refund";

impl TestResponse {
    /// Checks that it is the contract's error with this status, and returns its sentence.
    #[track_caller]
    pub(crate) fn detail(self, status: u16) -> String {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.body.as_object().unwrap().len(), 1, "{}", answer.text);
        answer.body["detail"].as_str().unwrap_or_else(|| panic!("no sentence: {}", answer.text)).to_owned()
    }

    /// Checks that it is the contract's answer to wrong values, and returns type and place of each mistake.
    #[track_caller]
    fn mistakes(self) -> Vec<(String, String)> {
        let answer = self.expect(422);
        assert_eq!(answer.header("content-type"), "application/json");
        let mistakes = answer.body["detail"].as_array().unwrap_or_else(|| panic!("no list: {}", answer.text)).clone();
        let places = mistakes.iter().map(|mistake| {
            let object = mistake.as_object().unwrap();
            assert_eq!(object.keys().collect::<Vec<_>>(), ["input", "loc", "msg", "type"], "{mistake}");
            assert!(mistake["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{mistake}");
            let place: Vec<String> = mistake["loc"]
                .as_array()
                .unwrap()
                .iter()
                .map(|part| match part {
                    Value::String(part) => part.clone(),
                    other => other.to_string(),
                })
                .collect();
            (mistake["type"].as_str().unwrap().to_owned(), place.join("."))
        });
        places.collect()
    }
}

pub(crate) fn details() -> Value {
    json!({
        "business_name": "Olive", "first_name": "Ana", "last_name": "Reis", "email": "ana@olive.example",
        "dob": "1990-05-17", "address": "Rua 1", "city": "Porto", "postal_code": "4000-001", "nif": "123456789",
        "iban": "PT50000201231234567890154", "tos_accepted": true,
    })
}

/// The API with the sandbox's processor, of which nobody is asked here: workers do that.
async fn shop(database: TestDatabase) -> TestApp {
    shop_with(database, |_| {}).await
}

/// The same with other settings.
pub(crate) async fn shop_with(database: TestDatabase, change: impl FnOnce(&mut api::Config)) -> TestApp {
    crate::checkout::tls();
    let merchant = Merchant::insert(&database.db, 1).await;
    let stranger = Merchant::insert(&database.db, 2).await;
    let config = SandboxConfig { base_url: "http://127.0.0.1:9".to_owned(), ..SandboxConfig::default() };
    let mut gateways = Gateways::default();
    gateways.set_processor(std::sync::Arc::new(SandboxProcessor::new(&config).unwrap()));
    let state = state_with(&database, |parts| {
        parts.gateways = gateways;
        change(&mut parts.config);
    });
    TestApp { client: TestClient::new(api::routes(state).boxed()), database, merchant, stranger }
}

/// Somebody who keeps the shop's account.
pub(crate) async fn manager(app: &TestApp) -> String {
    app.token_on(app.merchant.node_id, &[Permission::MarketplaceManage]).await
}

/// The account as the processor has opened it.
pub(crate) async fn open_account(app: &TestApp, node_id: NodeId, enabled: bool) {
    let mut submitted = details();
    submitted["country"] = json!("PT");
    let submitted: Details = serde_json::from_value(submitted).unwrap();
    let mut tx = app.database.db.begin().await.unwrap();
    let row =
        sellers::submit_details(&mut tx, node_id, &submitted, "PT50000201231234567890154".to_owned()).await.unwrap();
    let report = AccountReport {
        account_id: "acct_1".to_owned(),
        charges_enabled: enabled,
        payouts_enabled: enabled,
        requirements_due: if enabled { Vec::new() } else { vec!["individual.id".to_owned()] },
    };
    sellers::record_report(&tx, node_id, Some(row.told_at), report).await.unwrap();
    tx.commit().await.unwrap();
}

pub(crate) async fn place(app: &TestApp, total: &str) -> i64 {
    let total: Value = serde_json::from_str(total).unwrap();
    let order = json!({ "total": total, "totalBs": total });
    let placed = send(app.client.post("/api/orders").body_json(&order)).await.expect(200).body;
    placed["order"]["number"].as_i64().unwrap()
}

async fn intent(app: &TestApp, order_id: i64) -> TestResponse {
    send(app.client.post(INTENT).body_json(&json!({ "order_id": order_id }))).await
}

/// The session of the order's intent, once somebody has asked for it.
pub(crate) async fn session_of(app: &TestApp, order_id: i64) -> GatewaySessionId {
    for _ in 0..500 {
        let order = order::Entity::find().filter(order::Column::Number.eq(order_id)).one(&*app.database.db).await;
        if let Some(payment) = order.unwrap().unwrap().card_payment_id
            && let Some(session) = sessions::newest(&*app.database.db, payment).await.unwrap()
        {
            return session.id;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nobody has asked for an intent");
}

/// What the worker writes when the processor has told this.
pub(crate) async fn processor_reports(app: &TestApp, id: GatewaySessionId, status: GatewayStatus, captured: &str) {
    let report = sessions::GatewayReport {
        gateway_id: Some("pi_1".to_owned()),
        client_secret: Some("pi_1_secret".to_owned()),
        captured: captured.parse().unwrap(),
        ..sessions::GatewayReport::without_money(status)
    };
    let mut tx = app.database.db.begin().await.unwrap();
    ledger::settle(&mut tx, id, report, Actor::worker("test")).await.unwrap();
    tx.commit().await.unwrap();
}

/// An intent that is ready.
async fn ready(app: &TestApp, order_id: i64) -> Value {
    let opened = async { processor_reports(app, session_of(app, order_id).await, GatewayStatus::Waiting, "0").await };
    let (answer, ()) = tokio::join!(intent(app, order_id), opened);
    answer.expect(200).body
}

/// An order that is paid by card.
pub(crate) async fn sale(app: &TestApp, total: &str) -> i64 {
    let order_id = place(app, total).await;
    ready(app, order_id).await;
    processor_reports(app, session_of(app, order_id).await, GatewayStatus::Captured, total).await;
    order_id
}

async fn balance(app: &TestApp) -> (i64, i64) {
    let balance = ledger::balance(&*app.database.db, app.merchant.node_id, "EUR").await.unwrap();
    balance.map_or((0, 0), |balance| (balance.available, balance.in_transit))
}

async fn clean(app: &TestApp) {
    let check = ledger::check(&app.database.db).await.unwrap();
    assert!(check.is_clean(), "{check:?}");
}

on_both!(the_status_has_the_contracts_words, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = manager(&app).await;
    let nothing = json!({
        "account_id": null, "status": "not_started", "charges_enabled": false, "payouts_enabled": false,
        "requirements_due": [],
    });
    assert_eq!(app.get(&token, STATUS).await.expect(200).body, nothing);
    open_account(&app, app.merchant.node_id, false).await;
    let restricted = json!({
        "account_id": "acct_1", "status": "restricted", "charges_enabled": false, "payouts_enabled": false,
        "requirements_due": ["individual.id"],
    });
    assert_eq!(app.get(&token, STATUS).await.expect(200).body, restricted);
    open_account(&app, app.merchant.node_id, true).await;
    let active = app.get(&token, STATUS).await.expect(200).body;
    assert_eq!((&active["status"], &active["charges_enabled"]), (&json!("active"), &json!(true)));
});

on_both!(wrong_details_are_refused_field_by_field, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = manager(&app).await;
    let required =
        ["address", "business_name", "city", "dob", "email", "first_name", "iban", "last_name", "nif", "postal_code"];
    let mut missing = app.post(&token, ONBOARD, &json!({})).await.mistakes();
    missing.sort();
    let wanted: Vec<_> = required.iter().map(|name| ("missing".to_owned(), format!("body.{name}"))).collect();
    assert_eq!(missing, wanted);
    for (field, value, kind) in [
        ("business_name", json!(""), "string_too_short"),
        ("first_name", json!("  "), "string_too_short"),
        ("city", json!(7), "string_type"),
        ("email", json!("ana"), "value_error"),
        ("dob", json!("17.05.1990"), "date_parsing"),
        ("dob", json!("2990-05-17"), "value_error"),
        ("nif", json!("123456780"), "value_error"),
        ("nif", json!("12345678"), "value_error"),
        ("iban", json!("PT50000201231234567890155"), "value_error"),
        ("iban", json!("PT50 0002 0123 1234 5678 9015 5"), "value_error"),
        ("tos_accepted", json!(false), "value_error"),
        ("tos_accepted", json!("yes"), "bool_type"),
    ] {
        let mut wrong = details();
        wrong[field] = value.clone();
        let answer = app.post(&token, ONBOARD, &wrong).await;
        assert_eq!(answer.body["detail"][0]["input"], value, "{}", answer.text);
        assert_eq!(answer.mistakes(), [(kind.to_owned(), format!("body.{field}"))]);
    }
    assert_eq!(app.get(&token, STATUS).await.body["status"], "not_started", "nothing was written");
});

on_both!(an_iban_is_taken_as_people_print_it, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = manager(&app).await;
    for printed in [
        "pt50 0002 0123 1234 5678 9015 4",
        "PT50\u{a0}0002\u{a0}0123\u{a0}1234\u{a0}5678\u{a0}9015\u{a0}4",
        "PT50 000201231234567890154",
        "IBAN PT50 0002 0123 1234 5678 9015 4\u{feff}",
    ] {
        let mut sent = details();
        (sent["iban"], sent["nif"]) = (json!(printed), json!("123456780"));
        let mistakes = app.post(&token, ONBOARD, &sent).await.mistakes();
        assert_eq!(mistakes, [("value_error".to_owned(), "body.nif".to_owned())], "{printed}");
    }
});

on_both!(what_cannot_be_read_is_refused_in_the_same_words, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = manager(&app).await;
    let post = |path: &str| app.client.post(path).header("authorization", format!("Bearer {token}"));
    let one = |kind: &str, place: &str| vec![(kind.to_owned(), place.to_owned())];
    for path in [ONBOARD, INTENT, REFUND] {
        assert_eq!(send(post(path)).await.mistakes(), one("missing", "body"));
        let broken = send(post(path).content_type("application/json").body("{\"order_id\":")).await;
        assert_eq!(broken.mistakes(), one("json_invalid", "body"));
        let list = send(post(path).content_type("application/json").body("[]")).await;
        assert_eq!(list.mistakes(), one("model_attributes_type", "body"));
        send(post(path).content_type("text/plain").body("{}")).await.detail(415);
        send(app.client.get(path).header("authorization", format!("Bearer {token}"))).await.detail(405);
    }
    assert_eq!(
        app.post(&token, REFUND, &json!({ "order_id": "7" })).await.mistakes(),
        one("int_parsing", "body.order_id")
    );
    for amount in [json!(0), json!(-5)] {
        let refund = json!({ "order_id": 7, "amount_cents": amount });
        assert_eq!(app.post(&token, REFUND, &refund).await.mistakes(), one("greater_than", "body.amount_cents"));
    }
    let fraction = app.post(&token, REFUND, &json!({ "order_id": 7, "amount_cents": 1.5 })).await;
    assert_eq!(fraction.mistakes(), one("int_parsing", "body.amount_cents"));
    assert_eq!(app.post(&token, PAYOUT, &json!({})).await.mistakes(), one("missing", "query.amount"));
    for (amount, kind) in
        [("abc", "int_parsing"), ("1.5", "int_parsing"), ("0", "greater_than"), ("-1", "greater_than")]
    {
        let answer = app.post(&token, &format!("{PAYOUT}?amount={amount}"), &json!({})).await;
        assert_eq!(answer.body["detail"][0]["input"], amount, "{}", answer.text);
        assert_eq!(answer.mistakes(), one(kind, "query.amount"));
    }
    app.get(&token, "/api/payments/connect/nothing").await.detail(404);
});

on_both!(authentication_comes_before_the_request, async |database: TestDatabase| {
    let app = shop(database).await;
    let weak = app.token_on(app.merchant.node_id, Permission::DEFAULT).await;
    for path in [ONBOARD, PAYOUT, REFUND] {
        send(app.client.post(path).content_type("application/json").body("{")).await.detail(401);
        app.post(&weak, path, &json!({})).await.detail(403);
    }
    for path in [STATUS, DASHBOARD] {
        send(app.client.get(path)).await.detail(401);
        app.get(&weak, path).await.detail(403);
    }
});

on_both!(without_an_account_nothing_is_taken_or_paid_out, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = manager(&app).await;
    let order_id = place(&app, "10").await;
    assert_eq!(app.get(&token, DASHBOARD).await.detail(409), "No connected account");
    assert_eq!(app.post(&token, &format!("{PAYOUT}?amount=5"), &json!({})).await.detail(409), "No connected account");
    assert_eq!(intent(&app, order_id).await.detail(404), "Order not found");
    open_account(&app, app.merchant.node_id, false).await;
    assert_eq!(intent(&app, order_id).await.detail(404), "Order not found", "of what cannot be paid, nothing is told");
    app.post(&token, &format!("{PAYOUT}?amount=5"), &json!({})).await.detail(409);
    assert_eq!(intent(&app, order_id + 1_000).await.detail(404), "Order not found");
});

on_both!(without_a_processor_every_call_that_needs_one_is_refused_at_once, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = manager(&app).await;
    let order_id = place(&app, "10").await;
    let started = std::time::Instant::now();
    let order = json!({ "order_id": order_id });
    let payout = format!("{PAYOUT}?amount=5");
    let answers = [
        app.post(&token, ONBOARD, &details()).await,
        app.get(&token, DASHBOARD).await,
        app.post(&token, &payout, &json!({})).await,
        app.post(&token, REFUND, &order).await,
        intent(&app, order_id).await,
    ];
    for answer in answers {
        assert_eq!(answer.detail(503), "No card processor is configured");
    }
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    app.get(&token, STATUS).await.expect(200);
    app.post(&token, ONBOARD, &json!({})).await.expect(422);
    assert_eq!(entities::connected_account::Entity::find().count(&*app.database.db).await.unwrap(), 0);
});

on_both!(an_order_has_one_intent, async |database: TestDatabase| {
    let app = shop(database).await;
    open_account(&app, app.merchant.node_id, true).await;
    let order_id = place(&app, "25.25").await;
    let first = ready(&app, order_id).await;
    let wanted = json!({
        "payment_intent_id": "pi_1", "client_secret": "pi_1_secret", "amount_cents": 2_525, "currency": "eur",
        "platform_fee_cents": 51,
    });
    assert_eq!(first, wanted, "2.0 % of 2525 is 50.5, rounded half up");
    let again = join_all((0..20).map(|_| intent(&app, order_id))).await;
    assert!(again.iter().all(|answer| answer.body == first));
    let session = session_of(&app, order_id).await;
    processor_reports(&app, session, GatewayStatus::Captured, "25.25").await;
    assert_eq!(intent(&app, order_id).await.detail(409), "The order is paid already");
    assert_eq!(balance(&app).await, (2_525 - 51, 0));
});

on_both!(each_plan_has_its_fee, async |database: TestDatabase| {
    let app = shop(database).await;
    let root = app.token().await;
    open_account(&app, app.merchant.node_id, true).await;
    for (plan, fee) in [("starter", 200), ("business", 150), ("professional", 100), ("enterprise", 50)] {
        let change = json!({ "plan": plan });
        let path = format!("/api/v1/nodes/{}", app.merchant.node_id);
        assert_eq!(app.patch(&root, &path, &change).await.expect(200).body["plan"], plan);
        let order_id = place(&app, "100").await;
        assert_eq!(ready(&app, order_id).await["platform_fee_cents"], fee);
    }
    let below = app.post(&root, "/api/v1/nodes", &json!({ "name": "below" })).await.expect(201).body;
    let id = NodeId(below["id"].as_str().unwrap().parse().unwrap());
    let theirs = app.token_on(id, Permission::ALL).await;
    let own = format!("/api/v1/nodes/{id}");
    app.patch(&theirs, &own, &json!({ "plan": "enterprise" })).await.problem(403, "permission_missing");
    app.patch(&theirs, &own, &json!({ "name": "renamed" })).await.expect(200);
});

on_both!(a_refund_has_the_contracts_fields, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = manager(&app).await;
    open_account(&app, app.merchant.node_id, true).await;
    let unpaid = place(&app, "10").await;
    app.post(&token, REFUND, &json!({ "order_id": unpaid })).await.detail(409);
    assert_eq!(app.post(&token, REFUND, &json!({ "order_id": 4_711 })).await.detail(404), "Order not found");
    let order_id = sale(&app, "100").await;
    let strange = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.post(&strange, REFUND, &json!({ "order_id": order_id })).await.detail(403);
    let part = json!({ "order_id": order_id, "amount_cents": 3_000, "reason": "broken" });
    let mut first = app.post_once(&token, REFUND, "k-1", &part).await.expect(200).body;
    assert_eq!(app.post_once(&token, REFUND, "k-1", &part).await.expect(200).body, first, "the first answer again");
    app.post_once(&token, REFUND, "k-1", &json!({ "order_id": order_id })).await.detail(422);
    let id = first["refund_id"].take();
    assert!(id.as_str().is_some_and(|id| !id.is_empty()));
    let wanted = json!({
        "refund_id": null, "order_id": order_id, "amount_cents": 3_000, "status": "pending", "reason": "broken",
    });
    assert_eq!(first, wanted);
    let rest = app.post(&token, REFUND, &json!({ "order_id": order_id, "amount_cents": null })).await.expect(200).body;
    assert_eq!((&rest["amount_cents"], &rest["reason"]), (&json!(7_000), &Value::Null));
    app.post(&token, REFUND, &json!({ "order_id": order_id })).await.detail(409);
    clean(&app).await;
});

on_both!(of_a_hundred_refunds_of_30_percent_at_once_three_succeed, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = manager(&app).await;
    open_account(&app, app.merchant.node_id, true).await;
    let order_id = sale(&app, "100").await;
    let refund = json!({ "order_id": order_id, "amount_cents": 3_000 });
    let answers = join_all((0..100).map(|_| app.post(&token, REFUND, &refund))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3);
    assert_eq!(answers.into_iter().filter(|answer| answer.status == 409).count(), 97);
    clean(&app).await;
});

on_both!(a_hundred_payouts_at_once_stay_within_the_balance, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = manager(&app).await;
    open_account(&app, app.merchant.node_id, true).await;
    sale(&app, "100").await;
    let path = |cents: i64| format!("{PAYOUT}?amount={cents}");
    let answers = join_all((0..100).map(|index| {
        let (app, token, path) = (&app, &token, path(900 + index));
        async move { app.post(token, &path, &json!({})).await }
    }))
    .await;
    let paid: Vec<&TestResponse> = answers.iter().filter(|answer| answer.status == 200).collect();
    let sum: i64 = paid.iter().map(|answer| answer.body["amount"].as_i64().unwrap()).sum();
    let (available, in_transit) = balance(&app).await;
    assert!(available >= 0, "{available}");
    assert_eq!((in_transit, available + sum), (sum, 9_800));
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 100 - paid.len());
    let mut first = paid[0].body.clone();
    let (id, amount) = (first["payout_id"].take(), first["amount"].take());
    assert!(id.is_string() && amount.is_i64());
    let wanted =
        json!({ "payout_id": null, "amount": null, "currency": "eur", "status": "pending", "arrival_date": null });
    assert_eq!(first, wanted);
    clean(&app).await;
});

on_both!(the_largest_order_has_an_intent, async |database: TestDatabase| {
    let app = shop(database).await;
    open_account(&app, app.merchant.node_id, true).await;
    let order_id = place(&app, "21000000000000").await;
    assert_eq!(ready(&app, order_id).await["amount_cents"], 2_100_000_000_000_000_i64);
});
