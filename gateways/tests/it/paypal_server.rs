//! PayPal, as far as its documentation tells.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
};

use chrono::{DateTime, SecondsFormat, Utc};
use gateways::{Config, Gateway, Gateways, PayPalConfig, Source};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::fake::{Fake, Request, TIMEOUT_MS};

const WEBHOOK_ID: &str = "1JE4291016473214C";

#[derive(Default)]
struct World {
    /// Tokens that were given, and how many of them are no longer taken.
    tokens: usize,
    refused_tokens: usize,
    orders: BTreeMap<String, Value>,
    /// By request id: the path of the object that the request has made.
    requests: BTreeMap<String, (String, usize)>,
    /// By order.
    charges: Vec<(String, String)>,
    refunds: Vec<String>,
    changes: usize,
    instrument_declined: bool,
    /// Seconds that tokens are good for, in place of nine hours.
    token_lifetime: Option<u64>,
    capture_status: Option<&'static str>,
}

pub(crate) struct PayPalServer {
    pub(crate) fake: Fake,
    world: Arc<Mutex<World>>,
}

impl PayPalServer {
    pub(crate) async fn start() -> Self {
        let world: Arc<Mutex<World>> = Arc::default();
        let served = Arc::clone(&world);
        let fake = Fake::start(move |request| served.lock().unwrap().answer(request)).await;
        Self { fake, world }
    }

    pub(crate) fn gateway(&self) -> Arc<dyn Gateway> {
        gateway_at(&self.fake.url())
    }

    pub(crate) fn orders(&self) -> usize {
        self.world.lock().unwrap().orders.len()
    }

    /// Amounts that were taken of payers.
    pub(crate) fn charges(&self) -> Vec<String> {
        self.world.lock().unwrap().charges.iter().map(|(_, value)| value.clone()).collect()
    }

    /// Amounts that were given back.
    pub(crate) fn refunds(&self) -> Vec<String> {
        self.world.lock().unwrap().refunds.clone()
    }

    /// The payer approves on PayPal's page.
    pub(crate) fn approve(&self, id: &str) {
        let mut world = self.world.lock().unwrap();
        world.change(id, |order| order["status"] = "APPROVED".into());
    }

    pub(crate) fn forget(&self, id: &str) {
        self.world.lock().unwrap().orders.remove(id);
    }

    pub(crate) fn decline_next_instrument(&self) {
        self.world.lock().unwrap().instrument_declined = true;
    }

    /// Captures have this status from now on.
    pub(crate) fn capture_as(&self, status: &'static str) {
        self.world.lock().unwrap().capture_status = Some(status);
    }

    pub(crate) fn set_capture(&self, id: &str, status: &str, reason: &str) {
        self.world.lock().unwrap().change(id, |order| {
            let capture = &mut order["purchase_units"][0]["payments"]["captures"][0];
            capture["status"] = status.into();
            capture["status_details"] = json!({ "reason": reason });
        });
    }

    pub(crate) fn set_refund(&self, id: &str, status: &str) {
        self.world.lock().unwrap().change(id, |order| {
            order["purchase_units"][0]["payments"]["refunds"][0]["status"] = status.into();
        });
    }

    pub(crate) fn set_status(&self, id: &str, status: &str) {
        self.world.lock().unwrap().change(id, |order| order["status"] = status.into());
    }

    /// Tokens are good for so many seconds.
    pub(crate) fn shorten_tokens(&self, seconds: u64) {
        self.world.lock().unwrap().token_lifetime = Some(seconds);
    }

    pub(crate) fn expire_tokens(&self) {
        let mut world = self.world.lock().unwrap();
        world.refused_tokens = world.tokens;
    }
}

pub(crate) fn gateway_at(base_url: &str) -> Arc<dyn Gateway> {
    let paypal = PayPalConfig {
        base_url: base_url.to_owned(),
        client_id: "app".to_owned(),
        client_secret: "app's secret".into(),
        webhook_id: WEBHOOK_ID.to_owned(),
        webhook_tolerance_s: 300,
        brand_name: Some("Itsandra".to_owned()),
        timeout_ms: TIMEOUT_MS,
        ..PayPalConfig::default()
    };
    let config = Config { paypal: Some(paypal), ..Config::default() };
    assert_eq!(config.mistakes(), Vec::<String>::new());
    Arc::clone(Gateways::new(&config).unwrap().get(Source::PayPal).unwrap())
}

