//! An operator of mobile money, as the GSMA and MVola document them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use gateways::{Config, Gateway, Gateways, MobileMoneyConfig, OperatorConfig, Order, Source};
use serde_json::{Value, json};
use url::Url;

use crate::fake::{Fake, Request, TIMEOUT_MS, order};

pub(crate) const CALLBACK_SECRET: &str = "what only the operator knows";

/// MVola's paths begin so.
const MVOLA: &str = "/mvola/mm/transactions/type/merchantpay/1.0.0/";

#[derive(Default)]
struct World {
    /// By the operator's id.
    asked: BTreeMap<String, Asked>,
    /// Payers who were charged, and what.
    charges: Vec<(String, String)>,
    /// Amounts that were given back.
    reversals: Vec<String>,
    /// Links of missing responses lead to transactions at once.
    links_to_transactions: bool,
}

struct Asked {
    reference: String,
    body: Value,
    status: &'static str,
    error: Option<Value>,
}

impl Asked {
    fn transaction(id: &str) -> String {
        format!("REF-{id}")
    }
}

pub(crate) struct Operator {
    pub(crate) source: Source,
    pub(crate) fake: Fake,
    world: Arc<Mutex<World>>,
}

impl Operator {
    pub(crate) async fn start(source: Source) -> Self {
        let world: Arc<Mutex<World>> = Arc::default();
        let served = Arc::clone(&world);
        let fake = Fake::start(move |request| served.lock().unwrap().answer(request)).await;
        Self { source, fake, world }
    }

    pub(crate) fn gateway(&self) -> Arc<dyn Gateway> {
        gateway_at(self.source, &self.fake.url())
    }

    /// What requests for payments begin with.
    pub(crate) fn pay(&self) -> &'static str {
        if self.is_mvola() { "POST /mvola/" } else { "POST /transactions/type/merchantpay" }
    }

    pub(crate) fn is_mvola(&self) -> bool {
        matches!(self.source, Source::MvolaMadagascar | Source::MvolaComoros)
    }

    /// How many payers were asked on their phones.
    pub(crate) fn questions(&self) -> usize {
        self.world.lock().unwrap().asked.len()
    }

    pub(crate) fn charges(&self) -> Vec<(String, String)> {
        self.world.lock().unwrap().charges.clone()
    }

    pub(crate) fn reversals(&self) -> Vec<String> {
        self.world.lock().unwrap().reversals.clone()
    }

    /// The operator's id of the only payment.
    pub(crate) fn id(&self) -> String {
        self.world.lock().unwrap().asked.keys().next().unwrap().clone()
    }

    /// The payer agrees on the phone.
    pub(crate) fn agree(&self) {
        let mut world = self.world.lock().unwrap();
        let World { asked, charges, .. } = &mut *world;
        for asked in asked.values_mut().filter(|asked| asked.status == "pending") {
            asked.status = "completed";
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            charges.push((text(&asked.body["debitParty"][0]["value"]), text(&asked.body["amount"])));
        }
    }

    /// The payer does not.
    pub(crate) fn turn_away(&self) {
        for asked in self.world.lock().unwrap().asked.values_mut() {
            asked.status = "failed";
            asked.error = Some(json!({
                "errorCategory": "businessRule", "errorCode": "PayerRejected", "errorDescription": "The payer said no.",
            }));
        }
    }

    pub(crate) fn link_to_transactions(&self) {
        self.world.lock().unwrap().links_to_transactions = true;
    }

    pub(crate) fn forget_all(&self) {
        self.world.lock().unwrap().asked.clear();
    }

    pub(crate) fn change_amounts(&self) {
        for asked in self.world.lock().unwrap().asked.values_mut() {
            asked.body["amount"] = "1".into();
        }
    }
}

pub(crate) fn gateway_at(source: Source, base_url: &str) -> Arc<dyn Gateway> {
    let operator = OperatorConfig {
        base_url: base_url.to_owned(),
        client_id: "merchant".to_owned(),
        client_secret: "merchant's secret".into(),
        merchant: "0343500004".to_owned(),
        partner_name: "Itsandra".to_owned(),
        callback_user: "operator".to_owned(),
        callback_secret: CALLBACK_SECRET.into(),
        timeout_ms: TIMEOUT_MS,
        ..OperatorConfig::default()
    };
    let mut mobile_money = MobileMoneyConfig::default();
    let place = match source {
        Source::MvolaMadagascar => &mut mobile_money.mvola_mg,
        Source::MvolaComoros => &mut mobile_money.mvola_km,
        Source::Holo => &mut mobile_money.holo,
        Source::HuriMoney => &mut mobile_money.huri,
        Source::Stripe | Source::PayPal => panic!("{source} is not mobile money"),
    };
    *place = Some(operator);
    let config = Config { mobile_money, ..Config::default() };
    assert_eq!(config.mistakes(), Vec::<String>::new());
    Arc::clone(Gateways::new(&config).unwrap().get(source).unwrap())
}

pub(crate) const ALL: [Source; 4] = [Source::MvolaMadagascar, Source::MvolaComoros, Source::Holo, Source::HuriMoney];

