//! Creating payments.

use chrono::TimeDelta;
use entities::now;
use fixtures::{TestDatabase, on_both};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{TestApp, redacted};

const PATH: &str = "/api/v1/payments";

on_both!(answers_with_the_whole_payment, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let mut body = app.payment("order-1");
    body["price"] = json!(10.50);
    body["member"] = json!({ "external_id": "ada", "name": "Ada", "email": "ada@example.org" });
    body["items"] = json!([{ "name": "Pot", "price": 10.5, "external_id": "sku-7" }, { "name": "Gift", "price": 0 }]);
    body["metadata"] = json!("anything");
    body["client_ip"] = json!("203.0.113.7");
    let created = app.post(&token, PATH, &body).await.expect(201).body;
    let varying = [
        "id",
        "node_id",
        "chain_id",
        "network_id",
        "wallet_id",
        "currency_id",
        "member_id",
        "access_token",
        "expires_at",
        "created_at",
        "updated_at",
    ];
    insta::assert_snapshot!("payment", redacted(&created, &varying));
    assert_eq!(created["member_id"], created["member"]["id"]);
    assert_eq!(created["wallet_id"], json!(app.merchant.wallet_id), "the node's default");
    let got = app.get(&token, &format!("{PATH}/{}", created["id"].as_str().unwrap())).await.expect(200).body;
    assert_eq!(got, created);
});

on_both!(money_keeps_every_digit, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    for (index, price) in
        ["0.000001", "123456789012345678901.123456", "1e3", "90071992547409.93", "5.0"].iter().enumerate()
    {
        let mut body = app.payment(&index.to_string());
        body["price"] = serde_json::from_str(price).unwrap();
        let answer = app.post(&token, PATH, &body).await.expect(201);
        let shown = if *price == "1e3" { "1000" } else { price.trim_end_matches(".0") };
        assert!(answer.text.contains(&format!("\"price\":{shown},")), "{price}: {}", answer.text);
    }
});

/// Every field with values that are wrong for it.
fn wrong_values() -> Vec<(&'static str, Vec<Value>)> {
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let amounts = || {
        let texts = ["0", "-1", "-0.01", "0.0000001", "1e99", "1e-9", "0.12345678901234567890123456789012"];
        let mut wrong: Vec<Value> = texts.iter().map(|text| number(text)).collect();
        wrong.extend([
            json!("ten"),
            json!("1e1"),
            json!("NaN"),
            json!("Infinity"),
            json!(true),
            json!([]),
            json!({}),
            json!(null),
        ]);
        wrong
    };
    let id = || vec![json!(7), json!("x"), json!("00000000-0000-0000-0000-00000000000g"), json!([])];
    let required_id = || [id(), vec![json!(""), json!(null)]].concat();
    let text = |max: usize| vec![json!(""), json!(7), json!(null), json!("x".repeat(max + 1)), json!("a\u{0}b")];
    vec![
        ("external_id", text(255)),
        ("node_id", required_id()),
        ("chain_id", id()),
        ("network_id", required_id()),
        ("wallet_id", id()),
        ("member_id", id()),
        ("member", vec![json!(7), json!("ada"), json!([])]),
        ("currency_id", required_id()),
        ("price", amounts()),
        ("paid_price", amounts()),
        ("payment_method", vec![json!("cash"), json!(""), json!(1), json!(null), json!("Web3")]),
        ("payment_group", vec![json!("other"), json!(""), json!(null), json!({})]),
        (
            "payment_address",
            vec![
                json!(""),
                json!("0x1"),
                json!("not an address"),
                json!("0x70997970C51812dc3A010C7d01b50e0d17dc79c8"),
                json!("70997970c51812dc3a010c7d01b50e0d17dc79c8"),
                json!(null),
                json!(7),
                json!("x".repeat(256)),
            ],
        ),
        ("items", vec![json!({}), json!("x"), json!(7)]),
        ("metadata", vec![json!({}), json!("x".repeat(16_385)), json!("ü".repeat(9_000)), json!("\u{0}")]),
        (
            "expires_at",
            vec![json!("soon"), json!("2020-01-01T00:00:00Z"), json!(1_900_000_000), json!(""), json!(null)],
        ),
        ("retry", vec![json!("yes"), json!(1), json!([])]),
        ("retry_count", vec![json!(-1), json!(33), json!(1.5), json!("8"), json!(99_999_999_999_i64), number("1e-1")]),
        ("client_ip", vec![json!("x"), json!("999.1.1.1"), json!("::1"), json!(7)]),
    ]
}

