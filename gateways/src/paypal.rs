//! PayPal's Orders v2: an order is opened, the payer approves it on PayPal's page, and we capture it.

mod callback;
mod responses;

use chrono::TimeDelta;
use reqwest::Method;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;

use crate::{
    BuildError, Callback, CallbackRefused, Error, Gateway, Handle, Money, Notification, Order, PayPalConfig, Payment,
    Refund, Refunded, State,
    http::{Effect, Http, HttpResponse, segment},
    oauth::OAuth,
};
use responses::{OrderResponse, RefundResponse, Refusal};

/// Currencies that PayPal takes without fraction, whatever ISO 4217 says.
const WHOLE: &[&str] = &["HUF", "JPY", "TWD"];

/// Longest description of a purchase, characters.
const DESCRIPTION_MAX: usize = 127;

/// PayPal, for one app.
///
/// Every request that moves something carries a `PayPal-Request-Id`: PayPal answers a repetition with what the first one
/// has done.
pub(crate) struct PayPal {
    http: Http,
    oauth: OAuth,
    webhook_id: String,
    tolerance: TimeDelta,
    brand_name: Option<String>,
}

impl PayPal {
    pub(crate) fn new(config: &PayPalConfig) -> Result<Self, BuildError> {
        let http = Http::new(&config.base_url, config.timeout_ms)?;
        let oauth = OAuth::new(http.clone(), "/v1/oauth2/token", None, &config.client_id, &config.client_secret);
        Ok(Self {
            http,
            oauth,
            webhook_id: config.webhook_id.clone(),
            tolerance: TimeDelta::seconds(config.webhook_tolerance_s.into()),
            brand_name: config.brand_name.clone(),
        })
    }

    async fn post(&self, path: &str, request_id: &str, body: &impl Serialize) -> Result<HttpResponse, Error> {
        let request = self
            .http
            .request(Method::POST, path)
            .header("PayPal-Request-Id", request_id)
            .header("Prefer", "return=representation")
            .json(body);
        let response = self.oauth.send(request, Effect::Writes).await?.checked(Effect::Writes)?;
        // Another request under the same id is being carried out.
        if response.status == 409 { Err(Error::Unknown("answered 409".to_owned())) } else { Ok(response) }
    }

    /// None when PayPal has no such order, or none any more: what nobody approves is forgotten after some hours.
    async fn order(&self, id: &str) -> Result<Option<OrderResponse>, Error> {
        let Some(id) = segment(id) else { return Ok(None) };
        let request = self.http.request(Method::GET, &format!("/v2/checkout/orders/{id}"));
        let response = self.oauth.send(request, Effect::Reads).await?.checked(Effect::Reads)?;
        match response.status {
            404 => Ok(None),
            _ if response.is_success() => response.read(Effect::Reads).map(Some),
            status => Err(Error::Unavailable(format!("answered {status} to a look at an order"))),
        }
    }

    async fn known(&self, handle: &Handle) -> Result<Payment, Error> {
        let id = order_id(handle)?;
        match self.order(id).await? {
            Some(order) => order.payment(&handle.amount.currency),
            None => Ok(closed(id)),
        }
    }

    fn order_body(&self, order: &Order, value: &str) -> serde_json::Value {
        let reference = order.reference.to_string();
        let description: String = order.description.chars().take(DESCRIPTION_MAX).collect();
        let mut context = json!({ "user_action": "PAY_NOW", "shipping_preference": "NO_SHIPPING" });
        let returns = order.returns.as_ref();
        let members = [
            ("return_url", returns.map(|returns| returns.success.to_string())),
            ("cancel_url", returns.map(|returns| returns.cancel.to_string())),
            ("locale", order.locale.as_deref().filter(|locale| is_locale(locale)).map(str::to_owned)),
            ("brand_name", self.brand_name.clone()),
        ];
        for (name, text) in members {
            if let Some(text) = text {
                context[name] = text.into();
            }
        }
        let mut paypal = json!({ "experience_context": context });
        if let Some(email) = &order.payer.email {
            paypal["email_address"] = email.as_str().into();
        }
        json!({
            "intent": "CAPTURE",
            "purchase_units": [{
                "reference_id": reference,
                "custom_id": reference,
                // PayPal takes money for an invoice's number once only.
                "invoice_id": reference,
                "description": description,
                "amount": { "currency_code": order.amount.currency, "value": value },
            }],
            "payment_source": { "paypal": paypal },
        })
    }
}

