//! A document for each contract, cut out of the whole one: a client's author reads what concerns them, and generators make
//! no classes of the rest.

use std::collections::BTreeSet;

use poem_openapi::Tags;
use serde_json::{Map, Value, json};

use super::Events;
use crate::edge::Contract;

/// Whether the operation is in one of the contract's groups.
pub(super) fn owns(contract: &Contract, operation: &Value) -> bool {
    let tagged =
        |tag: &&(dyn Tags + Sync)| operation["tags"].as_array().is_some_and(|tags| tags.contains(&json!(tag.name())));
    contract.part.groups.iter().any(tagged)
}

fn has(contract: &Contract, path: &str, operation: &Value) -> bool {
    contract.part.paths.iter().any(|beginning| path.starts_with(beginning)) || owns(contract, operation)
}

/// The part of the finished document that is the contract's. Events are sent about payments of every contract; those for
/// operators stand with their operations.
pub(crate) fn part(mut document: Value, contract: &Contract, events: &Events) -> Value {
    document["info"]["title"] = json!(format!("Quittance: {}", contract.name));
    document["info"]["summary"] = json!(contract.part.summary);
    retain(&mut document["paths"], |path, operation| has(contract, path, operation));
    let operators = contract.part.events_for_operators;
    retain(&mut document["webhooks"], |name, _| (events.for_operators)(name) == operators);
    let used = reached(&document);
    for kind in ["schemas", "responses", "securitySchemes"] {
        let kept = |name: &String| used.contains(&format!("#/components/{kind}/{name}"));
        if let Some(components) = document["components"][kind].as_object_mut() {
            components.retain(|name, _| kept(name));
        }
    }
    let names = tags(&document);
    if let Some(all) = document["tags"].as_array_mut() {
        all.retain(|tag| tag["name"].as_str().is_some_and(|name| names.contains(name)));
    }
    document
}

/// Keeps the operations that `keep` wants by the name of their item, and no item without one.
fn retain(items: &mut Value, keep: impl Fn(&str, &Value) -> bool) {
    let Some(items) = items.as_object_mut() else { return };
    for (name, item) in items.iter_mut() {
        if let Some(operations) = item.as_object_mut() {
            operations.retain(|_, operation| keep(name, operation));
        }
    }
    items.retain(|_, item| item.as_object().is_some_and(|operations| !operations.is_empty()));
}

fn operations(document: &Value) -> impl Iterator<Item = &Value> {
    let items = ["paths", "webhooks"].into_iter().filter_map(|kind| document[kind].as_object()).flat_map(Map::values);
    items.filter_map(Value::as_object).flat_map(Map::values)
}

fn tags(document: &Value) -> BTreeSet<String> {
    let tags = operations(document).filter_map(|operation| operation["tags"].as_array()).flatten();
    tags.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The components that the document's operations refer to, directly and through others, as their references name them.
fn reached(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for operation in operations(document) {
        collect_references(operation, document, &mut found);
        let schemes = operation["security"].as_array().into_iter().flatten().filter_map(Value::as_object);
        found.extend(schemes.flat_map(Map::keys).map(|name| format!("#/components/securitySchemes/{name}")));
    }
    found
}

fn collect_references(value: &Value, document: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, document, found)),
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str)
                && found.insert(reference.to_owned())
                && let Some(target) = document.pointer(reference.trim_start_matches('#'))
            {
                collect_references(target, document, found);
            }
            object.values().for_each(|value| collect_references(value, document, found));
        }
        _ => {}
    }
}
