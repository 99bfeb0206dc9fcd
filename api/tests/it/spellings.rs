//! What clients of the contracts send in ways of their own: more fields than are named, empty ones, doubles, times of many
//! spellings; and what is refused however it is sent.

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, TestResponse, send},
    receipts, till,
};

const PATH: &str = "/api/v1/payments";

fn raw(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A POST of these very bytes.
async fn post_bytes(app: &TestApp, token: &str, path: &str, body: impl Into<Vec<u8>>) -> TestResponse {
    let request = app.client.post(path).header("authorization", format!("Bearer {token}"));
    send(request.content_type("application/json").body(body.into())).await
}

on_both!(fields_that_a_contract_does_not_name_are_ignored_at_every_depth, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let mut body = app.payment("more");
    body["order_number"] = json!(7);
    body["a/b~c"] = json!({ "deep": [1] });
    body["items"] = json!([{ "name": "a", "price": 1, "count": 2, "tax": { "rate": 20 } }]);
    body["member"] = json!({ "external_id": "ada", "birthday": "1815-12-10", "email": "ada@example.org" });
    let created = app.post(&token, PATH, &body).await.expect(201).body;
    let item = created["items"][0].as_object().unwrap();
    assert_eq!((item["name"].as_str(), item.get("count"), item.get("tax")), (Some("a"), None, None));
    assert_eq!((&created["member"]["birthday"], &created["order_number"]), (&json!(null), &json!(null)));
    let cancel = format!("{PATH}/{}/cancel", created["id"].as_str().unwrap());
    app.post(&token, &cancel, &json!({ "reason": "changed my mind" })).await.expect(202);

    let (api_key, secret_key) = app.integration(app.merchant.node_id, Permission::ALL).await;
    let credentials = json!({ "api_key": api_key, "secret_key": secret_key, "grant_type": "client_credentials" });
    let pair = send(app.client.post("/api/v1/auth/authenticate").body_json(&credentials)).await.expect(200).body;
    let refresh = json!({ "refresh_token": pair["refresh_token"], "grant_type": "refresh_token" });
    send(app.client.post("/api/v1/auth/refresh").body_json(&refresh)).await.expect(200);
    let integration = json!({ "node_id": app.merchant.node_id, "name": "Shop", "color": "red" });
    app.post(&token, "/api/v1/integrations", &integration).await.expect(201);
    let deploy =
        json!({ "node_id": app.merchant.node_id, "network_id": app.merchant.network_id, "version": "2", "cuts": [] });
    let wallet = app.merchant.wallet_id;
    app.post(&token, &format!("/api/v1/wallets/{wallet}/deploy"), &deploy).await.expect(201);

    app.user("root", "481516", None).await;
    let login = json!({ "name": "root", "pin": "481516", "remember": true });
    let login = send(app.client.post("/auth/login").body_json(&login)).await.expect(200);
    let admin = login.cookie("accessToken").unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
    let role = app.post(&admin, "/roles", &json!({ "role": "Cashier", "description": "At the desk" })).await.id();
    let user = json!({ "name": "ada", "pin": "4711", "role": role, "avatar": "a.png" });
    app.post(&admin, "/users", &user).await.expect(201);
    let permissions = app.client.put(format!("/roles/{role}/permissions"));
    let permissions = permissions.header("authorization", format!("Bearer {admin}"));
    send(permissions.body_json(&json!({ "permissions": [], "reason": "none" }))).await.expect(200);
});

on_both!(fields_that_our_own_routes_do_not_know_are_refused, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let body = json!({ "parent_id": app.merchant.node_id, "name": "Shop", "expire_at": 1, "a/b~c": 1 });
    let mut pointers = app.post(&token, "/api/v1/nodes", &body).await.pointers();
    pointers.sort();
    assert_eq!(pointers, ["/a~1b~0c", "/expire_at"]);
    let webhook = json!({ "node_id": app.merchant.node_id, "url": "https://a.example", "events": ["*"], "evnts": [] });
    assert_eq!(app.post(&token, "/api/v1/webhooks", &webhook).await.pointers(), ["/evnts"]);
    let redrive = json!({ "filter": { "queue": "q", "qeue": "q" }, "reason": "because" });
    assert_eq!(app.post(&token, "/api/v1/operations/redrives", &redrive).await.pointers(), ["/filter/qeue"]);

    // However many mistakes there are, the answer stays short.
    let mut body = json!({ "parent_id": app.merchant.node_id, "name": "Shop" });
    for number in 0..10_000 {
        body[format!("unknown-{number}")] = json!(1);
    }
    body["x".repeat(100_000)] = json!(1);
    let answer = app.post(&token, "/api/v1/nodes", &body).await;
    assert!(answer.text.len() < 50_000, "{} bytes", answer.text.len());
    assert_eq!(answer.pointers().len(), 100);
});

