//! The OpenAPI document.

use fixtures::{TestDatabase, on_both};
use serde_json::{Value, json};

use crate::app::{TestApp, send};

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    operations.collect()
}

#[test]
fn is_openapi_3_1_and_always_the_same() {
    let document = api::openapi_document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document, api::openapi_document());
    let text = document.to_string();
    for old in ["\"nullable\"", "charset", "bearer:", "cookie:", "\"exclusiveMinimum\":true"] {
        assert!(!text.contains(old), "{old} is left");
    }
}

#[test]
fn every_operation_is_described_with_examples_and_errors() {
    let document = api::openapi_document();
    let mut ids = std::collections::BTreeSet::new();
    for (name, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().expect("an id")), "{name}");
        assert!(operation["summary"].is_string(), "{name} has no summary");
        assert!(operation["description"].is_string(), "{name} has no description");
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            assert!(response["description"] != "", "{name} {status}");
            let response = match response["$ref"].as_str() {
                Some(shared) => &document["components"]["responses"][shared.rsplit('/').next().unwrap()],
                None => response,
            };
            assert!(response["description"].is_string(), "{name} {status}");
            for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                let problem = content["schema"]["$ref"] == "#/components/schemas/Problem";
                assert_eq!(media_type == "application/problem+json", problem, "{name} {status}");
                assert!(!media_type.ends_with("json") || content.get("example").is_some(), "{name} {status}");
            }
        }
        // The checkout's clients are told of fewer statuses.
        let checkout = operation["tags"] == serde_json::json!(["Checkout"]);
        let has = |statuses: &[&str]| statuses.iter().all(|status| responses.contains_key(*status));
        let few = ["200", "201", "302", "400", "401", "403", "404", "429", "500"];
        assert!(!checkout || responses.keys().all(|status| few.contains(&status.as_str())), "{name}");
        assert!(has(&["429", "500"]) && (checkout || has(&["503"])), "{name}");
        if operation.get("requestBody").is_some() {
            // What others call 400 is 422 for the clients of connected sellers.
            let invalid = if operation["tags"] == serde_json::json!(["Marketplace"]) { "422" } else { "400" };
            assert!(has(&[invalid]) && (checkout || has(&["413", "415"])), "{name}");
            let content = &operation["requestBody"]["content"];
            let form = ["multipart/form-data", "application/x-www-form-urlencoded"];
            let form = form.iter().any(|media_type| content.get(*media_type).is_some());
            assert!(form || content["application/json"]["example"].is_object(), "{name}");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{name} {}", parameter["name"]);
            // Plain text is never refused before its handler sees it.
            let refusable = parameter["in"] == "path" && parameter["schema"] != json!({ "type": "string" });
            assert!(!refusable || parameter["name"] == "id", "{name}: problems name the pointer /id");
        }
    }
}

#[test]
fn what_requests_may_not_hold_is_written_down() {
    let document = api::openapi_document();
    let payment = &document["components"]["schemas"]["NewPayment"];
    assert_eq!(payment["additionalProperties"], false);
    assert_eq!(payment["properties"]["external_id"]["pattern"], r"^[^\u0000]*$");
}

on_both!(is_served_as_it_is_committed, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let served = send(app.client.get("/openapi.json")).await.expect(200);
    assert!(served.header("content-type").starts_with("application/json"));
    assert_eq!(served.text, format!("{:#}\n", api::openapi_document()));
});

/// Lists without a largest number of items, wherever in the schema they stand.
fn endless(document: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(shared) = schema["$ref"].as_str() {
        let name = shared.rsplit('/').next().unwrap();
        return endless(document, &document["components"]["schemas"][name], at, found);
    }
    if schema["items"].is_object() && schema["maxItems"].is_null() {
        found.push(at.to_owned());
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        endless(document, property, &format!("{at}/{name}"), found);
    }
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|of| schema[of].as_array()).flatten();
    for part in parts.chain(Some(&schema["items"]).filter(|items| items.is_object())) {
        endless(document, part, at, found);
    }
}

#[test]
fn every_list_of_a_request_has_a_bound() {
    let document = api::openapi_document();
    let (mut found, mut bodies) = (Vec::new(), 0);
    for (name, operation) in operations(&document) {
        for content in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            bodies += 1;
            endless(&document, &content.1["schema"], &name, &mut found);
        }
    }
    assert!(bodies > 30, "only {bodies}");
    assert_eq!(found, Vec::<String>::new());
}
