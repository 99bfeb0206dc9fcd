//! The adapter against a Stripe that somebody else has written. It knows PaymentIntents, refunds, payouts and signed
//! events; neither Checkout Sessions and accounts nor idempotency keys.

use std::{
    env,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use chrono::Utc;
use gateways::{Callback, CallbackSubject, Error, Gateway, Handle, PayoutState, Processor, Refund, State, Stripe};
use serde_json::Value;
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    fake_stripe::FakeStripe,
    stripe::{WEBHOOK_SECRET, config, decimal, euros, sums},
};

/// It runs until it is dropped.
struct LocalStripe {
    process: Child,
    base_url: String,
    http: reqwest::Client,
}

impl Drop for LocalStripe {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl LocalStripe {
    async fn start() -> Self {
        let program = env::var("QUITTANCE_TEST_LOCALSTRIPE")
            .expect("QUITTANCE_TEST_LOCALSTRIPE must be the path of localstripe; scripts/test installs it");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(program)
            .args(["--from-scratch", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let base_url = format!("http://127.0.0.1:{port}");
        let here = Self { process, base_url, http: reqwest::Client::new() };
        for _ in 0..200 {
            if here.http.get(&here.base_url).send().await.is_ok() {
                return here;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("localstripe does not answer");
    }

    /// What a payer or a clerk does there. The id of what was made is returned.
    async fn post(&self, path: &str, form: &[(&str, &str)]) -> String {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(format!("{}{path}", self.base_url)).bearer_auth("sk_test_fake");
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let body = request.send().await.unwrap().bytes().await.unwrap();
        let answer = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        answer["id"].as_str().unwrap_or_default().to_owned()
    }

    async fn card(&self, number: &str) -> String {
        let card = [
            ("type", "card"),
            ("card[number]", number),
            ("card[exp_month]", "12"),
            ("card[exp_year]", "2039"),
            ("card[cvc]", "123"),
        ];
        self.post("/v1/payment_methods", &card).await
    }
}

fn handle(reference: Uuid, id: &str) -> Handle {
    Handle { reference, gateway_id: Some(id.to_owned()), amount: euros("12.34"), asked_at: Utc::now(), account: None }
}

#[tokio::test]
async fn another_ones_stripe_is_understood() {
    // Whoever listens here keeps what it is sent.
    let receiver = FakeStripe::start().await;
    let mut settings = config("");
    let local = LocalStripe::start().await;
    settings.base_url = local.base_url.clone();
    settings.timeout_ms = 10_000;
    let stripe = Stripe::new(&settings).unwrap();
    let hook = format!("http://{}/hook", receiver.address);
    let events = [("url", hook.as_str()), ("secret", WEBHOOK_SECRET), ("events[]", "payment_intent.succeeded")];
    local.post("/_config/webhooks/ours", &events).await;

    let reference = Uuid::new_v4();
    let told = reference.to_string();
    let card = local.card("4242424242424242").await;
    let form = [
        ("amount", "1234"),
        ("currency", "eur"),
        ("payment_method", card.as_str()),
        ("metadata[reference]", told.as_str()),
    ];
    let id = local.post("/v1/payment_intents", &form).await;
    let handle = handle(reference, &id);
    assert_eq!(stripe.look_up(&handle).await.unwrap().unwrap().state, State::Waiting);
    local.post(&format!("/v1/payment_intents/{id}/confirm"), &[]).await;
    let paid = stripe.look_up(&handle).await.unwrap().unwrap();
    assert_eq!(sums(&paid), (State::Captured, "12.34".to_owned(), "0".to_owned(), "0".to_owned()));
    assert_eq!(stripe.close(&handle).await.unwrap().state, State::Captured);

    let part = Refund {
        reference: Uuid::new_v4(),
        amount: euros("2.34"),
        fee: decimal("0"),
        reason: Some("too much".to_owned()),
        asked_at: Utc::now(),
    };
    assert!(stripe.look_up_refund(&handle, &part).await.unwrap().is_none());
    let refunded = stripe.refund(&handle, &part).await.unwrap();
    assert_eq!(refunded.state, State::Captured);
    assert_eq!(stripe.look_up_refund(&handle, &part).await.unwrap().unwrap().gateway_id, refunded.gateway_id);
    assert_eq!(stripe.look_up(&handle).await.unwrap().unwrap().refunded, decimal("2.34"));

    hears(&stripe, &receiver, reference, &id).await;
    closes_and_declines(&stripe, &local).await;
    pays_out(&stripe).await;
}

/// The event is signed by the other one's code.
async fn hears(stripe: &Stripe, receiver: &FakeStripe, reference: Uuid, id: &str) {
    let call = loop {
        let told = receiver.books().calls.first().cloned();
        match told {
            Some(call) => break call,
            None => sleep(Duration::from_millis(50)).await,
        }
    };
    let headers: Vec<_> = call.headers.clone().into_iter().collect();
    let callback = Callback { headers: &headers, query: "", body: &call.body, at: Utc::now() };
    let heard = stripe.receive(&callback).await.unwrap();
    assert!(heard.event_id.unwrap().starts_with("evt_"));
    assert_eq!(heard.about, CallbackSubject::Payment { reference: Some(reference), gateway_id: Some(id.to_owned()) });
}

async fn closes_and_declines(stripe: &Stripe, local: &LocalStripe) {
    let id = local.post("/v1/payment_intents", &[("amount", "1234"), ("currency", "eur")]).await;
    let handle = handle(Uuid::new_v4(), &id);
    assert_eq!(stripe.close(&handle).await.unwrap().state, State::Closed);
    assert_eq!(stripe.close(&handle).await.unwrap().state, State::Closed);
    let refund =
        Refund { reference: Uuid::new_v4(), amount: euros("1"), fee: decimal("0"), reason: None, asked_at: Utc::now() };
    let nothing_paid = stripe.refund(&handle, &refund).await;
    assert!(nothing_paid.is_err(), "{nothing_paid:?}");
    let mut settings = config(&local.base_url);
    settings.secret_key = "no".into();
    let stranger = Stripe::new(&settings).unwrap();
    assert!(matches!(stranger.look_up(&handle).await, Err(Error::Misconfigured(_))));
}

async fn pays_out(stripe: &Stripe) {
    let payout = gateways::Payout {
        reference: Uuid::new_v4(),
        account: "acct_1".to_owned(),
        amount: euros("5"),
        processor_id: None,
        asked_at: Utc::now(),
    };
    let made = stripe.pay_out(&payout).await.unwrap();
    assert_eq!(made.state, PayoutState::Pending);
    let known = gateways::Payout { processor_id: Some(made.id.clone()), ..payout };
    assert_eq!(stripe.look_up_payout(&known).await.unwrap(), Some(made));
}
