//! A document for each contract, cut out of the whole one: a client's author reads what concerns them, and generators make
//! no classes of the rest.

use std::collections::BTreeSet;

use poem_openapi::{Enum, Tags};
use serde_json::{Map, Value, json};

use crate::resources::Tag;

/// What a document may be of: one of the five contracts, or what operators use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "ContractName", rename_all = "snake_case")]
pub enum Contract {
    /// On-chain deals, with what they need: integrations, nodes, reference data, wallets, members, webhooks.
    Deals,
    /// Bank transfers and their receipts.
    Receipts,
    /// The point of sale, its staff and its tickets.
    Till,
    /// The hosted checkout.
    Checkout,
    /// Connected sellers.
    Marketplace,
    /// Health, queues, dead letters, redrives and reviews.
    Operations,
}

impl Contract {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Deals, Self::Receipts, Self::Till, Self::Checkout, Self::Marketplace, Self::Operations];

    /// Its name, as in `/openapi.json?contract=till`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deals => "deals",
            Self::Receipts => "receipts",
            Self::Till => "till",
            Self::Checkout => "checkout",
            Self::Marketplace => "marketplace",
            Self::Operations => "operations",
        }
    }

    /// The contract of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contract| contract.name() == name)
    }

    const fn summary(self) -> &'static str {
        match self {
            Self::Deals => "On-chain deals, and payments by card or bank transfer beside them",
            Self::Receipts => "Bank transfers and their receipts",
            Self::Till => "Payments at a point of sale",
            Self::Checkout => "The hosted checkout",
            Self::Marketplace => "Connected sellers, intents, refunds and payouts",
            Self::Operations => "What operators look at and decide",
        }
    }

    /// The groups whose operations are all its own.
    const fn tags(self) -> &'static [Tag] {
        match self {
            Self::Deals => &[
                Tag::Authentication,
                Tag::Payments,
                Tag::Widget,
                Tag::Integrations,
                Tag::Nodes,
                Tag::ReferenceData,
                Tag::Wallets,
                Tag::Webhooks,
                Tag::Members,
            ],
            Self::Receipts => &[Tag::Receipts],
            Self::Till => &[Tag::Till, Tag::Staff],
            Self::Checkout => &[Tag::Checkout],
            Self::Marketplace => &[Tag::Marketplace],
            Self::Operations => &[Tag::Reviews, Tag::DeadLetters, Tag::Queues, Tag::Operations],
        }
    }

    /// Beginnings of paths that it has besides: sign-ins that open it too, and what gateways call for it.
    const fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Deals | Self::Operations => &["/auth/"],
            Self::Marketplace => &["/auth/", "/api/auth/", "/v1/webhooks/payments/stripe"],
            Self::Checkout => &["/v1/webhooks/"],
            Self::Till => &["/webhook/phoenixd"],
            Self::Receipts => &[],
        }
    }

    fn has(self, path: &str, operation: &Value) -> bool {
        let tagged = |tag: &Tag| operation["tags"].as_array().is_some_and(|tags| tags.contains(&json!(tag.name())));
        self.paths().iter().any(|beginning| path.starts_with(beginning)) || self.tags().iter().any(tagged)
    }
}

/// The part of the finished document that is the contract's. Events are told of payments of every contract; those for
/// operators stand with their operations.
pub(super) fn part(mut document: Value, contract: Contract) -> Value {
    document["info"]["title"] = json!(format!("Quittance: {}", contract.name()));
    document["info"]["summary"] = json!(contract.summary());
    retain(&mut document["paths"], |path, operation| contract.has(path, operation));
    let operators = contract == Contract::Operations;
    retain(&mut document["webhooks"], |name, _| super::webhooks::for_operators(name) == operators);
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
        follow(operation, document, &mut found);
        let schemes = operation["security"].as_array().into_iter().flatten().filter_map(Value::as_object);
        found.extend(schemes.flat_map(Map::keys).map(|name| format!("#/components/securitySchemes/{name}")));
    }
    found
}

fn follow(value: &Value, document: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| follow(item, document, found)),
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str)
                && found.insert(reference.to_owned())
                && let Some(target) = document.pointer(reference.trim_start_matches('#'))
            {
                follow(target, document, found);
            }
            object.values().for_each(|value| follow(value, document, found));
        }
        _ => {}
    }
}
