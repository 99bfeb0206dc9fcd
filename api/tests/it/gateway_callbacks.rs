//! What gateways, and those who only say they are, send to the callback routes: what is looked at, and what is refused.

use chrono::{TimeDelta, Utc};
use entities::{GatewaySessionId, GatewaySessionKind, PaymentId, PaymentMethod};
use fixtures::{Merchant, TestDatabase, on_both};
use gateways::Gateways;
use hmac::{Hmac, Mac};
use payments::{
    Actor,
    sessions::{self, NewSession},
};
use poem::{EndpointExt, test::TestClient};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    app::{TestApp, TestResponse, send, state_with},
    checkout::created,
    checkout_submit::id_of,
};

const STRIPE: &str = "/v1/webhooks/payments/stripe";
const MVOLA: &str = "/v1/webhooks/payments/mvola-mg";
const STRIPE_SECRET: &str = "whsec_of_tests";
const MVOLA_SECRET: &str = "a secret for callbacks";

/// The API of a shop with Stripe and MVola, neither of which is asked for anything here.
async fn shop(database: TestDatabase) -> TestApp {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let merchant = Merchant::insert(&database.db, 1).await;
    let stranger = Merchant::insert(&database.db, 2).await;
    let config = json!({
        "stripe": { "secret_key": "sk_test_1", "webhook_secret": STRIPE_SECRET, "base_url": "http://127.0.0.1:9" },
        "mobile_money": { "mvola_mg": {
            "base_url": "http://127.0.0.1:9", "client_id": "shop", "client_secret": "secret", "merchant": "0343500003",
            "partner_name": "Shop", "callback_secret": MVOLA_SECRET,
        } },
    });
    let gateways = Gateways::new(&serde_json::from_value(config).unwrap()).unwrap();
    let state = state_with(&database, |parts| parts.gateways = gateways);
    TestApp { client: TestClient::new(api::routes(state).boxed()), database, merchant, stranger }
}

/// A payment that is to be opened at this gateway; its messages are gone.
async fn begun(app: &TestApp, source: &str) -> (PaymentId, GatewaySessionId) {
    let token = app.token().await;
    let payment_id = id_of(&created(app, &token, source).await);
    let new = NewSession {
        payment_id,
        source: source.to_owned(),
        kind: GatewaySessionKind::Checkout,
        payment_method: PaymentMethod::CreditCard,
        account: None,
        fee: None,
        requested_by: Actor::payer().into(),
    };
    let mut tx = app.database.db.begin().await.unwrap();
    let session = sessions::begin(&mut tx, new).await.unwrap();
    tx.commit().await.unwrap();
    app.database.db.execute_unprepared("DELETE FROM outbox").await.unwrap();
    (payment_id, session.id)
}

/// How many messages would have somebody look at a gateway.
async fn looks(app: &TestApp) -> i64 {
    let db = &app.database.db;
    let sql = "SELECT COUNT(*) AS looks FROM outbox WHERE kind = 'check_session'";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    row.unwrap().try_get("", "looks").unwrap()
}

fn completed(event_id: &str, session_id: GatewaySessionId) -> Value {
    let object = json!({ "id": "cs_1", "client_reference_id": session_id, "metadata": { "reference": session_id } });
    json!({ "id": event_id, "object": "event", "type": "checkout.session.completed", "data": { "object": object } })
}

fn signature(body: &str, secret: &str, age: TimeDelta) -> String {
    let time = (Utc::now() - age).timestamp();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()))
}

async fn call_stripe(app: &TestApp, body: &str, signature: Option<String>) -> TestResponse {
    let mut request = app.client.post(STRIPE).content_type("application/json").body(body.to_owned());
    if let Some(signature) = signature {
        request = request.header("stripe-signature", signature);
    }
    send(request).await
}

