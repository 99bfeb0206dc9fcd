//! Every answer of the checkout against the OpenAPI document that its original has published. The document is not ours to
//! keep: whoever has it names its file in `QUITTANCE_TEST_CHECKOUT_DOCUMENT` (it is `specs/api-spec.json` of the repository
//! of the original's API specification), and without it there is nothing to compare with.

use fixtures::{TestDatabase, on_both};
use gateways::Source;
use payments::sessions::GatewayStatus;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, TestResponse},
    checkout::{PATH, shop, shop_with},
    checkout_submit::{gateway_says, id_of, reported, submit, waiting},
};

const VARIABLE: &str = "QUITTANCE_TEST_CHECKOUT_DOCUMENT";

struct Original(Value);

impl Original {
    fn named() -> Option<Self> {
        let Ok(file) = std::env::var(VARIABLE) else {
            eprintln!("not compared: {VARIABLE} names no file with the OpenAPI document of the checkout's original");
            return None;
        };
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{VARIABLE} is {file}: {error}"));
        Some(Self(serde_json::from_str(&text).unwrap()))
    }

    /// Checks that the operation may answer so, and returns the answer's body.
    #[track_caller]
    fn expect(&self, operation: &str, answer: TestResponse, status: u16) -> Value {
        let answer = answer.expect(status);
        let (method, path) = operation.split_once(' ').unwrap();
        let known = &self.0["paths"][path][method]["responses"][status.to_string()];
        assert!(known.is_object(), "{operation} never answers {status}");
        let mut mistakes = Vec::new();
        let schema = &known["content"]["application/json"]["schema"];
        if schema.is_object() {
            check(schema, &answer.body, "", &mut mistakes);
        }
        assert_eq!(mistakes, Vec::<String>::new(), "{operation} {status}: {:#}", answer.body);
        answer.body
    }
}

/// What of JSON Schema the document uses; a word beyond that fails.
fn check(schema: &Value, value: &Value, at: &str, mistakes: &mut Vec<String>) {
    for (word, rule) in schema.as_object().unwrap() {
        let fits = match word.as_str() {
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_i64(),
                "number" => value.is_number(),
                "boolean" => value.is_boolean(),
                other => panic!("{at}: the checker does not know the type {other}"),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "required" => rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(schema, value, &format!("{at}/{name}"), mistakes);
                    }
                }
                true
            }
            "items" => {
                value.as_array().into_iter().flatten().for_each(|item| check(rule, item, at, mistakes));
                true
            }
            "pattern" => value.as_str().is_none_or(|text| matches(rule.as_str().unwrap(), text)),
            "description" | "example" | "examples" | "title" | "default" => true,
            other => panic!("{at}: the checker does not know {other}"),
        };
        if !fits {
            mistakes.push(format!("{at}: {word} {rule} is not met by {value}"));
        }
    }
}

/// The document has two patterns.
fn matches(pattern: &str, text: &str) -> bool {
    let all = |part: &str, is: fn(char) -> bool| !part.is_empty() && part.chars().all(is);
    match pattern.trim_matches('/') {
        "^[a-z]{2}-[A-Z]{2}$" => text.split_once('-').is_some_and(|(language, country)| {
            let two = language.len() == 2 && country.len() == 2;
            two && all(language, |c| c.is_ascii_lowercase()) && all(country, |c| c.is_ascii_uppercase())
        }),
        r"^\+[0-9]+$" => text.strip_prefix('+').is_some_and(|digits| all(digits, |c| c.is_ascii_digit())),
        other => panic!("the checker does not know the pattern {other}"),
    }
}

/// A payment with everything that the original's clients may say.
fn full(client_id: &str) -> Value {
    json!({
        "purchase": {
            "total": { "value": "15000", "currency": "KMF" },
            "items": [{ "name": "Vanilla", "quantity": "2", "amount": { "value": "7500", "currency": "KMF" } }],
        },
        "context": {
            "locale": "fr-KM", "channels": ["web"], "redirectMode": "embedded",
            "terminalId": "0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a41",
        },
        "payer": {
            "firstName": "Ada", "lastName": "Lovelace", "email": "ada@example.org", "phone": "+2693331122",
            "address": { "line1": "1 Rue", "line2": "a", "line3": "b", "city": "Moroni", "state": "c", "postcode": "1", "country": "KM" },
        },
        "clientId": client_id, "clientNote": "by hand", "plan": { "source": "MVK" },
        "cancelUrl": "https://shop.example/canceled", "successUrl": "https://shop.example/thanks",
    })
}

