//! A seller's account at the card processor.

use entities::{ConnectedAccountStatus, connected_account, now};
use gateways::Error;
use payments::sellers::{self, AccountStatus, Details};
use poem_openapi::{
    Object, OpenApi,
    payload::Json,
    types::{Email, Example},
};
use serde_json::json;

use super::{
    Declined, Tag,
    manage::MarketplaceManage,
    processor, processor_silent,
    texts::{Day, Iban, Nif},
    waiting,
    wrong::MarketplaceWrong,
};
use crate::{
    access::Allowed,
    audit,
    body::Form,
    problem::{Mistake, Problem, Wrong},
    state::State,
};

/// The seller's country: its tax numbers are Portuguese ones.
const COUNTRY: &str = "PT";

/// What a seller tells.
#[derive(Object)]
#[oai(rename = "ConnectOnboarding", example)]
pub(crate) struct Onboarding {
    #[oai(validator(min_length = 1, max_length = 255))]
    business_name: String,
    #[oai(validator(min_length = 1, max_length = 255))]
    first_name: String,
    #[oai(validator(min_length = 1, max_length = 255))]
    last_name: String,
    email: Email,
    /// With the country's code, such as `+351912345678`.
    #[oai(validator(max_length = 64))]
    phone: Option<String>,
    /// Day of birth.
    dob: Day,
    /// Street and number.
    #[oai(validator(min_length = 1, max_length = 255))]
    address: String,
    #[oai(validator(min_length = 1, max_length = 255))]
    city: String,
    #[oai(validator(min_length = 1, max_length = 32))]
    postal_code: String,
    /// Tax number.
    nif: Nif,
    /// Where payouts go. It is handed to the processor and not kept.
    iban: Iban,
    /// That the processor's terms are accepted; false is refused.
    tos_accepted: Option<bool>,
}

impl Example for Onboarding {
    fn example() -> Self {
        Self {
            business_name: "Olive & Thyme".to_owned(),
            first_name: "Ana".to_owned(),
            last_name: "Reis".to_owned(),
            email: Email("ana@olive.example".to_owned()),
            phone: Some("+351912345678".to_owned()),
            dob: Day("1990-05-17".to_owned()),
            address: "Rua das Flores 7".to_owned(),
            city: "Porto".to_owned(),
            postal_code: "4050-262".to_owned(),
            nif: Nif("123456789".to_owned()),
            iban: Iban("PT50000201231234567890154".to_owned()),
            tos_accepted: Some(true),
        }
    }
}

impl Onboarding {
    /// What no schema can say.
    fn mistakes(&self) -> Vec<Mistake> {
        let mistake = |name: &str, wrong| Mistake::in_body(&format!("/{name}"), wrong);
        let texts = [
            ("business_name", &self.business_name),
            ("first_name", &self.first_name),
            ("last_name", &self.last_name),
            ("address", &self.address),
            ("city", &self.city),
            ("postal_code", &self.postal_code),
        ];
        let blank = texts.into_iter().filter(|(_, text)| text.trim().is_empty());
        let mut mistakes: Vec<Mistake> = blank.map(|(name, _)| mistake(name, Wrong::Empty)).collect();
        if self.dob.date().is_none_or(|day| day >= now().date_naive()) {
            mistakes.push(mistake("dob", Wrong::Rule("must be a day in the past")));
        }
        if self.tos_accepted == Some(false) {
            mistakes.push(mistake("tos_accepted", Wrong::Rule("must be accepted")));
        }
        mistakes
    }

    /// For the processor, and apart from it the bank account.
    fn into_details(self) -> Result<(Details, String), Problem> {
        let dob = self.dob.date().ok_or_else(|| Problem::invalid("/dob", MarketplaceWrong::Date))?;
        let details = Details {
            business_name: self.business_name,
            first_name: self.first_name,
            last_name: self.last_name,
            email: self.email.0,
            phone: self.phone.filter(|phone| !phone.trim().is_empty()),
            dob,
            address: self.address,
            city: self.city,
            postal_code: self.postal_code,
            country: COUNTRY.to_owned(),
            nif: self.nif.0,
            tos_accepted_at: self.tos_accepted.unwrap_or(false).then(now),
        };
        Ok((details, self.iban.electronic()))
    }
}

/// How a seller's account stands.
#[derive(Object)]
pub(crate) struct ConnectStatus {
    /// The processor's id; null before there is one.
    account_id: Option<String>,
    /// `not_started`, `pending`, `restricted` (the processor wants to know more) or `active`.
    status: String,
    /// Whether payments can be taken for it.
    charges_enabled: bool,
    /// Whether it can be paid out.
    payouts_enabled: bool,
    /// What the processor still wants to know, in its words.
    requirements_due: Vec<String>,
}

