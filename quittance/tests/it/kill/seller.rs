//! A Lightning invoice, and a seller's account, a card payment, a refund and a payout at the sandbox, while a process of
//! ours dies.

use std::time::{Duration, Instant};

use entities::PaymentStatus;
use payments::ledger;
use queue::Database;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use super::drive::Outside;
use crate::merchant::http;

/// How long a payment by card may take to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

impl Outside {
    /// Does all of it, always the same, and tells whether every request was answered.
    pub(super) async fn sell(&self, key: &str) -> bool {
        self.try_to_sell(key).await.is_some()
    }

    /// None as soon as an answer does not come.
    async fn try_to_sell(&self, key: &str) -> Option<()> {
        let seller = json!({
            "business_name": "Olive & Thyme", "first_name": "Ana", "last_name": "Reis", "email": "ana@olive.example",
            "dob": "1990-05-17", "address": "Rua das Flores 7", "city": "Porto", "postal_code": "4050-262",
            "nif": "123456789", "iban": "PT50000201231234567890154", "tos_accepted": true,
        });
        let account = self.ask("/api/payments/connect/onboard", &seller, None).await?;
        if account["status"] != "active" {
            return None;
        }
        let body = json!({ "total": 100, "totalBs": 100 });
        let order = self.ask("/api/orders", &body, Some(&format!("{key}-order"))).await?["order"].clone();
        self.want(&[format!("{}/card", order["orderNumber"].as_str().unwrap())], PaymentStatus::Paid);
        let order_id = json!({ "order_id": order["number"] });
        let intent = self.ask("/api/payments/create-intent", &order_id, None).await?;
        // Paid already is paid as well.
        if let Some(id) = intent["payment_intent_id"].as_str() {
            let page = format!("{}/sandbox/pay/{id}/approve", self.merchant.base_url);
            http().post(page).send().await.ok()?;
        }
        let refund = json!({ "order_id": order["number"], "amount_cents": 2_500 });
        let until = Instant::now() + PATIENCE;
        while self.ask("/api/payments/refund", &refund, Some(&format!("{key}-refund"))).await?["refund_id"].is_null() {
            // Refused as long as the payment is not seen.
            if Instant::now() > until {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let payout = "/api/payments/connect/payout?amount=5000";
        let paid = self.ask(payout, &json!({}), Some(&format!("{key}-payout"))).await?;
        paid["payout_id"].is_string().then_some(())
    }

    /// Asks for an invoice, always the same one, and has it paid at the sandbox node.
    pub(super) async fn invoice(&self, key: &str) -> bool {
        let body = json!({ "amount": 0.00001, "currency_id": "00000000-0000-7000-8000-0000c0000b7c" });
        let invoice = match self.merchant.try_post("/payments/lightning/invoices", &body, Some(key)).await {
            Ok((201, invoice)) => invoice,
            Ok((409, _)) => {
                self.let_the_claim_run_out().await;
                return false;
            }
            Ok((503, _)) | Err(_) => return false,
            Ok((status, problem)) => panic!("{key}: {status} {problem}"),
        };
        self.want(&[invoice["payment_id"].as_str().unwrap().to_owned()], PaymentStatus::Completed);
        let pay = format!("/sandbox/lightning/invoices/{}/pay", invoice["payment_hash"].as_str().unwrap());
        // Paid already is paid as well.
        matches!(self.merchant.try_post(&pay, &json!({}), None).await, Ok((200 | 409, _)))
    }

    /// An answer of the contract's: what was asked for, or why not.
    async fn ask(&self, path: &str, body: &Value, key: Option<&str>) -> Option<Value> {
        match self.merchant.try_post(path, body, key).await {
            // The process that was asked first has died with the key in hand.
            Ok((409, answer)) if answer.to_string().contains("still under way") => {
                self.let_the_claim_run_out().await;
                None
            }
            Ok((200 | 409, answer)) => Some(answer),
            Ok((503, _)) | Err(_) => None,
            Ok((status, answer)) => panic!("{path}: {status} {answer}"),
        }
    }
}

/// What is not with sellers' money as it was promised.
pub(super) async fn wrong(db: &Database) -> Vec<String> {
    let mut wrong = Vec::new();
    let check = ledger::check(db).await.unwrap();
    if !check.is_clean() {
        wrong.push(format!("the ledger does not add up: {check:?}"));
    }
    for (kind, rows) in [
        (
            "refund",
            "SELECT (SELECT COUNT(*) FROM refunds WHERE status = 'succeeded') + (SELECT COUNT(*) FROM gateway_sessions \
             WHERE status = 'captured' AND account IS NULL AND refunded = captured) AS rows",
        ),
        ("payout", "SELECT COUNT(*) AS rows FROM payouts WHERE status = 'paid'"),
        ("account", "SELECT COUNT(*) AS rows FROM connected_accounts WHERE status = 'synced'"),
    ] {
        let remembered = format!("SELECT COUNT(*) AS rows FROM sandbox_objects WHERE kind = '{kind}'");
        let (ours, theirs) = (count(db, rows).await, count(db, &remembered).await);
        if ours != theirs {
            wrong.push(format!("{ours} of kind {kind} are done here, and {theirs} at the sandbox"));
        }
    }
    let open = "SELECT COUNT(*) AS rows FROM (SELECT id FROM refunds WHERE status IN ('asked', 'sent') \
                UNION ALL SELECT id FROM payouts WHERE status IN ('asked', 'sent')) AS open";
    let open = count(db, open).await;
    if open > 0 {
        wrong.push(format!("{open} refunds or payouts have no end"));
    }
    wrong
}

pub(super) async fn count(db: &Database, sql: &str) -> i64 {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    row.unwrap().try_get("", "rows").unwrap()
}
