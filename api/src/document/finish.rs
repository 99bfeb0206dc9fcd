//! From what poem-openapi generates (3.0 in all but name) to a valid OpenAPI 3.1 document.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::example;

/// Statuses and what they mean wherever an operation's own text says no more.
const MEANINGS: &[(&str, &str)] = &[
    ("200", "Done."),
    ("400", "The request has invalid values, or cannot be read."),
    ("401", "No token, or one that is not valid; or wrong credentials."),
    ("403", "The permission is missing, or the node is out of reach."),
    ("404", "It does not exist."),
    ("409", "The state of things does not allow it, or a request with this idempotency key is under way."),
    ("413", "The body is too large."),
    ("415", "The body is not JSON."),
    ("422", "The idempotency key was used for another request."),
    ("429", "Too many requests."),
    ("500", "A fault of ours, logged under the request id."),
    ("503", "A part of the system does not answer; try again."),
];

/// Finishes the document.
pub(super) fn finish(mut document: Value) -> Value {
    document["openapi"] = json!("3.1.0");
    document["jsonSchemaDialect"] = json!("https://spec.openapis.org/oas/3.1/dialect/base");
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.values_mut().for_each(schema);
    }
    answers_are_complete(&mut document);
    let schemas = document["components"]["schemas"].clone();
    for operation in operations(&mut document) {
        permissions(operation);
        parameters(operation);
        errors(operation);
        content(operation, &schemas);
    }
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

/// What is not required may also be null, in requests and in answers.
fn optional_means_nullable(object: &mut Map<String, Value>) {
    let required = names(object.get("required"));
    let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties {
        if !required.contains(name) {
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

/// Our answers always hold every field, null where there is nothing: in schemas that no request uses all fields are
/// required. A problem's `payment_id` is the one exception.
fn answers_are_complete(document: &mut Value) {
    let mut used = BTreeSet::new();
    let requests: Vec<Value> = operations(document).map(|operation| operation["requestBody"].clone()).collect();
    let schemas = document["components"]["schemas"].clone();
    requests.iter().for_each(|request| references(request, &schemas, &mut used));
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    for (name, schema) in schemas.iter_mut().filter(|(name, _)| !used.contains(*name)) {
        let Some(properties) = schema["properties"].as_object() else { continue };
        let all: Vec<String> =
            properties.keys().filter(|property| name != "Problem" || *property != "payment_id").cloned().collect();
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

fn parameters(operation: &mut Value) {
    for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
        schema(&mut parameter["schema"]);
        let example = example::of(&parameter["schema"], &Value::Null, parameter["name"].as_str().unwrap_or_default());
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

/// Adds the errors that every operation of its kind has, each as a problem.
fn errors(operation: &mut Value) {
    let protected = operation["security"].as_array().is_some_and(|requirements| !requirements.is_empty());
    let body = operation.get("requestBody").is_some_and(|body| !body.is_null());
    let input = body || operation["parameters"].as_array().is_some_and(|parameters| !parameters.is_empty());
    let always = ["429", "500", "503"].map(|status| (status, true));
    let usual = [("400", input), ("401", protected), ("403", protected), ("413", body), ("415", body)];
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, _) in usual.into_iter().chain(always).filter(|(_, applies)| *applies) {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let content = json!({ "application/problem+json": { "schema": schema } });
        responses.entry(status).or_insert_with(|| json!({ "description": "", "content": content }));
    }
    for (status, response) in responses.iter_mut() {
        let meaning = MEANINGS.iter().find(|(of, _)| of == status).map_or("Done.", |(_, meaning)| *meaning);
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = json!(meaning);
        }
        headers(status, response);
    }
    responses.sort_keys();
}

fn headers(status: &str, response: &mut Value) {
    let id = json!({
        "description": "Identifies the request; yours, if you sent one.", "schema": { "type": "string" }
    });
    let Some(response) = response.as_object_mut() else { return };
    let headers = response.entry("headers").or_insert_with(|| json!({}));
    for header in headers.as_object_mut().into_iter().flat_map(Map::values_mut) {
        header.as_object_mut().map(|header| header.remove("deprecated"));
    }
    headers["x-request-id"] = id;
    if status == "429" && headers.get("RETRY-AFTER").is_none() {
        headers["Retry-After"] = json!({ "description": "Seconds to wait.", "schema": { "type": "integer" } });
    }
}

/// Media types without their charset, and an example for each.
fn content(operation: &mut Value, schemas: &Value) {
    let mut bodies: Vec<&mut Value> = Vec::new();
    let Some(object) = operation.as_object_mut() else { return };
    for (key, value) in object.iter_mut() {
        match key.as_str() {
            "requestBody" => bodies.push(value),
            "responses" => bodies.extend(value.as_object_mut().into_iter().flat_map(Map::values_mut)),
            _ => {}
        }
    }
    for body in bodies {
        let Some(content) = body.get_mut("content").and_then(Value::as_object_mut) else { continue };
        let renamed = std::mem::take(content).into_iter().map(|(media_type, mut media)| {
            let name = media_type.split(';').next().unwrap_or_default().to_owned();
            if name.ends_with("json") {
                media["example"] = example::of(&media["schema"], schemas, "");
            }
            (name, media)
        });
        *content = renamed.collect();
    }
}
