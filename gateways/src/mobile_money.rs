//! Mobile money in the shape of the GSMA's Mobile Money API: the payer is asked on the phone, there is no page.
//!
//! How the operators differ is written down as data, one profile each.

mod callback;
mod profiles;
mod responses;

use chrono::{SecondsFormat, Utc};
use reqwest::{Method, RequestBuilder};
use rust_decimal::Decimal;
use secrecy::ExposeSecret;
use serde_json::json;
use url::Url;
use uuid::Uuid;

pub(crate) use self::profiles::{HOLO, HURI, MVOLA_KM, MVOLA_MG, Profile};

use self::{
    profiles::{Access, Proof},
    responses::{Missed, Refusal, RequestState, Transaction},
};
use crate::{
    BuildError, Callback, CallbackRefused, Error, Gateway, Handle, Money, Notification, OperatorConfig, Order, Payment,
    Refund, Refunded, State,
    http::{self, Effect, Http, HttpResponse, segment},
    oauth::OAuth,
};

/// A merchant's account at one operator.
///
/// The correlation id that goes with a request is our reference. Under it operators know a request that is repeated,
/// and those with a resource for missing responses find it again.
pub(crate) struct MobileMoney {
    profile: &'static Profile,
    http: Http,
    oauth: Option<OAuth>,
    config: OperatorConfig,
}