on_both!(an_optional_field_that_is_empty_counts_as_absent, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let optional = ["chain_id", "wallet_id", "member_id", "order_id", "client_ip"];
    for (index, nothing) in [json!(""), json!(null)].into_iter().enumerate() {
        let mut body = app.payment(&format!("empty-{index}"));
        for field in optional {
            body[field] = nothing.clone();
        }
        body["items"] = json!([{ "name": "a", "price": 1, "external_id": nothing }]);
        body["member"] = json!({ "external_id": "ada", "email": nothing, "phone": nothing });
        let created = app.post(&token, PATH, &body).await.expect(201).body;
        assert_eq!(created["wallet_id"], json!(app.merchant.wallet_id), "the node's default");
        assert_eq!((&created["client_ip"], &created["order_id"]), (&json!(null), &json!(null)));
        assert_eq!(created["items"][0]["external_id"], json!(null));
        assert_eq!((&created["member"]["email"], &created["member"]["phone"]), (&json!(null), &json!(null)));
    }
    let integration = json!({ "node_id": app.merchant.node_id, "name": "Shop", "expires_at": "" });
    let integration = app.post(&token, "/api/v1/integrations", &integration).await.expect(201).body;
    assert_eq!(integration["expires_at"], json!(null));
    // What is required is not there when it is empty.
    let mut body = app.payment("required");
    body["node_id"] = json!("");
    assert_eq!(app.post(&token, PATH, &body).await.pointers(), ["/node_id"]);
});

on_both!(a_parameter_without_a_value_counts_as_absent, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    app.created(&token, "one").await;
    let node = app.merchant.node_id;
    let empty = "wallet_id=&network_id=&status=&payment_method=&external_id=&created_from=&created_to&cursor=";
    let list = app.get(&token, &format!("{PATH}?{empty}&node_id={node}")).await.expect(200).body;
    assert_eq!((&list["total"], &list["page"]), (&json!(1), &json!(1)));
    assert_eq!(app.get(&token, &format!("{PATH}?node_id=")).await.pointers(), ["/node_id"]);
    // An empty number is no number.
    assert_eq!(app.get(&token, &format!("{PATH}?node_id={node}&page=")).await.pointers(), ["/page"]);
});

