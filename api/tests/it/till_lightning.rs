//! Lightning invoices at a till, over a node that answers as phoenixd documents, and over the sandbox node.

use std::{sync::Arc, time::Duration};

use entities::{PaymentId, PaymentStatus, payment};
use fixtures::{Fault, LightningNode, TestDatabase, on_both};
use gateways::{Gateways, Phoenixd, PhoenixdConfig};
use payments::Permission;
use queue::{BrokerConfig, Runner};
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use worker::Context;

use crate::{
    app::{SECRET, TestApp, TestResponse, checkout_links, send},
    till::{EURO, entry},
};

pub(crate) const BITCOIN: &str = "00000000-0000-7000-8000-0000c0000b7c";
const PATH: &str = "/payments/lightning/invoices";

/// A till whose invoices are made by a node, with a worker that asks it.
struct Till {
    app: TestApp,
    node: LightningNode,
    config: PhoenixdConfig,
    _worker: AbortOnDropHandle<()>,
}

fn config(node: &LightningNode) -> PhoenixdConfig {
    PhoenixdConfig {
        base_url: node.base_url.clone(),
        password: LightningNode::PASSWORD.into(),
        webhook_secret: LightningNode::WEBHOOK_SECRET.into(),
        timeout_ms: 1_000,
        ..PhoenixdConfig::default()
    }
}

/// Runs due jobs as long as it is kept.
fn work(database: &TestDatabase, node: &PhoenixdConfig) -> AbortOnDropHandle<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Phoenixd::new(node).unwrap();
    let context = Context::new(database.db.clone(), Gateways::default(), checkout_links()).with_lightning(Some(client));
    let broker = queue::broker::open(&BrokerConfig::default(), &database.db).unwrap();
    let runner = Runner::new(database.db.clone(), broker, worker::jobs::registry(), Arc::new(context));
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            // SQLite may be busy with the request that is tested.
            let _ = runner.run_due().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }))
}

impl Till {
    async fn new(database: TestDatabase) -> Self {
        Self::waiting(database, 10_000).await
    }

    /// Whose requests wait for so long.
    async fn waiting(mut database: TestDatabase, wait_ms: u64) -> Self {
        // Nobody takes what commits hand over: everything is due at once.
        database.committed = None;
        let node = LightningNode::start().await;
        let config = config(&node);
        let worker = work(&database, &config);
        let app = TestApp::with(database, |settings| {
            settings.lightning.phoenixd = Some(config.clone());
            settings.till.invoice_wait_ms = wait_ms;
        })
        .await;
        Self { app, node, config, _worker: worker }
    }

    async fn call_back(&self, body: &str, signature: Option<&str>) -> TestResponse {
        let mut request = self.app.client.post("/webhook/phoenixd").content_type("application/json");
        if let Some(signature) = signature {
            request = request.header("x-phoenix-signature", signature);
        }
        send(request.body(body.to_owned())).await
    }

    async fn signed(&self, body: &Value) -> TestResponse {
        let body = body.to_string();
        self.call_back(&body, Some(&self.config.signature(body.as_bytes()))).await
    }
}

async fn stored(app: &TestApp, id: &Value) -> payment::Model {
    let id = PaymentId(id.as_str().unwrap().parse().unwrap());
    payment::Entity::find_by_id(id).one(&*app.database.db).await.unwrap().unwrap()
}

