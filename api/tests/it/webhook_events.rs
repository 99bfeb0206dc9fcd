//! The document's events against the catalogue, and real bodies against the document.

use std::collections::BTreeSet;

use ::webhooks::{AccountUpdated, PayoutChanged};
use entities::{EventId, PayoutId, now, payment, payment_log, webhook_body};
use fixtures::{TestDatabase, on_both};
use payments::{
    Closing, Observation, RefundUpdate,
    event::{EVENT_TYPES, Event},
};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};
use serde_json::{Value, json};

use crate::{
    app::TestApp,
    receipts,
    webhooks::{PATH, new, path},
};

/// What of JSON Schema the document's events use; a word beyond that fails.
struct Checker<'a> {
    document: &'a Value,
    mistakes: Vec<String>,
}

impl<'a> Checker<'a> {
    /// The mistakes of a body as an event of this type. Fields that the document does not name are mistakes, too.
    fn check(document: &'a Value, name: &str, body: &Value) -> Vec<String> {
        let mut checker = Self { document, mistakes: Vec::new() };
        let schema = &document["webhooks"][name]["post"]["requestBody"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{name} is not in the document");
        checker.value(schema, body, name);
        checker.mistakes
    }

    fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        for (word, rule) in schema.as_object().unwrap() {
            let fits = match word.as_str() {
                "$ref" => {
                    let name = rule.as_str().unwrap().rsplit('/').next().unwrap();
                    self.value(&self.document["components"]["schemas"][name], value, at);
                    true
                }
                "allOf" => {
                    rule.as_array().unwrap().iter().for_each(|part| self.value(part, value, at));
                    true
                }
                "anyOf" => rule.as_array().unwrap().iter().any(|part| {
                    let mut other = Self { document: self.document, mistakes: Vec::new() };
                    other.value(part, value, at);
                    other.mistakes.is_empty()
                }),
                "type" => match rule {
                    Value::Array(kinds) => kinds.iter().any(|kind| is(kind, value)),
                    kind => is(kind, value),
                },
                "const" => rule == value,
                "enum" => rule.as_array().unwrap().contains(value),
                "required" => rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
                "properties" => self.properties(schema, rule, value, at),
                "items" => {
                    value.as_array().into_iter().flatten().for_each(|item| self.value(rule, item, at));
                    true
                }
                "format" => value.as_str().is_none_or(|text| match rule.as_str().unwrap() {
                    "uuid" => text.parse::<uuid::Uuid>().is_ok(),
                    "date-time" => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
                    _ => true,
                }),
                "exclusiveMinimum" => value.as_f64().is_none_or(|number| number > rule.as_f64().unwrap()),
                "title" | "description" | "examples" => true,
                other => panic!("{at}: the checker does not know {other}"),
            };
            if !fits {
                self.mistakes.push(format!("{at}: {word} {rule} is not met by {value}"));
            }
        }
    }

    fn properties(&mut self, schema: &Value, named: &Value, value: &Value, at: &str) -> bool {
        // That it is an object at all is said elsewhere.
        for (name, field) in value.as_object().into_iter().flatten() {
            match named.get(name) {
                Some(schema) => self.value(schema, field, &format!("{at}/{name}")),
                // The part that only fixes the type names nothing else.
                None if named.get("type").is_some_and(|own| own.get("const").is_some()) => {}
                None => self.mistakes.push(format!("{at}/{name} is not in {}", schema["title"])),
            }
        }
        true
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    }
}

#[test]
fn the_document_has_every_type_with_its_headers_and_an_example_of_itself() {
    let document = api::openapi_document();
    let webhooks = document["webhooks"].as_object().unwrap();
    let documented: BTreeSet<&str> = webhooks.keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = EVENT_TYPES.iter().map(|known| known.name).collect();
    assert_eq!(documented, known);
    let mut ids = BTreeSet::new();
    for (name, item) in webhooks {
        let operation = &item["post"];
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name}");
        assert_eq!(operation["security"], json!([]));
        let headers: Vec<_> =
            operation["parameters"].as_array().unwrap().iter().map(|header| header["name"].as_str().unwrap()).collect();
        assert_eq!(headers, ["webhook-id", "webhook-timestamp", "webhook-signature"]);
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        assert_eq!(Checker::check(&document, name, example), Vec::<String>::new(), "{name}: {example:#}");
    }
}

