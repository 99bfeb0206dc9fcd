//! Choosing a gateway, by a shop's program or on our page, and waiting for what it says.

use std::time::Duration;

use entities::{GatewaySessionStatus, PaymentId, PaymentMethod, gateway_session};
use gateways::Source;
use payments::{
    RequestedBy,
    checkout::{self, Checkout, Choice},
    sessions,
};
use poem_openapi::{Object, types::Example};

use super::{
    plan::offered,
    request,
    response::{CheckoutPayment, CheckoutResponse},
};
use crate::{
    problem::{Code, Problem},
    state::State,
    waiting::Waiting,
};

/// How long a request waits for the gateway; afterwards our page does.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at what the worker has written down.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// The gateway that was chosen.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutSubmitRequest", example)]
pub(super) struct SubmitRequest {
    /// The gateway; what was named in `plan` when it is left out.
    pub(super) source: Option<request::Source>,
}

impl Example for SubmitRequest {
    fn example() -> Self {
        Self { source: Some(request::Source::MvolaComoros) }
    }
}

/// What the core calls paying by this gateway.
pub(super) const fn method(source: Source) -> PaymentMethod {
    if source.is_mobile_money() { PaymentMethod::MobileMoney } else { PaymentMethod::CreditCard }
}

/// The choice, if the gateway serves this payment.
pub(super) fn choice(
    state: &State,
    of: &Checkout,
    named: Option<Source>,
    phone: Option<String>,
) -> Result<Choice, Problem> {
    let planned = || of.checkout.source.as_deref().and_then(|code| code.parse().ok());
    let refused = |detail: &str| Problem::new(Code::ValidationFailed).detail(detail);
    let source: Source = named.or_else(planned).ok_or_else(|| refused("No gateway was chosen"))?;
    if !offered(state, of).contains(&source) {
        return Err(refused("This gateway is not offered here"));
    }
    Ok(Choice { source: source.code().to_owned(), payment_method: method(source), phone })
}

/// Has the payment opened and waits, outside of any transaction, until the gateway has said where the payer agrees.
pub(super) async fn submitted(
    state: &State,
    id: PaymentId,
    choice: Choice,
    by: RequestedBy,
) -> Result<CheckoutResponse, Problem> {
    let mut tx = state.db().begin().await?;
    let session = checkout::submit(&mut tx, id, choice, by).await?;
    tx.commit().await?;
    let session = gateway_response(state, session).await?;
    if session.status == GatewaySessionStatus::Failed {
        let why = session.failure_message.or(session.failure_code).unwrap_or_default();
        return Err(Problem::new(Code::Conflict).detail(format!("The gateway has declined: {why}")));
    }
    let found = checkout::find_for_payer(&**state.db(), id).await?.ok_or_else(|| Problem::not_found("Payment"))?;
    let next = session.approve_url.unwrap_or_else(|| state.checkout_links().page(id));
    Ok(CheckoutResponse { next, data: CheckoutPayment::new(state, found)? })
}

/// The session as soon as its gateway has answered, or as it is when the time is over.
async fn gateway_response(state: &State, session: gateway_session::Model) -> Result<gateway_session::Model, Problem> {
    let (mut session, mut waiting) = (session, Waiting::new(PATIENCE, POLL_EVERY));
    while matches!(session.status, GatewaySessionStatus::Asked | GatewaySessionStatus::Sent) && waiting.pause().await {
        if let Some(now) = sessions::find(&**state.db(), session.id).await? {
            session = now;
        }
    }
    Ok(session)
}
