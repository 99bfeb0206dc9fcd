//! Callbacks in PayPal's name: PayPal is asked about what could be worth it, and not by everybody as often as they like.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chrono::{SecondsFormat, Utc};
use entities::{GatewaySessionId, GatewaySessionKind, PaymentMethod};
use fixtures::{Merchant, TestDatabase, on_both};
use gateways::Gateways;
use payments::{
    Actor,
    sessions::{self, NewSession},
};
use poem::{EndpointExt, http::StatusCode, test::TestClient};
use serde_json::json;

use crate::{
    app::{TestApp, TestResponse, send, state_with},
    checkout::created,
    checkout_submit::id_of,
};

const PATH: &str = "/v1/webhooks/payments/paypal";

/// What PayPal signs with, in these tests.
const GENUINE: &str = "a signature of PayPal's";

/// PayPal, as far as somebody asks it about signatures; what is counted are these questions.
#[derive(Clone, Default)]
struct PayPal {
    inquiries: Arc<AtomicUsize>,
}

impl PayPal {
    async fn serve(self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = poem::listener::TcpAcceptor::from_tokio(listener).unwrap();
        let answer = poem::endpoint::make(move |request: poem::Request| {
            let paypal = self.clone();
            async move { paypal.answer(request).await }
        });
        tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(answer));
        format!("http://{address}")
    }

    async fn answer(&self, mut request: poem::Request) -> poem::Result<poem::Response> {
        let answer = match request.uri().path() {
            "/v1/oauth2/token" => json!({ "access_token": "t", "token_type": "Bearer", "expires_in": 32_400 }),
            "/v1/notifications/verify-webhook-signature" => {
                self.inquiries.fetch_add(1, Ordering::SeqCst);
                let body: serde_json::Value = request.take_body().into_json().await?;
                let genuine = body["transmission_sig"] == GENUINE;
                json!({ "verification_status": if genuine { "SUCCESS" } else { "FAILURE" } })
            }
            _ => return Ok(poem::Response::builder().status(StatusCode::NOT_FOUND).finish()),
        };
        Ok(poem::Response::builder().content_type("application/json").body(answer.to_string()))
    }

    fn inquiries(&self) -> usize {
        self.inquiries.load(Ordering::SeqCst)
    }
}

async fn shop(database: TestDatabase, change: impl FnOnce(&mut api::Config)) -> (TestApp, PayPal) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (paypal, merchant) = (PayPal::default(), Merchant::insert(&database.db, 1).await);
    let stranger = Merchant::insert(&database.db, 2).await;
    let config = json!({ "paypal": {
        "base_url": paypal.clone().serve().await, "client_id": "app", "client_secret": "secret", "webhook_id": "WH",
    } });
    let gateways = Gateways::new(&serde_json::from_value(config).unwrap()).unwrap();
    let state = state_with(&database, |parts| {
        parts.gateways = gateways;
        change(&mut parts.config);
    });
    (TestApp { client: TestClient::new(api::routes(state).boxed()), database, merchant, stranger }, paypal)
}

/// A payment that is open at PayPal.
async fn begun(app: &TestApp) -> GatewaySessionId {
    let token = app.token().await;
    let new = NewSession {
        payment_id: id_of(&created(app, &token, "PYP").await),
        source: "PYP".to_owned(),
        kind: GatewaySessionKind::Checkout,
        payment_method: PaymentMethod::CreditCard,
        account: None,
        fee: None,
        requested_by: Actor::payer().into(),
    };
    let mut tx = app.database.db.begin().await.unwrap();
    let session = sessions::begin(&mut tx, new).await.unwrap();
    tx.commit().await.unwrap();
    session.id
}

fn approved(event: &str, reference: GatewaySessionId) -> String {
    let unit = json!({ "custom_id": reference });
    json!({ "id": event, "event_type": "CHECKOUT.ORDER.APPROVED", "resource": { "id": "5O1", "purchase_units": [unit] } })
        .to_string()
}

async fn call(app: &TestApp, transmission: &str, signature: &str, body: &str) -> TestResponse {
    let request = app.client.post(PATH).content_type("application/json").body(body.to_owned());
    let request = request.header("paypal-transmission-id", transmission).header("paypal-transmission-sig", signature);
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let request = request.header("paypal-transmission-time", time).header("paypal-auth-algo", "SHA256withRSA");
    send(request.header("paypal-cert-url", "https://api.paypal.com/v1/notifications/certs/CERT-1")).await
}

on_both!(paypal_is_not_queried_about_what_concerns_nobody_here, async |database: TestDatabase| {
    let (app, paypal) = shop(database, |_| {}).await;
    begun(&app).await;
    for number in 0..200 {
        let body = approved(&format!("WH-{number}"), GatewaySessionId::new());
        call(&app, &format!("t-{number}"), "forged", &body).await.expect(200);
    }
    let other = json!({ "id": "WH-X", "event_type": "BILLING.PLAN.CREATED", "resource": {} }).to_string();
    call(&app, "t-x", "forged", &other).await.expect(200);
    call(&app, "t-y", "forged", "[]").await.problem(400, "malformed_request");
    assert_eq!(paypal.inquiries(), 0);
});

on_both!(a_forged_callback_is_inquired_about_once, async |database: TestDatabase| {
    let (app, paypal) = shop(database, |_| {}).await;
    let body = approved("WH-1", begun(&app).await);
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    for _ in 0..20 {
        let request = app.client.post(PATH).content_type("application/json").body(body.clone());
        let request = request.header("paypal-transmission-id", "t").header("paypal-transmission-sig", "forged");
        let request = request.header("paypal-transmission-time", &time).header("paypal-auth-algo", "SHA256withRSA");
        let request = request.header("paypal-cert-url", "https://api.paypal.com/v1/notifications/certs/CERT-1");
        send(request).await.problem(401, "unauthorized");
    }
    assert_eq!(paypal.inquiries(), 1);
    // Refusing it has made nobody refuse the one that it imitates.
    call(&app, "t", GENUINE, &body).await.expect(200);
    assert_eq!(paypal.inquiries(), 2);
    for number in 0..20 {
        call(&app, &format!("again-{number}"), "forged", &body).await.expect(200);
    }
    assert_eq!(paypal.inquiries(), 2, "what was heard is heard once");
});

on_both!(forged_callbacks_about_a_payment_that_is_here_have_a_budget, async |database: TestDatabase| {
    let change = |config: &mut api::Config| config.http.callback_checks_per_address = 5;
    let (app, paypal) = shop(database, change).await;
    let reference = begun(&app).await;
    let mut statuses = Vec::new();
    for number in 0..30 {
        let answer = call(&app, &format!("t-{number}"), "forged", &approved(&format!("WH-{number}"), reference)).await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
        }
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses[..5], [401; 5]);
    assert!(statuses.iter().filter(|status| **status == 429).count() >= 20, "{statuses:?}");
    assert!(paypal.inquiries() <= 10, "{}", paypal.inquiries());
});
