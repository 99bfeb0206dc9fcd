//! Every route, asked by somebody without a token, without the permission, and of another tenant. A route that is
//! missing here fails the test.

mod bodies;

use std::{collections::BTreeMap, sync::Arc};

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, TestResponse, send},
    letters::{Worker, opening},
    marketplace,
};

/// What a caller of another tenant, with every permission, gets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stranger {
    /// 403, because the thing's node is out of reach.
    OutOfReach,
    /// 403, because only the root's callers may change what all share.
    NotAtRoot,
    /// An answer about nothing of the other tenant's.
    Own,
    /// The same as everybody: it is public, or all share it.
    Same,
}
use Stranger::{NotAtRoot, OutOfReach, Own, Same};

/// Operation, permission (`-`: signed in is enough, empty: public), and what a stranger gets.
const TABLE: &[(&str, &str, Stranger)] = &[
    ("authenticate", "", Same),
    ("refresh_tokens", "", Same),
    ("login", "", Same),
    ("refresh_login", "", Same),
    ("logout", "-", Own),
    ("get_me", "-", Own),
    ("create_user", "users.create", Own),
    ("list_users", "users.read", Own),
    ("get_user", "users.read", OutOfReach),
    ("update_user", "users.update", OutOfReach),
    ("delete_user", "users.delete", OutOfReach),
    ("create_role", "roles.create", NotAtRoot),
    ("list_roles", "roles.read", Same),
    ("get_role", "roles.read", Same),
    ("update_role", "roles.update", NotAtRoot),
    ("get_role_permissions", "roles.read", Same),
    ("set_role_permissions", "roles.update", NotAtRoot),
    ("delete_role", "roles.delete", NotAtRoot),
    ("list_permissions", "permissions.read", Same),
    ("list_till_payments", "payments.read", Own),
    ("get_till_payment", "payments.read", OutOfReach),
    ("create_till_payment", "payments.create", Own),
    ("update_till_payment", "payments.update", OutOfReach),
    ("delete_till_payment", "payments.delete", OutOfReach),
    ("create_lightning_invoice", "payments.create", OutOfReach),
    ("get_lightning_invoice", "payments.read", OutOfReach),
    ("phoenixd_webhook", "", Same),
    ("list_exchange_rates", "payments.read", Same),
    ("set_exchange_rate", "nodes.manage", NotAtRoot),
    ("list_till_methods", "payments.read", Same),
    ("get_till_method", "payments.read", Same),
    ("list_till_currencies", "payments.read", Same),
    ("get_till_currency", "payments.read", Same),
    ("get_base_currency", "", Same),
    ("set_base_currency", "nodes.manage", NotAtRoot),
    ("get_initial_setup", "", Same),
    ("create_initial_setup", "", Same),
    ("create_ticket", "tickets.create", Own),
    ("list_tickets", "tickets.read", Own),
    ("get_ticket", "tickets.read", OutOfReach),
    ("update_ticket", "tickets.update", OutOfReach),
    ("create_ticket_payment", "payments.create", OutOfReach),
    ("list_ticket_payments_by_ticket", "payments.read", OutOfReach),
    ("list_ticket_payments_by_payment", "payments.read", OutOfReach),
    ("delete_ticket_payment", "payments.delete", OutOfReach),
    ("delete_ticket_payments_by_ticket", "payments.delete", OutOfReach),
    ("create_checkout_token", "", Same),
    ("create_checkout", "payments.create", Own),
    ("list_checkouts", "payments.read", Own),
    ("get_checkout", "payments.read", OutOfReach),
    ("submit_checkout", "payments.create", OutOfReach),
    ("cancel_checkout", "payments.cancel", OutOfReach),
    ("capture_checkout", "", Same),
    ("decline_checkout", "", Same),
    ("stripe_webhook", "", Same),
    ("paypal_webhook", "", Same),
    ("mvola_madagascar_callback", "", Same),
    ("mvola_comoros_callback", "", Same),
    ("holo_callback", "", Same),
    ("huri_money_callback", "", Same),
    ("create_payment", "payments.create", OutOfReach),
    ("list_payments", "payments.read", OutOfReach),
    ("get_payment", "payments.read", OutOfReach),
    ("cancel_payment", "payments.cancel", OutOfReach),
    ("release_payment", "payments.create", OutOfReach),
    ("retry_send_payment", "payments.create", OutOfReach),
    ("list_payment_logs", "payments.read", OutOfReach),
    ("list_operations_payments", "operations", Own),
    ("get_payment_review", "operations", OutOfReach),
    ("resolve_payment", "operations", OutOfReach),
    ("list_queues", "operations", NotAtRoot),
    ("list_audit", "operations", NotAtRoot),
    ("list_dead_letters", "operations", Own),
    ("group_dead_letters", "operations", Own),
    ("get_dead_letter", "operations", OutOfReach),
    ("discard_dead_letter", "operations", OutOfReach),
    ("restore_dead_letter", "operations", OutOfReach),
    ("edit_dead_letter", "operations", OutOfReach),
    ("discard_dead_letters", "operations", Own),
    ("restore_dead_letters", "operations", Own),
    ("dry_run_redrive", "operations", Own),
    ("create_redrive", "operations", Own),
    ("list_redrives", "operations", Own),
    ("get_redrive", "operations", OutOfReach),
    ("list_redrive_letters", "operations", OutOfReach),
    ("pause_redrive", "operations", OutOfReach),
    ("resume_redrive", "operations", OutOfReach),
    ("abort_redrive", "operations", OutOfReach),
    ("get_widget_payment", "payment", Same),
    ("get_widget_qr", "payment", Same),
    ("create_integration", "nodes.manage", OutOfReach),
    ("list_integrations", "nodes.manage", Own),
    ("delete_integration", "nodes.manage", OutOfReach),
    ("create_node", "nodes.manage", OutOfReach),
    ("list_nodes", "payments.read", Own),
    ("get_node", "payments.read", OutOfReach),
    ("update_node", "nodes.manage", OutOfReach),
    ("delete_node", "nodes.manage", OutOfReach),
    ("create_chain", "nodes.manage", NotAtRoot),
    ("list_chains", "payments.read", Same),
    ("get_chain", "payments.read", Same),
    ("update_chain", "nodes.manage", NotAtRoot),
    ("delete_chain", "nodes.manage", NotAtRoot),
    ("create_network", "nodes.manage", NotAtRoot),
    ("list_networks", "payments.read", Same),
    ("get_network", "payments.read", Same),
    ("update_network", "nodes.manage", NotAtRoot),
    ("delete_network", "nodes.manage", NotAtRoot),
    ("create_currency", "nodes.manage", NotAtRoot),
    ("list_currencies", "payments.read", Same),
    ("get_currency", "payments.read", Same),
    ("update_currency", "nodes.manage", NotAtRoot),
    ("delete_currency", "nodes.manage", NotAtRoot),
    ("create_wallet", "nodes.manage", OutOfReach),
    ("list_wallets", "payments.read", Own),
    ("get_wallet", "payments.read", OutOfReach),
    ("update_wallet", "nodes.manage", OutOfReach),
    ("delete_wallet", "nodes.manage", OutOfReach),
    ("deploy_wallet", "nodes.manage", OutOfReach),
    ("create_signer", "nodes.manage", NotAtRoot),
    ("list_signers", "payments.read", Own),
    ("get_signer", "payments.read", OutOfReach),
    ("update_signer", "nodes.manage", OutOfReach),
    ("pause_signer", "nodes.manage", OutOfReach),
    ("resume_signer", "nodes.manage", OutOfReach),
    ("pause_signers", "nodes.manage", Own),
    ("rotate_signer", "nodes.manage", OutOfReach),
    ("create_member", "payments.create", OutOfReach),
    ("list_members", "payments.read", Own),
    ("get_member", "payments.read", OutOfReach),
    ("update_member", "payments.create", OutOfReach),
    ("create_webhook", "webhooks.manage", OutOfReach),
    ("list_webhooks", "webhooks.manage", Own),
    ("get_webhook", "webhooks.manage", OutOfReach),
    ("update_webhook", "webhooks.manage", OutOfReach),
    ("delete_webhook", "webhooks.manage", OutOfReach),
    ("rotate_webhook_secret", "webhooks.manage", OutOfReach),
    ("enable_webhook", "webhooks.manage", OutOfReach),
    ("disable_webhook", "webhooks.manage", OutOfReach),
    ("test_webhook", "webhooks.manage", OutOfReach),
    ("list_events", "payments.read", Own),
    ("stream_events", "payments.read", Own),
    ("list_webhook_deliveries", "webhooks.manage", OutOfReach),
    ("get_webhook_delivery", "webhooks.manage", OutOfReach),
    ("redeliver_webhook_delivery", "webhooks.manage", OutOfReach),
    ("recover_webhook", "webhooks.manage", OutOfReach),
    ("list_webhook_recoveries", "webhooks.manage", OutOfReach),
    ("get_webhook_recovery", "webhooks.manage", OutOfReach),
    ("register_customer", "", Same),
    ("login_customer", "", Same),
    ("create_order", "", Same),
    ("list_orders", "receipts.manage", Own),
    ("get_order", "", Same),
    ("report_receipt", "", Same),
    ("decide_receipts", "receipts.manage", OutOfReach),
    ("list_accounts", "", Same),
    ("create_account", "receipts.manage", OutOfReach),
    ("update_account", "receipts.manage", OutOfReach),
    ("get_connect_status", "marketplace.manage", Own),
    ("onboard_seller", "marketplace.manage", Own),
    ("get_connect_dashboard", "marketplace.manage", Own),
    ("create_connect_payout", "marketplace.manage", Own),
    ("create_intent", "", Same),
    ("create_refund", "marketplace.manage", OutOfReach),
    ("upload_file", "", Same),
    ("get_upload", "", Same),
    ("live", "", Same),
    ("ready", "", Same),
    ("metrics", "", Same),
    ("openapi", "", Same),
];

