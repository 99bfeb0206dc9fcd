//! What holds for every request: ids, limits, problems for whatever no handler has seen.

use fixtures::{TestDatabase, on_both};
use serde_json::json;

use crate::app::{TestApp, send};

on_both!(refuses_what_no_handler_sees_with_problems, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let problem = send(app.client.get("/no/such/path")).await.problem(404, "not_found");
    assert_eq!(problem["instance"], "/no/such/path");
    assert_eq!(problem["retryable"], false);

    let answer = send(app.client.put("/api/v1/payments")).await;
    assert_eq!(answer.header("allow"), "GET, HEAD, POST");
    answer.problem(405, "method_not_allowed");
    for method in ["OPTIONS", "TRACE", "BREW"] {
        let answer = send(app.client.request(method.parse().unwrap(), "/api/v1/payments")).await;
        assert_eq!(answer.header("allow"), "GET, HEAD, POST", "{method}");
        answer.problem(405, "method_not_allowed");
    }
    for path in ["/no/such/path", "/api/v1/payments/", "/api/v1/payments/x/y", "/api/v1/payments/x/logs/y"] {
        send(app.client.post(path)).await.problem(404, "not_found");
    }
    assert_eq!(send(app.client.get("/")).await.expect(303).header("location"), "/docs");

    let post = || app.client.post("/api/v1/payments").header("authorization", format!("Bearer {token}"));
    send(post().content_type("text/plain").body("x")).await.problem(415, "unsupported_media_type");
    send(post().body("{}")).await.problem(415, "unsupported_media_type");
    let large = format!("{{\"metadata\":\"{}\"}}", "x".repeat(1 << 20));
    send(post().content_type("application/json").body(large)).await.problem(413, "payload_too_large");
    let announced = post().content_type("application/json").header("content-length", "99999999").body("{}");
    send(announced).await.problem(413, "payload_too_large");

    for malformed in ["", "{", "{\"price\": NaN}", "{} {}", "\u{feff}{}", "[1,", "{\"a\": 01}"] {
        let answer = send(post().content_type("application/json").body(malformed)).await;
        answer.problem(400, "malformed_request");
    }
    let deep = "[".repeat(200) + &"]".repeat(200);
    send(post().content_type("application/json").body(deep)).await.problem(400, "malformed_request");
    send(post().content_type("application/json").body(vec![b'"', 0xff, b'"'])).await.problem(400, "malformed_request");
    send(post().header("x-large", "x".repeat(17 << 10))).await.problem(431, "headers_too_large");
});

on_both!(names_ids_that_are_malformed, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    for path in ["/api/v1/payments/x", "/api/v1/nodes/1", "/api/v1/wallets/%00", "/api/v1/payments/x/logs"] {
        let problem = app.get(&token, path).await.problem(400, "validation_failed");
        assert_eq!(
            (&problem["errors"][0]["pointer"], &problem["errors"][0]["location"]),
            (&json!("/id"), &json!("path"))
        );
    }
    let cancel = app.post(&token, "/api/v1/payments/x/cancel", &json!({})).await;
    assert_eq!(cancel.pointers(), ["/id"]);
});

on_both!(every_answer_has_a_request_id, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    for path in ["/health/live", "/no/such/path", "/api/v1/payments"] {
        let answer = send(app.client.get(path).header("x-request-id", "mine-1")).await;
        assert_eq!(answer.header("x-request-id"), "mine-1");
        let answer = send(app.client.get(path).header("x-request-id", "not well formed")).await;
        assert!(uuid::Uuid::parse_str(answer.header("x-request-id")).is_ok());
        let other = send(app.client.get(path)).await;
        assert_ne!(answer.header("x-request-id"), other.header("x-request-id"));
    }
});

on_both!(a_caller_and_an_address_have_allowances, async |database: TestDatabase| {
    let app = TestApp::with(database, |config| config.http.rate_per_caller = 3).await;
    let token = app.token().await;
    for _ in 0..3 {
        app.get(&token, "/api/v1/nodes").await.expect(200);
    }
    let answer = app.get(&token, "/api/v1/nodes").await;
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(answer.problem(429, "too_many_requests")["retryable"], true);
    app.get(&app.token().await, "/api/v1/nodes").await.expect(200);
});

on_both!(an_address_has_an_allowance, async |database: TestDatabase| {
    let app = TestApp::with(database, |config| config.http.rate_per_address = 2).await;
    send(app.client.get("/health/live")).await.expect(200);
    send(app.client.get("/health/live")).await.expect(200);
    send(app.client.get("/health/live")).await.problem(429, "too_many_requests");
});

on_both!(a_head_is_a_get_without_its_body, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let answer = send(app.client.head("/health/live")).await.expect(200);
    assert_eq!(answer.text, "");
});

on_both!(when_the_database_is_gone_it_is_unavailable, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    (*app.database.db).clone().close().await.unwrap();
    let answer = app.get(&token, "/api/v1/nodes").await;
    assert_eq!(answer.header("retry-after"), "1");
    let problem = answer.problem(503, "unavailable");
    assert!(!problem.to_string().to_lowercase().contains("sql"), "{problem}");
});