on_both!(a_number_that_a_double_could_not_carry_is_the_amount_it_was_meant_to_be, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let mut body = app.payment("doubles");
    body["price"] = raw("13.049999999999999");
    body["paid_price"] = raw("0.30000000000000004");
    body["items"] = json!([{ "name": "a", "price": raw("8.700000000000001") }, { "name": "b", "price": 4.35 }]);
    let created = app.post(&token, PATH, &body).await.expect(201);
    for amount in [r#""price":13.05,"#, r#""paid_price":0.3,"#, r#""price":8.7"#, r#""price":4.35"#] {
        assert!(created.text.contains(amount), "{amount}: {}", created.text);
    }
    for thirds in ["33.333333333333336", "0.1234567890123456", "1e-15"] {
        let mut body = app.payment("thirds");
        body["price"] = raw(thirds);
        assert_eq!(app.post(&token, PATH, &body).await.pointers(), ["/price"], "{thirds}");
    }

    let mut entry = till::entry("doubles at a till");
    entry["amount"] = raw("13.049999999999999");
    let id = app.post(&token, "/payments", &entry).await.id();
    assert!(app.get(&token, &format!("/payments/{id}")).await.expect(200).text.contains(r#""amount":13.05"#));
    entry["amount"] = raw("33.333333333333336");
    app.post(&token, "/payments", &entry).await.message(400);

    let order = json!({ "total": raw("25.500000000000004"), "totalBs": raw("930.7500000000001"),
        "exchangeRate": raw("36.500000000000007"), "items": [] });
    let order = send(app.client.post("/api/orders").body_json(&order)).await.expect(200);
    for amount in [r#""total":25.5,"#, r#""totalBs":930.75,"#, r#""exchangeRate":36.5,"#] {
        assert!(order.text.contains(amount), "{amount}: {}", order.text);
    }
    let order = order.body["order"].clone();
    let mut receipt = receipts::receipt(&order);
    receipt["amountReported"] = raw("930.7499999999999");
    receipts::report(&app, &receipt).await.expect(200);
    assert_eq!(receipts::payment_of(&app, &order).await.paid_price.to_string(), "25.5");
});

on_both!(a_sixtieth_second_is_one_time_everywhere, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let mut body = app.payment("leap");
    body["expires_at"] = json!("2030-12-31T23:59:60.5Z");
    let created = app.post(&token, PATH, &body).await.expect(201).body;
    let got = app.get(&token, &format!("{PATH}/{}", created["id"].as_str().unwrap())).await.expect(200).body;
    assert_eq!((&created["expires_at"], &got), (&json!("2031-01-01T00:00:00.500000Z"), &created));
    let node = app.merchant.node_id;
    for (bound, found) in [("created_from=2020-12-31T23:59:60Z", 1), ("created_to=2020-12-31T23:59:60Z", 0)] {
        let list = app.get(&token, &format!("{PATH}?node_id={node}&{bound}")).await.expect(200).body;
        assert_eq!(list["total"], found, "{bound}");
    }
});