#[async_trait::async_trait]
impl Gateway for PayPal {
    async fn open(&self, order: &Order) -> Result<Payment, Error> {
        if order.on_behalf.is_some() {
            return Err(declined("on_behalf_unsupported", "PayPal takes no money for connected accounts here"));
        }
        let body = self.order_body(order, &value(&order.amount)?);
        let response = self.post("/v2/checkout/orders", &order.reference.to_string(), &body).await?;
        if response.status == 404 {
            return Err(Error::Misconfigured("answered 404: the base URL is not PayPal's".to_owned()));
        }
        if !response.is_success() {
            return Err(response.read_refusal::<Refusal>().into_error(response.status));
        }
        let opened: OrderResponse = response.read(Effect::Writes)?;
        opened.payment(&order.amount.currency)
    }

    /// Orders can only be looked at under PayPal's id, so without one the answer is None: nobody has been given the page
    /// of an order whose id has got lost, hence nobody can pay it, and opening under the same reference returns that
    /// same order as long as PayPal knows it.
    async fn look_up(&self, handle: &Handle) -> Result<Option<Payment>, Error> {
        if handle.gateway_id.is_none() { Ok(None) } else { self.known(handle).await.map(Some) }
    }

    /// An order is captured once whatever the request's id is. The id changes when the payer has approved anew, because
    /// otherwise PayPal might repeat that the first means of payment was declined.
    async fn capture(&self, handle: &Handle) -> Result<Payment, Error> {
        let id = order_id(handle)?;
        let Some(order) = self.order(id).await? else { return Ok(closed(id)) };
        let payment = order.payment(&handle.amount.currency)?;
        if payment.state != State::Approved || order.has_captures() {
            return Ok(payment);
        }
        let request_id = format!("{}-capture-{}", handle.reference, order.updated_at());
        let path = format!("/v2/checkout/orders/{}/capture", segment(id).unwrap_or_default());
        let response = self.post(&path, &request_id, &json!({})).await?;
        if response.is_success() {
            return response.read::<OrderResponse>(Effect::Writes)?.payment(&handle.amount.currency);
        }
        let refusal: Refusal = response.read_refusal();
        match refusal.issue() {
            // Another means of payment may do: the payer is sent to the page again.
            Some("INSTRUMENT_DECLINED" | "PAYER_ACTION_REQUIRED") => {
                let approve_url = refusal.page().or(payment.approve_url);
                Ok(Payment { state: State::Waiting, approve_url, ..payment })
            }
            Some("ORDER_ALREADY_CAPTURED" | "ORDER_NOT_APPROVED") => self.known(handle).await,
            _ if response.status == 404 => Ok(closed(id)),
            _ => Err(refusal.into_error(response.status)),
        }
    }

    /// PayPal cannot be told to forget an order, and need not: no money moves unless we capture. So what has not been
    /// captured is closed by never capturing it.
    async fn close(&self, handle: &Handle) -> Result<Payment, Error> {
        let id = order_id(handle)?;
        let Some(order) = self.order(id).await? else { return Ok(closed(id)) };
        let payment = order.payment(&handle.amount.currency)?;
        match payment.state {
            State::Waiting => Ok(closed(id)),
            State::Approved if !order.has_captures() => Ok(closed(id)),
            _ => Ok(payment),
        }
    }

    async fn refund(&self, handle: &Handle, refund: &Refund) -> Result<Refunded, Error> {
        let order = self.order(order_id(handle)?).await?;
        let capture = order.as_ref().and_then(OrderResponse::refundable).and_then(segment);
        let Some(capture) = capture else {
            return Err(declined("nothing_captured", "PayPal has taken no money that could be given back"));
        };
        let mut body = json!({
            "amount": { "currency_code": refund.amount.currency, "value": value(&refund.amount)? },
            // Callbacks about refunds name the payment by this.
            "custom_id": handle.reference,
            "invoice_id": refund.reference,
        });
        if let Some(reason) = &refund.reason {
            body["note_to_payer"] = reason.chars().take(255).collect::<String>().into();
        }
        let path = format!("/v2/payments/captures/{capture}/refund");
        let response = self.post(&path, &refund.reference.to_string(), &body).await?;
        if !response.is_success() {
            return Err(response.read_refusal::<Refusal>().into_error(response.status));
        }
        response.read::<RefundResponse>(Effect::Writes)?.refunded()
    }

