//! A shop whose customers pay on our page, and browsers without scripts: nothing but what is public.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use super::{merchant::read, text};
use crate::{bootstrap::Bootstrap, output::print_line};

/// The shop, and its customer's browser, which follows no redirect by itself.
struct Shop<'a> {
    http: reqwest::Client,
    base_url: &'a str,
    token: String,
    patience: Duration,
}

/// A payment that is approved at the gateway, one that is canceled, and one that the gateway declines.
pub(super) async fn play(first: &Bootstrap, patience: Duration) -> anyhow::Result<()> {
    print_line("\nA hosted checkout, paid at the sandbox");
    let shop = Shop::sign_in(first, patience).await?;
    let paid = shop.create("15000").await?;
    if paid["plan"]["options"].as_array().is_none_or(Vec::is_empty) {
        print_line(
            "  no gateway serves this shop, and the sandbox is switched off (gateways.sandbox.enabled): nothing to pay with",
        );
        return Ok(());
    }
    print_line("  created, and its page shown");
    let gateway = shop.choose(&paid).await?;
    let back = shop.press(&format!("{gateway}/approve")).await?;
    let page = shop.press_link(&back).await?;
    ensure!(page == text(&paid["billing"], "submitUrl"), "the browser came back to {page}");
    shop.expect(&paid, "completed").await?;
    let thanks = shop.press_link(&page).await?;
    ensure!(thanks.starts_with("https://shop.example/thanks?paymentId="), "the browser went to {thanks}");
    print_line("  approved, completed, and back at the shop");

    let canceled = shop.create("2500").await?;
    shop.post(&format!("/v1/payments/{}/cancel", text(&canceled, "id")), &json!({})).await?;
    shop.expect(&canceled, "canceled").await?;
    print_line("  canceled");

    let declined = shop.create("2513").await?;
    let url = format!("{}/v1/payments/{}/submit", shop.base_url, text(&declined, "id"));
    let answer = shop.http.post(url).bearer_auth(&shop.token).json(&json!({ "source": "STR" })).send().await?;
    ensure!(answer.status() == 400, "a gateway that declines is answered {}", answer.status());
    shop.expect(&declined, "failed").await?;
    print_line("  declined");
    Ok(())
}

impl<'a> Shop<'a> {
    async fn sign_in(first: &'a Bootstrap, patience: Duration) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).redirect(Policy::none()).build()?;
        let integration = &first.integration;
        // Our keys have no character that a form would have to escape.
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            integration.api_key, integration.secret_key
        );
        let request = http.post(format!("{}/v1/token", first.base_url));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let token = text(&read(request.send().await).await?, "access_token").to_owned();
        Ok(Self { http, base_url: &first.base_url, token, patience })
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}{path}", self.base_url)).bearer_auth(&self.token);
        read(request.json(body).send().await).await
    }

    async fn create(&self, value: &str) -> anyhow::Result<Value> {
        let body = json!({
            "purchase": { "total": { "value": value, "currency": "KMF" } },
            "context": { "locale": "fr-KM" },
            "cancelUrl": "https://shop.example/canceled",
            "successUrl": "https://shop.example/thanks",
        });
        let created = self.post("/v1/payments", &body).await?;
        let page = self.http.get(text(&created, "next")).send().await?;
        ensure!(page.status().is_success(), "the payer's page answers {}", page.status());
        Ok(created["data"].clone())
    }

    /// What the payer's form does; where the gateway's page is.
    async fn choose(&self, payment: &Value) -> anyhow::Result<String> {
        let page_url = text(&payment["billing"], "submitUrl");
        let page = self.http.get(page_url).send().await?.text().await?;
        let (_, rest) = page.split_once(r#"name="token" value=""#).context("the page has no form")?;
        let form = format!("source=STR&token={}", rest.split('"').next().unwrap_or_default());
        let request = self.http.post(format!("{page_url}/submit"));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        location(&request.send().await?)
    }

    async fn press(&self, url: &str) -> anyhow::Result<String> {
        location(&self.http.post(url).send().await?)
    }

    async fn press_link(&self, url: &str) -> anyhow::Result<String> {
        location(&self.http.get(url).send().await?)
    }

    /// Waits until the shop sees the payment in this state.
    async fn expect(&self, payment: &Value, wanted: &str) -> anyhow::Result<()> {
        let url = format!("{}/v1/payments/{}", self.base_url, text(payment, "id"));
        let deadline = Instant::now() + self.patience;
        loop {
            let shown = read(self.http.get(&url).bearer_auth(&self.token).send().await).await?;
            let status = text(&shown, "status");
            if status == wanted {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "payment {} is {status} and not {wanted}", text(payment, "id"));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The address that a response sends the browser to.
fn location(answer: &reqwest::Response) -> anyhow::Result<String> {
    let location = answer.headers().get("location").and_then(|location| location.to_str().ok());
    location.map(str::to_owned).with_context(|| format!("{} answered {}", answer.url(), answer.status()))
}
