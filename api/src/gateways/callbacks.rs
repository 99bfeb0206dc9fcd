//! What gateways tell us about payments: whether it is theirs, and what to look at. Nothing moves by a callback alone.

mod inquiries;

pub(crate) use inquiries::Inquiries;

use entities::now;
use gateways::{Callback, CallbackRefused, CallbackSubject, Notification, Source};
use payments::{
    sellers::{self, About},
    sessions,
};
use poem::{Body, Request};
use poem_openapi::OpenApi;

use self::inquiries::InquiryDecision;
use super::Tag;
use crate::{
    body::require_uncoded,
    edge::ClientAddress,
    problem::{Code, Problem, Refused},
    state::State,
};

/// Longest callback that is read, bytes.
const BODY_MAX: usize = 256 * 1_024;

pub(crate) struct GatewayCallbacks(pub(crate) State);

#[OpenApi(prefix_path = "/v1/webhooks/payments", tag = "Tag::Gateways")]
impl GatewayCallbacks {
    /// Stripe calls back
    ///
    /// An event, signed in `Stripe-Signature`. 401 unless the signature is right and recent, 400 when the event cannot be
    /// read, 404 where Stripe is not configured. The same event again is answered 200 and changes nothing.
    #[oai(path = "/stripe", method = "post", operation_id = "stripe_webhook")]
    async fn stripe(&self, request: &Request, address: ClientAddress, body: Body) -> Result<(), Refused<401, 404>> {
        self.receive(Source::Stripe, request, &address, body).await
    }

    /// PayPal calls back
    ///
    /// An event, signed in the `paypal-transmission-…` headers. Answers are those of Stripe's. PayPal itself is asked about
    /// the signature, where the event is about a payment that is here: 429 when that is asked for too often, 503 when PayPal
    /// does not answer, so that the event is sent again.
    #[oai(path = "/paypal", method = "post", operation_id = "paypal_webhook")]
    async fn paypal(&self, request: &Request, address: ClientAddress, body: Body) -> Result<(), Refused<401, 404>> {
        self.receive(Source::PayPal, request, &address, body).await
    }

    /// MVola Madagascar calls back
    ///
    /// With the credentials that it was given. 401 without them, 400 when it cannot be read, 404 where it is not
    /// configured.
    #[oai(path = "/mvola-mg", method = "put", operation_id = "mvola_madagascar_callback")]
    async fn mvola_madagascar(
        &self,
        request: &Request,
        address: ClientAddress,
        body: Body,
    ) -> Result<(), Refused<401, 404>> {
        self.receive(Source::MvolaMadagascar, request, &address, body).await
    }

    /// MVola Comoros calls back
    ///
    /// With the credentials that it was given. 401 without them, 400 when it cannot be read, 404 where it is not
    /// configured.
    #[oai(path = "/mvola-km", method = "post", operation_id = "mvola_comoros_callback")]
    async fn mvola_comoros(
        &self,
        request: &Request,
        address: ClientAddress,
        body: Body,
    ) -> Result<(), Refused<401, 404>> {
        self.receive(Source::MvolaComoros, request, &address, body).await
    }

    /// Holo calls back
    ///
    /// With the credentials that it was given, and everything else in the query. 401 without them, 400 when it cannot be
    /// read, 404 where it is not configured.
    #[oai(path = "/holo", method = "get", operation_id = "holo_callback")]
    async fn holo(&self, request: &Request, address: ClientAddress, body: Body) -> Result<(), Refused<401, 404>> {
        self.receive(Source::Holo, request, &address, body).await
    }

    /// Huri Money calls back
    ///
    /// With the credentials that it was given. 401 without them, 400 when it cannot be read, 404 where it is not
    /// configured.
    #[oai(path = "/huri", method = "post", operation_id = "huri_money_callback")]
    async fn huri_money(&self, request: &Request, address: ClientAddress, body: Body) -> Result<(), Refused<401, 404>> {
        self.receive(Source::HuriMoney, request, &address, body).await
    }
}

impl GatewayCallbacks {
    async fn receive(
        &self,
        source: Source,
        request: &Request,
        address: &ClientAddress,
        body: Body,
    ) -> Result<(), Refused<401, 404>> {
        let gateway = self.0.gateways().get(source).ok_or_else(|| Problem::not_found("Gateway"))?;
        require_uncoded(request)?;
        let body = body.into_bytes_limit(BODY_MAX).await;
        let body = body.map_err(|_| Problem::new(Code::MalformedRequest).detail("The body cannot be read"))?;
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let query = request.uri().query().unwrap_or_default();
        let callback = Callback { headers: &headers, query, body: &body, at: now() };
        let Some(claimed) = gateway.claims(&callback).map_err(refused)? else {
            return self.record(source, gateway.receive(&callback).await.map_err(refused)?).await;
        };
        let inquiries = self.0.inquiries();
        match inquiries.decide(self.0.db(), source, &claimed, &callback, &address.network()).await? {
            InquiryDecision::Skip => Ok(()),
            InquiryDecision::Inquire(fingerprint) => {
                let notification = gateway.receive(&callback).await;
                if notification == Err(CallbackRefused::Forged) {
                    inquiries.refuse(fingerprint);
                }
                self.record(source, notification.map_err(refused)?).await
            }
        }
    }

    async fn record(&self, source: Source, notification: Notification) -> Result<(), Refused<401, 404>> {
        let (finds_by_id, source, event_id) =
            (source.is_mobile_money(), source.code().to_owned(), notification.event_id);
        let mut tx = self.0.db().begin().await?;
        match notification.about {
            CallbackSubject::Payment { reference, gateway_id } => {
                let callback = sessions::Callback { source, event_id, reference, gateway_id, finds_by_id };
                sessions::receive_callback(&mut tx, callback).await?;
            }
            CallbackSubject::Payout { reference, gateway_id } => {
                sellers::receive_callback(&mut tx, &source, event_id, About::Payout { reference, gateway_id }).await?;
            }
            CallbackSubject::Account { account } => {
                sellers::receive_callback(&mut tx, &source, event_id, About::Account { account }).await?;
            }
            CallbackSubject::Nothing => {}
        }
        Ok(tx.commit().await?)
    }
}

fn refused(error: CallbackRefused) -> Problem {
    match error {
        CallbackRefused::Forged => Problem::new(Code::Unauthorized).detail(error.to_string()),
        CallbackRefused::Malformed(_) => Problem::new(Code::MalformedRequest).detail(error.to_string()),
        // It is sent again.
        CallbackRefused::Unchecked(why) => {
            tracing::warn!(why, "a callback could not be checked");
            Problem::new(Code::Unavailable).detail("The callback could not be checked now").retry_after(60)
        }
    }
}
