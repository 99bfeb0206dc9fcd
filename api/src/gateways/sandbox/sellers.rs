//! The page of a seller's account, as a card processor has one: what it may do, and what it still has to tell.

use chrono::{DateTime, Utc};
use entities::now;
use maud::{Markup, html};
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
    page::{POLICY, PageResponse, layout},
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
    async fn page(&self, id: Path<Uuid>, once: Query<Option<String>>) -> Result<PageResponse, Refused<404>> {
        secret(&self.0)?;
        let tx = self.0.db().begin().await?;
        let account = by_id(&tx, ACCOUNT, id.0).await?;
        // Without the link there is nothing: its owner alone has it.
        let account = account.filter(|account| is_let_in(&account.body, once.0.as_deref()));
        let account = account.ok_or_else(|| Problem::not_found("Account"))?;
        Ok(PageResponse::Page(Html(page(&account.body).into_string()), POLICY.to_owned()))
    }
}

fn is_let_in(body: &Value, once: Option<&str>) -> bool {
    let login = &body[LOGIN];
    let until = login["until"].as_str().and_then(|until| until.parse::<DateTime<Utc>>().ok());
    let known = login["once"].as_str().unwrap_or_default();
    let same = bool::from(once.unwrap_or_default().as_bytes().ct_eq(known.as_bytes()));
    same && !known.is_empty() && until.is_some_and(|until| now() < until)
}

fn page(body: &Value) -> Markup {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let may = |name: &str| if body[name] == true { "yes" } else { "not yet" };
    let due = body["requirements_due"].as_array().map(Vec::as_slice).unwrap_or_default();
    layout(&html! {
        header {
            p #order { "Account of a seller" }
            h1 { (text("business_name")) }
            p #remaining { "Sandbox: no money moves here" }
        }
        section {
            p { "Payments can be taken: " (may("charges_enabled")) }
            p { "It can be paid out: " (may("payouts_enabled")) }
            p { "Payouts go to the bank account that ends in " (text("iban_ends_in")) "." }
            p { "What has to be told:" }
            @if due.is_empty() {
                p { "Nothing is missing." }
            } @else {
                ul { @for due in due { li { (due.as_str().unwrap_or_default()) } } }
            }
        }
    })
}
