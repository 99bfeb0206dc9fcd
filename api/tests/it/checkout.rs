//! The contract of the hosted checkout: signing in and creating, row by row.

use std::sync::Once;

use base64::Engine;
use entities::{PaymentStatus, payment};
use fixtures::{Merchant, TestDatabase, on_both};
use gateways::{Gateways, Sandbox, SandboxConfig, Source};
use poem::{EndpointExt, test::TestClient};
use sea_orm::{EntityTrait, PaginatorTrait, QueryFilter, prelude::*};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{TestApp, TestResponse, send, state_with};

pub(crate) const PATH: &str = "/v1/payments";

/// What clients of gateways need, once a process.
pub(crate) fn tls() {
    static TLS: Once = Once::new();
    TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// The API with the sandbox behind these sources.
pub(crate) async fn shop_with(database: TestDatabase, sources: &[Source]) -> TestApp {
    tls();
    let merchant = Merchant::insert(&database.db, 1).await;
    let stranger = Merchant::insert(&database.db, 2).await;
    let config = SandboxConfig { base_url: "http://127.0.0.1:9".to_owned(), ..SandboxConfig::default() };
    let mut gateways = Gateways::default();
    for source in sources {
        gateways.insert(*source, std::sync::Arc::new(Sandbox::new(&config, *source).unwrap()), Vec::new());
    }
    let state = state_with(&database, |parts| parts.gateways = gateways);
    TestApp { client: TestClient::new(api::routes(state).boxed()), database, merchant, stranger }
}

pub(crate) async fn shop(database: TestDatabase) -> TestApp {
    shop_with(database, Source::ALL).await
}

/// The body of a payment that can be created.
pub(crate) fn order(client_id: &str) -> Value {
    json!({
        "purchase": {
            "total": { "value": "15000", "currency": "KMF" },
            "items": [{ "name": "Vanilla", "quantity": "2", "amount": { "value": "7500", "currency": "KMF" } }],
        },
        "clientId": client_id,
        "cancelUrl": "https://shop.example/canceled?a=b",
        "successUrl": "https://shop.example/thanks",
    })
}

/// Creates a payment and returns its data.
pub(crate) async fn created(app: &TestApp, token: &str, client_id: &str) -> Value {
    app.post(token, PATH, &order(client_id)).await.expect(201).body["data"].clone()
}

async fn form(app: &TestApp, body: &str) -> TestResponse {
    let request = app.client.post("/v1/token").content_type("application/x-www-form-urlencoded");
    send(request.body(body.to_owned())).await
}

fn grant(id: &str, secret: &str) -> String {
    format!("grant_type=client_credentials&client_id={id}&client_secret={secret}")
}

on_both!(token_200_for_the_same_integrations_as_the_deals_contract, async |database: TestDatabase| {
    let app = shop(database).await;
    let (key, secret) = app.integration(app.merchant.node_id, payments::Permission::ALL).await;
    let answer = form(&app, &grant(&key, &secret)).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!((&answer.body["token_type"], &answer.body["expires_in"]), (&json!("Bearer"), &json!(3_600)));
    assert_eq!(answer.body.as_object().unwrap().len(), 3, "{}", answer.text);
    let token = answer.body["access_token"].as_str().unwrap();
    app.get(token, PATH).await.expect(200);
    app.get(token, &format!("/api/v1/payments?node_id={}", app.merchant.node_id)).await.expect(200);
});

on_both!(a_client_may_prove_itself_by_http_basic, async |database: TestDatabase| {
    let app = shop(database).await;
    let (key, secret) = app.integration(app.merchant.node_id, payments::Permission::ALL).await;
    let basic = async |pair: &str, body: &str| {
        let header = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let request = app.client.post("/v1/token").content_type("application/x-www-form-urlencoded");
        send(request.header("authorization", header).body(body.to_owned())).await
    };
    let grant_type = "grant_type=client_credentials";
    let encoded = key.replace('_', "%5F");
    for (pair, body) in [
        (format!("{key}:{secret}"), grant_type.to_owned()),
        (format!("{encoded}:{secret}"), grant_type.to_owned()),
        (format!("{key}:{secret}"), format!("{grant_type}&client_id={key}")),
    ] {
        let answer = basic(&pair, &body).await.expect(200);
        app.get(answer.body["access_token"].as_str().unwrap(), PATH).await.expect(200);
    }
    for pair in [format!("{key}:wrong"), format!("unknown:{secret}")] {
        let answer = basic(&pair, grant_type).await;
        assert!(answer.header("www-authenticate").starts_with("Basic"), "as it was asked");
        assert_eq!(answer.problem(401, "unauthorized")["error"], "invalid_client");
    }
    let two_ways = format!("{grant_type}&client_id={key}&client_secret={secret}");
    let other = format!("{grant_type}&client_id=other");
    for (pair, body) in [
        (format!("{key}:{secret}"), two_ways),
        (format!("{key}:{secret}"), other),
        (key.clone(), grant_type.to_owned()),
        (format!("{key}:"), grant_type.to_owned()),
    ] {
        assert_eq!(basic(&pair, &body).await.problem(400, "validation_failed")["error"], "invalid_request", "{body}");
    }
    assert_eq!(
        basic(&format!("{key}:{secret}"), "").await.problem(400, "validation_failed")["error"],
        "unsupported_grant_type"
    );
    // A client that renews its token with the old one at hand is not mistaken for one that proves itself by it.
    let request = app.client.post("/v1/token").header("authorization", "Bearer old");
    let request = request.content_type("application/x-www-form-urlencoded").body(grant(&key, &secret));
    send(request).await.expect(200);
});

on_both!(token_400_and_401, async |database: TestDatabase| {
    let app = shop(database).await;
    let (key, secret) = app.integration(app.merchant.node_id, payments::Permission::ALL).await;
    for (body, error) in [
        (grant(&key, &secret).replace("client_credentials", "password"), "unsupported_grant_type"),
        (format!("client_id={key}&client_secret={secret}"), "unsupported_grant_type"),
        (format!("grant_type=client_credentials&client_secret={secret}"), "invalid_request"),
        (format!("grant_type=client_credentials&client_id={key}"), "invalid_request"),
    ] {
        assert_eq!(form(&app, &body).await.problem(400, "validation_failed")["error"], error, "{body}");
    }
    for body in [grant(&key, "wrong"), grant("unknown", &secret), grant("a%00b", &secret)] {
        assert_eq!(form(&app, &body).await.problem(401, "unauthorized")["error"], "invalid_client", "{body}");
    }
    let json = app.client.post("/v1/token").body_json(&json!({ "grant_type": "client_credentials" }));
    send(json).await.problem(400, "unsupported_media_type");
});

on_both!(post_payments_201_answers_every_documented_field, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let terminal = Uuid::now_v7();
    let mut body = order("order-1");
    body["context"] = json!({ "locale": "fr-KM", "channels": ["web", "app"], "terminalId": terminal });
    body["payer"] = json!({
        "fullName": "Ada Soilihi", "email": "ada@example.org", "phone": "+2693210000",
        "address": { "line1": "Rue 1", "city": "Moroni", "country": "KM", "postcode": "1000" },
    });
    body["clientNote"] = json!("with a ribbon");
    body["plan"] = json!({ "source": "MVK" });
    let answer = app.post(&token, PATH, &body).await.expect(201).body;
    let data = &answer["data"];
    let id = data["id"].as_str().unwrap();
    let page = format!("http://127.0.0.1:9154/checkout/{id}");
    assert_eq!((&answer["next"], &data["billing"]["submitUrl"]), (&json!(page), &json!(page)));
    assert_eq!((&data["status"], &data["captured"]), (&json!("pending"), &json!(false)));
    let context =
        json!({ "locale": "fr-KM", "channels": ["web", "app"], "redirectMode": "embedded", "terminalId": terminal });
    assert_eq!(data["context"], context);
    for same in ["payer", "purchase", "clientId", "clientNote", "cancelUrl", "successUrl"] {
        assert_eq!(data[same], body[same], "{same}");
    }
    let node = entities::node::Entity::find_by_id(app.merchant.node_id).one(&*app.database.db).await.unwrap().unwrap();
    assert_eq!(data["payee"], json!({ "fullName": node.name }));
    assert_eq!(data["plan"]["source"], "MVK");
    let codes: Vec<&str> =
        data["plan"]["options"].as_array().unwrap().iter().map(|option| option["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["STR", "PYP", "MVM", "MVK", "HOL", "HRM"]);
    let first = json!({ "code": "STR", "name": "Stripe", "image": "http://127.0.0.1:9154/checkout/assets/str.svg" });
    assert_eq!(data["plan"]["options"][0], first);
    for url in ["captureUrl", "declineUrl"] {
        assert!(data["billing"][url].as_str().unwrap().contains(&format!("/v1/payments/{id}/")), "{url}");
    }
    assert_eq!(data["billing"]["traces"][0]["event"], "payment.created");
    assert!(data["billing"]["signature"].is_string() && data["createdAt"].is_string());
    for absent in ["canceledAt", "submittedAt", "approvedAt", "capturedAt", "failedAt", "completedAt"] {
        assert!(data.get(absent).is_none(), "{absent} has no value yet");
    }
    for absent in ["approveUrl", "providerId", "intent", "proof"] {
        assert!(data["billing"].get(absent).is_none(), "{absent} has no value yet");
    }
    let read = app.get(&token, &format!("{PATH}/{id}")).await.expect(200).body;
    assert_eq!(read, *data);
    let core = app.get(&token, &format!("/api/v1/payments/{id}")).await.expect(200).body;
    assert_eq!((&core["status"], &core["external_id"]), (&json!("open"), &json!("order-1")));
    assert_eq!(core["payment_method"], "mobile_money");
});

on_both!(a_quantity_comes_back_as_it_was_sent, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let sent = [json!("1"), json!("0012"), json!("99999999999999999999"), json!(3), json!(2.0)];
    for (number, (sent, answered)) in sent.into_iter().zip(["1", "0012", "99999999999999999999", "3", "2"]).enumerate()
    {
        let mut body = order(&format!("order-{number}"));
        body["purchase"]["items"][0]["quantity"] = sent;
        let created = app.post(&token, PATH, &body).await.expect(201).body["data"].clone();
        assert_eq!(created["purchase"]["items"][0]["quantity"], answered);
        let id = created["id"].as_str().unwrap();
        let read = app.get(&token, &format!("{PATH}/{id}")).await.expect(200).body;
        assert_eq!(read["purchase"]["items"][0]["quantity"], answered);
        let page = send(app.client.get(format!("/checkout/{id}"))).await.expect(200).text;
        assert!(page.contains(&format!("{answered} × Vanilla")), "{page}");
    }
    // A payment from before quantities were texts.
    let created = created(&app, &token, "old").await;
    let id = entities::PaymentId(created["id"].as_str().unwrap().parse().unwrap());
    let purchase = json!({ "total": created["purchase"]["total"], "items": [
        { "name": "Vanilla", "quantity": 7, "amount": { "value": "7500", "currency": "KMF" } },
    ] });
    entities::checkout::Entity::update_many()
        .col_expr(entities::checkout::Column::Purchase, Expr::value(purchase))
        .filter(entities::checkout::Column::PaymentId.eq(id))
        .exec(&*app.database.db)
        .await
        .unwrap();
    let read = app.get(&token, &format!("{PATH}/{}", id.0)).await.expect(200).body;
    assert_eq!(read["purchase"]["items"][0]["quantity"], "7");
});

on_both!(a_payers_name_in_two_parts_is_kept_and_answered, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let mut body = order("order-1");
    body["payer"] = json!({ "firstName": "Ada", "lastName": "Soilihi", "email": "ada@example.org" });
    let created = app.post(&token, PATH, &body).await.expect(201).body["data"].clone();
    assert_eq!(created["payer"], body["payer"]);
    let read = app.get(&token, &format!("{PATH}/{}", created["id"].as_str().unwrap())).await.expect(200).body;
    assert_eq!(read["payer"], body["payer"]);
    body["payer"] = json!({ "firstName": "x".repeat(256) });
    assert_eq!(app.post(&token, PATH, &body).await.pointers(), ["/payer/firstName"]);
});

