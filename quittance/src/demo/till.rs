//! A till: what it takes itself, a bill that two payments share, and an invoice of the Lightning network that is paid at
//! the sandbox node. Nothing but the public API.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::{merchant::read, text};
use crate::{bootstrap::Bootstrap, output::print_line};

/// Somebody who has signed in at a till.
struct Till<'a> {
    http: reqwest::Client,
    first: &'a Bootstrap,
    token: String,
}

/// Cash, a card, and an invoice, which together cover two tickets.
pub(super) async fn play(first: &Bootstrap, patience: Duration) -> anyhow::Result<()> {
    print_line("\nA till that takes cash, a card and a Lightning payment");
    let till = Till::sign_in(first).await?;
    let methods = till.get("/payments/methods").await?;
    let currencies = till.get("/payments/currencies").await?;
    print_line(&format!("  {} methods and {} currencies", count(&methods), count(&currencies)));
    let (cash, card) = (named(&methods, "name", "Cash")?, named(&methods, "name", "Credit Card")?);
    let euro = named(&currencies, "acronym", "EUR")?;
    let (seven, eight) = (till.ticket("table 7").await?, till.ticket("table 8").await?);
    let run = uuid::Uuid::now_v7();
    for (method, amount, tickets) in [(&cash, 20, vec![&seven]), (&card, 42, vec![&seven, &eight])] {
        let entry = json!({
            "method_id": method, "currency_id": euro, "transaction_id": format!("demo-{run}-{amount}"), "amount": amount,
        });
        let payment = till.post("/payments", &entry).await?;
        for ticket in tickets {
            let relation = json!({ "payment_id": payment["id"], "ticket_id": ticket });
            till.post("/payments/ticket-payments", &relation).await?;
        }
        print_line(&format!("  took {amount} EUR"));
    }
    let covered = till.get(&format!("/payments/ticket-payments/by-ticket/{seven}")).await?;
    ensure!(count(&covered) == 2, "two payments cover table 7, and not {}", count(&covered));
    print_line("  two payments cover table 7, one of them table 8 as well");
    till.lightning(&euro, &eight, patience).await
}

impl<'a> Till<'a> {
    /// As people do, with name and PIN.
    async fn sign_in(first: &'a Bootstrap) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        let credentials = json!({ "name": first.admin.name, "pin": first.admin.pin });
        let answer = http.post(format!("{}/auth/login", first.base_url)).json(&credentials).send().await?;
        let cookies = answer.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
        let token = cookies.filter_map(|cookie| cookie.strip_prefix("accessToken=")?.split(';').next()).next();
        let token = token.with_context(|| format!("the till cannot sign in: {}", answer.status()))?.to_owned();
        Ok(Self { http, first, token })
    }

    async fn lightning(&self, euro: &str, ticket: &str, patience: Duration) -> anyhow::Result<()> {
        let wanted = json!({ "amount": 9.5, "currency_id": euro, "ticket_id": ticket });
        let url = format!("{}/payments/lightning/invoices", self.first.base_url);
        let answer = self.http.post(url).bearer_auth(&self.token).json(&wanted).send().await?;
        if answer.status() == reqwest::StatusCode::BAD_REQUEST {
            let refused: Value = answer.json().await?;
            print_line(&format!("  no invoice: {}", text(&refused, "message")));
            return Ok(());
        }
        let invoice = read(Ok(answer)).await?;
        print_line(&format!("  invoice over {} sat for 9.5 EUR: {}", invoice["amount_sat"], text(&invoice, "bolt11")));
        let pay = format!("/sandbox/lightning/invoices/{}/pay", text(&invoice, "payment_hash"));
        self.post(&pay, &json!({})).await.context("only invoices of the sandbox node can be paid here")?;
        print_line("  paid at the sandbox node");
        let until = Instant::now() + patience;
        let path = format!("/api/v1/payments/{}", text(&invoice, "payment_id"));
        loop {
            let payment = self.get(&path).await?;
            match text(&payment, "status") {
                "completed" => break,
                "open" if Instant::now() < until => tokio::time::sleep(Duration::from_millis(100)).await,
                other => bail!("the payment is {other} and not completed"),
            }
        }
        print_line("  completed by the node's callback");
        Ok(())
    }

    async fn ticket(&self, name: &str) -> anyhow::Result<String> {
        Ok(text(&self.post("/tickets", &json!({ "name": name })).await?, "id").to_owned())
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.request(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.request(Method::POST, path, Some(body)).await
    }

    async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.first.base_url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        read(request.send().await).await
    }
}

fn count(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}

/// The id of the first with this name, of no chain where currencies are meant.
fn named(list: &Value, field: &str, name: &str) -> anyhow::Result<String> {
    let found = list.as_array().into_iter().flatten().find(|one| text(one, field) == name);
    Ok(text(found.with_context(|| format!("there is no {name}"))?, "id").to_owned())
}
