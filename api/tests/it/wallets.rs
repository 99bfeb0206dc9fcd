//! Wallets and their diamonds.

use entities::{DiamondStatus, diamond};
use fixtures::{TestDatabase, on_both};
use payments::Permission;
use sea_orm::{ConnectionTrait, EntityTrait, Statement, prelude::*};
use serde_json::{Value, json};

use crate::{app::TestApp, signers::node_below};

const ADDRESS: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

async fn wallet(app: &TestApp, token: &str) -> Value {
    let merchant = &app.merchant;
    let body = json!({
        "node_id": merchant.node_id, "chain_id": merchant.chain_id, "name": "Signer", "address": ADDRESS,
    });
    app.post(token, "/api/v1/wallets", &body).await.expect(201).body
}

async fn deployments_requested(app: &TestApp) -> i64 {
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
    let deploy_path = format!("{path}/deploy");
    let answers = futures_util::future::join_all(
        (0..5).map(async |_| app.post(&token, &deploy_path, &deploy(&app)).await.expect(201).body),
    );
    let answers = answers.await;
    assert_eq!((&answers[0]["step"], &answers[0]["status"]), (&json!("deploy_diamond"), &json!("started")));
    assert_eq!(answers[0].as_object().unwrap().len(), 4);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(deployments_requested(&app).await, 1);
    let shown = app.get(&token, &path).await.expect(200).body;
    assert_eq!(shown["diamonds"][0]["status"], "started");
    assert_eq!(shown["diamonds"][0]["id"], answers[0]["transaction_id"]);

    let tx = app.database.db.begin().await.unwrap();
    let failed = diamond::ActiveModel { status: sea_orm::Set(DiamondStatus::Failed), ..Default::default() };
    diamond::Entity::update_many().set(failed).filter(diamond::Column::Address.is_null()).exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    let again = app.post(&token, &deploy_path, &deploy(&app)).await.expect(201).body;
    assert_eq!(again["transaction_id"], answers[0]["transaction_id"]);
    assert_eq!(deployments_requested(&app).await, 2, "a failed one is started again");
});

on_both!(a_diamond_that_is_there_already_is_taken_as_it_is, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let root = app.token().await;
    let below = node_below(&app, &root, "tenant").await;
    let tenant = app.token_on(entities::NodeId(below.parse().unwrap()), Permission::ALL).await;
    let mut body = json!({ "node_id": below, "chain_id": app.merchant.chain_id, "name": "Signer", "address": ADDRESS });
    let wallet = app.post(&root, "/api/v1/wallets", &body).await.expect(201).body;
    let path = format!("/api/v1/wallets/{}", wallet["id"].as_str().unwrap());
    let asked = format!("{path}/deploy");
    body = json!({ "node_id": below, "network_id": app.merchant.network_id });
    let at = |address: &str| {
        let mut body = body.clone();
        body["address"] = json!(address);
        body
    };
    let there = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512";
    app.post(&tenant, &asked, &at(there)).await.problem(403, "permission_missing");
    for wrong in ["0x70", "0x0000000000000000000000000000000000000000"] {
        assert_eq!(app.post(&root, &asked, &at(wrong)).await.pointers(), ["/address"], "{wrong}");
    }
    let mut owned = at(there);
    owned["owner"] = json!(ADDRESS);
    assert_eq!(app.post(&root, &asked, &owned).await.pointers(), ["/owner"]);
    for _ in 0..2 {
        let answer = app.post(&root, &asked, &at(there)).await.expect(201).body;
        assert_eq!((&answer["status"], &answer["owner"]), (&json!("deployed"), &json!(null)));
    }
    let shown = &app.get(&tenant, &path).await.expect(200).body["diamonds"][0];
    assert_eq!((&shown["status"], &shown["address"]), (&json!("deployed"), &json!(there)));
    app.post(&root, &asked, &at(ADDRESS)).await.problem(409, "conflict");
    assert_eq!(deployments_requested(&app).await, 0);
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

on_both!(a_diamond_belongs_to_whom_it_was_first_asked_for, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let wallet = wallet(&app, &token).await;
    let path = format!("/api/v1/wallets/{}", wallet["id"].as_str().unwrap());
    let asked = format!("{path}/deploy");
    let of = |owner: &str| {
        let mut body = deploy(&app);
        body["owner"] = json!(owner);
        body
    };
    for wrong in [&ADDRESS.to_ascii_uppercase(), "0x70", "0x0000000000000000000000000000000000000000"] {
        assert_eq!(app.post(&token, &asked, &of(wrong)).await.pointers(), ["/owner"], "{wrong}");
    }
    let (cold, other) = ("0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc", "0x90f79bf6eb2c4f870365e785982e1f101e93b906");
    assert_eq!(app.post(&token, &asked, &of(cold)).await.expect(201).body["owner"], cold);
    for again in [of(other), deploy(&app)] {
        assert_eq!(app.post(&token, &asked, &again).await.expect(201).body["owner"], cold, "one is under way");
    }
    assert_eq!(app.get(&token, &path).await.expect(200).body["diamonds"][0]["owner"], cold);
    assert_eq!(deployments_requested(&app).await, 1);

    let tx = app.database.db.begin().await.unwrap();
    let failed = diamond::ActiveModel { status: sea_orm::Set(DiamondStatus::Failed), ..Default::default() };
    diamond::Entity::update_many().set(failed).filter(diamond::Column::Address.is_null()).exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    let again = app.post(&token, &asked, &deploy(&app)).await.expect(201).body;
    assert_eq!(again["owner"], wallet["address"], "started again, for nobody else");
    assert_eq!(app.get(&token, &path).await.expect(200).body["diamonds"][0]["owner"], wallet["address"]);
});