/// Waits until the payment has this status.
async fn reach(app: &TestApp, id: &Value, status: PaymentStatus) {
    for _ in 0..500 {
        if stored(app, id).await.status == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the payment is {} and not {status}", stored(app, id).await.status);
}

async fn put(app: &TestApp, token: &str, path: &str, body: &Value) -> TestResponse {
    send(app.client.put(path).header("authorization", format!("Bearer {token}")).body_json(body)).await
}

fn bitcoin() -> Value {
    json!({ "amount": 0.000125, "currency_id": BITCOIN })
}

on_both!(an_invoice_in_bitcoin_is_made_paid_and_completed, async |database: TestDatabase| {
    let till = Till::new(database).await;
    let (app, token) = (&till.app, till.app.token().await);
    let ticket = app.post(&token, "/tickets", &json!({ "name": "table 7" })).await.id();
    let mut body = bitcoin();
    body["ticket_id"] = json!(ticket);
    let invoice = app.post(&token, PATH, &body).await.expect(201).body;
    let there = till.node.invoices().remove(0);
    let id = &invoice["payment_id"];
    let expected = json!({
        "payment_id": id, "bolt11": format!("lnbcrt1{}", there.payment_hash), "payment_hash": there.payment_hash,
        "amount_sat": 12_500, "expires_at": invoice["expires_at"],
    });
    assert_eq!(invoice, expected);
    assert_eq!((there.amount_sat, json!(there.external_id)), (12_500, id.clone()));
    assert_eq!(stored(app, id).await.status, PaymentStatus::Open);
    let related = app.get(&token, &format!("/payments/ticket-payments/by-ticket/{ticket}")).await.expect(200).body;
    assert_eq!(related, json!([{ "payment_id": id, "ticket_id": ticket }]));

    till.node.pay();
    for _ in 0..3 {
        till.signed(&there.callback()).await.expect(200);
    }
    reach(app, id, PaymentStatus::Completed).await;
    till.signed(&there.callback()).await.expect(200);
    let shown = json!([{
        "id": id, "method_id": "00000000-0000-7000-8000-0000000000b4", "currency_id": BITCOIN, "transaction_id": id,
        "amount": 0.000125,
    }]);
    assert_eq!(app.get(&token, "/payments").await.expect(200).body, shown);
    let status = app.get(&token, &format!("{PATH}/{}", id.as_str().unwrap())).await.expect(200).body;
    assert_eq!((&status["status"], &status["received_sat"]), (&json!("settled"), &json!(12_500)));
    let logs = app.get(&token, &format!("/api/v1/payments/{}/logs?per_page=100", id.as_str().unwrap())).await;
    let events: Vec<String> = logs.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|row| row["event_type"].as_str().unwrap().to_owned())
        .filter(|event| event.starts_with("payment."))
        .collect();
    let life = ["created", "open", "submitted", "paid", "completed"].map(|event| format!("payment.{event}"));
    assert_eq!(events, life, "once");
});

on_both!(an_invoice_is_not_the_tills_to_change, async |database: TestDatabase| {
    let till = Till::new(database).await;
    let (app, token) = (&till.app, till.app.token().await);
    let invoice = app.post(&token, PATH, &bitcoin()).await.expect(201).body;
    let path = format!("/payments/{}", invoice["payment_id"].as_str().unwrap());
    put(app, &token, &path, &entry("mine")).await.message(409);
    app.delete(&token, &path).await.message(409);
});

on_both!(invoices_400_401_403_and_404, async |database: TestDatabase| {
    let till = Till::new(database).await;
    let (app, token) = (&till.app, till.app.token().await);
    let unknown = uuid::Uuid::now_v7();
    for (field, wrong) in [
        ("amount", json!(0)),
        ("amount", json!(-1)),
        ("amount", json!("a tenth")),
        ("amount", json!(0.000_000_001)),
        ("amount", json!(21_000_001)),
        ("currency_id", json!("")),
        ("currency_id", json!("nonsense")),
        ("currency_id", json!(unknown)),
        ("ticket_id", json!("")),
        ("ticket_id", json!(unknown)),
        ("ticket_id", json!(7)),
    ] {
        let mut body = bitcoin();
        body[field] = wrong;
        app.post(&token, PATH, &body).await.message(400);
    }
    for missing in ["amount", "currency_id"] {
        let mut body = bitcoin();
        body.as_object_mut().unwrap().remove(missing);
        app.post(&token, PATH, &body).await.message(400);
    }
    let reader = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead]).await;
    assert_eq!(app.post(&reader, PATH, &json!("no body at all")).await.message(403), "Permission required");
    send(app.client.post(PATH).body_json(&bitcoin())).await.message(401);
    for id in [unknown.to_string(), "nonsense".to_owned()] {
        app.get(&token, &format!("{PATH}/{id}")).await.message(404);
    }
    let cash = app.post(&token, "/payments", &entry("cash")).await.id();
    app.get(&token, &format!("{PATH}/{cash}")).await.message(404);
    assert_eq!(payment::Entity::find().count(&*app.database.db).await.unwrap(), 1, "nothing else was written");
    assert!(till.node.requests().is_empty());
});

