//! Bodies that every operation takes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::app::TestApp;

/// What is sent to the operations that take a body.
pub(super) fn bodies(app: &TestApp, order: &Value) -> BTreeMap<&'static str, Value> {
    let (merchant, node) = (&app.merchant, app.merchant.node_id.to_string());
    let reason = json!({ "reason": "it is so" });
    let many = json!({ "filter": {}, "reason": "it is so" });
    let address = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
    BTreeMap::from([
        ("create_webhook", json!({ "node_id": node, "url": "https://shop.example/hooks", "events": ["*"] })),
        ("update_webhook", json!({ "description": "theirs" })),
        ("rotate_webhook_secret", json!({})),
        ("disable_webhook", json!({})),
        ("recover_webhook", json!({ "since": "2020-01-01T00:00:00Z" })),
        ("create_payment", app.payment("two")),
        ("create_integration", json!({ "node_id": node, "name": "other" })),
        ("create_node", json!({ "parent_id": node, "name": "below" })),
        ("create_wallet", json!({ "node_id": node, "chain_id": merchant.chain_id, "name": "w", "address": address })),
        ("create_member", json!({ "node_id": node, "external_id": "eve" })),
        ("discard_dead_letter", reason.clone()),
        ("restore_dead_letter", reason.clone()),
        ("edit_dead_letter", json!({ "body": "{}", "reason": "it is so" })),
        ("discard_dead_letters", many.clone()),
        ("restore_dead_letters", many.clone()),
        ("dry_run_redrive", json!({ "filter": {} })),
        ("create_redrive", many),
        ("pause_redrive", reason.clone()),
        ("resume_redrive", reason.clone()),
        ("abort_redrive", reason.clone()),
        ("resolve_payment", json!({ "as": "failed", "reason": "nothing is there" })),
        ("create_refund", json!({ "order_id": order["number"] })),
        ("decide_receipts", json!({ "orderId": order["id"], "status": "CONFIRMED" })),
        ("create_account", json!({ "type": "TRANSFERENCIA", "bankName": "Banesco" })),
        ("update_account", json!({ "active": false })),
        ("create_signer", json!({ "node_id": node, "address": address, "name": "s" })),
        ("pause_signer", reason.clone()),
        ("pause_signers", reason.clone()),
        ("rotate_signer", json!({ "to": address })),
        ("deploy_wallet", json!({ "node_id": node, "network_id": merchant.network_id })),
    ])
}
