//! Stripe: Checkout Sessions for shops, PaymentIntents with a transfer for sellers with connected accounts.
//!
//! Stripe keeps the answer to an idempotency key for a day at least. A caller that asks again after that has polled
//! before, and objects that are older than a second are in Stripe's lists.

mod amount;
mod client;
mod events;
mod opening;
mod reading;
mod responses;
mod sellers;

use stripe_checkout::checkout_session::{ExpireCheckoutSession, ListCheckoutSession, RetrieveCheckoutSession};
use stripe_client_core::StripeRequest;
use stripe_core::{
    payment_intent::{CancelPaymentIntent, ListPaymentIntent, RetrievePaymentIntent},
    refund::{CreateRefund, ListRefund},
};
use stripe_types::RangeQueryTs;

use self::{
    amount::Use,
    client::{Call, Client, PAGE, missing},
    responses::{Intent, Listed, Named, Session, referring},
};
use crate::{
    Callback, CallbackRefused, Error, Gateway, Handle, Notification, Order, Payment, Refund, Refunded, StripeConfig,
};

/// How much older than our request an object of Stripe's may seem, seconds: clocks differ.
const CLOCKS_DIFFER_S: i64 = 60;

/// What is shown of a Checkout Session that is to be judged.
const WITH_CHARGE: &str = "payment_intent.latest_charge";

/// Stripe, as a gateway and as the processor of connected accounts.
pub struct Stripe {
    client: Client,
    config: StripeConfig,
}

/// Where a payment is kept.
enum PaymentObject {
    /// In a Checkout Session, of which we have no PaymentIntent before the payer has tried.
    Session(String),
    Intent(String),
}

impl PaymentObject {
    /// None of an id that Stripe cannot have given.
    fn of(id: &str) -> Option<Self> {
        if !is_id(id) {
            return None;
        }
        match id.split_once('_')?.0 {
            "cs" => Some(Self::Session(id.to_owned())),
            "pi" => Some(Self::Intent(id.to_owned())),
            _ => None,
        }
    }
}

/// Ids become parts of paths.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn since(asked_at: chrono::DateTime<chrono::Utc>) -> RangeQueryTs {
    RangeQueryTs::gte(asked_at.timestamp().saturating_sub(CLOCKS_DIFFER_S))
}

/// `request` with `starting_after`, where there is a page before.
macro_rules! page {
    ($request:expr, $after:expr) => {
        match $after {
            Some(after) => $request.starting_after(after).build(),
            None => $request.build(),
        }
    };
}
use page;

impl Stripe {
    /// # Errors
    /// The system has no certificates of authorities; the process cannot start.
    pub fn new(config: &StripeConfig) -> reqwest::Result<Self> {
        Ok(Self { client: Client::new(config)?, config: config.clone() })
    }

    /// None when Stripe certainly has no such payment.
    async fn find_object(&self, handle: &Handle) -> Result<Option<PaymentObject>, Error> {
        if let Some(id) = &handle.gateway_id {
            return Ok(PaymentObject::of(id));
        }
        let ours = |found: &Named| found.reference() == Some(handle.reference);
        let created = || since(handle.asked_at);
        if handle.account.is_some() {
            let page =
                |after: Option<&str>| Call::new(page!(ListPaymentIntent::new().created(created()).limit(PAGE), after));
            let found = self.client.find(page, ours).await?;
            return Ok(found.map(|intent| PaymentObject::Intent(intent.id)));
        }
        let page =
            |after: Option<&str>| Call::new(page!(ListCheckoutSession::new().created(created()).limit(PAGE), after));
        let found = self.client.find(page, ours).await?;
        Ok(found.map(|session| PaymentObject::Session(session.id)))
    }

    async fn read(&self, object: PaymentObject) -> Result<Option<Payment>, Error> {
        match object {
            PaymentObject::Session(id) => {
                let request = RetrieveCheckoutSession::new(id).expand([WITH_CHARGE.to_owned()]);
                let session = self.client.retrieve(Call::new(request.build())).await?;
                self.of_session(session).await
            }
            PaymentObject::Intent(id) => match self.intent(&id).await? {
                Some(intent) => self.payment_of_intent(&intent).await.map(Some),
                None => Ok(None),
            },
        }
    }

    async fn of_session(&self, session: Option<Session>) -> Result<Option<Payment>, Error> {
        match session {
            Some(session) => self.payment_of_session(&session).await.map(Some),
            None => Ok(None),
        }
    }