/// An order that this operator takes.
pub(crate) fn payable(source: Source) -> Order {
    let (currency, phone) = match source {
        Source::MvolaMadagascar => ("MGA", "+261343500003"),
        _ => ("KMF", "+2693212345"),
    };
    let mut order = order("1500", currency);
    order.payer.phone = Some(phone.to_owned());
    order.callback_url = Some(Url::parse("https://pay.example/v1/webhooks/payments/operator").unwrap());
    order
}

impl World {
    fn answer(&mut self, request: &Request) -> (u16, Value) {
        if request.line() == "POST /token" {
            // `merchant:merchant's secret`
            assert_eq!(request.header("authorization"), "Basic bWVyY2hhbnQ6bWVyY2hhbnQncyBzZWNyZXQ=");
            assert_eq!(request.body, "grant_type=client_credentials&scope=EXT_INT_MVOLA_SCOPE");
            return (200, json!({ "access_token": "t", "token_type": "Bearer", "expires_in": 3_600 }));
        }
        let known = request.header("authorization") == "Bearer t"
            || request.header("authorization") == "Basic bWVyY2hhbnQ6bWVyY2hhbnQncyBzZWNyZXQ="
            || request.header("x-api-key") == "merchant's secret";
        if !known {
            return (401, json!({ "fault": { "code": 900_901, "message": "Invalid Credentials" } }));
        }
        let path = match request.path.strip_prefix(MVOLA) {
            Some("") => "/transactions/type/merchantpay".to_owned(),
            Some(rest) => rest
                .strip_prefix("status/")
                .map_or(format!("/transactions/{rest}"), |id| format!("/requeststates/{id}")),
            None => request.path.clone(),
        };
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (request.method.as_str(), &parts[..]) {
            ("POST", ["transactions", "type", "merchantpay"]) => self.ask(request, request.json()),
            ("POST", ["transactions", id, "reversals"]) => self.reverse(id, request),
            ("GET", ["requeststates", id]) => match self.asked.get(*id) {
                Some(asked) => (200, state(id, asked)),
                None => (404, unknown()),
            },
            ("GET", ["transactions", id]) => self.transaction(id),
            ("GET", ["responses", reference]) => self.missed(reference),
            _ => panic!("{} is not documented", request.line()),
        }
    }

    fn ask(&mut self, request: &Request, body: Value) -> (u16, Value) {
        let reference = request.header("x-correlationid").to_owned();
        if self.asked.values().any(|asked| asked.reference == reference) {
            let code = json!({ "errorCategory": "businessRule", "errorCode": "DuplicateRequest" });
            return (if request.path.starts_with(MVOLA) { 409 } else { 400 }, code);
        }
        if body["amount"] == "666" {
            let why = json!({ "errorCategory": "businessRule", "errorCode": "PayerLimitReached", "errorDescription": "Too much." });
            return (400, why);
        }
        let id = format!("b32d-{}", self.asked.len());
        let asked = Asked { reference, body, status: "pending", error: None };
        let answer = state(&id, &asked);
        self.asked.insert(id, asked);
        (202, answer)
    }

    fn reverse(&mut self, transaction: &str, request: &Request) -> (u16, Value) {
        let id = transaction.strip_prefix("REF-").unwrap();
        assert_eq!(self.asked[id].status, "completed");
        let (status, answer) = self.ask(request, request.json());
        if status == 202 {
            let reversal = answer["serverCorrelationId"].as_str().unwrap();
            self.asked.get_mut(reversal).unwrap().status = "completed";
            self.asked.get_mut(id).unwrap().status = "reversed";
            self.reversals.push(request.json()["amount"].as_str().unwrap().to_owned());
        }
        (status, answer)
    }

    fn transaction(&self, transaction: &str) -> (u16, Value) {
        let Some(id) = transaction.strip_prefix("REF-") else { return (404, unknown()) };
        let Some(asked) = self.asked.get(id) else { return (404, unknown()) };
        let (amount, currency) = (&asked.body["amount"], &asked.body["currency"]);
        (
            200,
            json!({ "transactionReference": transaction, "transactionStatus": asked.status, "amount": amount, "currency": currency }),
        )
    }

    fn missed(&self, reference: &str) -> (u16, Value) {
        let Some((id, _)) = self.asked.iter().find(|(_, asked)| asked.reference == reference) else {
            return (404, unknown());
        };
        let transaction = format!("/v1.2/mm/transactions/{}", Asked::transaction(id));
        let link = if self.links_to_transactions { transaction } else { format!("/requeststates/{id}") };
        (200, json!({ "link": link }))
    }
}

fn state(id: &str, asked: &Asked) -> Value {
    // Taking back is another request; the first one stays completed.
    let status = if asked.status == "reversed" { "completed" } else { asked.status };
    let mut state = json!({ "serverCorrelationId": id, "status": status, "notificationMethod": "callback" });
    if status == "completed" {
        state["objectReference"] = Asked::transaction(id).into();
    }
    if let Some(error) = &asked.error {
        state["errorReference"] = error.clone();
    }
    state
}

fn unknown() -> Value {
    json!({ "errorCategory": "identification", "errorCode": "IdentifierError" })
}