    async fn look_up_refund(&self, handle: &Handle, refund: &Refund) -> Result<Option<Refunded>, Error> {
        let order = self.order(order_id(handle)?).await?;
        let found = order.as_ref().and_then(|order| order.refund(&refund.reference.to_string()));
        found.map(RefundResponse::refunded).transpose()
    }

    fn claims(&self, callback: &Callback<'_>) -> Result<Option<Notification>, CallbackRefused> {
        callback::claims(self, callback).map(Some)
    }

    async fn receive(&self, callback: &Callback<'_>) -> Result<Notification, CallbackRefused> {
        callback::receive(self, callback).await
    }
}

fn order_id(handle: &Handle) -> Result<&str, Error> {
    let unknown =
        || Error::Unknown("PayPal's id of the order is not known: open it again, which returns it".to_owned());
    handle.gateway_id.as_deref().ok_or_else(unknown)
}

fn closed(id: &str) -> Payment {
    Payment {
        gateway_id: id.to_owned(),
        charge_id: None,
        state: State::Closed,
        approve_url: None,
        client_secret: None,
        captured: Decimal::ZERO,
        refunded: Decimal::ZERO,
        reversed: Decimal::ZERO,
    }
}

fn declined(code: &str, message: &str) -> Error {
    Error::Declined { code: code.to_owned(), message: message.to_owned() }
}

/// An amount as PayPal writes it.
fn value(money: &Money) -> Result<String, Error> {
    let digits = if WHOLE.contains(&money.currency.as_str()) { 0 } else { 2 };
    let exact = money.value.normalize();
    if exact.scale() > digits {
        let message = format!("PayPal takes {} with at most {digits} fraction digits", money.currency);
        return Err(declined("amount_precision", &message));
    }
    Ok(format!("{exact:.*}", digits as usize))
}

/// Language, perhaps a script, perhaps a region, such as `fr-KM`: PayPal refuses an order for any other tag.
fn is_locale(tag: &str) -> bool {
    let mut parts = tag.split('-').peekable();
    let lower = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase());
    let upper = |part: &str| part.bytes().all(|byte| byte.is_ascii_uppercase());
    if !parts.next().is_some_and(|language| language.len() == 2 && lower(language)) {
        return false;
    }
    let is_script = |part: &&str| part.len() == 4 && part.is_ascii() && upper(&part[..1]) && lower(&part[1..]);
    parts.next_if(is_script);
    parts.next_if(|region| region.len() == 2 && upper(region));
    parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_digits_that_paypal_takes() {
        let written = |value: &str, currency: &str| {
            let decimals = if currency == "JPY" { 0 } else { 2 };
            super::value(&Money { value: value.parse().unwrap(), currency: currency.to_owned(), decimals })
        };
        assert_eq!(written("12.3", "EUR").unwrap(), "12.30");
        assert_eq!(written("12", "EUR").unwrap(), "12.00");
        assert_eq!(written("1500", "JPY").unwrap(), "1500");
        assert_eq!(written("1500.00", "HUF").unwrap(), "1500");
        assert_eq!(written("100", "TWD").unwrap(), "100");
        for (value, currency) in [("12.345", "EUR"), ("12.50", "HUF"), ("0.5", "JPY"), ("0.1", "TWD")] {
            assert!(matches!(written(value, currency), Err(Error::Declined { .. })), "{value} {currency}");
        }
    }

    #[test]
    fn locales_that_paypal_would_refuse_are_left_out() {
        for good in ["fr", "fr-KM", "zh-Hant-TW", "zh-Hans"] {
            assert!(is_locale(good), "{good}");
        }
        for bad in ["", "fra", "FR", "fr-km", "fr_KM", "fr-KM-x", "f", "fr-", "fr-Éx1"] {
            assert!(!is_locale(bad), "{bad}");
        }
    }
}
