//! From what poem-openapi generates (3.0 in all but name) to a valid OpenAPI 3.1 document.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Events, Examples, responses};
use crate::{
    body::OPEN_BODY,
    edge::Contracts,
    money::{COST_TEXT, POSITIVE_TEXT},
    query_text::WITHOUT_NUL,
};

/// Finishes the document; `written` are examples as [`Examples`] has them.
pub(crate) fn finish(mut document: Value, contracts: &Contracts, events: &Events, written: &Value) -> Value {
    document["openapi"] = json!("3.1.0");
    document["jsonSchemaDialect"] = json!("https://spec.openapis.org/oas/3.1/dialect/base");
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.values_mut().for_each(schema);
    }
    let used = used_by_requests(&mut document, |_| true);
    let open = used_by_requests(&mut document, |operation| operation["requestBody"]["description"] == OPEN_BODY);
    requests_are_strict(&mut document, &used, &open);
    responses_are_complete(&mut document, &used, contracts);
    let schemas = document["components"]["schemas"].clone();
    let examples = Examples { schemas: &schemas, written };
    for operation in operations(&mut document) {
        permissions(operation);
        parameters(operation, written);
        responses::complete(operation, contracts);
        content(operation, &examples);
        responses::share_errors(operation);
    }
    for (name, item) in document["webhooks"].as_object_mut().into_iter().flatten() {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            (events.finish)(name, operation, &examples);
        }
    }
    document["components"]["responses"] = responses::shared();
    document
}

/// Every operation of the document.
fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut)
}

/// A 3.0 schema as 3.1 has it, with all schemas inside.
fn schema(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(schema),
        Value::Object(object) => {
            object.values_mut().for_each(schema);
            plain_reference(object);
            if object.get("format").is_some_and(|format| [POSITIVE_TEXT, COST_TEXT].iter().any(|own| format == own)) {
                object.remove("format");
            }
            bounds(object);
            if object.get("example").is_some_and(|example| !example.is_object() || object.contains_key("type"))
                && let Some(example) = object.remove("example")
            {
                object.insert("examples".to_owned(), json!([example]));
            }
            optional_means_nullable(object);
        }
        _ => {}
    }
}

/// A reference with a description or a default beside it, which 3.0 had to wrap in an `allOf` and 3.1 allows as it is. Of the
/// wrapped form generators make classes without fields, or nothing, and leave out what uses them.
fn plain_reference(object: &mut Map<String, Value>) {
    let Some([wrapped, beside]) = object.get("allOf").and_then(Value::as_array).map(Vec::as_slice) else { return };
    let (Some(wrapped), Some(beside)) = (wrapped.as_object(), beside.as_object()) else { return };
    let annotates =
        beside.keys().all(|word| ["description", "default", "title", "deprecated"].contains(&word.as_str()));
    if !annotates || wrapped.len() != 1 || !wrapped.contains_key("$ref") {
        return;
    }
    let plain = wrapped.clone().into_iter().chain(beside.clone()).collect::<Map<_, _>>();
    object.remove("allOf");
    object.extend(plain);
}

/// `exclusiveMinimum: true` beside `minimum: n` became `exclusiveMinimum: n`; whole bounds are written as integers.
fn bounds(object: &mut Map<String, Value>) {
    for (bound, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        let Some(value) = object.get_mut(bound) else { continue };
        if let Some(whole) = value.to_string().strip_suffix(".0").and_then(|whole| whole.parse::<i64>().ok()) {
            *value = json!(whole);
        }
        if object.get(exclusive) == Some(&Value::Bool(true))
            && let Some(value) = object.remove(bound)
        {
            object.insert(exclusive.to_owned(), value);
        }
    }
}

/// What is not required may also be null, in requests and in answers, and so may what says it.
fn optional_means_nullable(object: &mut Map<String, Value>) {
    let required = names(object.get("required"));
    let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties {
        let says_it = property.as_object_mut().is_some_and(|property| property.remove("nullable").is_some());
        if says_it || !required.contains(name) {
            nullable(property);
        }
    }
}

fn nullable(property: &mut Value) {
    let Some(object) = property.as_object_mut() else { return };
    match object.get_mut("type") {
        Some(kind @ Value::String(_)) => *kind = json!([kind.take(), "null"]),
        Some(_) => {}
        None => {
            let description = object.remove("description");
            // What takes any value takes null.
            if object.is_empty() {
                object.extend(description.map(|text| ("description".to_owned(), text)));
                return;
            }
            *property = json!({ "anyOf": [property.take(), { "type": "null" }] });
            if let Some(description) = description {
                property["description"] = description;
            }
        }
    }
    if let Some(words) = property.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
}

fn names(list: Option<&Value>) -> BTreeSet<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The names of the schemas that request bodies use.
fn used_by_requests(document: &mut Value, of: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let requests: Vec<Value> = operations(document)
        .filter(|operation| of(operation))
        .map(|operation| operation["requestBody"].clone())
        .collect();
    let schemas = document["components"]["schemas"].clone();
    requests.iter().for_each(|request| references(request, &schemas, &mut used));
    used
}