#[test]
fn the_checker_finds_mistakes() {
    let document = api::openapi_document();
    let name = "payment.paid";
    let good = &document["webhooks"][name]["post"]["requestBody"]["content"]["application/json"]["example"];
    for (pointer, wrong) in [
        ("/type", json!("payment.open")),
        ("/id", json!("x")),
        ("/sequence", json!("1")),
        ("/occurred_at", json!("yesterday")),
        ("/data/payment/price", json!(0)),
        ("/data/payment/status", json!("lost")),
        ("/data/payment/wallet_id", json!(7)),
        ("/data/previous_status", json!("lost")),
        ("/data", json!({})),
        ("/data/payment", json!({ "id": null })),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = wrong;
        assert!(!Checker::check(&document, name, &bad).is_empty(), "{pointer}");
    }
    let mut bad = good.clone();
    bad["data"]["payment"]["secret"] = json!(1);
    assert!(!Checker::check(&document, name, &bad).is_empty(), "an unknown field");
}

/// Every type of event that a payment can bring about, as [`payments::event::of_payment`] writes it.
async fn announced(app: &TestApp) -> Vec<(String, Value)> {
    let db = &*app.database.db;
    let rows = payment_log::Entity::find()
        .filter(payment_log::Column::Sequence.is_not_null())
        .order_by_asc(payment_log::Column::Id)
        .all(db)
        .await
        .unwrap();
    let mut announced = Vec::new();
    for row in rows {
        let payment = payment::Entity::find_by_id(row.payment_id).one(db).await.unwrap().unwrap();
        let event = payments::event::of_payment(&row, &payment);
        announced.push((event.name.clone(), serde_json::to_value(&event).unwrap()));
    }
    let others = webhook_body::Entity::find().all(db).await.unwrap();
    announced.extend(others.into_iter().map(|row| {
        let body: Value = serde_json::from_str(&row.body).unwrap();
        (body["type"].as_str().unwrap().to_owned(), body)
    }));
    announced
}

/// What workers tell of sellers, who have no payment's log.
fn of_sellers(app: &TestApp) -> Vec<(String, Value)> {
    let node_id = app.merchant.node_id;
    let payout = |status, failure: Option<&str>| PayoutChanged {
        payout_id: PayoutId::new(),
        node_id,
        amount: 5_000,
        currency: "EUR".to_owned(),
        status,
        arrival_date: failure.is_none().then(|| now().date_naive()),
        failure_code: failure.map(str::to_owned),
        failure_message: failure.map(str::to_owned),
    };
    let account = AccountUpdated {
        node_id,
        account_id: Some("acct_1".to_owned()),
        status: "restricted",
        charges_enabled: false,
        payouts_enabled: false,
        requirements_due: vec!["individual.id".to_owned()],
    };
    let announced = [
        ("payout.created", json!(payout("pending", None))),
        ("payout.paid", json!(payout("paid", None))),
        ("payout.failed", json!(payout("failed", Some("account_closed")))),
        ("account.updated", json!(account)),
    ];
    let event = |(name, data): (&str, Value)| {
        let (id, name, occurred_at) = (EventId::new(), name.to_owned(), now());
        let event = Event { id, name: name.clone(), occurred_at, sequence: None, data };
        (name, json!(event))
    };
    announced.into_iter().map(event).collect()
}

fn opened() -> Observation {
    Observation::DealOpened { deal_id: "17".to_owned(), transaction_hash: Some("0xa".to_owned()) }
}

fn failed() -> Observation {
    Observation::SendFailed { code: "refused".to_owned(), message: "no".to_owned(), retryable: false }
}

fn started() -> Observation {
    Observation::SendingStarted { diamond_address: "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512".to_owned() }
}

