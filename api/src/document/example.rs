//! Example values: a schema's own where it has one, else put together from names and formats.

use serde_json::{Map, Value, json};

/// Values for fields whose name says what they hold.
const BY_NAME: &[(&str, &str)] = &[
    ("access_token", "AZf3o…"),
    ("accessToken", "eyJhbGciOiJIUzI1NiJ9…"),
    ("api_key", "qk_7Yw2…"),
    ("secret_key", "qs_Zk0v…"),
    ("refresh_token", "qr_9f3K…"),
    ("token_type", "Bearer"),
    ("external_id", "order-1042"),
    ("path", "1.3.6"),
    ("symbol", "USDT"),
    ("currency", "USDT"),
    ("address", "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"),
    ("payment_address", "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"),
    ("diamond_address", "0x5fbdb2315678afecb367f032d93f642f64180aa3"),
    ("token_address", "0xc2132d05d31c914a87c6611c10748aeb04b58e8f"),
    ("transaction_hash", "0x88df016429689c079f3b2f6ad39fa052532c56795b733da78a91ebe6a713944b"),
    ("email", "ada@example.org"),
    ("phone", "+44 20 7946 0000"),
    ("role", "admin"),
    ("message", "The payment was accepted"),
    ("event_type", "payment.created"),
    ("step", "deploy_diamond"),
    ("function_name", "deposit"),
    ("client_ip", "203.0.113.7"),
    ("Idempotency-Key", "order-1042-1"),
];

/// An example of the schema; `name` is the field it stands in.
pub(super) fn of(schema: &Value, schemas: &Value, name: &str) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return of(&schemas[reference.rsplit('/').next().unwrap_or_default()], schemas, name);
    }
    if let Some(example) = schema["examples"].get(0).or_else(|| schema.get("default")) {
        return example.clone();
    }
    for alternatives in ["anyOf", "allOf", "oneOf"] {
        if let Some(first) = schema[alternatives].get(0) {
            return of(first, schemas, name);
        }
    }
    if let Some(word) = schema["enum"].get(0) {
        return word.clone();
    }
    match schema["type"].as_str().or_else(|| schema["type"][0].as_str()) {
        Some("object") => object(schema, schemas),
        Some("array") => json!([of(&schema["items"], schemas, name)]),
        Some("integer") => integer(schema, name),
        Some("number") => json!(12.5),
        Some("boolean") => json!(true),
        Some("string") => string(schema, name),
        _ => json!({}),
    }
}

fn object(schema: &Value, schemas: &Value) -> Value {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut values: Map<String, Value> =
        properties.map(|(name, property)| (name.clone(), of(property, schemas, name))).collect();
    if let Some(of_any_name) = schema.get("additionalProperties").filter(|any| any.is_object()) {
        values.insert("database".to_owned(), of(of_any_name, schemas, "database"));
    }
    Value::Object(values)
}

fn integer(schema: &Value, name: &str) -> Value {
    match name {
        "expires_in" => json!(3_600),
        "per_page" => json!(10),
        "network_id" => json!(137),
        "decimals" | "price_decimals" => json!(6),
        _ => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
    }
}

fn string(schema: &Value, name: &str) -> Value {
    match schema["format"].as_str() {
        Some("uuid") => return json!("0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b"),
        Some("date-time") => return json!("2030-01-31T12:00:00Z"),
        Some("uri") => return json!("https://example.org"),
        _ => {}
    }
    let named = BY_NAME.iter().find(|(of, _)| *of == name).map(|(_, value)| *value);
    json!(named.unwrap_or("text"))
}