/// An operation of the document, ready to be asked about the tenant's things.
pub(crate) struct Operation {
    pub(crate) id: String,
    method: poem::http::Method,
    pub(crate) path: String,
    body: Value,
    pub(crate) security: Value,
    /// Whether its errors are those of the receipts contract.
    receipts: bool,
    /// Whether they are the till's.
    till: bool,
    /// Whether they are those of the contract of connected sellers.
    marketplace: bool,
}

impl Operation {
    /// Whether it goes without a token of anybody's.
    pub(crate) fn is_public(&self) -> bool {
        self.security.as_array().is_some_and(|ways| ways.is_empty() || ways.contains(&json!({})))
    }

    /// Checks that the answer is a refusal of this operation's contract, and returns its sentence.
    #[track_caller]
    pub(crate) fn refused(&self, answer: TestResponse, status: u16, code: &str) -> String {
        if self.receipts {
            return answer.refusal(status);
        }
        if self.till {
            return answer.message(status);
        }
        if self.marketplace {
            return answer.detail(status);
        }
        answer.problem(status, code)["detail"].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) fn operations(things: &BTreeMap<&str, String>, bodies: &BTreeMap<&str, Value>) -> Vec<Operation> {
    let document = api::openapi_document();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let resource = path.split('/').rev().find(|part| things.contains_key(part)).unwrap_or_default();
            let thing = things.get(resource).cloned().unwrap_or_default();
            let query = match id.as_str() {
                "list_payments" => format!("?node_id={}", things["nodes"]),
                "delete_ticket_payment" => {
                    format!("?paymentId={}&ticketId={}", things["payments"], things["tickets"])
                }
                "get_widget_qr" => "?origin=https://pay.example".to_owned(),
                "stream_events" => "?for_s=1".to_owned(),
                _ => String::new(),
            };
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.replace("{id}", &thing) + &query,
                body: bodies.get(id.as_str()).cloned().unwrap_or(json!({ "name": "x" })),
                security: operation["security"].clone(),
                receipts: operation["tags"] == json!(["Bank receipts"]),
                till: [json!(["Till"]), json!(["Staff"])].contains(&operation["tags"]),
                marketplace: operation["tags"] == json!(["Marketplace"]),
                id,
            });
        }
    }
    operations
}