on_both!(post_payments_201_with_only_what_is_required, async |database: TestDatabase| {
    let app = shop_with(database, &[Source::PayPal]).await;
    let token = app.token().await;
    let body = json!({
        "purchase": { "total": { "value": "12.50", "currency": "EUR" } }, "context": { "redirectMode": "hosted" },
        "unknown": { "is": "ignored" },
    });
    let data = app.post(&token, PATH, &body).await.expect(201).body["data"].clone();
    assert_eq!(data["purchase"], body["purchase"]);
    assert_eq!(data["context"], json!({ "redirectMode": "hosted" }));
    assert_eq!(data["plan"]["options"].as_array().unwrap().len(), 1, "only what serves the shop is offered");
    for absent in ["payer", "clientId", "clientNote", "cancelUrl", "successUrl"] {
        assert!(data.get(absent).is_none(), "{absent}");
    }
    let core = app.get(&token, &format!("/api/v1/payments/{}", data["id"].as_str().unwrap())).await.expect(200).body;
    assert_eq!((&core["external_id"], &core["paid_price"]), (&data["id"], &json!(12.5)));
    assert_eq!(core["payment_method"], "credit_card");
});

on_both!(post_payments_400_rule_by_rule, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let address = |country: &str| json!({ "line1": "Rue 1", "city": "Moroni", "country": country });
    for (pointer, wrong) in [
        ("/purchase", Value::Null),
        ("/purchase/total", json!({ "value": "1" })),
        ("/purchase/total/value", json!(15000)),
        ("/purchase/total/value", json!("15000.5")),
        ("/purchase/total/value", json!("15000.0")),
        ("/purchase/total/value", json!("0")),
        ("/purchase/total/value", json!("-1")),
        ("/purchase/total/value", json!("1e3")),
        ("/purchase/total/value", json!("NaN")),
        ("/purchase/total/value", json!("79228162514264337593543950336")),
        ("/purchase/total/currency", json!("XXZ")),
        ("/purchase/total/currency", json!("kmf")),
        ("/purchase/total/currency", json!("BTC")),
        ("/purchase/items/0/name", Value::Null),
        ("/purchase/items/0/quantity", json!(0)),
        ("/purchase/items/0/quantity", json!("0")),
        ("/purchase/items/0/quantity", json!("-1")),
        ("/purchase/items/0/quantity", json!("2.5")),
        ("/purchase/items/0/quantity", json!(2.5)),
        ("/purchase/items/0/quantity", json!("")),
        ("/purchase/items/0/quantity", json!("two")),
        ("/purchase/items/0/quantity", json!("٣")),
        ("/purchase/items/0/quantity", json!("1".repeat(21))),
        ("/purchase/items/0/quantity", json!(["2"])),
        ("/purchase/items/0/quantity", Value::Null),
        ("/purchase/items/0/amount", Value::Null),
        ("/purchase/items/0/amount/currency", json!("EUR")),
        ("/purchase/items/0/amount/value", json!("1.5")),
        ("/context", json!({ "locale": "french" })),
        ("/context", json!({ "redirectMode": "popup" })),
        ("/context", json!({ "terminalId": "seven" })),
        ("/context", json!({ "channels": "web" })),
        ("/payer", json!({ "phone": "2693210000" })),
        ("/payer", json!({ "email": "ada" })),
        ("/payer", json!({ "address": { "line1": "Rue 1", "city": "Moroni" } })),
        ("/payer", json!({ "address": address("KMX") })),
        ("/payer", json!({ "address": address("XX") })),
        ("/clientId", json!(" ")),
        ("/plan", json!({ "source": "XYZ" })),
        ("/cancelUrl", Value::Null),
        ("/successUrl", Value::Null),
        ("/successUrl", json!("/thanks")),
        ("/successUrl", json!("javascript:alert(1)")),
    ] {
        let mut body = order("order-1");
        match body.pointer_mut(pointer) {
            Some(place) => *place = wrong.clone(),
            None => body[&pointer[1..]] = wrong.clone(),
        }
        let answer = app.post(&token, PATH, &body).await;
        assert_eq!(answer.status.as_u16(), 400, "{pointer} {wrong}: {}", answer.text);
        let problem = answer.problem(400, "validation_failed");
        let named = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(named.starts_with(pointer), "{pointer} {wrong}: {problem}");
    }
    for (currency, good, bad) in [("MGA", "1500", "1500.2"), ("JPY", "1500", "1500.0"), ("EUR", "12.5", "12.505")] {
        let body = |value: &str| {
            let total = json!({ "value": value, "currency": currency });
            json!({ "purchase": { "total": total }, "context": { "redirectMode": "hosted" } })
        };
        app.post(&token, PATH, &body(bad)).await.problem(400, "validation_failed");
        app.post(&token, PATH, &body(good)).await.expect(201);
    }
    assert_eq!(payment::Entity::find().count(&*app.database.db).await.unwrap(), 3, "nothing else was written");
});

