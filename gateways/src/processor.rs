//! What a card processor can be asked for sellers with connected accounts.

use chrono::{DateTime, NaiveDate, Utc};
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use crate::{Error, Money};

/// A seller who is to have an account.
#[derive(Clone, Debug)]
pub struct Seller {
    /// Our reference, and the idempotency key of opening: one seller has one account.
    pub reference: Uuid,
    pub business_name: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub phone: Option<String>,
    pub dob: NaiveDate,
    pub address: String,
    pub city: String,
    pub postal_code: String,
    /// Two letters of ISO 3166-1.
    pub country: String,
    /// Tax number, nine digits.
    pub nif: String,
    pub iban: SecretString,
    /// When the seller has accepted the processor's terms.
    pub tos_accepted_at: Option<DateTime<Utc>>,
    /// When this version of the details was written down: a later one is another request.
    pub told_at: DateTime<Utc>,
}

/// An account as the processor reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: String,
    /// Whether payments can be taken for it.
    pub charges_enabled: bool,
    /// Whether it can be paid out.
    pub payouts_enabled: bool,
    /// What the processor still wants to know, in its words.
    pub requirements_due: Vec<String>,
}

/// Money that goes from a seller's balance to the seller's bank.
#[derive(Clone, Debug)]
pub struct Payout {
    /// Our reference, and the processor's idempotency key.
    pub reference: Uuid,
    /// The processor's id of the account.
    pub account: String,
    pub amount: Money,
    /// The processor's id of the payout, once it is known.
    pub processor_id: Option<String>,
    /// When it was first asked for.
    pub asked_at: DateTime<Utc>,
}

/// A payout as the processor reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidOut {
    pub id: String,
    pub state: PayoutState,
    /// When the bank should have it.
    pub arrival_date: Option<NaiveDate>,
}

/// How far a payout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayoutState {
    /// Accepted, or on its way to the bank.
    Pending,
    /// At the bank.
    Paid,
    /// It came back, or never went.
    Failed {
        /// The processor's word.
        code: String,
        /// For people; nothing secret.
        message: String,
    },
}

/// A processor of cards at which sellers have accounts.
#[async_trait::async_trait]
pub trait Processor: Send + Sync {
    /// Opens the seller's account, or updates the one with this id.
    async fn put_account(&self, seller: &Seller, account: Option<&str>) -> Result<Account, Error>;

    /// Looks for the account that was opened under the seller's reference at this time or later. None when there is
    /// certainly none.
    async fn find_account(&self, reference: Uuid, asked_at: DateTime<Utc>) -> Result<Option<Account>, Error>;

    async fn account(&self, id: &str) -> Result<Account, Error>;

    /// A link with which the seller comes to the processor's own pages, once and soon.
    async fn login_link(&self, id: &str) -> Result<Url, Error>;

    async fn pay_out(&self, payout: &Payout) -> Result<PaidOut, Error>;

    /// Reads a payout. None when the processor certainly does not have it.
    async fn look_up_payout(&self, payout: &Payout) -> Result<Option<PaidOut>, Error>;
}
