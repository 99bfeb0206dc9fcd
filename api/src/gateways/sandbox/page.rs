//! The page on which a payer approves, declines, or does nothing at all.

use maud::{DOCTYPE, Markup, html};
use payments::sessions;
use poem_openapi::{
    ApiResponse, OpenApi,
    param::Path,
    payload::{Html, PlainText},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    payments::{change, decimal, read},
    secret,
};
use crate::{problem::Refused, state::State};

/// Only our own styles. Where the browser is sent afterwards is for the shop to say.
pub(super) const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors *";

pub(crate) struct SandboxPage(pub(crate) State);

/// What a browser gets.
#[derive(ApiResponse)]
pub(crate) enum PageResponse {
    /// The page.
    #[oai(status = 200)]
    Page(Html<String>, #[oai(header = "Content-Security-Policy")] String),
    /// Onwards.
    #[oai(status = 303)]
    Onwards(PlainText<String>, #[oai(header = "Location")] String),
}

#[OpenApi(prefix_path = "/sandbox/pay")]
impl SandboxPage {
    /// The page
    #[oai(path = "/:id", method = "get", operation_id = "sandbox_page", hidden = true)]
    async fn page(&self, id: Path<Uuid>) -> Result<PageResponse, Refused<404>> {
        secret(&self.0)?;
        let known = read(&self.0, id.0).await?;
        Ok(PageResponse::Page(Html(page(known.id, &known.body).into_string()), POLICY.to_owned()))
    }

    /// The payer approves
    #[oai(path = "/:id/approve", method = "post", operation_id = "sandbox_approve", hidden = true)]
    async fn approve(&self, id: Path<Uuid>) -> Result<PageResponse, Refused<404>> {
        let pay = |body: &mut Value| {
            body["state"] = json!("captured");
            body["captured"] = body["amount"].clone();
        };
        self.act(id.0, "waiting", pay, "success_url").await
    }

    /// The payer declines
    #[oai(path = "/:id/decline", method = "post", operation_id = "sandbox_decline", hidden = true)]
    async fn decline(&self, id: Path<Uuid>) -> Result<PageResponse, Refused<404>> {
        let refuse = |body: &mut Value| {
            body["state"] = json!("failed");
            body["code"] = json!("payer_declined");
            body["message"] = json!("The payer has declined");
        };
        self.act(id.0, "waiting", refuse, "cancel_url").await
    }

    /// The payer goes away: nothing is ever told
    #[oai(path = "/:id/timeout", method = "post", operation_id = "sandbox_time_out", hidden = true)]
    async fn time_out(&self, id: Path<Uuid>) -> Result<PageResponse, Refused<404>> {
        secret(&self.0)?;
        let known = read(&self.0, id.0).await?;
        Ok(onwards(&known.body, "success_url", id.0))
    }

    /// The payer's bank takes the money back
    #[oai(path = "/:id/reverse", method = "post", operation_id = "sandbox_reverse", hidden = true)]
    async fn reverse(&self, id: Path<Uuid>) -> Result<PageResponse, Refused<404>> {
        let reverse = |body: &mut Value| {
            let left = decimal(body, "captured") - decimal(body, "refunded");
            body["reversed"] = json!(left.to_string());
        };
        self.act(id.0, "captured", reverse, "").await
    }
}

impl SandboxPage {
    /// What the payer has done, and the word of it: the sandbox is in the house and calls nobody back over HTTP.
    async fn act(
        &self,
        id: Uuid,
        from: &str,
        act: impl FnOnce(&mut Value),
        then: &str,
    ) -> Result<PageResponse, Refused<404>> {
        secret(&self.0)?;
        let known = change(&self.0, id, from, act).await?;
        let mut tx = self.0.db().begin().await?;
        let callback = sessions::Callback {
            source: known.body["source"].as_str().unwrap_or_default().to_owned(),
            event_id: None,
            reference: Some(known.reference),
            gateway_id: None,
            finds_by_id: false,
        };
        sessions::receive_callback(&mut tx, callback).await?;
        tx.commit().await?;
        Ok(onwards(&known.body, then, id))
    }
}

fn onwards(body: &Value, then: &str, id: Uuid) -> PageResponse {
    let url = body[then].as_str().map_or_else(|| format!("/sandbox/pay/{id}"), str::to_owned);
    PageResponse::Onwards(PlainText(String::new()), url)
}

fn page(payment: Uuid, body: &Value) -> Markup {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let state = match body["state"].as_str() {
        Some("waiting") => "Nobody has paid yet.",
        Some("captured") => "It is paid.",
        Some("failed") => "The payer has declined.",
        _ => "It cannot be paid any more.",
    };
    let acts: &[(&str, &str, Option<&str>)] = match body["state"].as_str() {
        Some("waiting") => {
            &[("approve", "Approve", Some("action")), ("decline", "Decline", None), ("timeout", "Time out", None)]
        }
        Some("captured") => &[("reverse", "Let the payer's bank take it back", None)],
        _ => &[],
    };
    layout(&html! {
        header {
            p #order { (text("description")) }
            h1 { (text("amount")) " " span #currency { (text("currency")) } }
            p #remaining { "Sandbox for " (text("source")) ": no money moves here" }
        }
        section #act {
            p #explanation { (state) }
            form #choice method="post" {
                @for (act, label, id) in acts {
                    button id=[*id] formmethod="post" formaction={ "/sandbox/pay/" (payment) "/" (act) } { (label) }
                }
            }
        }
    })
}

/// A whole page of the sandbox.
pub(super) fn layout(content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { "Sandbox" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/pay/assets/pay.css";
            }
            body { main { (content) } }
        }
    }
}
