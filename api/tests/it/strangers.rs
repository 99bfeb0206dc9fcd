//! What strangers may ask of the public routes, and that nobody else notices them.

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::{Value, json};

use crate::app::{TestApp, TestResponse, send};

/// An app behind one proxy whose strangers have few points.
async fn app(database: TestDatabase, change: impl FnOnce(&mut api::StrangersConfig)) -> TestApp {
    TestApp::with(database, |config| {
        config.http.trusted_proxies = 1;
        change(&mut config.strangers);
    })
    .await
}

impl TestApp {
    /// A GET, or a POST where there is a body, from this address.
    async fn from(&self, address: &str, path: &str, body: Option<&Value>) -> TestResponse {
        let request = match body {
            Some(body) => self.client.post(path).body_json(body),
            None => self.client.get(path),
        };
        send(request.header("x-forwarded-for", address)).await
    }
}

on_both!(an_address_has_a_budget_in_each_contracts_words, async |database: TestDatabase| {
    let app = app(database, |strangers| strangers.per_address = 60).await;
    let order = json!({ "total": 1, "totalBs": 36.5 });
    for _ in 0..3 {
        app.from("203.0.113.7", "/api/orders", Some(&order)).await.expect(200);
    }
    // However it is spelled, it is the same address.
    for spelling in ["203.0.113.7", "203.0.113.7:41123", "::ffff:203.0.113.7", "[::ffff:203.0.113.7]:41123"] {
        let refused = app.from(spelling, "/api/orders", Some(&order)).await;
        assert!((1..=20).contains(&refused.header("retry-after").parse::<u64>().unwrap()), "{spelling}");
        assert_eq!(refused.refusal(429), "Too many requests");
    }
    let login = json!({ "name": "ada", "pin": "4711" });
    let refused = app.from("203.0.113.7", "/auth/login", Some(&login)).await.expect(429);
    assert_eq!(refused.body["retryAfter"].to_string(), refused.header("retry-after"));
    assert_eq!(refused.body["message"], "Too many requests");
    let intent = json!({ "order_id": 1 });
    let refused = app.from("203.0.113.7", "/api/payments/create-intent", Some(&intent)).await;
    assert_eq!(refused.detail(429), "Too many requests");
    let refused = app.from("203.0.113.7", "/api/v1/auth/authenticate", Some(&json!({}))).await;
    assert_eq!(refused.problem(429, "too_many_requests")["retryable"], true);
    let token = app.from("203.0.113.7", "/v1/token", Some(&json!({}))).await.expect(429);
    assert_ne!(token.header("retry-after"), "");
    app.from("203.0.113.8", "/api/orders", Some(&order)).await.expect(200);
    app.from("203.0.113.7", "/health/live", None).await.expect(200);
});

on_both!(what_all_strangers_share_does_not_slow_who_has_signed_in, async |database: TestDatabase| {
    let app = app(database, |strangers| strangers.in_all = 240).await;
    let token = app.token().await;
    let order = json!({ "total": 1, "totalBs": 36.5 });
    for address in ["203.0.113.1", "203.0.113.2"] {
        app.from(address, "/api/orders", Some(&order)).await.expect(200);
    }
    app.from("203.0.113.3", "/api/orders", Some(&order)).await.expect(429);
    app.from("203.0.113.3", "/api/payments/accounts", None).await.expect(200);
    for _ in 0..5 {
        app.post(&token, "/api/orders", &order).await.expect(200);
        app.get(&token, "/api/v1/nodes").await.expect(200);
    }
    // A token that nobody has signed makes nobody a caller.
    app.post("nonsense", "/api/orders", &order).await.expect(429);
});

on_both!(a_customer_is_still_a_stranger, async |database: TestDatabase| {
    let app = app(database, |strangers| strangers.per_address = 60).await;
    let register = json!({ "email": "eve@example.org", "password": "correct horse" });
    let answer = app.from("203.0.113.7", "/api/auth/register", Some(&register)).await.expect(200);
    let cookie = answer.cookie("krafta-token").unwrap();
    let token = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    let order = json!({ "total": 1, "totalBs": 36.5 });
    let place = async || {
        let request = app.client.post("/api/orders").header("x-forwarded-for", "203.0.113.7");
        send(request.header("authorization", format!("Bearer {token}")).body_json(&order)).await
    };
    place().await.expect(200);
    place().await.expect(200);
    place().await.expect(429);
});

on_both!(one_order_has_a_budget_from_wherever, async |database: TestDatabase| {
    let app = app(database, |strangers| strangers.per_subject = 10).await;
    let order = crate::receipts::place(&app).await;
    let report = crate::receipts::receipt(&order);
    for address in ["203.0.113.1", "203.0.113.2"] {
        app.from(address, "/api/payments", Some(&report)).await.expect(200);
    }
    let refused = app.from("203.0.113.3", "/api/payments", Some(&report)).await;
    assert_eq!(refused.refusal(429), "Too many requests");
    let other = crate::receipts::receipt(&crate::receipts::place(&app).await);
    app.from("203.0.113.3", "/api/payments", Some(&other)).await.expect(200);
    let token = app.token_on(app.merchant.node_id, &[Permission::PaymentsCreate]).await;
    app.post(&token, "/api/payments", &report).await.expect(200);
});

on_both!(ipv6_is_counted_by_its_network_and_by_its_site, async |database: TestDatabase| {
    let app = app(database, |strangers| {
        strangers.per_address = 20;
        strangers.per_site = 40;
    })
    .await;
    let order = json!({ "total": 1, "totalBs": 36.5 });
    app.from("2001:db8:1:1::1", "/api/orders", Some(&order)).await.expect(200);
    app.from("[2001:db8:1:1::2]:443", "/api/orders", Some(&order)).await.expect(429);
    app.from("2001:db8:1:2::1", "/api/orders", Some(&order)).await.expect(200);
    app.from("2001:db8:1:3::1", "/api/orders", Some(&order)).await.expect(429);
    app.from("2001:db8:2::1", "/api/orders", Some(&order)).await.expect(200);
});
