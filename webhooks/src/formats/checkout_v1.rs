//! `checkout.v1`: the events of the hosted checkout, in that contract's words and with its signature.

use entities::{NodeId, WebhookFormat};
use serde_json::{Value, json};

use super::{Format, Signature};
use crate::Outgoing;

pub(super) static FORMAT: Format = Format {
    name: |event| event.in_format(WebhookFormat::CheckoutV1).map(|told| told.topic),
    body,
    signature: Some(Signature { header: "kartapay-signature", text }),
};

/// Only a test of the endpoint has no body of this format: no other event without one has a name in it.
fn body(event: &Outgoing) -> String {
    match event.in_format(WebhookFormat::CheckoutV1) {
        Some(told) => told.body.clone(),
        None => json!({ "topic": event.name, "data": {} }).to_string(),
    }
}

/// What the contract signs of a body: some of its members, joined by commas; one that is not there is empty.
fn text(body: &str, merchant: Option<NodeId>) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let data = &body["data"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let merchant = merchant.map(|node| node.to_string()).unwrap_or_default();
    let members = [
        text(&data["id"]),
        merchant,
        text(&data["clientId"]),
        text(&data["total"]["value"]),
        text(&data["total"]["currency"]),
        text(&data["submittedAt"]),
        text(&data["status"]),
    ];
    members.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_of_these_members() {
        let node = NodeId::new();
        let body = r#"{"topic":"payment.completed","data":{"id":"a","status":"completed","captured":true,
            "total":{"value":"15000","currency":"KMF"},"submittedAt":"2030-01-31T12:00:00Z","clientId":"o-1"}}"#;
        assert_eq!(text(body, Some(node)), format!("a,{node},o-1,15000,KMF,2030-01-31T12:00:00Z,completed"));
        assert_eq!(text("{}", None), ",,,,,,");
    }
}