pub(crate) async fn call(app: &TestApp, operation: &Operation, token: Option<&str>) -> TestResponse {
    let mut request = app.client.request(operation.method.clone(), &operation.path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if operation.method != poem::http::Method::GET {
        request = request.body_json(&operation.body);
    }
    send(request).await
}

/// The tenant's things by the name of their resource, on a node of its own below the root.
pub(crate) async fn things(
    app: &TestApp,
    token: &str,
) -> (BTreeMap<&'static str, String>, BTreeMap<&'static str, Value>) {
    let merchant = &app.merchant;
    let node = merchant.node_id.to_string();
    let integration = json!({ "node_id": node, "name": "shop" });
    let member = json!({ "node_id": node, "external_id": "ada" });
    let id = |answer: TestResponse| answer.expect(201).body["id"].as_str().unwrap().to_owned();
    let webhook = json!({ "node_id": node, "url": "https://shop.example/hooks", "events": ["payment.*"] });
    let webhook = id(app.post(token, "/api/v1/webhooks", &webhook).await);
    let test = app.post(token, &format!("/api/v1/webhooks/{webhook}/test"), &json!({})).await.expect(202).body;
    let recover = json!({ "since": "2020-01-01T00:00:00Z" });
    let recovery = app.post(token, &format!("/api/v1/webhooks/{webhook}/recover"), &recover).await.expect(202).body;
    let letter =
        Worker::start(&app.database, &Arc::default()).await.kill(vec![opening(merchant.node_id)]).await.remove(0);
    let many = json!({ "filter": {}, "reason": "it is so" });
    let order = crate::receipts::place(app).await;
    crate::receipts::report(app, &crate::receipts::receipt(&order)).await.expect(200);
    let account = json!({ "type": "TRANSFERENCIA", "bankName": "Banesco" });
    let account = app.post(token, "/api/payments/accounts", &account).await.expect(200).body["account"].clone();
    let payment = app.created(token, "one").await["id"].as_str().unwrap().to_owned();
    let signers = app.get(token, &format!("/api/v1/signers?node_id={node}")).await.expect(200).body;
    let signer = signers["items"][0]["id"].as_str().unwrap().to_owned();
    let mut things = BTreeMap::from([
        ("orders", order["id"].as_str().unwrap().to_owned()),
        ("accounts", account["id"].as_str().unwrap().to_owned()),
        ("webhook-deliveries", test["delivery_id"].as_str().unwrap().to_owned()),
        ("webhook-recoveries", recovery["id"].as_str().unwrap().to_owned()),
        ("webhooks", webhook),
        ("dead-letters", letter.id.to_string()),
        ("redrives", id(app.post(token, "/api/v1/operations/redrives", &many).await)),
        ("payments", payment.clone()),
        ("nodes", node.clone()),
        ("chains", merchant.chain_id.to_string()),
        ("networks", merchant.network_id.to_string()),
        ("currencies", merchant.currency_id.to_string()),
        ("wallets", merchant.wallet_id.to_string()),
        ("signers", signer),
        ("members", id(app.post(token, "/api/v1/members", &member).await)),
        ("integrations", id(app.post(token, "/api/v1/integrations", &integration).await)),
    ]);
    let mut bodies = bodies::bodies(app, &order);
    let (tills, tills_bodies) = things_of_a_till(app, token, &payment).await;
    things.extend(tills);
    bodies.extend(tills_bodies);
    (things, bodies)
}

async fn things_of_a_till(
    app: &TestApp,
    token: &str,
    payment: &str,
) -> (BTreeMap<&'static str, String>, BTreeMap<&'static str, Value>) {
    let ticket = app.post(token, "/tickets", &json!({ "name": "table 7" })).await.id();
    let role = app.post(token, "/roles", &json!({ "role": "Cashier" })).await.id();
    let user = json!({ "name": "ada", "pin": "4711", "role": role });
    let things = BTreeMap::from([
        ("tickets", ticket.clone()),
        ("by-ticket", ticket.clone()),
        ("by-payment", payment.to_owned()),
        ("ticket-payments", ticket.clone()),
        ("users", app.post(token, "/users", &user).await.id()),
        ("roles", role.clone()),
        ("methods", crate::till::CASH.to_owned()),
    ]);
    let bodies = BTreeMap::from([
        ("create_till_payment", crate::till::entry("theirs")),
        ("update_till_payment", crate::till::entry("till-1")),
        ("create_ticket_payment", json!({ "payment_id": payment, "ticket_id": ticket })),
        (
            "create_lightning_invoice",
            json!({ "amount": 1, "currency_id": crate::till_lightning::BITCOIN, "ticket_id": ticket }),
        ),
        ("set_exchange_rate", json!({ "rate": 1 })),
        ("create_role", json!({ "role": "other" })),
        ("update_role", json!({ "role": "another" })),
        ("set_base_currency", json!({ "acronym": "EUR" })),
        ("set_role_permissions", json!({ "permissions": [] })),
        ("create_user", json!({ "name": "eve", "pin": "4711", "role": role })),
    ]);
    (things, bodies)
}

on_both!(every_route_checks_who_calls_and_what_they_may, async |database: TestDatabase| {
    // A node that nobody gets to ask.
    let node = Some(gateways::PhoenixdConfig::sandbox("http://127.0.0.1:9", &"secret".into()));
    let app = marketplace::shop_with(database, |settings| settings.lightning.phoenixd = node).await;
    let (things, bodies) = things(&app, &app.token().await).await;
    // Below its own root, so that it does not manage what all share.
    let strangers = app.token_on(app.stranger.node_id, Permission::ALL).await;
    let below = app.post(&strangers, "/api/v1/nodes", &json!({ "name": "below" })).await.expect(201).body;
    let below = below["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap();
    let below = entities::NodeId(below);

    let operations = operations(&things, &bodies);
    for (id, ..) in TABLE {
        assert!(operations.iter().any(|operation| operation.id == *id), "{id} is no route any more");
    }
    for operation in operations {
        let id = operation.id.as_str();
        let row = TABLE.iter().find(|row| row.0 == id);
        let &(_, permission, stranger) = row.unwrap_or_else(|| panic!("{id} is missing in the table"));
        check_declared(&operation, permission);
        if permission.is_empty() {
            continue;
        }
        operation.refused(call(&app, &operation, None).await, 401, "unauthorized");
        operation.refused(call(&app, &operation, Some("nonsense")).await, 401, "unauthorized");
        let without: Vec<Permission> =
            Permission::ALL.iter().copied().filter(|held| held.word() != permission).collect();
        let weak = app.token_on(app.merchant.node_id, &without).await;
        match permission {
            "payment" => drop(operation.refused(call(&app, &operation, Some(&weak)).await, 401, "unauthorized")),
            "-" => {}
            _ => drop(operation.refused(call(&app, &operation, Some(&weak)).await, 403, "permission_missing")),
        }
        let strange = app.token_on(below, Permission::ALL).await;
        let answer = call(&app, &operation, Some(&strange)).await;
        match stranger {
            OutOfReach => {
                let sentence = operation.refused(answer, 403, "node_out_of_reach");
                assert_eq!(sentence, "Insufficient permission to access payment's node");
            }
            NotAtRoot => drop(operation.refused(answer, 403, "permission_missing")),
            Own => {
                let mine = things.values().find(|thing| answer.text.contains(*thing));
                assert_eq!(mine, None, "{id} shows another tenant's things: {}", answer.text);
            }
            Same => assert!(answer.status.is_success() || permission == "payment", "{id}: {}", answer.text),
        }
    }
});

on_both!(every_public_route_has_a_class_of_admission, async |database: TestDatabase| {
    let classes: BTreeMap<_, _> = api::admission_classes(&crate::app::state(&database, |_| {})).into_iter().collect();
    for (route, class) in &classes {
        assert!(class.is_some(), "{route} asks for no token: say in its contract what it costs a stranger");
    }
    let document = api::openapi_document();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let &(_, permission, _) = TABLE.iter().find(|row| row.0 == id).unwrap_or_else(|| panic!("{id}"));
            let parts = path.split('/').map(|part| if part.starts_with('{') { "{id}" } else { part });
            let route = format!("{} {}", method.to_uppercase(), parts.collect::<Vec<_>>().join("/"));
            let signed_in = classes[&route] == Some("signed_in");
            assert_eq!(signed_in, !["", "payment"].contains(&permission), "{route}");
        }
    }
});