on_both!(post_payments_400_client_id_repeated, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    created(&app, &token, "order-1").await;
    let problem = app.post(&token, PATH, &order("order-1")).await.problem(400, "conflict");
    assert_eq!(problem["detail"], "A payment with this clientId exists already");
    let strangers = app.token_on(app.stranger.node_id, payments::Permission::ALL).await;
    created(&app, &strangers, "order-1").await;
});

on_both!(post_payments_with_an_idempotency_key_is_done_once, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let first = app.post_once(&token, PATH, "key", &order("order-1")).await.expect(201).body;
    let again = app.post_once(&token, PATH, "key", &order("order-1")).await.expect(201).body;
    assert_eq!(first, again);
    let other = app.post_once(&token, PATH, "key", &order("order-2")).await;
    other.problem(400, "idempotency_key_reused");
    assert_eq!(payment::Entity::find().count(&*app.database.db).await.unwrap(), 1);
});

on_both!(get_payments_id_404, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    for unknown in ["nonsense".to_owned(), Uuid::now_v7().to_string(), "%00".to_owned()] {
        app.get(&token, &format!("{PATH}/{unknown}")).await.problem(404, "not_found");
    }
    let deal = app.created(&token, "deal").await;
    app.get(&token, &format!("{PATH}/{}", deal["id"].as_str().unwrap())).await.problem(404, "not_found");
});