/// The headers with which PayPal sends this body.
pub(crate) fn signed(body: &str, sent_at: DateTime<Utc>) -> Vec<(String, String)> {
    let time = sent_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let id = "69cd13f0-d67a-11e5-baa3-778b53f4ae55";
    let headers = [
        ("paypal-transmission-id", id.to_owned()),
        ("paypal-transmission-sig", signature(id, &time, WEBHOOK_ID, body)),
        ("paypal-transmission-time", time),
        ("paypal-cert-url", "https://api.paypal.com/v1/notifications/certs/CERT-1".to_owned()),
        ("paypal-auth-algo", "SHA256withRSA".to_owned()),
    ];
    headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Like PayPal's over id, time, webhook and the body's bytes, though not to be trusted.
fn signature(id: &str, time: &str, webhook_id: &str, body: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (id, time, webhook_id, body).hash(&mut hasher);
    format!("sig{:x}", hasher.finish())
}

fn refusal(status: u16, issue: &str) -> (u16, Value) {
    let page = "https://www.paypal.com/checkoutnow?token=AGAIN";
    let body = json!({
        "name": "UNPROCESSABLE_ENTITY",
        "message": "The requested action could not be performed.",
        "details": [{ "issue": issue, "description": format!("about {issue}") }],
        "links": [{ "href": "https://developer.paypal.com", "rel": "information_link" },
                  { "href": page, "rel": "redirect", "method": "GET" }],
    });
    (status, body)
}

impl World {
    fn change(&mut self, id: &str, change: impl FnOnce(&mut Value)) {
        self.changes += 1;
        let order = self.orders.get_mut(id).unwrap();
        change(order);
        order["update_time"] = format!("2026-01-01T00:00:{:02}Z", self.changes).into();
    }

    fn answer(&mut self, request: &Request) -> (u16, Value) {
        if request.path == "/v1/oauth2/token" {
            return self.token(request);
        }
        let token = request.header("authorization").strip_prefix("Bearer token-").and_then(|text| text.parse().ok());
        if !token.is_some_and(|token: usize| token > self.refused_tokens && token <= self.tokens) {
            return (401, json!({ "error": "invalid_token" }));
        }
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), &parts[..]) {
            ("POST", ["v2", "checkout", "orders"]) => self.open(request),
            ("GET", ["v2", "checkout", "orders", id]) => match self.orders.get(*id) {
                Some(order) => (200, order.clone()),
                None => refusal(404, "INVALID_RESOURCE_ID"),
            },
            ("POST", ["v2", "checkout", "orders", id, "capture"]) => self.capture(id, request),
            ("POST", ["v2", "payments", "captures", id, "refund"]) => self.refund(id, request),
            ("POST", ["v1", "notifications", "verify-webhook-signature"]) => (200, verdict(request)),
            _ => panic!("{} is not documented", request.line()),
        }
    }

    fn token(&mut self, request: &Request) -> (u16, Value) {
        // `app:app's secret`
        let known = request.header("authorization") == "Basic YXBwOmFwcCdzIHNlY3JldA==";
        if !known || request.body != "grant_type=client_credentials" {
            return (401, json!({ "error": "invalid_client" }));
        }
        self.tokens += 1;
        let token = format!("token-{}", self.tokens);
        (
            200,
            json!({ "access_token": token, "token_type": "Bearer", "expires_in": self.token_lifetime.unwrap_or(32_400) }),
        )
    }

    fn open(&mut self, request: &Request) -> (u16, Value) {
        let request_id = request.header("paypal-request-id").to_owned();
        if let Some((id, _)) = self.requests.get(&request_id) {
            return (200, self.orders[id].clone());
        }
        let body = request.json();
        let unit = &body["purchase_units"][0];
        if unit["amount"]["currency_code"] == "KMF" {
            return refusal(422, "CURRENCY_NOT_SUPPORTED");
        }
        let id = format!("5O190127TN36471{}T", self.orders.len());
        let links = json!([
            { "href": format!("https://api.paypal.com/v2/checkout/orders/{id}"), "rel": "self" },
            { "href": format!("https://www.paypal.com/checkoutnow?token={id}"), "rel": "payer-action" },
        ]);
        let order = json!({
            "id": id, "status": "PAYER_ACTION_REQUIRED", "links": links, "purchase_units": [unit],
        });
        self.orders.insert(id.clone(), order.clone());
        self.requests.insert(request_id, (id, 0));
        (200, order)
    }

    fn capture(&mut self, id: &str, request: &Request) -> (u16, Value) {
        let request_id = request.header("paypal-request-id").to_owned();
        let Some(order) = self.orders.get(id).cloned() else { return refusal(404, "INVALID_RESOURCE_ID") };
        if self.requests.contains_key(&request_id) {
            return (201, order);
        }
        match order["status"].as_str().unwrap() {
            "COMPLETED" => return refusal(422, "ORDER_ALREADY_CAPTURED"),
            "APPROVED" => {}
            _ => return refusal(422, "ORDER_NOT_APPROVED"),
        }
        if std::mem::take(&mut self.instrument_declined) {
            self.change(id, |order| order["status"] = "PAYER_ACTION_REQUIRED".into());
            return refusal(422, "INSTRUMENT_DECLINED");
        }
        let amount = order["purchase_units"][0]["amount"].clone();
        let status = self.capture_status.unwrap_or("COMPLETED");
        self.change(id, |order| {
            order["status"] = "COMPLETED".into();
            order["purchase_units"][0]["payments"] = json!({
                "captures": [{ "id": format!("CAP-{id}"), "status": status, "amount": amount }],
                "refunds": [],
            });
        });
        if status == "COMPLETED" {
            self.charges.push((id.to_owned(), amount["value"].as_str().unwrap().to_owned()));
        }
        self.requests.insert(request_id, (id.to_owned(), 0));
        (201, self.orders[id].clone())
    }

    fn refund(&mut self, capture: &str, request: &Request) -> (u16, Value) {
        let request_id = request.header("paypal-request-id").to_owned();
        let id = capture.strip_prefix("CAP-").unwrap();
        if let Some((id, index)) = self.requests.get(&request_id) {
            return (200, self.orders[id]["purchase_units"][0]["payments"]["refunds"][index].clone());
        }
        let body = request.json();
        let decimal = |value: &Value| value.as_str().unwrap().parse::<Decimal>().unwrap();
        let payments = &self.orders[id]["purchase_units"][0]["payments"];
        let taken = decimal(&payments["captures"][0]["amount"]["value"]);
        let refunds = payments["refunds"].as_array().unwrap().clone();
        let before: Decimal = refunds.iter().map(|refund| decimal(&refund["amount"]["value"])).sum();
        let total = before + decimal(&body["amount"]["value"]);
        if total > taken {
            return refusal(422, "REFUND_AMOUNT_EXCEEDED");
        }
        let mut refund = body.clone();
        refund["id"] = format!("REF-{}", refunds.len()).into();
        refund["status"] = "COMPLETED".into();
        self.change(id, |order| {
            let payments = &mut order["purchase_units"][0]["payments"];
            payments["refunds"].as_array_mut().unwrap().push(refund.clone());
            let status = if total == taken { "REFUNDED" } else { "PARTIALLY_REFUNDED" };
            payments["captures"][0]["status"] = status.into();
        });
        self.refunds.push(body["amount"]["value"].as_str().unwrap().to_owned());
        self.requests.insert(request_id, (id.to_owned(), refunds.len()));
        (201, refund)
    }
}

fn verdict(request: &Request) -> Value {
    let body = request.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    assert!(text("cert_url").starts_with("https://api.paypal.com/") && text("auth_algo") == "SHA256withRSA");
    // The bytes, since they are what is signed.
    let (_, event) = request.body.split_once("\"webhook_event\":").unwrap();
    let event = event.strip_suffix('}').unwrap();
    let expected = signature(&text("transmission_id"), &text("transmission_time"), &text("webhook_id"), event);
    let status = if expected == text("transmission_sig") { "SUCCESS" } else { "FAILURE" };
    json!({ "verification_status": status })
}