impl ConnectStatus {
    fn of(account: Option<connected_account::Model>) -> Self {
        let status = AccountStatus::of(account.as_ref()).word().to_owned();
        let Some(account) = account else {
            return Self {
                account_id: None,
                status,
                charges_enabled: false,
                payouts_enabled: false,
                requirements_due: Vec::new(),
            };
        };
        Self {
            account_id: account.account_id,
            status,
            charges_enabled: account.charges_enabled,
            payouts_enabled: account.payouts_enabled,
            requirements_due: serde_json::from_value(account.requirements_due).unwrap_or_default(),
        }
    }
}

/// Where the seller finds the processor's own pages.
#[derive(Object)]
pub(crate) struct Dashboard {
    /// Good once, and soon.
    url: String,
}

pub(crate) struct Connect(pub(crate) State);

#[OpenApi(prefix_path = "/api/payments/connect", tag = "Tag::Marketplace")]
impl Connect {
    /// Look at the seller's account
    ///
    /// That of the caller's node, as the processor has told it last.
    #[oai(path = "/status", method = "get", operation_id = "get_connect_status")]
    async fn status(&self, caller: Allowed<MarketplaceManage>) -> Result<Json<ConnectStatus>, Declined> {
        let account = sellers::account_of(&**self.0.db(), caller.node_id).await?;
        Ok(Json(ConnectStatus::of(account)))
    }

    /// Open the seller's account, or change it
    ///
    /// A seller has one account, however often this is asked for. It answers when the processor has it, or `pending` after
    /// ten seconds; `account.updated` tells then. 409 when the processor refuses, 503 when none is configured.
    #[oai(path = "/onboard", method = "post", operation_id = "onboard_seller")]
    async fn onboard(
        &self,
        caller: Allowed<MarketplaceManage>,
        body: Form<Onboarding>,
    ) -> Result<Json<ConnectStatus>, Declined<409>> {
        body.refuse(body.value.mistakes())?;
        let (details, iban) = body.value.into_details()?;
        processor(&self.0)?;
        let mut tx = self.0.db().begin().await?;
        let submitted = sellers::submit_details(&mut tx, caller.node_id, &details, iban).await?;
        let data = json!({ "business_name": details.business_name });
        audit::record(&tx, &caller, "account.onboard", ("node", caller.node_id), data).await?;
        fail::fail_point!("onboard.before_commit");
        tx.commit().await?;
        let account = self.decided(submitted).await?;
        if account.status == ConnectedAccountStatus::Declined {
            let why = account.failure_message.unwrap_or_default();
            return Err(Problem::conflict(format!("The processor refuses the account: {why}")).into());
        }
        Ok(Json(ConnectStatus::of(Some(account))))
    }

    /// Get a link to the processor's own pages
    ///
    /// 409 when there is no account yet, 503 when no card processor is configured.
    #[oai(path = "/dashboard", method = "get", operation_id = "get_connect_dashboard")]
    async fn dashboard(&self, caller: Allowed<MarketplaceManage>) -> Result<Json<Dashboard>, Declined<409>> {
        let processor = processor(&self.0)?;
        let account = sellers::account_of(&**self.0.db(), caller.node_id).await?;
        let id = account.and_then(|account| account.account_id);
        let id = id.ok_or_else(|| Problem::conflict("No connected account"))?;
        // The link is a secret that is good for a moment: no row and no message may hold it.
        let url = processor.login_link(&id).await.map_err(refused)?;
        Ok(Json(Dashboard { url: url.into() }))
    }
}

impl Connect {
    /// The account, once the processor has these details or newer ones; as it is after ten seconds.
    async fn decided(&self, submitted: connected_account::Model) -> Result<connected_account::Model, Problem> {
        let (mut waiting, mut account) = (waiting(), submitted.clone());
        while account.told_at == submitted.told_at && !is_decided(&account) && waiting.pause().await {
            account = sellers::account_of(&**self.0.db(), submitted.node_id).await?.unwrap_or(account);
        }
        Ok(account)
    }
}

fn is_decided(account: &connected_account::Model) -> bool {
    matches!(account.status, ConnectedAccountStatus::Synced | ConnectedAccountStatus::Declined)
}

fn refused(error: Error) -> Problem {
    match error {
        Error::Declined { message, .. } => Problem::conflict(format!("The processor refuses: {message}")),
        error @ (Error::Unavailable(_) | Error::Misconfigured(_) | Error::Unknown(_)) => {
            tracing::warn!(%error, "the processor gives no login link");
            processor_silent()
        }
    }
}