on_both!(a_field_that_is_given_twice_is_refused, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let text = app.payment("twice").to_string();
    for (twice, pointer) in [
        (text.replacen('{', r#"{"price":99,"#, 1), "/price"),
        (text.replacen('{', r#"{"items":[{"name":"a","price":1,"price":2}],"#, 1), "/items/0/price"),
        (text.replacen('{', r#"{"unknown":{"a":1,"a":1},"#, 1), "/unknown/a"),
    ] {
        let problem = post_bytes(&app, &token, PATH, twice).await.problem(400, "malformed_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    post_bytes(&app, &token, "/payments", r#"{"amount":1,"amount":2}"#).await.message(400);
    let order = r#"{"total":1,"total":2,"totalBs":1}"#;
    send(app.client.post("/api/orders").content_type("application/json").body(order)).await.refusal(400);
    post_bytes(&app, &token, "/v1/payments", r#"{"purchase":{},"purchase":{}}"#).await.expect(400);
    let grant = "grant_type=client_credentials&client_id=a&client_secret=b&client_id=c";
    let form = app.client.post("/v1/token").content_type("application/x-www-form-urlencoded").body(grant);
    assert_eq!(send(form).await.expect(400).body["errors"][0]["pointer"], "/client_id");
    let cancel = format!("{PATH}/{}/cancel", app.created(&token, "one").await["id"].as_str().unwrap());
    post_bytes(&app, &token, &cancel, r#"{"a":1,"a":2}"#).await.problem(400, "malformed_request");
});

on_both!(a_coded_body_is_an_unsupported_media_type, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    // "{}" as gzip writes it.
    let gzip =
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0x03, 0xab, 0xae, 0x05, 0x00, 0x43, 0xbf, 0xa6, 0xa3, 0x02, 0x00, 0x00, 0x00];
    let post = |path: &str, coding: &str| {
        let request = app.client.post(path).header("authorization", format!("Bearer {token}"));
        request.content_type("application/json").header("content-encoding", coding).body(gzip.to_vec())
    };
    for (path, coding) in [(PATH, "gzip"), (PATH, "identity, br"), ("/api/v1/nodes", "GZIP")] {
        let answer = send(post(path, coding)).await;
        assert_eq!(answer.header("accept-encoding"), "identity");
        answer.problem(415, "unsupported_media_type");
    }
    for path in ["/payments", "/api/orders", "/webhook/phoenixd"] {
        send(post(path, "gzip")).await.expect(415);
    }
    let upload = app.client.post("/api/upload").content_type("multipart/form-data; boundary=x");
    send(upload.header("content-encoding", "gzip").body("--x--\r\n")).await.expect(415);
    // Who may not ask at all hears of that first.
    let nobody = app.client.post(PATH).content_type("application/json").header("content-encoding", "gzip");
    send(nobody.body(gzip.to_vec())).await.problem(401, "unauthorized");
    let plain = app.client.post(PATH).header("authorization", format!("Bearer {token}"));
    send(plain.header("content-encoding", "identity").body_json(&app.payment("plain"))).await.expect(201);
});

on_both!(refusals_name_no_type_of_the_framework, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let (node, id) = (app.merchant.node_id, uuid::Uuid::now_v7());
    for path in [
        format!("{PATH}?node_id=x"),
        format!("{PATH}?node_id={node}&status=nonsense"),
        format!("{PATH}?node_id={node}&created_from=yesterday"),
        format!("{PATH}?node_id={node}&page=x"),
        PATH.to_owned(),
        format!("{PATH}/x"),
        format!("/api/v1/webhooks/{id}/deliveries?status=nonsense"),
        "/api/v1/operations/dead-letters?since=x&payment_id=x&state=x&limit=x".to_owned(),
        "/api/payments/connect/payout?amount=x".to_owned(),
        "/payments?limit=x".to_owned(),
        "/v1/payments?limit=x&offset=y&status=z&sort=w".to_owned(),
        "/api/payments?orderId=%00".to_owned(),
        "/uploads/%FF".to_owned(),
    ] {
        let answer = app.get(&token, &path).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.text);
        for insides in
            ["failed to parse", "Type \\\"", "input type", "optional_", "string_", "integer_", "parsing \\\""]
        {
            assert!(!answer.text.contains(insides), "{path} tells {insides}: {}", answer.text);
        }
    }
    // Objects that the JSON reader itself keeps numbers in.
    for body in [r#"{"$serde_json::private::Number":7}"#, r#"{"price":{"$serde_json::private::Number":"x"}}"#] {
        let answer = post_bytes(&app, &token, PATH, body).await.expect(400);
        assert!(!answer.text.contains("expected"), "{}", answer.text);
    }
});

on_both!(letters_that_look_the_same_sign_the_same_person_in, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    // One character each, or a letter and an accent: what is typed depends on the system.
    let (composed, decomposed) = ("jos\u{e9}@example.org", "Jose\u{301}@example.org");
    let (pin, other_pin) = ("gr\u{fc}ner tee", "gru\u{308}ner\u{a0}tee");
    let body = |email: &str, password: &str| json!({ "email": email, "password": password });
    let register = async |body: Value| send(app.client.post("/api/auth/register").body_json(&body)).await;
    let login = async |body: Value| send(app.client.post("/api/auth/login").body_json(&body)).await;
    assert_eq!(register(body(decomposed, pin)).await.expect(200).body["user"]["email"], composed);
    register(body(composed, pin)).await.refusal(400);
    for (email, password) in [(composed, pin), (decomposed, other_pin), (" JOS\u{c9}@example.org", pin)] {
        login(body(email, password)).await.expect(200);
    }
    login(body(composed, "gruner tee")).await.refusal(401);

    app.user("root", "481516", None).await;
    let admin = app.login("root", "481516").await.expect(200).cookie("accessToken").unwrap();
    let admin = admin.split(['=', ';']).nth(1).unwrap();
    let role = app.post(admin, "/roles", &json!({ "role": "Cashier" })).await.id();
    let user = |name: &str| json!({ "name": name, "pin": "4711", "role": role });
    assert_eq!(app.post(admin, "/users", &user("Zoe\u{308}")).await.expect(201).body["name"], "Zo\u{eb}");
    app.post(admin, "/users", &user("Zo\u{eb}")).await.message(409);
    for name in ["Zo\u{eb}", "Zoe\u{308}", "\u{ff3a}o\u{eb}"] {
        app.login(name, "4711").await.expect(200);
    }
});

on_both!(webhooks_go_to_hosts_of_any_script, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let body = |url: &str| json!({ "node_id": app.merchant.node_id, "url": url, "events": ["payment.paid"] });
    let created = app.post(&token, "/api/v1/webhooks", &body("https://b\u{fc}cher.example/hook")).await.expect(201);
    assert_eq!(created.body["url"], "https://xn--bcher-kva.example/hook");
    assert_eq!(app.post(&token, "/api/v1/webhooks", &body("https://\u{a0}.example")).await.pointers(), ["/url"]);
});