on_both!(cancel_200_and_400, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let payment = created(&app, &token, "order-1").await;
    let path = format!("{PATH}/{}/cancel", payment["id"].as_str().unwrap());
    let answer = app.post(&token, &path, &json!({})).await.expect(200).body;
    assert_eq!(answer["next"], "https://shop.example/canceled?a=b");
    assert_eq!(answer["data"]["status"], "canceled");
    assert!(answer["data"]["canceledAt"].is_string());
    let again = app.post(&token, &path, &json!({})).await.problem(400, "conflict");
    assert_eq!(again["detail"], "The payment is canceled and cannot be canceled");
    app.post(&token, &format!("{PATH}/nonsense/cancel"), &json!({})).await.problem(404, "not_found");
    let rows = payment::Entity::find().all(&*app.database.db).await.unwrap();
    assert_eq!(rows[0].status, PaymentStatus::Canceled);
});

on_both!(a_card_payment_of_the_deals_contract_has_a_hosted_checkout, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let mut body = app.payment("deal-1");
    body["payment_method"] = json!("credit_card");
    let deal = app.post(&token, "/api/v1/payments", &body).await.expect(201).body;
    assert_eq!(deal["status"], "open");
    let shown = app.get(&token, &format!("{PATH}/{}", deal["id"].as_str().unwrap())).await.expect(200).body;
    assert_eq!((&shown["status"], &shown["clientId"]), (&json!("pending"), &json!("deal-1")));
    assert_eq!(shown["purchase"]["total"]["value"], "10.5");
    assert_eq!(shown["context"]["redirectMode"], "hosted");
});