on_both!(without_a_node_there_are_no_invoices, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    assert!(app.post(&token, PATH, &bitcoin()).await.message(400).contains("gateways.lightning.phoenixd"));
    send(app.client.post("/webhook/phoenixd").body("{}")).await.problem(401, "unauthorized");
    send(app.client.post("/sandbox/lightning/createinvoice").body("amountSat=1")).await.problem(404, "not_found");
});

on_both!(a_node_that_is_late_leaves_a_payment_that_can_be_read_later, async |database: TestDatabase| {
    let till = Till::waiting(database, 1).await;
    let (app, token) = (&till.app, till.app.token().await);
    // Made, but nobody hears of it; and the first looks fail too.
    till.node.break_next(Fault::AnswerLost);
    till.node.break_next(Fault::Fails);
    till.node.break_next(Fault::Fails);
    let late = app.post_once(&token, PATH, "once", &bitcoin()).await;
    assert_eq!(late.header("retry-after"), "5");
    let sentence = late.message(503);
    let id = payment::Entity::find().one(&*app.database.db).await.unwrap().unwrap().id.to_string();
    assert!(sentence.contains(&format!("{PATH}/{id}")), "{sentence}");
    let mut status = Value::Null;
    for _ in 0..500 {
        status = app.get(&token, &format!("{PATH}/{id}")).await.expect(200).body;
        if status["status"] == "open" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((&status["status"], till.node.invoices().len()), (&json!("open"), 1));
    let again = app.post_once(&token, PATH, "once", &bitcoin()).await.expect(201).body;
    assert_eq!((&again["payment_id"], &again["bolt11"]), (&json!(id), &status["bolt11"]));
    assert_eq!(payment::Entity::find().count(&*app.database.db).await.unwrap(), 1);
    app.post_once(&token, PATH, "once", &json!({ "amount": 1, "currency_id": BITCOIN })).await.message(422);
});

on_both!(a_refused_invoice_is_a_conflict, async |database: TestDatabase| {
    let till = Till::new(database).await;
    let token = till.app.token().await;
    till.node.break_next(Fault::Refuses);
    assert_eq!(till.app.post(&token, PATH, &bitcoin()).await.message(409), "The Lightning node refuses this invoice");
});

on_both!(other_currencies_need_a_current_rate, async |database: TestDatabase| {
    let till = Till::new(database).await;
    let (app, token) = (&till.app, till.app.token().await);
    let root = app.token_on(app.merchant.node_id, Permission::ALL).await;
    let euros = json!({ "amount": 12.5, "currency_id": EURO });
    let refusal = app.post(&token, PATH, &euros).await.message(400);
    assert!(refusal.contains("No current exchange rate is known for BTC in EUR"), "{refusal}");
    assert!(refusal.contains("quittance rates set BTC EUR"), "{refusal}");

    let rate = json!({ "rate": 91_234.56 });
    let set = put(app, &root, "/api/v1/exchange-rates/BTC/EUR", &rate).await.expect(200).body;
    assert_eq!(
        set,
        json!({ "base": "BTC", "quote": "EUR", "rate": 91_234.56, "rate_text": "91234.56", "source": "operator", "at": set["at"] })
    );
    assert_eq!(app.get(&token, "/api/v1/exchange-rates").await.expect(200).body, json!([set]));
    let invoice = app.post(&token, PATH, &euros).await.expect(201).body;
    // 12.5 / 91234.56 = 0.000137009483…, rounded up.
    assert_eq!(invoice["amount_sat"], 13_701);
    let path = format!("{PATH}/{}", invoice["payment_id"].as_str().unwrap());
    let status = app.get(&token, &path).await.expect(200).body;
    assert_eq!((&status["rate"], &status["rate_source"]), (&json!(91_234.56), &json!("operator")));
    assert_eq!(status["rate_at"], set["at"]);

    let old = "UPDATE exchange_rates SET at = '2020-01-01T00:00:00+00:00'";
    app.database.db.execute_unprepared(old).await.unwrap();
    assert!(app.post(&token, PATH, &euros).await.message(400).contains("2020-01-01T00:00:00Z"));
    // Samples are for the sandbox node alone.
    app.database.db.execute_unprepared("UPDATE exchange_rates SET source = 'sandbox'").await.unwrap();
    app.post(&token, PATH, &euros).await.message(400);
});

on_both!(rates_that_cannot_be_set, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    for wrong in [json!({ "rate": 0 }), json!({ "rate": -1 }), json!({ "rate": "one" }), json!({})] {
        put(&app, &token, "/api/v1/exchange-rates/BTC/EUR", &wrong).await.problem(400, "validation_failed");
    }
    let sandbox = json!({ "rate": 1, "source": "sandbox" });
    put(&app, &token, "/api/v1/exchange-rates/BTC/EUR", &sandbox).await.problem(400, "validation_failed");
    for unknown in ["BTC/ZZZZ", "ZZZZ/EUR", "BTC/%00", "btc/EUR"] {
        let path = format!("/api/v1/exchange-rates/{unknown}");
        put(&app, &token, &path, &json!({ "rate": 1 })).await.problem(404, "not_found");
    }
    assert_eq!(app.get(&token, "/api/v1/exchange-rates").await.expect(200).body, json!([]));
});

