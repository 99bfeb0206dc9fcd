//! The built-in card processor at which sellers have accounts. It opens them at once, and moves no money.
//!
//! A business with `restricted` in its name has to hand in more. Payouts arrive after they were polled once; those of
//! amounts that end in 13 come back, and those that end in 14 are not answered in time although they were carried out.

use chrono::{DateTime, NaiveDate, Utc};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::{Account, Error, PaidOut, Payout, PayoutState, Processor, SandboxConfig, Seller, sandbox::SandboxClient};

/// The sandbox as a card processor.
#[derive(Clone)]
pub struct SandboxProcessor(SandboxClient);

/// An account as the routes return it.
#[derive(Deserialize)]
struct SandboxAccount {
    id: String,
    charges_enabled: bool,
    payouts_enabled: bool,
    requirements_due: Vec<String>,
}

/// A payout as the routes return it.
#[derive(Deserialize)]
struct SandboxPayout {
    id: String,
    state: String,
    arrival_date: Option<NaiveDate>,
    code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct LoginLink {
    url: String,
}

impl SandboxProcessor {
    /// Plays the processor.
    ///
    /// # Errors
    /// The system has no certificates of authorities; the process cannot start.
    pub fn new(config: &SandboxConfig) -> Result<Self, reqwest::Error> {
        SandboxClient::new(config).map(Self)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Option<T>, Error> {
        let Some(body) = self.0.call(method, path, body).await? else { return Ok(None) };
        serde_json::from_value(body).map(Some).map_err(|error| Error::Unknown(error.to_string()))
    }
}

fn not_found() -> Error {
    Error::Unknown("the sandbox does not know the account any more".to_owned())
}

fn account(account: SandboxAccount) -> Account {
    let SandboxAccount { id, charges_enabled, payouts_enabled, requirements_due } = account;
    Account { id, charges_enabled, payouts_enabled, requirements_due }
}

fn paid_out(payout: SandboxPayout) -> Result<PaidOut, Error> {
    let state = match payout.state.as_str() {
        "pending" => PayoutState::Pending,
        "paid" => PayoutState::Paid,
        "failed" => {
            PayoutState::Failed { code: payout.code.unwrap_or_default(), message: payout.message.unwrap_or_default() }
        }
        other => return Err(Error::Unknown(format!("the sandbox says {other}"))),
    };
    Ok(PaidOut { id: payout.id, state, arrival_date: payout.arrival_date })
}

#[async_trait::async_trait]
impl Processor for SandboxProcessor {
    async fn put_account(&self, seller: &Seller, known: Option<&str>) -> Result<Account, Error> {
        let iban = seller.iban.expose_secret();
        let body = json!({
            "reference": seller.reference,
            "account": known,
            "business_name": seller.business_name,
            "email": seller.email,
            "country": seller.country,
            "iban_ends_in": iban.get(iban.len().saturating_sub(4)..),
            "told_at": seller.told_at,
        });
        self.call(Method::POST, "/accounts", Some(body)).await?.map(account).ok_or_else(not_found)
    }

    async fn find_account(&self, reference: Uuid, _: DateTime<Utc>) -> Result<Option<Account>, Error> {
        let found = self.call(Method::GET, &format!("/accounts?reference={reference}"), None).await?;
        Ok(found.map(account))
    }

    async fn account(&self, id: &str) -> Result<Account, Error> {
        self.call(Method::GET, &format!("/accounts/{id}"), None).await?.map(account).ok_or_else(not_found)
    }

    async fn login_link(&self, id: &str) -> Result<Url, Error> {
        let link: LoginLink =
            self.call(Method::POST, &format!("/accounts/{id}/login-links"), None).await?.ok_or_else(not_found)?;
        link.url.parse().map_err(|_| Error::Unknown("the sandbox's link is none".to_owned()))
    }

    async fn pay_out(&self, payout: &Payout) -> Result<PaidOut, Error> {
        let body = json!({
            "reference": payout.reference,
            "amount": payout.amount.value.to_string(),
            "currency": payout.amount.currency,
            "decimals": payout.amount.decimals,
        });
        let path = format!("/accounts/{}/payouts", payout.account);
        paid_out(self.call(Method::POST, &path, Some(body)).await?.ok_or_else(not_found)?)
    }

    async fn look_up_payout(&self, payout: &Payout) -> Result<Option<PaidOut>, Error> {
        let path = format!("/payouts?reference={}", payout.reference);
        self.call(Method::GET, &path, None).await?.map(paid_out).transpose()
    }
}