fn closed(returned: bool) -> Observation {
    let deposit = if returned { Closing::Returned } else { Closing::Nothing };
    Observation::DealCanceled { deposit, transaction_hash: Some("0xc".to_owned()) }
}

on_both!(real_bodies_are_what_the_document_says, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let deposited = || Observation::DepositSeen { data: json!({ "block_number": 7 }) };
    let gone = || Observation::DepositGone { data: json!({ "lost": "DealDeposited", "block_number": 7 }) };
    let paid = || Observation::DepositFinal { data: json!({ "amount": "1" }) };
    let released = || Observation::Released { transaction_hash: Some("0xb".to_owned()) };
    let unknown = || Observation::OutcomeUnknown { data: json!({ "operation": "open" }) };
    let deposit = Closing::Held { payer: "0xb".to_owned(), token: None, amount_base_units: "1250000".to_owned() };
    let kept = Observation::DealCanceled { deposit, transaction_hash: Some("0xc".to_owned()) };
    let refund = || json!({ "refund_id": uuid::Uuid::now_v7(), "amount_cents": 500 });
    let refunds = [
        RefundUpdate::Created { data: refund() },
        RefundUpdate::Failed { data: refund() },
        RefundUpdate::Succeeded { data: refund(), all: true },
    ];
    let lives = [
        [vec![started(), opened(), deposited(), paid()], refunds.map(Observation::Refund).to_vec()].concat(),
        vec![started(), opened(), deposited(), gone(), deposited(), paid(), released()],
        vec![started(), opened(), Observation::CancelRequested, closed(false)],
        vec![started(), opened(), deposited(), paid(), Observation::CancelRequested, closed(true)],
        vec![started(), opened(), deposited(), paid(), Observation::CancelRequested, kept],
        vec![started(), opened(), Observation::Expired],
        vec![failed(), Observation::RetryRequested],
        vec![started(), unknown()],
        vec![
            Observation::TakenAtTill,
            Observation::Corrected { data: json!({ "was": { "amount": 1 }, "is": { "amount": 2 } }) },
            Observation::Voided { data: json!({ "transaction_id": "till-1" }) },
        ],
    ];
    for (number, life) in lives.into_iter().enumerate() {
        let payment = app.created(&token, &format!("life {number}")).await;
        for what in life {
            app.observe(&payment, what).await;
        }
    }
    let (order, bank) = (receipts::place(&app).await, receipts::admin(&app).await);
    let mut deal = app.payment("deal of an order");
    deal["order_id"] = order["id"].clone();
    let deal = app.post(&token, "/api/v1/payments", &deal).await.expect(201).body;
    for what in [started(), opened()] {
        app.observe(&deal, what).await;
    }
    for status in ["REJECTED", "CONFIRMED"] {
        receipts::reported(&app, &order).await;
        let verdict = json!({ "orderId": order["id"], "status": status, "rejectionReason": "no such transfer" });
        receipts::decide(&app, &bank, &verdict).await.expect(200);
    }
    app.observe(&deal, paid()).await;
    app.post(&token, PATH, &new(&app)).await.expect(201);
    let mut all = new(&app);
    all["events"] = json!(["*"]);
    let webhook = app.post(&token, PATH, &all).await.expect(201).body;
    app.post(&token, PATH, &all).await.expect(201);
    app.post(&token, &path(&webhook, "/test"), &json!({})).await.expect(202);
    app.post(&token, &path(&webhook, "/disable"), &json!({})).await.expect(200);

    let document = api::openapi_document();
    let mut announced = announced(&app).await;
    announced.extend(of_sellers(&app));
    for (name, body) in &announced {
        assert_eq!(Checker::check(&document, name, body), Vec::<String>::new(), "{name}: {body:#}");
    }
    // Operators' events are written by workers.
    let missing: Vec<&str> = EVENT_TYPES
        .iter()
        .filter(|known| !known.operators && !announced.iter().any(|(name, _)| name == known.name))
        .map(|known| known.name)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
});
