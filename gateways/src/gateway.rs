//! What every gateway can be asked, and what it may answer.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use crate::Money;

/// A payment that is to be opened at a gateway.
#[derive(Clone, Debug)]
pub struct Order {
    /// Our reference, and the gateway's idempotency key: opening twice under one reference opens one payment.
    pub reference: Uuid,
    pub amount: Money,
    /// What payers read on the gateway's page, such as the shop's name and reference.
    pub description: String,
    pub payer: Payer,
    /// Where the browser goes afterwards. None where no browser is sent anywhere.
    pub returns: Option<Returns>,
    /// Where the gateway may call back, for those that get it with each payment.
    pub callback_url: Option<Url>,
    /// Language tag such as `fr-KM`.
    pub locale: Option<String>,
    /// The seller for whom the money is taken, at the card processor.
    pub on_behalf: Option<OnBehalf>,
}

/// What is known of a payer.
#[derive(Clone, Debug, Default)]
pub struct Payer {
    pub full_name: Option<String>,
    pub email: Option<String>,
    /// E.164, with the plus sign.
    pub phone: Option<String>,
}

/// Where a gateway's page sends the browser.
#[derive(Clone, Debug)]
pub struct Returns {
    /// When the payer has agreed.
    pub success: Url,
    /// When the payer has turned away.
    pub cancel: Url,
}

/// A seller with a connected account.
#[derive(Clone, Debug)]
pub struct OnBehalf {
    /// The account's id at the processor.
    pub account: String,
    /// What the platform keeps, in the payment's currency.
    pub fee: Decimal,
}

/// How a payment is found again.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Our reference, as in [`Order::reference`].
    pub reference: Uuid,
    /// The gateway's id, once it is known.
    pub gateway_id: Option<String>,
    /// The amount that was asked for.
    pub amount: Money,
    /// When it was first asked for; nothing of it is older.
    pub asked_at: DateTime<Utc>,
    /// The connected account it was opened for.
    pub account: Option<String>,
}

/// A payment as its gateway reports it.
#[derive(Clone, Debug)]
pub struct Payment {
    pub gateway_id: String,
    /// The id under which later events name it (refunds, disputes), where that is another one.
    pub charge_id: Option<String>,
    pub state: State,
    /// Where the payer agrees, where that is a page.
    pub approve_url: Option<Url>,
    /// What a storefront hands to the gateway's own widget.
    pub client_secret: Option<SecretString>,
    /// What was taken of the payer so far, in the payment's currency.
    pub captured: Decimal,
    /// What went back to the payer by refunds, of what was captured.
    pub refunded: Decimal,
    /// What the payer's bank took back by itself (disputes that stand or are lost).
    pub reversed: Decimal,
}

/// How far a payment is at its gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The payer has not agreed yet.
    Waiting,
    /// The payer has agreed; [`Gateway::capture`] takes the money, where the gateway does not by itself.
    Approved,
    /// The money is taken, and stays so as far as the gateway knows.
    Captured,
    /// Definitely not paid, and never will be.
    Failed {
        /// The gateway's word, or ours where it has none.
        code: String,
        /// For people; nothing secret.
        message: String,
    },
    /// Nobody can pay it any more, and nobody has.
    Closed,
}

/// Money that goes back to the payer.
#[derive(Clone, Debug)]
pub struct Refund {
    /// Our reference, and the gateway's idempotency key.
    pub reference: Uuid,
    pub amount: Money,
    /// The part of the platform's fee that goes back to the seller with it.
    pub fee: Decimal,
    /// For the gateway's record.
    pub reason: Option<String>,
    /// When it was first asked for.
    pub asked_at: DateTime<Utc>,
}

/// A refund as its gateway reports it.
#[derive(Clone, Debug)]
pub struct Refunded {
    pub gateway_id: String,
    /// How far it is: `Waiting`, `Captured` when the money is on its way back, or `Failed`.
    pub state: State,
}

/// Why a gateway did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It said no, for good. Nothing has happened there.
    #[error("{code}: {message}")]
    Declined {
        /// The gateway's word.
        code: String,
        /// For people; nothing secret.
        message: String,
    },
    /// Nothing has happened there for certain; the same may be asked again later.
    #[error("not available: {0}")]
    Unavailable(String),
    /// Our credentials or settings are refused. Nothing has happened there.
    #[error("refused our credentials or settings: {0}")]
    Misconfigured(String),
    /// The request may have been carried out: poll before sending it again.
    #[error("the outcome is not known: {0}")]
    Unknown(String),
}

/// A request that somebody sends to a gateway's callback route. Nothing of it is trusted yet.
#[derive(Clone, Copy, Debug)]
pub struct Callback<'a> {
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    /// As it was sent, without the question mark.
    pub query: &'a str,
    pub body: &'a [u8],
    pub at: DateTime<Utc>,
}

impl<'a> Callback<'a> {
    /// The first header with this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What a callback that is the gateway's own says: what to poll. It moves nothing by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The gateway's id of this event, where it has one: sent again, it is the same.
    pub event_id: Option<String>,
    pub about: CallbackSubject,
}

/// What a callback is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackSubject {
    /// A payment, by whichever of the ids the gateway has named.
    Payment {
        reference: Option<Uuid>,
        gateway_id: Option<String>,
    },
    Payout {
        reference: Option<Uuid>,
        gateway_id: Option<String>,
    },
    Account {
        account: String,
    },
    /// Nothing that concerns us.
    Nothing,
}

/// Why a callback is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackRefused {
    /// It is not the gateway's, or too old: a replay.
    #[error("the signature is missing, wrong or too old")]
    Forged,
    /// It is signed, but nobody can read it.
    #[error("the body is not what the gateway documents: {0}")]
    Malformed(String),
    /// Whether it is the gateway's could not be found out now; it should send it again.
    #[error("the signature could not be checked now: {0}")]
    Unchecked(String),
}

/// A way to take money from payers.
#[async_trait::async_trait]
pub trait Gateway: Send + Sync {
    async fn open(&self, order: &Order) -> Result<Payment, Error>;

    /// Reads a payment. None when the gateway certainly does not have it.
    async fn look_up(&self, handle: &Handle) -> Result<Option<Payment>, Error>;

    /// Takes the money that the payer has agreed to; where the gateway does that by itself, polls. Asking twice takes
    /// it once.
    async fn capture(&self, handle: &Handle) -> Result<Payment, Error>;

    /// Sees to it that nobody can pay any more, where the gateway can do that, and returns the payment as it is then.
    async fn close(&self, handle: &Handle) -> Result<Payment, Error>;

    async fn refund(&self, handle: &Handle, refund: &Refund) -> Result<Refunded, Error>;

    /// Reads a refund. None when the gateway certainly does not have it.
    async fn look_up_refund(&self, handle: &Handle, refund: &Refund) -> Result<Option<Refunded>, Error>;

    /// What a callback says that could be the gateway's own, where only the gateway itself can tell whether it is:
    /// asking is what anybody can have us do, and should be worth it. None where [`Self::receive`] asks nobody about
    /// that.
    ///
    /// # Errors
    /// The callback cannot be the gateway's own, and is answered with a refusal.
    fn claims(&self, _: &Callback<'_>) -> Result<Option<Notification>, CallbackRefused> {
        Ok(None)
    }

    /// Checks that a callback is the gateway's own, and what it is about.
    async fn receive(&self, callback: &Callback<'_>) -> Result<Notification, CallbackRefused>;
}
