//! `Idempotency-Key`.

use fixtures::{TestDatabase, on_both};
use payments::{Permission, idempotency};
use poem::http::HeaderValue;
use serde_json::json;

use crate::app::{TestApp, send};

const PATH: &str = "/api/v1/payments";

on_both!(the_same_key_and_body_get_the_first_answer, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let body = app.payment("one");
    let first = app.post_once(&token, PATH, "k-1", &body).await.expect(201).body;
    let second = app.post_once(&token, PATH, "k-1", &body).await.expect(201).body;
    assert_eq!(first, second);
    // The order of the fields means nothing.
    let mut rest = body.clone();
    let price = rest.as_object_mut().unwrap().remove("price").unwrap();
    let text = format!("{{\"price\":{price},{}", rest.to_string().trim_start_matches('{'));
    let request = app.client.post(PATH).header("authorization", format!("Bearer {token}"));
    let request = request.header("idempotency-key", "k-1").content_type("application/json").body(text);
    assert_eq!(send(request).await.expect(201).body, first);
});

on_both!(another_body_or_path_is_refused, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let first = app.post_once(&token, PATH, "k-1", &app.payment("one")).await.expect(201).body;
    let other = app.post_once(&token, PATH, "k-1", &app.payment("two")).await;
    assert_eq!(other.problem(422, "idempotency_key_reused")["retryable"], false);
    let cancel = format!("{PATH}/{}/cancel", first["id"].as_str().unwrap());
    app.post_once(&token, &cancel, "k-1", &json!({})).await.problem(422, "idempotency_key_reused");
});

on_both!(another_spelling_of_an_id_is_the_same_request, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let (one, two) = (app.created(&token, "one").await, app.created(&token, "two").await);
    let id = |payment: &serde_json::Value| payment["id"].as_str().unwrap().to_owned();
    let cancel = |id: String| format!("{PATH}/{id}/cancel");
    let first = app.post_once(&token, &cancel(id(&one)), "k-1", &json!({})).await.expect(202).body;
    for spelling in [id(&one).to_uppercase(), id(&one).replace('-', "")] {
        assert_eq!(app.post_once(&token, &cancel(spelling), "k-1", &json!({})).await.expect(202).body, first);
    }
    app.post_once(&token, &cancel(id(&two)), "k-1", &json!({})).await.problem(422, "idempotency_key_reused");
});

on_both!(keys_of_different_callers_never_meet, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (one, other) = (app.token().await, app.token_on(app.merchant.node_id, Permission::ALL).await);
    app.post_once(&one, PATH, "k-1", &app.payment("one")).await.expect(201);
    app.post_once(&other, PATH, "k-1", &app.payment("two")).await.expect(201);
});

on_both!(a_key_under_way_is_answered_409, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let body = app.payment("one");
    let (first, second) =
        tokio::join!(app.post_once(&token, PATH, "k-1", &body), app.post_once(&token, PATH, "k-1", &body));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert!(statuses == [201, 409] || statuses == [201, 201], "{statuses:?}");

    // As if the first request had stopped half-way.
    let caller = app.get(&token, "/api/v1/integrations").await.expect(200).body["items"][0]["id"].clone();
    let key = idempotency::Key { scope: format!("integration:{}", caller.as_str().unwrap()), key: "k-2".to_owned() };
    let tx = app.database.db.begin().await.unwrap();
    let body = app.payment("two");
    let canonical = format!("POST {PATH}\n{}", serde_json::to_value(&body).unwrap());
    idempotency::claim(&*tx, &key, &api::hash_secret(&canonical)).await.unwrap();
    tx.commit().await.unwrap();
    let answer = app.post_once(&token, PATH, "k-2", &body).await;
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.problem(409, "idempotency_in_flight")["retryable"], true);
});

on_both!(a_refused_request_frees_its_key, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let mut wrong = app.payment("one");
    wrong["currency_id"] = json!(uuid::Uuid::now_v7());
    app.post_once(&token, PATH, "k-1", &wrong).await.problem(404, "not_found");
    app.post_once(&token, PATH, "k-1", &app.payment("one")).await.expect(201);
    app.post_once(&token, PATH, "k-2", &app.payment("one")).await.problem(409, "external_id_taken");
    app.post_once(&token, PATH, "k-2", &app.payment("two")).await.expect(201);
});

on_both!(keys_have_a_form, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    for key in ["", "with space", &"x".repeat(256)] {
        let answer = app.post_once(&token, PATH, key, &app.payment("one")).await;
        assert_eq!(answer.pointers(), ["/Idempotency-Key"], "{key:?}");
    }
});

on_both!(every_creation_and_command_honours_it, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let merchant = &app.merchant;
    let payment = app.created(&token, "one").await;
    let command = |what| format!("{PATH}/{}/{what}", payment["id"].as_str().unwrap());
    let address = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
    let network =
        json!({ "chain_id": merchant.chain_id, "network_id": 5, "name": "n", "rpc_urls": ["http://n.example"] });
    let deploy = json!({ "node_id": merchant.node_id, "network_id": merchant.network_id });
    let cases = [
        (format!("/api/v1/wallets/{}/deploy", merchant.wallet_id), deploy, 201),
        (command("retry-send"), json!({}), 200),
        (command("cancel"), json!({}), 202),
        ("/api/v1/nodes".to_owned(), json!({ "name": "below" }), 201),
        ("/api/v1/chains".to_owned(), json!({ "name": "solana" }), 201),
        ("/api/v1/networks".to_owned(), network, 201),
        ("/api/v1/currencies".to_owned(), json!({ "symbol": "EUR", "name": "Euro", "decimals": 2 }), 201),
        ("/api/v1/members".to_owned(), json!({ "node_id": merchant.node_id, "external_id": "ada" }), 201),
        (
            "/api/v1/wallets".to_owned(),
            json!({ "node_id": merchant.node_id, "chain_id": merchant.chain_id, "name": "w", "address": address }),
            201,
        ),
    ];
    for (index, (path, body, status)) in cases.into_iter().enumerate() {
        let key = format!("k-{index}");
        let first = app.post_once(&token, &path, &key, &body).await.expect(status).body;
        let second = app.post_once(&token, &path, &key, &body).await.expect(status).body;
        assert_eq!(first, second, "{path}");
    }
});

on_both!(a_key_that_cannot_be_read_is_refused_and_not_overlooked, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let unreadable = HeaderValue::from_bytes("schl\u{fc}ssel".as_bytes()).unwrap();
    let post = || app.client.post("/api/v1/payments").header("authorization", format!("Bearer {token}"));
    let body = app.payment("key");
    let answers = [
        send(post().header("idempotency-key", unreadable).body_json(&body)).await,
        send(post().header("idempotency-key", "one").header("idempotency-key", "two").body_json(&body)).await,
        send(post().header("idempotency-key", "").body_json(&body)).await,
    ];
    for answer in answers {
        assert_eq!(answer.pointers(), ["/Idempotency-Key"]);
    }
});
