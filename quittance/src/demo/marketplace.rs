//! A seller with a connected account, from its opening to the payout: nothing but the public API and the sandbox's page.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::{merchant::read, text};
use crate::{bootstrap::Bootstrap, output::print_line};

/// The shop's back office, and its storefront.
struct Shop<'a> {
    http: reqwest::Client,
    first: &'a Bootstrap,
    token: String,
    patience: Duration,
}

/// An account is opened, an order paid by card and refunded in part, and the seller paid out.
pub(super) async fn play(first: &Bootstrap, patience: Duration) -> anyhow::Result<()> {
    print_line("\nA seller's account, a card payment, a refund and a payout at the sandbox");
    let shop = Shop::sign_in(first, patience).await?;
    let onboarding = shop.request("/api/payments/connect/onboard", &details()).await;
    if onboarding.as_ref().is_ok_and(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE) {
        print_line("  no card processor is there; the sandbox is gateways.sandbox.enabled");
        return Ok(());
    }
    let account = read(onboarding).await?;
    if text(&account, "status") != "active" {
        print_line("  the card processor wants to know more of the seller");
        return Ok(());
    }
    print_line(&format!("  account {} is active", text(&account, "account_id")));
    let order = shop.post("/api/orders", &json!({ "total": 100, "totalBs": 3650 })).await?;
    let (id, number) = (text(&order["order"], "id").to_owned(), &order["order"]["number"]);
    let intent = shop.post("/api/payments/create-intent", &json!({ "order_id": number })).await?;
    print_line(&format!(
        "  intent over {} cents, of which the platform keeps {}",
        intent["amount_cents"], intent["platform_fee_cents"]
    ));
    let page = format!("{}/sandbox/pay/{}", first.base_url, text(&intent, "payment_intent_id"));
    let approved = shop.http.post(format!("{page}/approve")).send().await?;
    ensure!(!approved.status().is_client_error(), "the sandbox answers {}", approved.status());
    shop.expect(&id, "CONFIRMED").await?;
    print_line("  paid by card");
    let part = json!({ "order_id": number, "amount_cents": 2500, "reason": "One plate was broken" });
    let refund = shop.post("/api/payments/refund", &part).await?;
    print_line(&format!("  refund of {} cents is {}", refund["amount_cents"], text(&refund, "status")));
    let payout = shop.post("/api/payments/connect/payout?amount=5000", &json!({})).await?;
    print_line(&format!("  payout of {} cents is {}", payout["amount"], text(&payout, "status")));
    let rest = shop.post("/api/payments/refund", &json!({ "order_id": number })).await?;
    shop.expect(&id, "REFUNDED").await?;
    print_line(&format!(
        "  the other {} cents are refunded; `quittance ledger` shows what is owed",
        rest["amount_cents"]
    ));
    Ok(())
}

fn details() -> Value {
    json!({
        "business_name": "Olive & Thyme", "first_name": "Ana", "last_name": "Reis", "email": "ana@olive.example",
        "phone": "+351912345678", "dob": "1990-05-17", "address": "Rua das Flores 7", "city": "Porto",
        "postal_code": "4050-262", "nif": "123456789", "iban": "PT50000201231234567890154", "tos_accepted": true,
    })
}

impl<'a> Shop<'a> {
    async fn sign_in(first: &'a Bootstrap, patience: Duration) -> anyhow::Result<Self> {
        let no_redirects = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).redirect(no_redirects).build()?;
        let credentials = json!({ "email": first.admin.email, "password": first.admin.password });
        let answer = http.post(format!("{}/api/auth/login", first.base_url)).json(&credentials).send().await?;
        let cookies = answer.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
        let token = cookies.filter_map(|cookie| cookie.strip_prefix("krafta-token=")?.split(';').next()).next();
        ensure!(token.is_some(), "the back office cannot sign in: {}", answer.status());
        let token = token.unwrap_or_default().to_owned();
        Ok(Self { http, first, token, patience })
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        read(self.request(path, body).await).await
    }

    async fn request(&self, path: &str, body: &Value) -> reqwest::Result<Response> {
        let request = self.http.post(format!("{}{path}", self.first.base_url)).bearer_auth(&self.token);
        request.json(body).send().await
    }

    /// Waits until the order has this status.
    async fn expect(&self, id: &str, wanted: &str) -> anyhow::Result<()> {
        let until = Instant::now() + self.patience;
        loop {
            let url = format!("{}/api/orders/{id}", self.first.base_url);
            let answer = read(self.http.get(url).bearer_auth(&self.token).send().await).await?;
            match text(&answer["order"], "status") {
                status if status == wanted => return Ok(()),
                _ if Instant::now() < until => tokio::time::sleep(Duration::from_millis(100)).await,
                status => bail!("order {id} is {status} and not {wanted}"),
            }
        }
    }
}