/// What an operator's id, as we keep it, is the id of.
#[derive(Clone, Copy)]
enum Id<'a> {
    /// The state of the request: what the operator answers first.
    Request(&'a str),
    /// The transaction: all that is left to be found when the first answer got lost. Kept with `transactions/` in
    /// front.
    Transaction(&'a str),
}

impl<'a> Id<'a> {
    fn of(kept: &'a str) -> Option<Self> {
        match kept.split_once('/') {
            Some(("transactions", id)) => segment(id).map(Self::Transaction),
            _ => segment(kept).map(Self::Request),
        }
    }
}

impl MobileMoney {
    pub(crate) fn new(profile: &'static Profile, config: &OperatorConfig) -> Result<Self, BuildError> {
        let http = Http::new(&config.base_url, config.timeout_ms)?;
        let oauth = match profile.access {
            Access::OAuth { token_path, scope } => {
                Some(OAuth::new(http.clone(), token_path, scope, &config.client_id, &config.client_secret))
            }
            Access::Basic | Access::Key { .. } => None,
        };
        Ok(Self { profile, http, oauth, config: config.clone() })
    }

    /// A request with the headers that all have.
    fn request(&self, method: Method, path: &str, correlation_id: Uuid) -> RequestBuilder {
        let mut request = self.http.request(method, path).header("X-CorrelationID", correlation_id.to_string());
        for (name, value) in self.profile.headers {
            request = request.header(*name, *value);
        }
        if let Some(name) = self.profile.account_header {
            request = request.header(name, format!("msisdn;{}", self.config.merchant));
        }
        if let Some(name) = self.profile.partner_header {
            request = request.header(name, &self.config.partner_name);
        }
        request
    }

    async fn send(&self, request: RequestBuilder, effect: Effect) -> Result<HttpResponse, Error> {
        let secret = self.config.client_secret.expose_secret();
        let response = match (&self.oauth, &self.profile.access) {
            (Some(oauth), _) => oauth.send(request, effect).await,
            (None, Access::Key { header }) => http::send(request.header(*header, secret), effect).await,
            (None, _) => http::send(request.basic_auth(&self.config.client_id, Some(secret)), effect).await,
        };
        response?.checked(effect)
    }

    /// Asks for something to be done. None when the operator has been asked for it before, under the same id.
    async fn submit(&self, request: RequestBuilder) -> Result<Option<RequestState>, Error> {
        let response = self.send(request, Effect::Writes).await?;
        if response.is_success() {
            return response.read(Effect::Writes).map(Some);
        }
        let refusal: Refusal = response.read_refusal();
        match response.status {
            409 => Ok(None),
            _ if refusal.is_duplicate() => Ok(None),
            404 => Err(Error::Misconfigured("answered 404: the base URL is not the API's".to_owned())),
            status => Err(refusal.into_error(status)),
        }
    }

    /// None when there is nothing of this kind under the id.
    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Error> {
        let request = self.request(Method::GET, path, Uuid::now_v7());
        let response = self.send(request, Effect::Reads).await?;
        match response.status {
            404 => Ok(None),
            _ if response.is_success() => response.read(Effect::Reads).map(Some),
            status => Err(Error::Unavailable(format!("answered {status} to a look"))),
        }
    }

    async fn request_state(&self, id: &str) -> Result<Option<RequestState>, Error> {
        self.get(&format!("{}{id}", self.profile.states)).await
    }

    async fn transaction(&self, id: &str) -> Result<Option<Transaction>, Error> {
        self.get(&format!("{}{id}", self.profile.transactions)).await
    }

    /// Where the answer that got lost leads to, as we keep ids. None when the operator was never asked.
    async fn missed(&self, correlation_id: Uuid) -> Result<Option<String>, Error> {
        let Some(path) = self.profile.missed else {
            return Err(Error::Unknown(
                "this operator cannot be asked what became of a request whose answer got lost; its callback tells"
                    .to_owned(),
            ));
        };
        let missed: Option<Missed> = self.get(&format!("{path}{correlation_id}")).await?;
        missed.map(|missed| missed.id()).transpose()
    }

    /// A payment under our id. None when the operator was never asked.
    async fn find(&self, reference: Uuid, amount: &Money) -> Result<Option<Payment>, Error> {
        let Some(id) = self.missed(reference).await? else { return Ok(None) };
        self.retrieve(Id::of(&id).ok_or_else(lost)?, amount).await?.ok_or_else(lost).map(Some)
    }

    async fn retrieve(&self, id: Id<'_>, amount: &Money) -> Result<Option<Payment>, Error> {
        match id {
            Id::Transaction(id) => {
                let Some(transaction) = self.transaction(id).await? else { return Ok(None) };
                let kept = format!("transactions/{id}");
                let payment = payment(kept, Some(id), transaction.state()?, amount);
                self.with_refunds(payment, Some(&transaction), amount).map(Some)
            }
            Id::Request(id) => {
                let Some(request) = self.request_state(id).await? else { return Ok(None) };
                let payment = payment(id.to_owned(), request.transaction(), request.state()?, amount);
                // Only those who can take a transaction back know one that was taken back.
                let transaction = match request.transaction() {
                    Some(id) if self.profile.reversals && payment.state == State::Captured => {
                        self.transaction(id).await?
                    }
                    _ => None,
                };
                self.with_refunds(payment, transaction.as_ref(), amount).map(Some)
            }
        }
    }

    fn with_refunds(
        &self,
        payment: Payment,
        transaction: Option<&Transaction>,
        amount: &Money,
    ) -> Result<Payment, Error> {
        let Some(transaction) = transaction else { return Ok(payment) };
        if !transaction.is_of(&self.profile.amount(amount)?) {
            return Err(Error::Unknown("the operator tells of another amount than was asked for".to_owned()));
        }
        let refunded = if transaction.is_reversed() { amount.value } else { Decimal::ZERO };
        Ok(Payment { refunded, ..payment })
    }

    async fn known(&self, handle: &Handle) -> Result<Payment, Error> {
        let missing = || Error::Declined {
            code: "not_found".to_owned(),
            message: "the operator was never asked for this payment".to_owned(),
        };
        self.look_up(handle).await?.ok_or_else(missing)
    }

    /// Tells the operator where to call back; names the payment, because not every operator repeats our id.
    fn callback_url(&self, order: &Order) -> Option<Url> {
        let mut url = order.callback_url.clone()?;
        url.query_pairs_mut().append_pair("reference", &order.reference.to_string());
        if let Proof::Query(name) = self.profile.proof {
            url.query_pairs_mut().append_pair(name, self.config.callback_secret.expose_secret());
        }
        Some(url)
    }

    fn order_body(&self, order: &Order) -> Result<serde_json::Value, Error> {
        let (amount, currency) = self.profile.amount(&order.amount)?;
        let payer = self.profile.payer(order.payer.phone.as_deref())?;
        let reference = order.reference.to_string();
        Ok(json!({
            "amount": amount,
            "currency": currency,
            "descriptionText": self.profile.description(&order.description),
            "requestDate": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            "debitParty": [{ "key": "msisdn", "value": payer }],
            "creditParty": [{ "key": "msisdn", "value": self.config.merchant }],
            "requestingOrganisationTransactionReference": reference,
            "originalTransactionReference": reference,
            "metadata": [
                { "key": "partnerName", "value": self.config.partner_name },
                { "key": "XCorrelationId", "value": reference },
            ],
        }))
    }

    /// The transaction that a payment has become.
    async fn transaction_of(&self, handle: &Handle) -> Result<String, Error> {
        let nothing = || Error::Declined {
            code: "nothing_captured".to_owned(),
            message: "the operator has taken no money that could be given back".to_owned(),
        };
        let payment = self.known(handle).await?;
        match Id::of(&payment.gateway_id) {
            Some(Id::Transaction(id)) => Ok(id.to_owned()),
            Some(Id::Request(id)) => {
                let request = self.request_state(id).await?.ok_or_else(nothing)?;
                request.transaction().map(str::to_owned).ok_or_else(nothing)
            }
            None => Err(nothing()),
        }
    }
}

#[async_trait::async_trait]
impl Gateway for MobileMoney {
    async fn open(&self, order: &Order) -> Result<Payment, Error> {
        if order.on_behalf.is_some() {
            return Err(Error::Declined {
                code: "on_behalf_unsupported".to_owned(),
                message: "mobile money cannot be taken for connected accounts".to_owned(),
            });
        }
        let body = self.order_body(order)?;
        let mut request = self.request(Method::POST, self.profile.pay, order.reference).json(&body);
        if let Some(url) = self.callback_url(order) {
            request = request.header("X-Callback-URL", url.as_str());
        }
        if let Some(opened) = self.submit(request).await? {
            return Ok(payment(opened.id()?.to_owned(), opened.transaction(), opened.state()?, &order.amount));
        }
        let found = self.find(order.reference, &order.amount).await;
        found.map_err(duplicate_request)?.ok_or_else(lost)
    }

    /// Without the operator's id, only operators with a resource for missing responses can be asked. The others' word
    /// is [`Error::Unknown`], never None: their callback names the payment, or nobody does, and it must not be asked
    /// for twice.
    async fn look_up(&self, handle: &Handle) -> Result<Option<Payment>, Error> {
        let kept = handle.gateway_id.as_deref();
        if let Some(id) = kept.and_then(Id::of)
            && let Some(payment) = self.retrieve(id, &handle.amount).await?
        {
            return Ok(Some(payment));
        }
        let found = self.find(handle.reference, &handle.amount).await?;
        // What it has had once cannot be missing.
        if found.is_none() && kept.is_some() { Err(lost()) } else { Ok(found) }
    }

    /// The operator takes the money as soon as the payer agrees.
    async fn capture(&self, handle: &Handle) -> Result<Payment, Error> {
        self.known(handle).await
    }

    /// Nobody can take the question off the payer's phone, so this only polls. The operator drops it after a while.
    async fn close(&self, handle: &Handle) -> Result<Payment, Error> {
        self.known(handle).await
    }

    async fn refund(&self, handle: &Handle, refund: &Refund) -> Result<Refunded, Error> {
        if !self.profile.reversals {
            return Err(Error::Declined {
                code: "refund_unsupported".to_owned(),
                message: "this operator does not give money back by itself; pay the customer another way".to_owned(),
            });
        }
        let (amount, currency) = self.profile.amount(&refund.amount)?;
        let path = format!("{}{}/reversals", self.profile.transactions, self.transaction_of(handle).await?);
        let body = json!({
            "type": "reversal",
            "amount": amount,
            "currency": currency,
            "requestingOrganisationTransactionReference": refund.reference,
        });
        let request = self.request(Method::POST, &path, refund.reference).json(&body);
        match self.submit(request).await? {
            Some(asked) => Ok(Refunded { gateway_id: asked.id()?.to_owned(), state: asked.state()? }),
            None => self.look_up_refund(handle, refund).await.map_err(duplicate_request)?.ok_or_else(lost),
        }
    }

    async fn look_up_refund(&self, _handle: &Handle, refund: &Refund) -> Result<Option<Refunded>, Error> {
        if !self.profile.reversals {
            return Ok(None);
        }
        let Some(kept) = self.missed(refund.reference).await? else { return Ok(None) };
        let state = match Id::of(&kept).ok_or_else(lost)? {
            Id::Request(id) => self.request_state(id).await?.ok_or_else(lost)?.state()?,
            Id::Transaction(id) => self.transaction(id).await?.ok_or_else(lost)?.state()?,
        };
        Ok(Some(Refunded { gateway_id: kept, state }))
    }

    async fn receive(&self, callback: &Callback<'_>) -> Result<Notification, CallbackRefused> {
        let Self { profile, config, .. } = self;
        if !callback::is_operators(profile, &config.callback_user, &config.callback_secret, callback) {
            return Err(CallbackRefused::Forged);
        }
        callback::read(profile, callback)
    }
}

/// The error of a poll of what the operator says it was asked for before: it may well have been carried out.
fn duplicate_request(error: Error) -> Error {
    match error {
        Error::Unavailable(what) | Error::Misconfigured(what) | Error::Unknown(what) => Error::Unknown(what),
        Error::Declined { code, .. } => Error::Unknown(code),
    }
}

fn lost() -> Error {
    Error::Unknown("the operator knows of the request, and does not tell what became of it".to_owned())
}

fn payment(gateway_id: String, transaction: Option<&str>, state: State, amount: &Money) -> Payment {
    let captured = if state == State::Captured { amount.value } else { Decimal::ZERO };
    Payment {
        gateway_id,
        charge_id: transaction.map(str::to_owned),
        state,
        approve_url: None,
        client_secret: None,
        captured,
        refunded: Decimal::ZERO,
        reversed: Decimal::ZERO,
    }
}
