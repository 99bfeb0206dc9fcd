//! Sign-in and staff of a till, its payments, its tickets, and what its pages need besides.

use fixtures::{Backend, TestDatabase};
use payments::Permission;
use poem::http::Method;
use serde_json::json;
use uuid::Uuid;

use super::Dialogue;
use crate::{
    app::{TestApp, TestResponse},
    till::{CASH, EURO, entry},
};

const RELATIONS: &str = "/payments/ticket-payments";

#[tokio::test(flavor = "multi_thread")]
async fn till_answers() {
    let app = TestApp::new(TestDatabase::new(Backend::Sqlite).await).await;
    app.user("root", "481516", None).await;
    let weak = app.token_on(app.merchant.node_id, &[Permission::TicketsRead]).await;
    let mut dialogue = Dialogue::with(&app);
    signing_in(&mut dialogue).await;
    let admin = app.token().await;
    staff(&mut dialogue, &admin, &weak).await;
    setup(&mut dialogue, &admin, &weak).await;
    let payment = payments(&mut dialogue, &admin, &weak).await;
    tickets(&mut dialogue, &admin, &payment).await;
    deleting(&mut dialogue, &admin, &weak, &payment).await;
    blocked(&mut dialogue).await;
    insta::assert_snapshot!("answers", dialogue.redacted());
}

fn cookie(answer: &TestResponse, name: &str) -> String {
    answer.cookie(name).expect("the cookie").split(';').next().unwrap().to_owned()
}

async fn signing_in(dialogue: &mut Dialogue<'_>) {
    let login = dialogue.post("", "/auth/login", &json!({ "name": "root", "pin": "481516" })).await;
    dialogue.post("", "/auth/login", &json!({ "name": "root", "pin": "4711" })).await;
    dialogue.post("", "/auth/login", &json!({ "name": "root" })).await;
    let (access, refresh) = (cookie(&login, "accessToken"), cookie(&login, "refreshToken"));
    dialogue.exchange(Method::GET, "/users/me", &[("cookie", &access)], "").await;
    dialogue.get("", "/users/me").await;
    dialogue.exchange(Method::POST, "/auth/refresh", &[("cookie", &refresh)], "").await;
    dialogue.exchange(Method::POST, "/auth/refresh", &[], "").await;
    let origin = [("cookie", access.as_str()), ("host", "pay.example"), ("origin", "https://evil.example")];
    dialogue.exchange(Method::POST, "/auth/logout", &origin, "").await;
    dialogue.exchange(Method::POST, "/auth/logout", &[("cookie", &access)], "").await;
    dialogue.exchange(Method::POST, "/auth/refresh", &[("cookie", &refresh)], "").await;
}

async fn staff(dialogue: &mut Dialogue<'_>, admin: &str, weak: &str) {
    let cashier = json!({ "role": "Cashier" });
    let role = dialogue.post(admin, "/roles", &cashier).await.id();
    dialogue.post(admin, "/roles", &cashier).await;
    dialogue.post(admin, "/roles", &json!({ "role": "" })).await;
    dialogue.post(weak, "/roles", &cashier).await;
    let role_path = format!("/roles/{role}");
    let granted = format!("{role_path}/permissions");
    dialogue.put(admin, &granted, &json!({ "permissions": ["payments_read", "payments_create"] })).await;
    dialogue.put(admin, &granted, &json!({ "permissions": ["payments_fly"] })).await;
    dialogue.get(admin, &granted).await;
    dialogue.put(admin, &role_path, &json!({ "role": "Waiter" })).await;
    dialogue.get(admin, &role_path).await;
    dialogue.get(admin, "/roles").await;
    dialogue.get(admin, "/permissions").await;
    let ada = json!({ "name": "ada", "pin": "4711", "role": role });
    let user = format!("/users/{}", dialogue.post(admin, "/users", &ada).await.id());
    for refused in [ada, json!({ "name": "bob", "pin": "123", "role": role }), json!({ "name": "bob" })] {
        dialogue.post(admin, "/users", &refused).await;
    }
    dialogue.post(admin, "/users", &json!({ "name": "bob", "pin": "4711", "role": Uuid::now_v7() })).await;
    dialogue.put(admin, &user, &json!({ "email": "ada@example.org", "phone": "+4930000000" })).await;
    dialogue.get(admin, &user).await;
    dialogue.get(admin, "/users").await;
    dialogue.delete(admin, &role_path).await;
    for _ in 0..2 {
        dialogue.delete(admin, &user).await;
    }
    dialogue.delete(admin, &role_path).await;
}

async fn setup(dialogue: &mut Dialogue<'_>, admin: &str, weak: &str) {
    dialogue.get("", "/initial-setup").await;
    dialogue.post("", "/initial-setup", &json!({ "userName": "eve", "userPin": "4711" })).await;
    dialogue.get("", "/base-currency").await;
    dialogue.put(admin, "/base-currency", &json!({ "acronym": "USD" })).await;
    for acronym in ["", "XYZ"] {
        dialogue.put(admin, "/base-currency", &json!({ "acronym": acronym })).await;
    }
    dialogue.put(weak, "/base-currency", &json!({ "acronym": "USD" })).await;
}

