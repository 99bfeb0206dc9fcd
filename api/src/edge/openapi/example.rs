//! Example values: a schema's own where it has one, else the written ones by the schema's name, else put together from
//! formats.

use serde_json::{Map, Value, json};

/// The sources of examples.
pub(crate) struct Examples<'a> {
    /// The schemas of the document, by their names.
    pub(crate) schemas: &'a Value,
    /// Whole answers, which belong together: their ids are each other's. A schema that several statuses share has one
    /// under `Name status`.
    pub(crate) written: &'a Value,
}

impl Examples<'_> {
    /// An example of the schema; `name` is the field, parameter or status that it is an example of.
    pub(crate) fn of(&self, schema: &Value, name: &str) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = reference.rsplit('/').next().unwrap_or_default();
            let written = self.written.get(format!("{target} {name}")).or_else(|| self.written.get(target));
            return written.cloned().unwrap_or_else(|| self.of(&self.schemas[target], name));
        }
        if let Some(example) = schema["examples"].get(0).or_else(|| schema.get("default")) {
            return self.tidy(example, name);
        }
        for alternatives in ["anyOf", "allOf", "oneOf"] {
            if let Some(first) = schema[alternatives].get(0) {
                return self.of(first, name);
            }
        }
        if let Some(word) = schema["enum"].get(0) {
            return word.clone();
        }
        match schema["type"].as_str().or_else(|| schema["type"][0].as_str()) {
            Some("object") => self.object(schema),
            Some("array") => json!([self.of(&schema["items"], name)]),
            Some("integer") => integer(schema, name),
            Some("number") => json!(12.5),
            Some("boolean") => json!(true),
            Some("string") => self.string(schema, name),
            _ => json!({}),
        }
    }

    /// An example from the sources: what is null there may as well be left out, and an id without a value becomes the one
    /// that the other examples know under its name.
    fn tidy(&self, example: &Value, name: &str) -> Value {
        match example {
            Value::Object(fields) => {
                let given = fields.iter().filter(|(_, value)| !value.is_null());
                Value::Object(given.map(|(name, value)| (name.clone(), self.tidy(value, name))).collect())
            }
            Value::Array(items) => items.iter().map(|item| self.tidy(item, name)).collect(),
            Value::String(id) if *id == uuid::Uuid::nil().to_string() => self.id_of(name),
            other => other.clone(),
        }
    }

    /// The id that the written examples have under this name; a payment names most of them.
    fn id_of(&self, name: &str) -> Value {
        let payment = &self.written["Payment"];
        payment.get(name).filter(|id| id.is_string()).unwrap_or(&payment["id"]).clone()
    }

    fn object(&self, schema: &Value) -> Value {
        let properties = schema["properties"].as_object().into_iter().flatten();
        let values: Map<String, Value> =
            properties.map(|(name, property)| (name.clone(), self.of(property, name))).collect();
        Value::Object(values)
    }

    fn string(&self, schema: &Value, name: &str) -> Value {
        match (schema["format"].as_str(), name) {
            (Some("uuid"), _) => self.id_of(name),
            (Some("date-time"), _) => json!("2030-01-31T12:00:00Z"),
            (Some("uri"), _) => json!("https://example.org"),
            (_, "Idempotency-Key") => json!("order-1042-1"),
            (_, "external_id") => json!("order-1042"),
            _ => json!("text"),
        }
    }
}

fn integer(schema: &Value, name: &str) -> Value {
    match name {
        "per_page" => json!(10),
        _ => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
    }
}