on_both!(a_signed_event_is_handled_once_before_any_answer_of_the_gateway, async |database: TestDatabase| {
    let app = shop(database).await;
    let (_, session_id) = begun(&app, "STR").await;
    let body = completed("evt_1", session_id).to_string();
    for _ in 0..3 {
        call_stripe(&app, &body, Some(signature(&body, STRIPE_SECRET, TimeDelta::zero()))).await.expect(200);
        assert_eq!(looks(&app).await, 1, "the same event changes nothing once more");
    }
    let another = completed("evt_2", session_id).to_string();
    call_stripe(&app, &another, Some(signature(&another, STRIPE_SECRET, TimeDelta::zero()))).await.expect(200);
    assert_eq!(looks(&app).await, 2);
    let session = sessions::find(&*app.database.db, session_id).await.unwrap().unwrap();
    assert_eq!(session.gateway_id, None, "what it says is not believed, only looked at");
});

on_both!(forged_and_replayed_events_are_401_and_unreadable_ones_400, async |database: TestDatabase| {
    let app = shop(database).await;
    let (_, session_id) = begun(&app, "STR").await;
    let body = completed("evt_1", session_id).to_string();
    let now = TimeDelta::zero();
    for (what, signature) in [
        ("none", None),
        ("of another secret", Some(signature(&body, "whsec_another", now))),
        ("of another body", Some(signature("{}", STRIPE_SECRET, now))),
        ("too old", Some(signature(&body, STRIPE_SECRET, TimeDelta::minutes(6)))),
        ("of the future", Some(signature(&body, STRIPE_SECRET, TimeDelta::minutes(-6)))),
    ] {
        let answer = call_stripe(&app, &body, signature).await;
        assert_eq!(answer.problem(401, "unauthorized")["status"], 401, "{what}");
    }
    for body in ["", "{", "[]", "{\"id\":7}"] {
        let signature = signature(body, STRIPE_SECRET, now);
        call_stripe(&app, body, Some(signature)).await.problem(400, "malformed_request");
    }
    assert_eq!(looks(&app).await, 0);
});

on_both!(events_about_nothing_of_ours_are_200_and_change_nothing, async |database: TestDatabase| {
    let app = shop(database).await;
    begun(&app, "STR").await;
    let body = completed("evt_1", GatewaySessionId::new()).to_string();
    call_stripe(&app, &body, Some(signature(&body, STRIPE_SECRET, TimeDelta::zero()))).await.expect(200);
    let other = json!({ "id": "evt_2", "type": "invoice.paid", "data": { "object": { "id": "in_1" } } }).to_string();
    call_stripe(&app, &other, Some(signature(&other, STRIPE_SECRET, TimeDelta::zero()))).await.expect(200);
    assert_eq!(looks(&app).await, 0);
});

on_both!(an_operator_reports_the_id_of_a_payment_whose_answer_was_lost, async |database: TestDatabase| {
    let app = shop(database).await;
    let (_, session_id) = begun(&app, "MVM").await;
    let body = json!({ "transactionStatus": "completed", "serverCorrelationId": "server-7" });
    let path = |secret: &str| format!("{MVOLA}?reference={session_id}&token={}", secret.replace(' ', "%20"));
    send(app.client.put(path("another secret")).body_json(&body)).await.problem(401, "unauthorized");
    assert_eq!(looks(&app).await, 0);
    send(app.client.put(path(MVOLA_SECRET)).body_json(&body)).await.expect(200);
    assert_eq!(looks(&app).await, 1);
    let session = sessions::find(&*app.database.db, session_id).await.unwrap().unwrap();
    assert_eq!(session.gateway_id.as_deref(), Some("server-7"), "only so can it be asked");
    let other = json!({ "transactionStatus": "completed", "serverCorrelationId": "server-8" });
    send(app.client.put(path(MVOLA_SECRET)).body_json(&other)).await.expect(200);
    let session = sessions::find(&*app.database.db, session_id).await.unwrap().unwrap();
    assert_eq!(session.gateway_id.as_deref(), Some("server-7"), "told once");
});

on_both!(gateways_that_are_not_configured_are_404, async |database: TestDatabase| {
    let app = shop(database).await;
    for request in [
        app.client.post("/v1/webhooks/payments/paypal"),
        app.client.post("/v1/webhooks/payments/mvola-km"),
        app.client.get("/v1/webhooks/payments/holo"),
        app.client.post("/v1/webhooks/payments/huri"),
        app.client.post("/v1/webhooks/payments/nobody"),
    ] {
        send(request).await.problem(404, "not_found");
    }
});
