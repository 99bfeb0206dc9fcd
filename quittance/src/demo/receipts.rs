//! A customer who pays by bank transfer and a shop that looks at its bank: nothing but the public API.

use anyhow::ensure;
use serde_json::{Value, json};

use super::{merchant::read, text};
use crate::{bootstrap::Bootstrap, output::print_line};

/// The shop and its customer.
struct Shop<'a> {
    http: reqwest::Client,
    first: &'a Bootstrap,
    token: String,
}

/// A receipt that is rejected, and another that is confirmed.
pub(super) async fn play(first: &Bootstrap) -> anyhow::Result<()> {
    print_line("\nAn order that is paid by bank transfer");
    let shop = Shop::sign_in(first).await?;
    let order = shop.post("/api/orders", &json!({ "total": 25.5, "totalBs": 930.75, "exchangeRate": 36.5 })).await?;
    let id = text(&order["order"], "id").to_owned();
    print_line(&format!("  ordered {}", text(&order["order"], "orderNumber")));
    for (verdict, reference) in [("REJECTED", "004211"), ("CONFIRMED", "004212")] {
        let receipt =
            json!({ "orderId": id, "method": "PAGO_MOVIL", "amountReported": 930.75, "reference": reference });
        let reported = shop.post("/api/payments", &receipt).await?;
        shop.expect(&id, "REPORTED").await?;
        let mut decision = json!({ "orderId": id, "status": verdict, "rejectionReason": "no such transfer" });
        decision["submissionId"] = reported["submissionId"].clone();
        let url = format!("{}/api/payments", shop.first.base_url);
        read(shop.http.put(url).bearer_auth(&shop.token).json(&decision).send().await).await?;
        shop.expect(&id, verdict).await?;
    }
    Ok(())
}

impl<'a> Shop<'a> {
    /// The back office; customers need not sign in.
    async fn sign_in(first: &'a Bootstrap) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(30)).build()?;
        let credentials = json!({ "email": first.admin.email, "password": first.admin.password });
        let url = format!("{}/api/auth/login", first.base_url);
        let answer = http.post(url).json(&credentials).send().await?;
        let cookies = answer.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
        let token = cookies.filter_map(|cookie| cookie.strip_prefix("krafta-token=")?.split(';').next()).next();
        ensure!(token.is_some(), "the back office cannot sign in: {}", answer.status());
        let token = token.unwrap_or_default().to_owned();
        Ok(Self { http, first, token })
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        read(self.http.post(format!("{}{path}", self.first.base_url)).json(body).send().await).await
    }

    /// The order's status, as its customer sees it.
    async fn expect(&self, id: &str, wanted: &str) -> anyhow::Result<()> {
        let answer = read(self.http.get(format!("{}/api/orders/{id}", self.first.base_url)).send().await).await?;
        let status = text(&answer["order"], "status");
        ensure!(status == wanted, "order {id} is {status} and not {wanted}");
        print_line(&format!("  {wanted}"));
        Ok(())
    }
}
