//! The merchant's side of the demo: nothing but the public API.

use anyhow::{Context, bail};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::text;
use crate::bootstrap::Bootstrap;

/// A signed-in merchant.
pub(super) struct Merchant {
    http: reqwest::Client,
    first: Bootstrap,
    token: String,
    payee: String,
    created: u32,
}

impl Merchant {
    pub(super) async fn sign_in(first: Bootstrap, payee: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(30)).build()?;
        let credentials = json!({ "api_key": first.integration.api_key, "secret_key": first.integration.secret_key });
        let url = format!("{}/api/v1/auth/authenticate", first.base_url);
        let tokens = read(http.post(&url).json(&credentials).send().await).await?;
        let token = text(&tokens, "access_token").to_owned();
        Ok(Self { http, first, token, payee: payee.to_owned(), created: 0 })
    }

    pub(super) async fn create(&mut self) -> anyhow::Result<Value> {
        self.created += 1;
        let body = json!({
            "external_id": format!("demo-{}-{}", Utc::now().timestamp_millis(), self.created),
            "node_id": self.first.node_id,
            "network_id": self.first.network_id,
            "currency_id": self.first.currencies.get("USDT"),
            "price": 10.5,
            "paid_price": 10.5,
            "payment_method": "web3",
            "payment_group": "product",
            "payment_address": self.payee,
            "expires_at": Utc::now() + TimeDelta::hours(1),
        });
        let url = format!("{}/api/v1/payments", self.first.base_url);
        read(self.http.post(url).bearer_auth(&self.token).json(&body).send().await).await
    }

    pub(super) async fn get(&self, payment: &Value) -> anyhow::Result<Value> {
        read(self.http.get(self.url(payment, "")).bearer_auth(&self.token).send().await).await
    }

    pub(super) async fn post(&self, payment: &Value, command: &str) -> anyhow::Result<Value> {
        let url = self.url(payment, &format!("/{command}"));
        read(self.http.post(url).bearer_auth(&self.token).json(&json!({})).send().await).await
    }

    /// What the payer's browser is given.
    pub(super) async fn widget(&self, payment: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/api/v1/widget/payments/{}", self.first.base_url, text(payment, "id"));
        read(self.http.get(url).bearer_auth(text(payment, "access_token")).send().await).await
    }

    /// The names of the numbered log rows, oldest first.
    pub(super) async fn transitions(&self, payment: &Value) -> anyhow::Result<Vec<String>> {
        let url = self.url(payment, "/logs?per_page=100");
        let page = read(self.http.get(url).bearer_auth(&self.token).send().await).await?;
        let rows = page["items"].as_array().context("the log has no items")?;
        let events = rows.iter().rev().map(|row| text(row, "event_type").to_owned());
        Ok(events.filter(|event| event.starts_with("payment.")).collect())
    }

    fn url(&self, payment: &Value, rest: &str) -> String {
        format!("{}/api/v1/payments/{}{rest}", self.first.base_url, text(payment, "id"))
    }
}

pub(super) async fn read(answer: reqwest::Result<reqwest::Response>) -> anyhow::Result<Value> {
    let answer = answer.context("the instance does not answer; is it running?")?;
    let (status, url) = (answer.status(), answer.url().clone());
    let body: Value = answer.json().await.with_context(|| format!("{url} answered {status} without JSON"))?;
    if !status.is_success() {
        bail!("{url} answered {status}: {body}");
    }
    Ok(body)
}