on_both!(names_every_wrong_field, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    for (field, wrong) in wrong_values() {
        for value in wrong {
            let mut body = app.payment("wrong");
            body[field] = value.clone();
            let answer = app.post(&token, PATH, &body).await;
            assert_eq!(answer.pointers(), [format!("/{field}")], "{field} = {value}");
        }
        if ["chain_id", "wallet_id", "member_id", "member", "items", "metadata", "retry", "retry_count", "client_ip"]
            .contains(&field)
        {
            continue;
        }
        let mut body = app.payment("wrong");
        body.as_object_mut().unwrap().remove(field);
        assert_eq!(app.post(&token, PATH, &body).await.pointers(), [format!("/{field}")], "{field} is missing");
    }
    let mut body = app.payment("wrong");
    body["price"] = json!(0);
    body["node_id"] = json!("x");
    body["payment_method"] = json!("cash");
    assert_eq!(
        app.post(&token, PATH, &body).await.pointers(),
        ["/node_id", "/price", "/payment_method"],
        "all at once"
    );
    for body in [json!([]), json!("x"), json!(7), json!(null)] {
        assert_eq!(app.post(&token, PATH, &body).await.pointers(), [""]);
    }
    let list = app.get(&token, &format!("{PATH}?node_id={}", app.merchant.node_id)).await.expect(200).body;
    assert_eq!(list["total"], 0, "nothing was written");
});

on_both!(names_wrong_values_inside_members_and_items, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    for (field, value, pointer) in [
        ("member", json!({}), "/member/external_id"),
        ("member", json!({ "external_id": "" }), "/member/external_id"),
        ("member", json!({ "external_id": "a", "name": 7 }), "/member/name"),
        ("member", json!({ "external_id": "a", "locale": "x".repeat(36) }), "/member/locale"),
        ("items", json!([{ "name": "a", "price": 1 }, { "price": 1 }]), "/items/1/name"),
        ("items", json!([{ "name": "a", "price": -1 }]), "/items/0/price"),
        ("items", json!([{ "name": "a", "price": "one" }]), "/items/0/price"),
        ("items", json!([7]), "/items/0"),
        ("items", json!([{ "name": "a", "price": 0 }, { "name": "b", "price": 0.0000001 }]), "/items/1/price"),
    ] {
        let mut body = app.payment("wrong");
        body[field] = value.clone();
        assert_eq!(app.post(&token, PATH, &body).await.pointers(), [pointer], "{value}");
    }
    let mut body = app.payment("wrong");
    body["member"] = json!({ "external_id": "a" });
    body["member_id"] = json!(Uuid::now_v7());
    assert_eq!(app.post(&token, PATH, &body).await.pointers(), ["/member_id"]);
});