on_both!(only_the_nodes_own_callbacks_are_taken, async |database: TestDatabase| {
    let till = Till::new(database).await;
    let token = till.app.token().await;
    let invoice = till.app.post(&token, PATH, &bitcoin()).await.expect(201).body;
    let callback = till.node.invoices()[0].callback().to_string();
    till.call_back(&callback, None).await.problem(401, "unauthorized");
    for forged in ["", "00", &"0".repeat(64), &till.config.signature(b"something else")] {
        till.call_back(&callback, Some(forged)).await.problem(401, "unauthorized");
    }
    for malformed in ["", "{", r#"{"type":"payment_received"}"#] {
        let signature = till.config.signature(malformed.as_bytes());
        till.call_back(malformed, Some(&signature)).await.problem(400, "malformed_request");
    }
    let long = "x".repeat(20_000);
    till.call_back(&long, Some(&till.config.signature(long.as_bytes()))).await.problem(413, "payload_too_large");
    // Genuine, but of nothing that is ours; and of an invoice that the node says is not paid.
    let foreign = json!({ "type": "payment_received", "paymentHash": "f".repeat(64), "externalId": "order-7" });
    till.signed(&foreign).await.expect(200);
    till.signed(&json!({ "type": "something_new" })).await.expect(200);
    till.signed(&till.node.invoices()[0].callback()).await.expect(200);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stored(&till.app, &invoice["payment_id"]).await.status, PaymentStatus::Open);
});

on_both!(the_sandbox_node_makes_an_invoice_and_calls_back_when_it_is_paid, async |mut database: TestDatabase| {
    database.committed = None;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = PhoenixdConfig::sandbox(&format!("http://{}", listener.local_addr().unwrap()), &SECRET.into());
    let _worker = work(&database, &node);
    let samples = database.db.begin().await.unwrap();
    payments::rates::set_samples(&*samples).await.unwrap();
    samples.commit().await.unwrap();
    let app = TestApp::with(database, |settings| settings.lightning.phoenixd = Some(node.clone())).await;
    let state = crate::app::state(&app.database, |settings| settings.lightning.phoenixd = Some(node.clone()));
    let stop = CancellationToken::new();
    let routes = api::routes(state.clone());
    let _server = AbortOnDropHandle::new(tokio::spawn(api::serve(state, routes, listener, stop.clone())));

    let token = app.token().await;
    let invoice = app.post(&token, PATH, &json!({ "amount": 9.5, "currency_id": EURO })).await.expect(201).body;
    assert_eq!(invoice["amount_sat"], 10_000, "by a sample");
    assert!(invoice["bolt11"].as_str().unwrap().starts_with("lnbcrt100u1"), "{invoice}");
    // Nobody looks by himself: only the callback leads to the end.
    app.database.db.execute_unprepared("DELETE FROM outbox WHERE kind = 'watch_invoice'").await.unwrap();
    let hash = invoice["payment_hash"].as_str().unwrap();
    let pay = async || send(app.client.post(format!("/sandbox/lightning/invoices/{hash}/pay"))).await;
    pay().await.expect(200);
    reach(&app, &invoice["payment_id"], PaymentStatus::Completed).await;
    pay().await.problem(409, "conflict");
    let nobody = send(app.client.post("/sandbox/lightning/createinvoice").body("amountSat=1&description=x")).await;
    nobody.problem(401, "unauthorized");
    stop.cancel();
});
