//! The checkout's errors: few statuses, four languages.

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::json;

use crate::{
    app::{TestApp, send},
    checkout::{PATH, created, order, shop},
};

on_both!(errors_are_worded_in_the_language_that_was_requested, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let send_request = async |language: &str| {
        let request = app.client.get(format!("{PATH}/nonsense")).header("authorization", format!("Bearer {token}"));
        send(request.header("accept-language", language)).await
    };
    for (language, tag, title, detail) in [
        ("fr-KM, en;q=0.5", "fr", "Introuvable", "Paiement introuvable"),
        ("es", "es", "No encontrado", "Pago no encontrado"),
        ("pt-PT", "pt", "Não encontrado", "Pagamento não encontrado"),
        ("de", "en", "Not found", "Payment not found"),
    ] {
        let answer = send_request(language).await;
        assert_eq!(answer.header("content-language"), tag);
        let problem = answer.problem(404, "not_found");
        assert_eq!((problem["title"].as_str().unwrap(), problem["detail"].as_str().unwrap()), (title, detail));
    }
    let mut body = order("one");
    body["successUrl"] = json!(7);
    let request = app.client.post(PATH).header("authorization", format!("Bearer {token}"));
    let problem =
        send(request.header("accept-language", "fr").body_json(&body)).await.problem(400, "validation_failed");
    assert_eq!(problem["detail"], "successUrl doit être un texte");
    assert_eq!(problem["errors"][0]["detail"], "doit être un texte");
});

on_both!(no_other_status_is_answered, async |database: TestDatabase| {
    let app = TestApp::with(database, |config| config.http.body_limit_bytes = 2_000).await;
    let token = app.token().await;
    let payment = created(&app, &token, "order-1").await;
    let path = format!("{PATH}/{}", payment["id"].as_str().unwrap());
    let bearer = format!("Bearer {token}");
    let post = || app.client.post(PATH).header("authorization", &bearer);
    send(post().content_type("text/plain").body("x")).await.problem(400, "unsupported_media_type");
    send(post().content_type("application/json").body("{")).await.problem(400, "malformed_request");
    send(post().content_type("application/json").body("x".repeat(3_000))).await.problem(400, "payload_too_large");
    send(post().header("idempotency-key", "ä").body_json(&order("x"))).await.problem(400, "validation_failed");
    for method in [poem::http::Method::PUT, poem::http::Method::DELETE, poem::http::Method::PATCH] {
        let answer = send(app.client.request(method, &path).header("authorization", &bearer)).await;
        assert_eq!(answer.header("allow"), "");
        answer.problem(404, "method_not_allowed");
    }
    app.get(&token, "/v1").await.problem(404, "not_found");
    app.get(&token, "/v1/nothing").await.problem(404, "not_found");
    app.get(&token, &format!("{PATH}?limit=0&x={}", "x".repeat(9_000))).await.problem(400, "uri_too_long");
    send(app.client.get(PATH)).await.problem(401, "unauthorized");
    let weak = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead]).await;
    app.post(&weak, PATH, &json!(7)).await.problem(403, "permission_missing");
    let strangers = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.get(&strangers, &path).await.problem(403, "node_out_of_reach");
});

on_both!(too_many_requests_are_429_with_retry_after, async |database: TestDatabase| {
    let app = TestApp::with(database, |config| config.http.rate_per_caller = 1).await;
    let token = app.token().await;
    app.get(&token, PATH).await.expect(200);
    let answer = app.get(&token, PATH).await;
    assert!(!answer.header("retry-after").is_empty());
    answer.problem(429, "too_many_requests");
});
