//! Example values: a schema's own where it has one, else the written ones by the schema's name, else put together from
//! formats.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

/// Whole answers, which belong together: their ids are each other's. A schema that several statuses share has one
/// under `Name status`.
static BY_SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default());

/// An example of the schema; `name` is the field, parameter or status it stands in.
pub(crate) fn of(schema: &Value, schemas: &Value, name: &str) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.rsplit('/').next().unwrap_or_default();
        let written = BY_SCHEMA.get(format!("{target} {name}")).or_else(|| BY_SCHEMA.get(target));
        return written.cloned().unwrap_or_else(|| of(&schemas[target], schemas, name));
    }
    if let Some(example) = schema["examples"].get(0).or_else(|| schema.get("default")) {
        return tidy(example, name);
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

/// An example from the sources: what is null there may as well be left out, and an id without a value becomes the one
/// that the other examples know under its name.
fn tidy(example: &Value, name: &str) -> Value {
    match example {
        Value::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(given.map(|(name, value)| (name.clone(), tidy(value, name))).collect())
        }
        Value::Array(items) => items.iter().map(|item| tidy(item, name)).collect(),
        Value::String(id) if *id == uuid::Uuid::nil().to_string() => id_of(name),
        other => other.clone(),
    }
}

/// The id that the written examples have under this name; a payment names most of them.
fn id_of(name: &str) -> Value {
    let payment = &BY_SCHEMA["Payment"];
    payment.get(name).filter(|id| id.is_string()).unwrap_or(&payment["id"]).clone()
}

fn object(schema: &Value, schemas: &Value) -> Value {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let values: Map<String, Value> =
        properties.map(|(name, property)| (name.clone(), of(property, schemas, name))).collect();
    Value::Object(values)
}

fn integer(schema: &Value, name: &str) -> Value {
    match name {
        "per_page" => json!(10),
        _ => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
    }
}

fn string(schema: &Value, name: &str) -> Value {
    match (schema["format"].as_str(), name) {
        (Some("uuid"), _) => id_of(name),
        (Some("date-time"), _) => json!("2030-01-31T12:00:00Z"),
        (Some("uri"), _) => json!("https://example.org"),
        (_, "Idempotency-Key") => json!("order-1042-1"),
        (_, "external_id") => json!("order-1042"),
        _ => json!("text"),
    }
}
