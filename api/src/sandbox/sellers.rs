//! The page of a seller's account, as a card processor has one: what it may do, and what it still has to tell.

use chrono::{DateTime, Utc};
use entities::now;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Html,
};
use serde_json::Value;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{
    accounts::{ACCOUNT, LOGIN},
    by_id,
    page::{POLICY, Shown, escaped},
    secret,
};
use crate::{
    problem::{Problem, Refused},
    state::State,
};

pub(crate) struct SandboxSellers(pub(crate) State);

#[OpenApi(prefix_path = "/sandbox/sellers")]
impl SandboxSellers {
    /// The page
    #[oai(path = "/:id", method = "get", operation_id = "sandbox_seller", hidden = true)]
    async fn page(&self, id: Path<Uuid>, once: Query<Option<String>>) -> Result<Shown, Refused<404>> {
        secret(&self.0)?;
        let tx = self.0.db().begin().await?;
        let account = by_id(&tx, ACCOUNT, id.0).await?;
        // Without the link there is nothing: its owner alone has it.
        let account = account.filter(|account| is_let_in(&account.body, once.0.as_deref()));
        let account = account.ok_or_else(|| Problem::not_found("Account"))?;
        Ok(Shown::Page(Html(page(&account.body)), POLICY.to_owned()))
    }
}

fn is_let_in(body: &Value, once: Option<&str>) -> bool {
    let login = &body[LOGIN];
    let until = login["until"].as_str().and_then(|until| until.parse::<DateTime<Utc>>().ok());
    let known = login["once"].as_str().unwrap_or_default();
    let same = bool::from(once.unwrap_or_default().as_bytes().ct_eq(known.as_bytes()));
    same && !known.is_empty() && until.is_some_and(|until| now() < until)
}

fn page(body: &Value) -> String {
    let text = |name: &str| escaped(body[name].as_str().unwrap_or_default());
    let may = |name: &str| if body[name] == true { "yes" } else { "not yet" };
    let due: String = body["requirements_due"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|due| format!("<li>{}</li>", escaped(due.as_str().unwrap_or_default())))
        .collect();
    let due = if due.is_empty() { "<p>Nothing is missing.</p>".to_owned() } else { format!("<ul>{due}</ul>") };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>Sandbox</title><link rel=\"icon\" href=\"data:,\">\
         <link rel=\"stylesheet\" href=\"/pay/assets/pay.css\"></head><body><main>\
         <header><p id=\"order\">Account of a seller</p><h1>{}</h1>\
         <p id=\"remaining\">Sandbox: no money moves here</p></header>\
         <section><p>Payments can be taken: {}</p><p>It can be paid out: {}</p>\
         <p>Payouts go to the bank account that ends in {}.</p><p>What has to be told:</p>{due}</section>\
         </main></body></html>",
        text("business_name"),
        may("charges_enabled"),
        may("payouts_enabled"),
        text("iban_ends_in"),
    )
}