/// The document says what the table says.
fn check_declared(operation: &Operation, permission: &str) {
    let expected = match permission {
        // Whose credentials come in the form as well as in a header.
        "" if operation.id == "create_checkout_token" => json!([{ "client": [] }, {}]),
        "" => json!([]),
        "-" => json!([{ "bearer": [] }, { "cookie": [] }]),
        "payment" => json!([{ "payment_access_token": [] }]),
        "receipts.manage" => json!([{ "bearer": [permission] }, { "store_cookie": [permission] }]),
        "marketplace.manage" => {
            json!([{ "bearer": [permission] }, { "cookie": [permission] }, { "store_cookie": [permission] }])
        }
        word => json!([{ "bearer": [word] }, { "cookie": [word] }]),
    };
    assert_eq!(operation.security, expected, "{}", operation.id);
}

on_both!(authorisation_comes_before_the_body_and_the_body_before_look_ups, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let nobody = send(app.client.post("/api/v1/payments").content_type("application/json").body("{")).await;
    nobody.problem(401, "unauthorized");
    let weak = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead]).await;
    let request = app.client.post("/api/v1/payments").header("authorization", format!("Bearer {weak}"));
    send(request.content_type("application/json").body("{")).await.problem(403, "permission_missing");
    let token = app.token().await;
    let mut body = app.payment("one");
    body["node_id"] = json!(uuid::Uuid::now_v7());
    body["price"] = json!("free");
    assert_eq!(app.post(&token, "/api/v1/payments", &body).await.pointers(), ["/price"]);
    app.created(&token, "one").await;
    let mut body = app.payment("one");
    body["network_id"] = json!(uuid::Uuid::now_v7());
    app.post(&token, "/api/v1/payments", &body).await.problem(404, "not_found");
});
