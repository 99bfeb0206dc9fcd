//! Sellers' accounts and payouts, as the sandbox's processor asks for them.

use chrono::TimeDelta;
use entities::{now, sandbox_object};
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    authorize, by_id, by_reference,
    payments::{SandboxResponse, TOO_LONG, amount, ends_in, object, reference},
    put, save,
};
use crate::{
    problem::{Problem, Refused},
    state::State,
};

pub(super) const ACCOUNT: &str = "account";

/// Where an account keeps the link to its page that was given out last.
pub(super) const LOGIN: &str = "login";

/// How long such a link is good.
const LOGIN_FOR: TimeDelta = TimeDelta::minutes(5);

const PAYOUT: &str = "payout";

/// What a business with this in its name has to tell.
const RESTRICTED: &str = "restricted";

pub(crate) struct SandboxAccounts(pub(crate) State);

#[OpenApi(prefix_path = "/sandbox")]
impl SandboxAccounts {
    /// Open an account, or change it
    #[oai(path = "/accounts", method = "post", operation_id = "sandbox_put_account", hidden = true)]
    async fn put(
        &self,
        authorization: Header<Option<String>>,
        body: Json<Value>,
    ) -> Result<SandboxResponse, Refused<404>> {
        authorize(&self.0, authorization.0.as_deref())?;
        let mut body = body.0;
        let restricted = body["business_name"].as_str().is_some_and(|name| name.to_lowercase().contains(RESTRICTED));
        body["charges_enabled"] = json!(!restricted);
        body["payouts_enabled"] = json!(!restricted);
        body["requirements_due"] = if restricted { json!(["individual.verification.document"]) } else { json!([]) };
        let tx = self.0.db().begin().await?;
        let (known, new) = put(&tx, ACCOUNT, reference(&body)?, body.clone()).await?;
        let known = if new { known } else { save(&tx, known, body).await? };
        tx.commit().await?;
        Ok(object(known))
    }

    /// Look for an account
    #[oai(path = "/accounts", method = "get", operation_id = "sandbox_find_account", hidden = true)]
    async fn find(
        &self,
        authorization: Header<Option<String>>,
        reference: Query<Uuid>,
    ) -> Result<SandboxResponse, Refused<404>> {
        authorize(&self.0, authorization.0.as_deref())?;
        let tx = self.0.db().begin().await?;
        let known = by_reference(&tx, ACCOUNT, reference.0).await?;
        Ok(object(known.ok_or_else(|| Problem::not_found("Account"))?))
    }

    /// Look at an account
    #[oai(path = "/accounts/:id", method = "get", operation_id = "sandbox_account", hidden = true)]
    async fn show(
        &self,
        authorization: Header<Option<String>>,
        id: Path<Uuid>,
    ) -> Result<SandboxResponse, Refused<404>> {
        authorize(&self.0, authorization.0.as_deref())?;
        Ok(object(self.account(id.0).await?))
    }

    /// A link to the processor's own pages
    #[oai(path = "/accounts/:id/login-links", method = "post", operation_id = "sandbox_login_link", hidden = true)]
    async fn login_link(
        &self,
        authorization: Header<Option<String>>,
        id: Path<Uuid>,
    ) -> Result<SandboxResponse, Refused<404>> {
        authorize(&self.0, authorization.0.as_deref())?;
        let tx = self.0.db().begin().await?;
        let account = by_id(&tx, ACCOUNT, id.0).await?.ok_or_else(|| Problem::not_found("Account"))?;
        let once = Uuid::new_v4().simple().to_string();
        let mut body = account.body.clone();
        body[LOGIN] = json!({ "once": once, "until": now() + LOGIN_FOR });
        let account = save(&tx, account, body).await?;
        tx.commit().await?;
        let base_url = self.0.checkout_links().base_url();
        Ok(SandboxResponse::Object(Json(
            json!({ "url": format!("{base_url}/sandbox/sellers/{}?once={once}", account.id) }),
        )))
    }

    /// Pay out
    #[oai(path = "/accounts/:id/payouts", method = "post", operation_id = "sandbox_pay_out", hidden = true)]
    async fn pay_out(
        &self,
        authorization: Header<Option<String>>,
        id: Path<Uuid>,
        body: Json<Value>,
    ) -> Result<SandboxResponse, Refused<404>> {
        authorize(&self.0, authorization.0.as_deref())?;
        let account = self.account(id.0).await?;
        let mut body = body.0;
        let (amount, reference) = (amount(&body)?, reference(&body)?);
        body["account"] = json!(account.id);
        body["state"] = json!("pending");
        body["arrival_date"] = json!((now() + TimeDelta::days(2)).date_naive());
        let tx = self.0.db().begin().await?;
        let (payout, new) = put(&tx, PAYOUT, reference, body).await?;
        tx.commit().await?;
        if new && ends_in(&payout.body, amount) == 14 {
            tokio::time::sleep(TOO_LONG).await;
        }
        Ok(object(payout))
    }

    /// Look for a payout, which arrives by that
    #[oai(path = "/payouts", method = "get", operation_id = "sandbox_find_payout", hidden = true)]
    async fn find_payout(
        &self,
        authorization: Header<Option<String>>,
        reference: Query<Uuid>,
    ) -> Result<SandboxResponse, Refused<404>> {
        authorize(&self.0, authorization.0.as_deref())?;
        let tx = self.0.db().begin().await?;
        let known = by_reference(&tx, PAYOUT, reference.0).await?.ok_or_else(|| Problem::not_found("Payout"))?;
        if known.body["state"] != "pending" {
            return Ok(object(known));
        }
        let mut body = known.body.clone();
        if ends_in(&body, amount(&body)?) == 13 {
            body["state"] = json!("failed");
            body["code"] = json!("account_closed");
            body["message"] = json!("The bank sends amounts that end in 13 back");
        } else {
            body["state"] = json!("paid");
        }
        let known = save(&tx, known, body).await?;
        tx.commit().await?;
        Ok(object(known))
    }
}

impl SandboxAccounts {
    async fn account(&self, id: Uuid) -> Result<sandbox_object::Model, Problem> {
        let tx = self.0.db().begin().await?;
        by_id(&tx, ACCOUNT, id).await?.ok_or_else(|| Problem::not_found("Account"))
    }
}
