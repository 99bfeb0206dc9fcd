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
    let schemas = &document["components"]["schemas"];
    for ours in ["NewNode", "NewWebhook", "NewRedrive", "NewWallet", "NewCurrency"] {
        assert_eq!(schemas[ours]["additionalProperties"], false, "{ours}");
    }
    let of_contracts = ["NewPayment", "NewMember", "NewItem", "Credentials", "NewIntegration", "Login", "UserRequest"];
    for contract in of_contracts {
        assert_eq!(schemas[contract].get("additionalProperties"), None, "{contract}");
    }
    let payment = &schemas["NewPayment"];
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

/// Every schema of the document with the pointer to it.
fn walk<'a>(value: &'a Value, at: &str, visited: &mut Vec<(String, &'a Value)>) {
    visited.push((at.to_owned(), value));
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| walk(value, &format!("{at}/{name}"), visited)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| walk(value, &format!("{at}/{index}"), visited));
        }
        _ => {}
    }
}

#[test]
fn references_carry_their_descriptions_without_a_wrapper() {
    let document = api::openapi_document();
    let mut visited = Vec::new();
    walk(&document["components"], "", &mut visited);
    walk(&document["paths"], "", &mut visited);
    let wrapped: Vec<&str> =
        visited.iter().filter(|(_, value)| value.get("allOf").is_some()).map(|(at, _)| at.as_str()).collect();
    assert_eq!(wrapped, Vec::<&str>::new(), "generators lose what uses these");
    let method = &document["components"]["schemas"]["NewPayment"]["properties"]["payment_method"];
    assert_eq!(method["$ref"], "#/components/schemas/NewPaymentMethod");
    assert_eq!(method["description"], "How the payer pays.");
}

#[test]
fn events_share_no_tag_with_operations_and_are_nothing_to_call() {
    let document = api::openapi_document();
    let called: std::collections::BTreeSet<String> =
        operations(&document).into_iter().map(|(_, operation)| operation["tags"].to_string()).collect();
    for (name, item) in document["webhooks"].as_object().unwrap() {
        assert!(!called.contains(&item["post"]["tags"].to_string()), "{name}: one file overwrites the other");
        assert_eq!(item["post"]["x-internal"], true, "{name}: a call is generated that does not compile");
    }
    assert!(document["tags"].as_array().unwrap().iter().any(|tag| tag["name"] == "Events"));
}

/// Numbers that count and are no money.
const RATES: [&str; 2] = ["done_per_second", "failed_per_second"];

#[test]
fn money_is_a_double_with_its_text_beside_it_or_taken_as_either() {
    let document = api::openapi_document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let (mut answered, mut taken) = (0, 0);
    for (schema, fields) in schemas {
        for (name, field) in fields["properties"].as_object().into_iter().flatten() {
            let at = format!("{schema}/{name}");
            let text = field.to_string();
            taken += usize::from(text.contains("schemas/Money\"") || text.contains("schemas/Cost\""));
            if !(field["type"] == "number" || field["type"][0] == "number") || RATES.contains(&name.as_str()) {
                continue;
            }
            assert_eq!(field["format"], "double", "{at}: without it some generators make a float of four bytes");
            answered += 1;
            // The till's clients know the fields of payments and tickets, and no more.
            if ["TillPayment", "Ticket"].contains(&schema.as_str()) {
                continue;
            }
            let twin = if name.chars().any(char::is_uppercase) || schema.contains("Order") {
                format!("{name}Text")
            } else {
                format!("{name}_text")
            };
            let twin = &fields["properties"][&twin];
            assert!(twin["type"] == "string" || twin["type"][0] == "string", "{at} has no text beside it");
            assert!(twin["format"].is_null(), "{at}: generators read formatted texts as doubles");
        }
    }
    assert!(answered > 15 && taken > 8, "{answered} answered, {taken} taken");
    for name in ["Money", "Cost"] {
        let kinds = &schemas[name]["oneOf"];
        assert_eq!((&kinds[0]["type"], &kinds[1]["type"]), (&json!("number"), &json!("string")), "{name}");
        assert!(kinds[1]["format"].is_null() && kinds[1]["pattern"].is_string(), "{name}");
    }
}

