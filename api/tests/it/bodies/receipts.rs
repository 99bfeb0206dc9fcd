//! Orders, receipts and the verdicts on them, accounts, uploads, and customers' sign-in.

use fixtures::{Backend, TestDatabase};
use poem::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Dialogue;
use crate::{
    app::TestApp,
    receipts::{PAYMENTS, admin, receipt},
    receipts_customers::BOUNDARY,
};

const ORDERS: &str = "/api/orders";
const ACCOUNTS: &str = "/api/payments/accounts";

#[tokio::test(flavor = "multi_thread")]
async fn receipts_answers() {
    let folder = tempfile::tempdir().unwrap();
    let uploads_dir = folder.path().to_owned();
    let database = TestDatabase::new(Backend::Sqlite).await;
    let app = TestApp::with(database, |config| config.receipts.uploads_dir = Some(uploads_dir)).await;
    let admin = admin(&app).await;
    let mut dialogue = Dialogue::with(&app);
    let customer = signing_in(&mut dialogue).await;
    let order = ordering(&mut dialogue, &admin, &customer).await;
    reporting(&mut dialogue, &order).await;
    deciding(&mut dialogue, &admin, &customer, &order).await;
    accounts(&mut dialogue, &admin, &customer).await;
    uploads(&mut dialogue).await;
    insta::assert_snapshot!("answers", dialogue.redacted());
}

/// The token of a customer.
async fn signing_in(dialogue: &mut Dialogue<'_>) -> String {
    let ada = json!({ "email": "ada@example.org", "password": "secret" });
    let registered = dialogue.post("", "/api/auth/register", &ada).await;
    for refused in [ada.clone(), json!({ "email": "eve@example.org", "password": "short" }), json!({ "password": "x" })]
    {
        dialogue.post("", "/api/auth/register", &refused).await;
    }
    let wrong = json!({ "email": "ada@example.org", "password": "Secret" });
    for body in [ada, wrong, json!({ "email": "ada@example.org" })] {
        dialogue.post("", "/api/auth/login", &body).await;
    }
    registered.expect(200).body["token"].as_str().unwrap().to_owned()
}

/// An order that was placed.
async fn ordering(dialogue: &mut Dialogue<'_>, admin: &str, customer: &str) -> Value {
    let body = json!({ "total": 25.5, "totalBs": 930.75, "exchangeRate": 36.5, "items": [{ "name": "Tea pot" }] });
    let placed = dialogue.post("", ORDERS, &body).await;
    for refused in [json!({ "totalBs": 930.75 }), json!({ "total": 1.001, "totalBs": 36.5 })] {
        dialogue.post("", ORDERS, &refused).await;
    }
    dialogue.exchange(Method::POST, ORDERS, &[("content-type", "application/json")], "{").await;
    dialogue.exchange(Method::POST, ORDERS, &[("content-type", "text/plain")], "{}").await;
    dialogue.delete("", ORDERS).await;
    dialogue.get(admin, ORDERS).await;
    dialogue.get(admin, &format!("{ORDERS}?perPage=101")).await;
    dialogue.get("", ORDERS).await;
    dialogue.get("nonsense", ORDERS).await;
    dialogue.get(customer, ORDERS).await;
    dialogue.get("", &format!("{ORDERS}/{}", Uuid::now_v7())).await;
    placed.expect(200).body["order"].clone()
}

async fn reporting(dialogue: &mut Dialogue<'_>, order: &Value) {
    dialogue.post("", PAYMENTS, &receipt(order)).await;
    for (field, value) in [
        ("orderId", Value::Null),
        ("orderId", json!(Uuid::now_v7())),
        ("reference", json!("")),
        ("method", json!("BITCOIN")),
        ("amountReported", json!(0)),
        ("receiptUrl", json!("javascript:alert(1)")),
    ] {
        let mut body = receipt(order);
        body[field] = value;
        dialogue.post("", PAYMENTS, &body).await;
    }
    dialogue.get("", &format!("{ORDERS}/{}", order["id"].as_str().unwrap())).await;
}

async fn deciding(dialogue: &mut Dialogue<'_>, admin: &str, customer: &str, order: &Value) {
    let path = format!("{ORDERS}/{}", order["id"].as_str().unwrap());
    let confirm = json!({ "orderId": order["id"], "status": "CONFIRMED" });
    let reject = json!({ "orderId": order["id"], "status": "REJECTED", "rejectionReason": "no such transfer" });
    for token in ["", "nonsense", customer] {
        dialogue.put(token, PAYMENTS, &confirm).await;
    }
    for refused in [
        json!({ "status": "CONFIRMED" }),
        json!({ "orderId": order["id"] }),
        json!({ "orderId": order["id"], "status": "PENDING" }),
        json!({ "orderId": Uuid::now_v7(), "status": "CONFIRMED" }),
        json!({ "orderId": order["id"], "submissionId": Uuid::now_v7(), "status": "CONFIRMED" }),
    ] {
        dialogue.put(admin, PAYMENTS, &refused).await;
    }
    dialogue.put(admin, PAYMENTS, &reject).await;
    dialogue.get("", &path).await;
    dialogue.post("", PAYMENTS, &receipt(order)).await;
    dialogue.put(admin, PAYMENTS, &confirm).await;
    dialogue.get("", &path).await;
    dialogue.post("", PAYMENTS, &receipt(order)).await;
}

async fn accounts(dialogue: &mut Dialogue<'_>, admin: &str, customer: &str) {
    let account = json!({
        "type": "PAGO_MOVIL", "bankName": "Banesco", "phone": "0414-0000000", "holderName": "Tea House",
        "holderId": "J-1", "email": "pay@example.org", "accountNumber": "0134",
    });
    dialogue.get("", ACCOUNTS).await;
    for token in ["", customer] {
        dialogue.post(token, ACCOUNTS, &account).await;
    }
    dialogue.post(admin, ACCOUNTS, &json!({ "type": "x" })).await;
    let created = dialogue.post(admin, ACCOUNTS, &account).await.expect(200).body;
    let path = format!("{ACCOUNTS}/{}", created["account"]["id"].as_str().unwrap());
    dialogue.put(admin, &path, &json!({ "phone": "0414-1111111" })).await;
    dialogue.put(admin, &format!("{ACCOUNTS}/{}", Uuid::now_v7()), &json!({})).await;
    dialogue.get("", ACCOUNTS).await;
    dialogue.put(admin, &path, &json!({ "active": false })).await;
    dialogue.get("", ACCOUNTS).await;
}

async fn uploads(dialogue: &mut Dialogue<'_>) {
    let media_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [("content-type", media_type.as_str())];
    let part = |name: &str, content: &str| {
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a\"\r\n\r\n{content}\r\n\
             --{BOUNDARY}--\r\n"
        )
    };
    let uploaded = dialogue.exchange(Method::POST, "/api/upload", &headers, &part("file", "%PDF-1.7")).await;
    let url = uploaded.expect(200).body["url"].as_str().unwrap().replace("http://127.0.0.1:9154", "");
    dialogue.get("", &url).await;
    for (name, content) in [("file", "<svg><script>alert(1)</script></svg>"), ("file", "a text"), ("other", "%PDF-1.7")]
    {
        dialogue.exchange(Method::POST, "/api/upload", &headers, &part(name, content)).await;
    }
    dialogue.post("", "/api/upload", &json!({})).await;
}
