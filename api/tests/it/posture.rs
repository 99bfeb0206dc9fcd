//! What an installation shows of itself: a playground says so everywhere, HTTPS is kept to, operators keep what is theirs.

use fixtures::{TestDatabase, on_both};
use payments::CheckoutLinks;
use poem::{
    EndpointExt, Response,
    endpoint::BoxEndpoint,
    test::{TestClient, TestRequestBuilder},
};
use secrecy::SecretString;

use crate::app::{SECRET, TestResponse, send, state_with};

type Client = TestClient<BoxEndpoint<'static, Response>>;

fn client(database: &TestDatabase, change: impl FnOnce(&mut api::Parts)) -> Client {
    TestClient::new(api::routes(state_with(database, change)).boxed())
}

/// With browsers that know us by this address.
fn known_as(database: &TestDatabase, base_url: &str) -> Client {
    client(database, |parts| parts.checkout_links = CheckoutLinks::new(base_url, &SecretString::from(SECRET)))
}

async fn get(client: &Client, path: &str) -> TestResponse {
    send(client.get(path).header("accept-language", "fr")).await
}

on_both!(a_playground_says_so_on_every_page_and_in_every_answer, async |database: TestDatabase| {
    let id = uuid::Uuid::now_v7();
    let (pay, checkout, sandbox) = (format!("/pay/{id}"), format!("/checkout/{id}"), format!("/sandbox/pay/{id}"));
    let answers = [&pay, &checkout, &sandbox, "/docs", "/health/live", "/api/v1/payments", "/no/such/path"];
    let playground = client(&database, |parts| parts.config.is_development = true);
    let real = client(&database, |_| {});
    for path in answers {
        assert_eq!(get(&playground, path).await.header("quittance-mode"), "development", "{path}");
        let answer = get(&real, path).await;
        assert!(answer.headers.get("quittance-mode").is_none(), "{path}");
        assert!(!answer.text.contains("class=\"development\""), "{path}");
    }
    for (path, sentence) in [
        (&pay, "Development: no real money"),
        (&"/docs".to_owned(), "Development: no real money"),
        (&checkout, "Développement : aucun argent réel"),
    ] {
        let page = get(&playground, path).await.text;
        assert!(page.contains(&format!("<body>\n<p class=\"development\" role=\"note\">{sentence}</p>")), "{page}");
    }
});

on_both!(who_is_reached_by_https_keeps_to_it, async |database: TestDatabase| {
    let secure = send(known_as(&database, "https://pay.example").get("/health/live")).await;
    assert_eq!(secure.header("strict-transport-security"), "max-age=31536000");
    let plain = send(known_as(&database, "http://127.0.0.1:9154").get("/health/live")).await;
    assert!(plain.headers.get("strict-transport-security").is_none());
});

on_both!(the_origin_of_the_base_url_is_ours_whatever_host_a_proxy_names, async |database: TestDatabase| {
    let client = known_as(&database, "https://pay.example");
    let from = |origin: &str| -> TestRequestBuilder<'_, _> {
        client.post("/auth/refresh").header("host", "quittance.internal:9154").header("origin", origin.to_owned())
    };
    for ours in ["https://pay.example", "https://pay.example:443"] {
        send(from(ours)).await.expect(401);
    }
    for foreign in ["https://evil.example", "http://pay.example", "https://pay.example:444", "null"] {
        send(from(foreign)).await.expect(403);
    }
});

on_both!(operators_keep_metrics_and_documents_from_the_public, async |database: TestDatabase| {
    let state = || state_with(&database, |parts| (parts.config.http.metrics, parts.config.http.docs) = (false, false));
    let (public, operators) =
        (TestClient::new(api::routes(state()).boxed()), TestClient::new(api::health_routes(state()).boxed()));
    for path in ["/metrics", "/docs", "/docs/start.js", "/openapi.json"] {
        send(public.get(path)).await.problem(404, "not_found");
        send(operators.get(path)).await.expect(200);
    }
    send(public.get("/health/live")).await.expect(200);
    send(operators.get("/api/v1/payments")).await.problem(404, "not_found");
});
