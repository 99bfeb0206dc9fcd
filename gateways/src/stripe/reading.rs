//! What Stripe's objects say of a payment.

use rust_decimal::Decimal;
use stripe_client_core::StripeRequest;
use stripe_core::dispute::ListDispute;

use super::{
    Stripe,
    amount::value,
    client::{Call, PAGE},
    page,
    responses::{self, Charge, Dispute, Intent, Page, Refusal, Session},
};
use crate::{Error, Payment, Refunded, State};

impl Stripe {
    pub(super) async fn payment_of_session(&self, session: &Session) -> Result<Payment, Error> {
        let mut payment = new_session(session)?;
        match intent(session) {
            Some(intent) => {
                payment.charge_id = Some(intent.id.clone());
                self.put_amounts(&mut payment, intent).await?;
            }
            // Nothing to pay, which we never ask for, leaves no PaymentIntent.
            None if payment.state == State::Captured => {
                let currency = session.currency.as_deref().unwrap_or_default();
                payment.captured = value(session.amount_total.unwrap_or_default(), currency);
            }
            None => {}
        }
        Ok(payment)
    }

    pub(super) async fn payment_of_intent(&self, intent: &Intent) -> Result<Payment, Error> {
        let mut payment = new_intent(intent)?;
        self.put_amounts(&mut payment, intent).await?;
        Ok(payment)
    }

    async fn put_amounts(&self, payment: &mut Payment, intent: &Intent) -> Result<(), Error> {
        if intent.status != "succeeded" {
            return Ok(());
        }
        // All is captured at once.
        payment.captured = value(intent.amount_received.unwrap_or(intent.amount), &intent.currency);
        let Some(charge) = intent.latest_charge.as_ref().and_then(|charge| charge.object()) else { return Ok(()) };
        payment.refunded = value(charge.amount_refunded, &intent.currency);
        if charge.disputed {
            payment.reversed = self.reversed(charge, &intent.currency).await?;
        }
        Ok(())
    }

    /// What disputes of a charge have taken away.
    async fn reversed(&self, charge: &Charge, currency: &str) -> Result<Decimal, Error> {
        let mut sum = Decimal::ZERO;
        let mut after: Option<String> = None;
        loop {
            let list = ListDispute::new().charge(charge.id.as_str()).limit(PAGE);
            let Page { data, has_more } = self.client.send(Call::new(page!(list, after))).await?;
            sum += data
                .iter()
                .filter(|dispute: &&Dispute| takes(dispute))
                .map(|dispute| value(dispute.amount, currency))
                .sum::<Decimal>();
            after = data.last().map(|dispute| dispute.id.clone());
            if !has_more || after.is_none() {
                return Ok(sum);
            }
        }
    }
}

/// Whether the money of a dispute is with the payer's bank. It has come back when the dispute is won, and it never went
/// with an inquiry (`warning_…`) or with a dispute that was prevented by a refund.
fn takes(dispute: &Dispute) -> bool {
    !matches!(dispute.status.as_str(), "won" | "prevented") && !dispute.status.starts_with("warning_")
}

/// A session without its amounts.
pub(super) fn new_session(session: &Session) -> Result<Payment, Error> {
    let approve_url = session.url.as_deref().map(str::parse).transpose();
    let approve_url = approve_url.map_err(|_| Error::Unknown("Stripe's page has no readable URL".to_owned()))?;
    Ok(Payment { approve_url, ..bare(&session.id, session_state(session)?) })
}

/// A PaymentIntent without its amounts.
pub(super) fn new_intent(intent: &Intent) -> Result<Payment, Error> {
    let client_secret = intent.client_secret.clone().map(Into::into);
    Ok(Payment { client_secret, ..bare(&intent.id, intent_state(intent)?) })
}

fn bare(id: &str, state: State) -> Payment {
    Payment {
        gateway_id: id.to_owned(),
        charge_id: None,
        state,
        approve_url: None,
        client_secret: None,
        captured: Decimal::ZERO,
        refunded: Decimal::ZERO,
        reversed: Decimal::ZERO,
    }
}

fn intent(session: &Session) -> Option<&Intent> {
    session.payment_intent.as_ref().and_then(|intent| intent.object())
}

fn session_state(session: &Session) -> Result<State, Error> {
    let paid = session.payment_status != "unpaid";
    match (session.status.as_deref(), intent(session)) {
        (_, Some(intent)) if intent.status == "succeeded" => Ok(State::Captured),
        (_, Some(intent)) if intent.status == "processing" => Ok(State::Approved),
        (Some("complete"), _) if paid => Ok(State::Captured),
        // The page is closed to another try.
        (Some("complete"), Some(Intent { status, last_payment_error, .. })) if status == "requires_payment_method" => {
            Ok(failed(last_payment_error.as_ref()))
        }
        (Some("complete"), Some(Intent { status, .. })) if status == "canceled" => Ok(State::Closed),
        // A voucher, say, which the payer still takes to a counter.
        (Some("complete"), _) => Ok(State::Approved),
        (Some("expired"), _) => Ok(State::Closed),
        // A try that failed can be repeated on the page.
        (Some("open"), _) => Ok(State::Waiting),
        (status, _) => Err(unknown_status("session", status.unwrap_or("none"))),
    }
}

fn intent_state(intent: &Intent) -> Result<State, Error> {
    match intent.status.as_str() {
        "requires_payment_method" | "requires_confirmation" | "requires_action" | "requires_capture" => {
            Ok(State::Waiting)
        }
        "processing" => Ok(State::Approved),
        "succeeded" => Ok(State::Captured),
        "canceled" => Ok(State::Closed),
        status => Err(unknown_status("payment", status)),
    }
}

/// A word that came with a later version of the API: it is better to poll again than to guess.
fn unknown_status(what: &str, status: &str) -> Error {
    Error::Unknown(format!("Stripe gives the {what} a status that is not known here: {status:?}"))
}

fn failed(refusal: Option<&Refusal>) -> State {
    let code = refusal.and_then(|refusal| refusal.code.clone()).unwrap_or_else(|| "payment_failed".to_owned());
    let message = refusal.and_then(|refusal| refusal.message.clone());
    State::Failed { code, message: message.unwrap_or_else(|| "The payment did not succeed.".to_owned()) }
}

pub(super) fn refunded(refund: responses::Refund) -> Refunded {
    let state = match refund.status.as_deref() {
        Some("succeeded") => State::Captured,
        Some(status @ ("failed" | "canceled")) => State::Failed {
            code: refund.failure_reason.unwrap_or_else(|| status.to_owned()),
            message: "The refund did not reach the payer.".to_owned(),
        },
        // Also what waits for the payer to say where the money shall go.
        _ => State::Waiting,
    };
    Refunded { gateway_id: refund.id, state }
}
