//! Health and metrics.

use std::sync::Arc;

use fixtures::{TestDatabase, on_both};
use futures_util::FutureExt;
use payments::Acceptor;
use poem::{EndpointExt, test::TestClient};
use serde_json::json;

use crate::app::{TestApp, checkout_links, send};

on_both!(is_up_with_its_database, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    assert_eq!(send(app.client.get("/health/live")).await.expect(200).body["status"], "up");
    let ready = send(app.client.get("/health/ready")).await.expect(200).body;
    assert_eq!(ready, json!({ "status": "up", "parts": { "database": { "status": "up", "detail": null } } }));
    let metrics = send(app.client.get("/metrics")).await.expect(200);
    assert_eq!(metrics.text, "up 1\n");
    assert!(metrics.header("content-type").starts_with("text/plain"));
});

on_both!(says_which_part_is_down, async |database: TestDatabase| {
    let parts = api::Parts {
        acceptor: Acceptor::start(database.db.clone()),
        database: database.db.clone(),
        config: api::Config::default(),
        webhooks: webhooks::Config::default(),
        gateways: gateways::Gateways::default(),
        checkout_links: checkout_links(),
        sandbox: None,
        health: vec![
            part("broker", Err("no connection".to_owned())),
            part("chain", Ok(())),
            api::HealthPart { name: "slow", needed: true, check: Arc::new(|| futures_util::future::pending().boxed()) },
        ],
        foreseer: crate::letters::foreseer(&Arc::default()),
        depth: None,
        chain: None,
        metrics: Arc::new(String::new),
    };
    let state = api::State::new(parts);
    let client = TestClient::new(api::routes(state.clone()).boxed());
    let alone = TestClient::new(api::health_routes(state).boxed());
    let report = send(client.get("/health/ready")).await.expect(503).body;
    assert_eq!(send(alone.get("/health/ready")).await.expect(503).body, report, "a worker's says it too");
    assert_eq!(report["status"], "down");
    assert_eq!(report["parts"]["broker"], json!({ "status": "down", "detail": "no connection" }));
    assert_eq!(report["parts"]["chain"]["status"], "up");
    assert_eq!(report["parts"]["slow"]["status"], "down");
    (*database.db).clone().close().await.unwrap();
    let report = send(client.get("/health/ready")).await.expect(503).body;
    assert_eq!(report["parts"]["database"], json!({ "status": "down", "detail": "does not answer" }));
    send(client.get("/health/live")).await.expect(200);
});

on_both!(goes_on_without_what_it_can_do_without, async |database: TestDatabase| {
    let parts = api::Parts {
        acceptor: Acceptor::start(database.db.clone()),
        database: database.db.clone(),
        config: api::Config::default(),
        webhooks: webhooks::Config::default(),
        gateways: gateways::Gateways::default(),
        checkout_links: checkout_links(),
        sandbox: None,
        health: vec![part("broker", Err("no connection".to_owned())), part("chain", Ok(()))],
        foreseer: crate::letters::foreseer(&Arc::default()),
        depth: None,
        chain: None,
        metrics: Arc::new(String::new),
    };
    let client = TestClient::new(api::routes(api::State::new(parts)).boxed());
    let report = send(client.get("/health/ready")).await.expect(200).body;
    assert_eq!(report["status"], "degraded");
    assert_eq!(report["parts"]["broker"], json!({ "status": "down", "detail": "no connection" }));
});

fn part(name: &'static str, answer: Result<(), String>) -> api::HealthPart {
    let check = move || futures_util::future::ready(answer.clone()).boxed();
    api::HealthPart { name, needed: name != "broker", check: Arc::new(check) }
}
