//! A signed-in merchant and the payments it posts.

use anyhow::Context;
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::{Connection, request};

/// Whom the deals pay out to: an address that nobody has the key of.
pub(crate) const PAYEE: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";

/// An integration with its token.
pub(crate) struct Merchant {
    pub(crate) address: String,
    token: String,
    bootstrap: Value,
}

impl Merchant {
    pub(crate) async fn sign_in(address: &str, bootstrap: &Value) -> anyhow::Result<Self> {
        let mut connection = Connection::open(address).await?;
        let tokens = connection.post("/api/v1/auth/authenticate", &bootstrap["integration"]).await?;
        let token = tokens["access_token"].as_str().context("the sign-in gives an access token")?.to_owned();
        Ok(Self { address: address.to_owned(), token, bootstrap: bootstrap.clone() })
    }

    /// The bytes of the request that creates a payment.
    pub(crate) fn create(&self, external_id: &str) -> Vec<u8> {
        let body = json!({
            "external_id": external_id,
            "node_id": self.bootstrap["node_id"],
            "network_id": self.bootstrap["network_id"],
            "currency_id": self.bootstrap["currencies"]["USDT"],
            "price": 1.25,
            "paid_price": 1.25,
            "payment_method": "web3",
            "payment_group": "product",
            "payment_address": PAYEE,
            "expires_at": Utc::now() + TimeDelta::hours(6),
        });
        request("POST", "/api/v1/payments", &self.authorization(), &body.to_string())
    }

    /// The header line that says who asks.
    pub(crate) fn authorization(&self) -> String {
        format!("authorization: Bearer {}\r\n", self.token)
    }

    /// One of the ids that the bootstrap prints.
    pub(crate) fn id(&self, name: &str) -> anyhow::Result<Uuid> {
        let value = if name == "currency_id" { &self.bootstrap["currencies"]["USDT"] } else { &self.bootstrap[name] };
        value.as_str().and_then(|id| id.parse().ok()).with_context(|| format!("the bootstrap tells no {name}"))
    }
}