/// A payment that was taken and corrected.
async fn payments(dialogue: &mut Dialogue<'_>, token: &str, weak: &str) -> String {
    dialogue.get(token, "/payments").await;
    let id = dialogue.post(token, "/payments", &entry("till-1")).await.id();
    dialogue.post(token, "/payments", &entry("till-1")).await;
    for (field, wrong) in [("amount", json!(0)), ("method_id", json!("")), ("currency_id", json!(Uuid::now_v7()))] {
        let mut body = entry("till-2");
        body[field] = wrong;
        dialogue.post(token, "/payments", &body).await;
    }
    for token in ["", "nonsense", weak] {
        dialogue.post(token, "/payments", &entry("till-2")).await;
    }
    let path = format!("/payments/{id}");
    let other = dialogue.post(token, "/payments", &entry("")).await.id();
    dialogue.get(token, &path).await;
    dialogue.get(token, &format!("/payments/{}", Uuid::now_v7())).await;
    dialogue.get(token, "/payments").await;
    dialogue.get(token, "/payments?limit=1").await;
    dialogue.get(token, "/payments?limit=0").await;
    let mut changed = entry("till-1");
    changed["amount"] = json!(13);
    dialogue.put(token, &path, &changed).await;
    changed["method_id"] = json!(Uuid::now_v7());
    dialogue.put(token, &path, &changed).await;
    dialogue.put(token, &format!("/payments/{other}"), &entry("till-1")).await;
    dialogue.put(token, &format!("/payments/{}", Uuid::now_v7()), &entry("till-3")).await;
    dialogue.get(token, "/payments/methods").await;
    dialogue.get(token, &format!("/payments/methods/{CASH}")).await;
    dialogue.get(token, "/payments/methods/nonsense").await;
    dialogue.get(token, &format!("/payments/currencies/{EURO}")).await;
    dialogue.get(token, "/payments/currencies/nonsense").await;
    dialogue.request(Method::PATCH, token, "/payments", &json!({})).await;
    id
}

async fn tickets(dialogue: &mut Dialogue<'_>, token: &str, payment: &str) {
    dialogue.get(token, "/tickets").await;
    let said = json!({
        "order_id": "11122afd-3dda-4455-82de-310fc94f58db", "user_id": null, "ticket_date": "2020-02-29T12:00:00Z",
        "status": 1, "total_amount": 45.5, "notes": "Cash payment",
    });
    let ticket = dialogue.post(token, "/tickets", &said).await.id();
    dialogue.post(token, "/tickets", &json!({ "status": 4 })).await;
    let path = format!("/tickets/{ticket}");
    dialogue.request(Method::PATCH, token, &path, &json!({ "status": 2 })).await;
    dialogue.get(token, &path).await;
    dialogue.get(token, "/tickets").await;
    dialogue.get(token, "/tickets/nonsense").await;

    let of_ticket = format!("{RELATIONS}/by-ticket/{ticket}");
    let relation = json!({ "payment_id": payment, "ticket_id": ticket });
    dialogue.get(token, &of_ticket).await;
    dialogue.post(token, RELATIONS, &relation).await;
    dialogue.post(token, RELATIONS, &relation).await;
    for unknown in [json!(""), json!(Uuid::now_v7())] {
        dialogue.post(token, RELATIONS, &json!({ "payment_id": unknown, "ticket_id": ticket })).await;
    }
    dialogue.get(token, &of_ticket).await;
    dialogue.get(token, &format!("{RELATIONS}/by-payment/{payment}")).await;
    dialogue.get(token, &format!("{RELATIONS}/by-ticket/nonsense")).await;
    dialogue.get(token, &format!("{RELATIONS}/by-payment/nonsense")).await;
    dialogue.delete(token, &format!("/payments/{payment}")).await;
    dialogue.delete(token, &format!("{RELATIONS}?paymentId={payment}")).await;
    for _ in 0..2 {
        dialogue.delete(token, &format!("{RELATIONS}?paymentId={payment}&ticketId={ticket}")).await;
    }
    dialogue.delete(token, &of_ticket).await;
}

async fn deleting(dialogue: &mut Dialogue<'_>, token: &str, weak: &str, payment: &str) {
    let path = format!("/payments/{payment}");
    dialogue.delete(weak, &path).await;
    for _ in 0..2 {
        dialogue.delete(token, &path).await;
    }
    let deal = dialogue.app.created(token, "order-1").await;
    dialogue.delete(token, &format!("/payments/{}", deal["id"].as_str().unwrap())).await;
}

/// The sixth wrong try from one address.
async fn blocked(dialogue: &mut Dialogue<'_>) {
    let wrong = json!({ "name": "eve", "pin": "4711" });
    for _ in 0..5 {
        dialogue.app.login("eve", "4711").await;
    }
    dialogue.post("", "/auth/login", &wrong).await;
}
