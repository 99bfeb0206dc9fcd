//! Wallets and their diamonds.

use entities::{DiamondStatus, diamond};
use fixtures::{TestDatabase, on_both};
use sea_orm::{ConnectionTrait, EntityTrait, Statement, prelude::*};
use serde_json::{Value, json};

use crate::app::TestApp;

const ADDRESS: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

async fn wallet(app: &TestApp, token: &str) -> Value {
    let merchant = &app.merchant;
    let body = json!({
        "node_id": merchant.node_id, "chain_id": merchant.chain_id, "name": "Signer", "address": ADDRESS,
    });
    app.post(token, "/api/v1/wallets", &body).await.expect(201).body
}

async fn deployments_asked(app: &TestApp) -> i64 {
    let sql = "SELECT COUNT(*) AS n FROM outbox WHERE kind = 'deploy_diamond'";
    let db = &*app.database.db;
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

on_both!(wallets_are_managed, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let wallet = wallet(&app, &token).await;
    let path = format!("/api/v1/wallets/{}", wallet["id"].as_str().unwrap());
    assert_eq!(app.get(&token, &path).await.expect(200).body, wallet);
    assert_eq!(app.patch(&token, &path, &json!({ "name": "Old" })).await.expect(200).body["name"], "Old");
    let list = app.get(&token, &format!("/api/v1/wallets?node_id={}", app.merchant.node_id)).await.expect(200).body;
    assert_eq!((&list["items"][0]["id"], &list["total"]), (&wallet["id"], &json!(2)));
    app.delete(&token, &path).await.expect(204);
    app.get(&token, &path).await.problem(404, "not_found");
    app.post(&token, &format!("{path}/deploy"), &deploy(&app)).await.problem(404, "not_found");
});

on_both!(refuses_wrong_wallets, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let body = json!({
        "node_id": app.merchant.node_id, "chain_id": app.merchant.chain_id, "name": "Signer", "address": ADDRESS,
    });
    for (field, wrong) in [
        ("address", json!("0x70997970C51812dc3A010C7d01b50e0d17dc79c8")),
        ("address", json!("")),
        ("name", json!(null)),
        ("node_id", json!("x")),
        ("chain_id", json!(1)),
    ] {
        let mut body = body.clone();
        body[field] = wrong;
        assert_eq!(app.post(&token, "/api/v1/wallets", &body).await.pointers(), [format!("/{field}")]);
    }
    for (field, what) in [("node_id", "Node"), ("chain_id", "Chain")] {
        let mut body = body.clone();
        body[field] = json!(uuid::Uuid::now_v7());
        let problem = app.post(&token, "/api/v1/wallets", &body).await.problem(404, "not_found");
        assert_eq!(problem["detail"], format!("{what} not found"));
    }
});

fn deploy(app: &TestApp) -> Value {
    json!({ "node_id": app.merchant.node_id, "network_id": app.merchant.network_id })
}

on_both!(a_diamond_is_deployed_once, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let wallet = wallet(&app, &token).await;
    let path = format!("/api/v1/wallets/{}", wallet["id"].as_str().unwrap());
    let asked = format!("{path}/deploy");
    let answers = futures_util::future::join_all(
        (0..5).map(async |_| app.post(&token, &asked, &deploy(&app)).await.expect(201).body),
    );
    let answers = answers.await;
    assert_eq!((&answers[0]["step"], &answers[0]["status"]), (&json!("deploy_diamond"), &json!("started")));
    assert_eq!(answers[0].as_object().unwrap().len(), 3);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(deployments_asked(&app).await, 1);
    let shown = app.get(&token, &path).await.expect(200).body;
    assert_eq!(shown["diamonds"][0]["status"], "started");
    assert_eq!(shown["diamonds"][0]["id"], answers[0]["transaction_id"]);

    let tx = app.database.db.begin().await.unwrap();
    let failed = diamond::ActiveModel { status: sea_orm::Set(DiamondStatus::Failed), ..Default::default() };
    diamond::Entity::update_many().set(failed).filter(diamond::Column::Address.is_null()).exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    let again = app.post(&token, &asked, &deploy(&app)).await.expect(201).body;
    assert_eq!(again["transaction_id"], answers[0]["transaction_id"]);
    assert_eq!(deployments_asked(&app).await, 2, "a failed one is started again");
});

on_both!(a_diamond_needs_a_network_of_the_wallets_chain, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let wallet = wallet(&app, &token).await;
    let path = format!("/api/v1/wallets/{}/deploy", wallet["id"].as_str().unwrap());
    let strange = json!({ "node_id": app.merchant.node_id, "network_id": app.stranger.network_id });
    assert_eq!(app.post(&token, &path, &strange).await.pointers(), ["/network_id"]);
    let unknown = json!({ "node_id": app.merchant.node_id, "network_id": uuid::Uuid::now_v7() });
    app.post(&token, &path, &unknown).await.problem(404, "not_found");
    let elsewhere = json!({ "node_id": app.stranger.node_id, "network_id": app.merchant.network_id });
    app.post(&token, &path, &elsewhere).await.problem(403, "node_out_of_reach");
    assert_eq!(app.post(&token, &path, &json!({})).await.pointers(), ["/node_id", "/network_id"]);
});