    async fn intent(&self, id: &str) -> Result<Option<Intent>, Error> {
        let request = RetrievePaymentIntent::new(id).expand(["latest_charge".to_owned()]);
        self.client.retrieve(Call::new(request.build())).await
    }

    /// The id of the PaymentIntent by which money is given back.
    async fn intent_id(&self, handle: &Handle) -> Result<Option<String>, Error> {
        match self.find_object(handle).await? {
            None => Ok(None),
            Some(PaymentObject::Intent(id)) => Ok(Some(id)),
            Some(PaymentObject::Session(id)) => {
                let session: Option<Session> =
                    self.client.retrieve(Call::new(RetrieveCheckoutSession::new(id).build())).await?;
                Ok(session.and_then(|session| session.payment_intent).map(|intent| intent.id().to_owned()))
            }
        }
    }

    async fn shut(&self, object: &PaymentObject) -> Result<Payment, Error> {
        match object {
            PaymentObject::Session(id) => {
                let request = ExpireCheckoutSession::new(id.as_str()).expand([WITH_CHARGE.to_owned()]);
                let session = self.client.send(Call::new(request.build())).await?;
                self.payment_of_session(&session).await
            }
            PaymentObject::Intent(id) => {
                let request = CancelPaymentIntent::new(id.as_str()).expand(["latest_charge".to_owned()]);
                let intent = self.client.send(Call::new(request.build())).await?;
                self.payment_of_intent(&intent).await
            }
        }
    }
}

#[async_trait::async_trait]
impl Gateway for Stripe {
    async fn open(&self, order: &Order) -> Result<Payment, Error> {
        if let Some(on_behalf) = &order.on_behalf {
            let call = Call::once(opening::intent(order, on_behalf)?, order.reference);
            let intent: Intent = self.client.send(call).await?;
            return reading::new_intent(&intent);
        }
        let call = Call::once(opening::session(order)?, order.reference);
        let session: Session = self.client.send(call).await?;
        reading::new_session(&session)
    }

    async fn look_up(&self, handle: &Handle) -> Result<Option<Payment>, Error> {
        match self.find_object(handle).await? {
            Some(object) => self.read(object).await,
            None => Ok(None),
        }
    }

    /// Stripe takes the money as soon as the payer has agreed.
    async fn capture(&self, handle: &Handle) -> Result<Payment, Error> {
        self.look_up(handle).await?.ok_or_else(|| missing("payment"))
    }

    async fn close(&self, handle: &Handle) -> Result<Payment, Error> {
        let object = self.find_object(handle).await?.ok_or_else(|| missing("payment"))?;
        match self.shut(&object).await {
            // It is closed or paid already, or is being paid.
            Err(Error::Declined { .. }) => self.read(object).await?.ok_or_else(|| missing("payment")),
            outcome => outcome,
        }
    }

    async fn refund(&self, handle: &Handle, refund: &Refund) -> Result<Refunded, Error> {
        let minor = amount::minor(&refund.amount, Use::Charge)?;
        let intent = self.intent_id(handle).await?.ok_or_else(|| missing("payment"))?;
        let mut metadata = referring(refund.reference);
        if let Some(reason) = &refund.reason {
            // Stripe's own reasons are three words; ours is free text, of which it keeps this much.
            metadata.insert("reason".to_owned(), reason.chars().take(500).collect());
        }
        let mut request = CreateRefund::new().payment_intent(intent).amount(minor).metadata(metadata);
        if handle.account.is_some() {
            // The money comes from the seller, who had it; of the fee Stripe gives back the same share.
            request = request.reverse_transfer(true).refund_application_fee(!refund.fee.is_zero());
        }
        let refund: responses::Refund = self.client.send(Call::once(request.build(), refund.reference)).await?;
        Ok(reading::refunded(refund))
    }

    async fn look_up_refund(&self, handle: &Handle, refund: &Refund) -> Result<Option<Refunded>, Error> {
        let Some(intent) = self.intent_id(handle).await? else { return Ok(None) };
        let page = |after: Option<&str>| {
            Call::new(page!(ListRefund::new().payment_intent(intent.as_str()).limit(PAGE), after))
        };
        let ours = |found: &responses::Refund| found.reference() == Some(refund.reference);
        Ok(self.client.find(page, ours).await?.map(reading::refunded))
    }

    async fn receive(&self, callback: &Callback<'_>) -> Result<Notification, CallbackRefused> {
        events::receive(self, callback).await
    }
}