/// What [`crate::body`] refuses beyond what poem-openapi writes down: unknown fields, and texts with U+0000.
/// The bodies in `open` may have fields that nobody knows.
fn requests_are_strict(document: &mut Value, used: &BTreeSet<String>, open: &BTreeSet<String>) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    for (name, schema) in schemas.iter_mut().filter(|(name, _)| used.contains(*name)) {
        strict(schema, !open.contains(name));
    }
}

fn strict(value: &mut Value, closed: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| strict(item, closed)),
        Value::Object(object) => {
            object.values_mut().for_each(|value| strict(value, closed));
            if closed && object.get("properties").is_some_and(Value::is_object) {
                object.entry("additionalProperties").or_insert(json!(false));
            }
            let kind = object.get("type");
            let text = kind.is_some_and(|kind| *kind == "string" || *kind == json!(["string", "null"]));
            if text && !["enum", "format", "pattern"].iter().any(|narrower| object.contains_key(*narrower)) {
                object.insert("pattern".to_owned(), json!(WITHOUT_NUL));
            }
        }
        _ => {}
    }
}

/// Our answers always hold every field, null where there is nothing: in schemas that no request uses all fields are
/// required. Exceptions are a problem's payment, which most have not, and what a contract leaves out.
fn responses_are_complete(document: &mut Value, used: &BTreeSet<String>, contracts: &Contracts) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    for (name, schema) in schemas.iter_mut().filter(|(name, _)| !used.contains(*name)) {
        let Some(properties) = schema["properties"].as_object() else { continue };
        let now_and_then = |property: &str| {
            (name.as_str(), property) == ("Problem", "payment_id")
                || contracts.all.iter().any(|contract| (contract.part.leaves_out)(name, property))
        };
        if !properties.is_empty() && properties.keys().all(|property| now_and_then(property)) {
            continue;
        }
        let all: Vec<String> = properties.keys().filter(|property| !now_and_then(property)).cloned().collect();
        schema["required"] = json!(all);
    }
}

/// The schemas that a value refers to, directly and through others.
fn references(value: &Value, schemas: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, schemas, found)),
        Value::Object(object) => {
            let name = object.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
            if let Some(name) = name
                && found.insert(name.to_owned())
            {
                references(&schemas[name], schemas, found);
            }
            object.values().for_each(|value| references(value, schemas, found));
        }
        _ => {}
    }
}

/// `bearer:payments.read` becomes the scheme with its role.
fn permissions(operation: &mut Value) {
    match operation["security"].as_array_mut() {
        Some(requirements) => {
            for requirement in requirements {
                let names: Vec<String> = requirement.as_object().into_iter().flat_map(Map::keys).cloned().collect();
                let roles = names.iter().map(|name| name.split_once(':').unwrap_or((name, "")));
                let roles = roles.map(|(scheme, role)| (scheme.to_owned(), role));
                let object: Map<String, Value> = roles
                    .map(|(scheme, role)| (scheme, if role.is_empty() { json!([]) } else { json!([role]) }))
                    .collect();
                *requirement = Value::Object(object);
            }
        }
        None => operation["security"] = json!([]),
    }
}

fn parameters(operation: &mut Value, written: &Value) {
    let examples = Examples { schemas: &Value::Null, written };
    if operation["parameters"].is_null() {
        operation.as_object_mut().map(|operation| operation.remove("parameters"));
        return;
    }
    for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
        schema(&mut parameter["schema"]);
        let example = examples.of(&parameter["schema"], parameter["name"].as_str().unwrap_or_default());
        if let Some(object) = parameter.as_object_mut() {
            object.remove("explode");
            if object.get("deprecated") == Some(&Value::Bool(false)) {
                object.remove("deprecated");
            }
            if object.get("in") == Some(&json!("path")) {
                object.insert("example".to_owned(), example);
            }
        }
    }
}

/// Media types without their charset, and an example for each.
fn content(operation: &mut Value, examples: &Examples<'_>) {
    let mut bodies: Vec<(&str, &mut Value)> = Vec::new();
    let Some(object) = operation.as_object_mut() else { return };
    for (key, value) in object.iter_mut() {
        match key.as_str() {
            "requestBody" => bodies.push(("", value)),
            "responses" => {
                let responses = value.as_object_mut().into_iter().flatten();
                bodies.extend(responses.map(|(status, response)| (status.as_str(), response)));
            }
            _ => {}
        }
    }
    for (status, body) in bodies {
        let Some(content) = body.get_mut("content").and_then(Value::as_object_mut) else { continue };
        let renamed = std::mem::take(content).into_iter().map(|(media_type, mut media)| {
            let name = media_type.split(';').next().unwrap_or_default().to_owned();
            if name.ends_with("json") {
                media["example"] = examples.of(&media["schema"], status);
            }
            (name, media)
        });
        *content = renamed.collect();
    }
}