fn least() -> Value {
    json!({
        "purchase": { "total": { "value": "12.50", "currency": "EUR" } },
        "cancelUrl": "https://shop.example/canceled", "successUrl": "https://shop.example/thanks",
    })
}

const CREATE: &str = "post /v1/payments";
const LIST: &str = "get /v1/payments";
const READ: &str = "get /v1/payments/{id}";
const CANCEL: &str = "post /v1/payments/{id}/cancel";
const SUBMIT: &str = "post /v1/payments/{id}/submit";

fn path(payment: &Value, rest: &str) -> String {
    format!("{PATH}/{}{rest}", payment["id"].as_str().unwrap())
}

async fn create(app: &TestApp, token: &str, original: &Original, body: &Value) -> Value {
    let answer = app.post(token, PATH, body).await;
    let payment = original.expect(CREATE, answer, 201)["data"].clone();
    original.expect(READ, app.get(token, &path(&payment, "")).await, 200);
    payment
}

/// To the end of each way that a payment may go.
async fn live(app: &TestApp, token: &str, original: &Original) {
    let ways = [
        ("completed", vec![reported(GatewayStatus::Approved, 0), reported(GatewayStatus::Captured, 15_000)]),
        ("failed", vec![reported(GatewayStatus::Failed { code: "declined".to_owned(), message: "no".to_owned() }, 0)]),
    ];
    for (end, reports) in ways {
        let payment = create(app, token, original, &full(end)).await;
        original.expect(SUBMIT, submit(app, token, &payment, "STR", waiting()).await, 200);
        let mut now = original.expect(READ, app.get(token, &path(&payment, "")).await, 200);
        for report in reports {
            gateway_says(app, id_of(&payment), report).await;
            now = original.expect(READ, app.get(token, &path(&payment, "")).await, 200);
        }
        assert_eq!(now["status"], end);
        original.expect(CANCEL, app.post(token, &path(&payment, "/cancel"), &json!({})).await, 400);
        original.expect(SUBMIT, app.post(token, &path(&payment, "/submit"), &json!({ "source": "STR" })).await, 400);
    }
    let canceled = create(app, token, original, &least()).await;
    original.expect(CANCEL, app.post(token, &path(&canceled, "/cancel"), &json!({})).await, 200);
    original.expect(READ, app.get(token, &path(&canceled, "")).await, 200);
}

on_both!(every_answer_is_one_of_the_originals, async |database: TestDatabase| {
    let Some(original) = Original::named() else { return };
    let app = shop(database).await;
    let token = app.token().await;
    live(&app, &token, &original).await;
    for query in ["", "?limit=1&offset=1", "?sort=createdAt&desc=createdAt", "?sort=status,clientId&limit=2"] {
        original.expect(LIST, app.get(&token, &format!("{PATH}{query}")).await, 200);
    }
    original.expect(LIST, app.get(&token, &format!("{PATH}?limit=0")).await, 400);
    original.expect(LIST, app.get("x", PATH).await, 401);
    original.expect(CREATE, app.post(&token, PATH, &json!({})).await, 400);
    original.expect(CREATE, app.post("x", PATH, &full("x")).await, 401);
    for unknown in ["nonsense", "0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a41"] {
        let unknown = json!({ "id": unknown });
        original.expect(READ, app.get(&token, &path(&unknown, "")).await, 404);
        original.expect(CANCEL, app.post(&token, &path(&unknown, "/cancel"), &json!({})).await, 404);
        original.expect(SUBMIT, app.post(&token, &path(&unknown, "/submit"), &json!({ "source": "STR" })).await, 404);
    }
    let strangers = app.token_on(app.stranger.node_id, payments::Permission::ALL).await;
    let payment = create(&app, &token, &original, &full("mine")).await;
    original.expect(READ, app.get(&strangers, &path(&payment, "")).await, 403);
    original.expect(CANCEL, app.post(&strangers, &path(&payment, "/cancel"), &json!({})).await, 403);
});

on_both!(a_shop_without_gateways_answers_as_the_original_would, async |database: TestDatabase| {
    let Some(original) = Original::named() else { return };
    let app = shop_with(database, &[Source::Stripe]).await;
    let token = app.token().await;
    let payment = create(&app, &token, &original, &least()).await;
    original.expect(SUBMIT, app.post(&token, &path(&payment, "/submit"), &json!({ "source": "PYP" })).await, 400);
});