on_both!(what_it_names_must_exist_within_reach, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    for (field, what) in [
        ("node_id", "Node"),
        ("network_id", "Network"),
        ("wallet_id", "Wallet"),
        ("member_id", "Member"),
        ("currency_id", "Currency"),
    ] {
        let mut body = app.payment("one");
        body[field] = json!(Uuid::now_v7());
        let problem = app.post(&token, PATH, &body).await.problem(404, "not_found");
        assert_eq!(problem["detail"], format!("{what} not found"));
    }
    let stranger = &app.stranger;
    let mut body = app.payment("one");
    body["node_id"] = json!(stranger.node_id);
    let problem = app.post(&token, PATH, &body).await.problem(403, "node_out_of_reach");
    assert_eq!(problem["detail"], "Insufficient permission to access payment's node");
    let mut body = app.payment("one");
    body["wallet_id"] = json!(stranger.wallet_id);
    app.post(&token, PATH, &body).await.problem(404, "not_found");
    for (field, value) in [("chain_id", json!(stranger.chain_id)), ("currency_id", json!(stranger.currency_id))] {
        let mut body = app.payment("one");
        body[field] = value;
        assert_eq!(app.post(&token, PATH, &body).await.pointers(), [format!("/{field}")]);
    }
});

on_both!(an_external_id_is_taken_once_a_node, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let first = app.created(&token, "one").await;
    let problem = app.post(&token, PATH, &app.payment("one")).await.problem(409, "external_id_taken");
    assert_eq!(problem["payment_id"], first["id"]);
    assert!(problem["detail"].as_str().unwrap().contains(first["id"].as_str().unwrap()));
    let answers = futures_util::future::join_all(
        (0..20).map(async |_| app.post(&token, PATH, &app.payment("two")).await.status.as_u16()),
    );
    let answers = answers.await;
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 409).count(), 19, "{answers:?}");
});

on_both!(cards_and_bank_transfers_need_no_address_on_chain, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    // There is nobody to ask: the payer may transfer, or choose a gateway, at once.
    for (method, status) in [("credit_card", "open"), ("bank_transfer", "open")] {
        let mut body = app.payment(method);
        body["payment_method"] = json!(method);
        body["payment_address"] = json!("DE89 3704 0044 0532 0130 00");
        let created = app.post(&token, PATH, &body).await.expect(201).body;
        assert_eq!((&created["status"], &created["payment_method"]), (&json!(status), &json!(method)));
    }
});

on_both!(the_access_token_dies_with_the_payment, async |database: TestDatabase| {
    let app = TestApp::with(database, |config| config.deals.expires_in_min_s = 0).await;
    let token = app.token().await;
    let mut body = app.payment("short");
    body["expires_at"] = json!(now() + TimeDelta::milliseconds(1_500));
    let created = app.post(&token, PATH, &body).await.expect(201).body;
    let access_token = created["access_token"].as_str().unwrap();
    let id = created["id"].as_str().unwrap();
    app.get(access_token, &format!("/api/v1/widget/payments/{id}")).await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(1_600)).await;
    let answer = app.get(access_token, &format!("/api/v1/widget/payments/{id}")).await;
    assert_eq!(answer.problem(401, "unauthorized")["detail"], "Invalid or expired access token");
    assert_eq!(app.get(&token, &format!("{PATH}/{id}")).await.expect(200).body["access_token"], json!(null));
});

on_both!(a_member_is_written_with_its_payment_and_updated_by_the_next, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let mut body = app.payment("one");
    body["member"] = json!({ "external_id": "ada", "name": "Ada" });
    let first = app.post(&token, PATH, &body).await.expect(201).body;
    body = app.payment("two");
    body["member"] = json!({ "external_id": "ada", "name": "Ada L." });
    let second = app.post(&token, PATH, &body).await.expect(201).body;
    assert_eq!(first["member_id"], second["member_id"]);
    body = app.payment("three");
    body["member_id"] = first["member_id"].clone();
    let third = app.post(&token, PATH, &body).await.expect(201).body;
    assert_eq!(third["member"]["name"], "Ada L.");
});

on_both!(takes_integers_however_json_writes_them, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let mut body = app.payment("integers");
    body["retry_count"] = serde_json::from_str("1.2e1").unwrap();
    assert_eq!(app.post(&token, "/api/v1/payments", &body).await.expect(201).body["retry_count"], 12);
});