/// The names of the components that are used, and those that are there.
fn components(document: &Value) -> [std::collections::BTreeSet<String>; 2] {
    let mut visited = Vec::new();
    walk(document, "", &mut visited);
    let used = visited.iter().filter_map(|(_, value)| value["$ref"].as_str()).map(str::to_owned);
    let kinds = ["schemas", "responses"].into_iter();
    let there = kinds.flat_map(|kind| {
        let names = document["components"][kind].as_object().unwrap().keys();
        names.map(move |name| format!("#/components/{kind}/{name}"))
    });
    [used.collect(), there.collect()]
}

on_both!(each_contract_has_a_document_of_its_own, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let whole = api::openapi_document();
    let mut missing: std::collections::BTreeSet<String> =
        operations(&whole).into_iter().map(|(name, _)| name).collect();
    for contract in api::CONTRACTS.all().iter().map(|contract| contract.name()) {
        let answer = send(app.client.get("/openapi.json").query("contract", &contract)).await.expect(200);
        let document = answer.body;
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["title"], format!("Quittance: {contract}"));
        for (name, operation) in operations(&document) {
            let (method, path) = name.split_once(' ').unwrap();
            assert_eq!(*operation, whole["paths"][path][method], "{contract}: {name}");
            missing.remove(&name);
            let tag = &operation["tags"][0];
            assert!(
                document["tags"].as_array().unwrap().iter().any(|known| known["name"] == *tag),
                "{contract}: {tag}"
            );
            for scheme in
                operation["security"].as_array().unwrap().iter().flat_map(|one| one.as_object().unwrap().keys())
            {
                assert!(document["components"]["securitySchemes"][scheme].is_object(), "{contract}: {scheme}");
            }
        }
        let [used, there] = components(&document);
        assert_eq!(used, there, "{contract} has components that nothing uses, or lacks some");
        assert!(!document["webhooks"].as_object().unwrap().is_empty(), "{contract}");
        let size = (answer.text.len(), whole.to_string().len());
        assert!(size.0 < size.1, "{contract}: {size:?}");
    }
    assert_eq!(missing, std::collections::BTreeSet::new(), "these are in the document of no contract");
    let till = send(app.client.get("/openapi.json?contract=till")).await.expect(200).body;
    assert!(till["paths"]["/payments"].is_object() && till["paths"]["/api/v1/payments"].is_null());
    assert_eq!(send(app.client.get("/openapi.json?contract=tills")).await.pointers(), ["/contract"]);
});

on_both!(is_compressed_and_known_again, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    for path in ["/openapi.json", "/openapi.json?contract=till", "/docs/swagger-ui.js", "/docs/swagger-ui.css"] {
        let plain = send(app.client.get(path)).await.expect(200);
        let tag = plain.header("etag").to_owned();
        assert!(plain.header("vary").eq_ignore_ascii_case("accept-encoding"), "{path}");
        let request = app.client.get(path).header("accept-encoding", "br;q=0.1, gzip");
        let small = request.send().await.0;
        assert_eq!(small.headers()["content-encoding"], "gzip", "{path}");
        assert_eq!(small.headers()["etag"], tag.as_str(), "{path}");
        let bytes = small.into_body().into_vec().await.unwrap();
        assert!(bytes.len() * 3 < plain.text.len(), "{path}: {} of {}", bytes.len(), plain.text.len());
        let known = send(app.client.get(path).header("if-none-match", &tag)).await.expect(304);
        assert_eq!((known.header("etag"), known.text.as_str()), (tag.as_str(), ""), "{path}");
        send(app.client.get(path).header("if-none-match", "W/\"other\"")).await.expect(200);
    }
});
