//! A payment as shops see it.

use chrono::{DateTime, Utc};
use gateways::Source;
use payments::{
    checkout::{Checkout, Status},
    checkout_links::Return,
};
use poem_openapi::{Enum, Object, types::ParseFromJSON};
use uuid::Uuid;

use super::{
    plan::{Plan, PlanOption, offered},
    request::{self, Context, Payer, Purchase},
};
use crate::{
    problem::{Code, Problem},
    state::State,
    time::Time,
};

/// What a payment's own signature is for.
const SIGNATURE: &str = "billing";

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "CheckoutStatus", rename_all = "snake_case", remote = "Status")]
pub(super) enum CheckoutStatus {
    /// Being prepared.
    Init,
    /// The payer may choose a gateway.
    Pending,
    /// A gateway was chosen.
    Submitted,
    /// The payer has agreed there.
    Approved,
    /// The money is taken.
    Captured,
    /// The shop has it.
    Completed,
    /// Ended without money.
    Canceled,
    /// The gateway has refused.
    Failed,
}

/// Whom it pays.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutPayee", rename_all = "camelCase")]
pub(super) struct Payee {
    /// The shop's name.
    full_name: String,
}

/// Something that happened to the payment.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutTrace", rename_all = "camelCase")]
pub(super) struct Trace {
    /// Such as `payment.submitted`.
    event: String,
    /// The same for people.
    message: String,
    created_at: Time,
}

/// The payment at its gateway.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutIntent", rename_all = "camelCase", skip_serializing_if_is_none)]
pub(super) struct Intent {
    /// Ours, which the gateway knows it by.
    id: Uuid,
    source: String,
    /// `asked`, `sent`, `ready`, `closing`, `captured`, `failed` or `closed`.
    status: String,
    /// Why it failed, the gateway's word.
    failure_code: Option<String>,
    /// The same for people.
    failure_message: Option<String>,
    created_at: Time,
}

/// Where browsers are sent, and what the gateway has told.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutBilling", rename_all = "camelCase", skip_serializing_if_is_none)]
pub(super) struct Billing {
    /// Our page on which the payer chooses a gateway.
    submit_url: String,
    /// The gateway's page on which the payer agrees.
    approve_url: Option<String>,
    /// Where the gateway sends the browser of a payer who has turned away.
    decline_url: String,
    /// Where it sends that of one who has agreed.
    capture_url: String,
    /// The gateway's id of the payment.
    provider_id: Option<String>,
    /// What has happened so far.
    traces: Vec<Trace>,
    intent: Option<Intent>,
    /// The gateway's id of the money that was taken.
    proof: Option<String>,
    /// Our signature of the payment, the same as long as it exists.
    signature: String,
}

/// A payment. Members without a value are left out.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutPayment", rename_all = "camelCase", skip_serializing_if_is_none)]
pub(super) struct CheckoutPayment {
    pub(super) id: Uuid,
    pub(super) status: CheckoutStatus,
    /// Whether the money is taken.
    captured: bool,
    context: Context,
    payee: Payee,
    payer: Option<Payer>,
    purchase: Purchase,
    /// The shop's own reference.
    client_id: Option<String>,
    /// The shop's note.
    client_note: Option<String>,
    plan: Plan,
    cancel_url: Option<String>,
    success_url: Option<String>,
    billing: Billing,
    created_at: Time,
    canceled_at: Option<Time>,
    /// When a gateway was chosen.
    submitted_at: Option<Time>,
    /// When the payer agreed.
    approved_at: Option<Time>,
    /// When the money was taken.
    captured_at: Option<Time>,
    failed_at: Option<Time>,
    completed_at: Option<Time>,
}

/// A payment, and where the payer's browser goes next.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutAnswer")]
pub(super) struct CheckoutResponse {
    /// Where to send the payer's browser.
    pub(super) next: String,
    pub(super) data: CheckoutPayment,
}

impl CheckoutPayment {
    pub(super) fn new(state: &State, of: Checkout) -> Result<Self, Problem> {
        let status = of.status();
        let captured = matches!(status, Status::Captured | Status::Completed);
        let billing = Billing::new(state, &of, captured);
        let source = of.checkout.source.as_deref().and_then(|code| code.parse::<Source>().ok());
        let base_url = state.checkout_links().base_url();
        let options = offered(state, &of).into_iter().map(|source| PlanOption::new(source, base_url)).collect();
        let (canceled_at, submitted_at) = (canceled_at(&of, status), of.last(&["payment.submitted"]));
        let (approved_at, captured_at) = (of.approved_at(), of.last(&["payment.paid"]));
        let failed_at = of.last(&["payment.failed", "payment.rejected"]);
        let completed_at = of.last(&["payment.completed"]);
        let row = of.checkout;
        Ok(Self {
            id: of.payment.id.0,
            status: status.into(),
            captured,
            context: Context {
                locale: row.locale,
                channels: row.channels.and_then(|channels| serde_json::from_value(channels).ok()),
                redirect_mode: Some(row.redirect_mode.into()),
                terminal_id: row.terminal_id,
            },
            payee: Payee { full_name: of.payee },
            payer: row.payer.map(parse_stored).transpose()?,
            purchase: parse_stored(row.purchase)?,
            client_id: row.client_id,
            client_note: row.client_note,
            plan: Plan { options, source: source.map(request::Source::from) },
            cancel_url: row.cancel_url,
            success_url: row.success_url,
            billing,
            created_at: of.payment.created_at.into(),
            canceled_at: canceled_at.map(Time),
            submitted_at: submitted_at.map(Time),
            approved_at: approved_at.map(Time),
            captured_at: captured_at.map(Time),
            failed_at: failed_at.map(Time),
            completed_at: completed_at.map(Time),
        })
    }
}

/// The moment in which it was told first: a cancel that is carried out later counts from the request.
fn canceled_at(of: &Checkout, status: Status) -> Option<DateTime<Utc>> {
    if status != Status::Canceled {
        return None;
    }
    of.last(&["payment.canceling"]).or_else(|| of.last(&["payment.canceled", "payment.expired"]))
}

impl Billing {
    fn new(state: &State, of: &Checkout, captured: bool) -> Self {
        let (id, session) = (of.payment.id, of.session.as_ref());
        let links = state.checkout_links();
        let provider_id = session.and_then(|session| session.gateway_id.clone());
        let trace = |event: &entities::payment_log::Model| Trace {
            event: event.event_type.clone(),
            message: event.message.clone(),
            created_at: event.created_at.into(),
        };
        let intent = session.map(|session| Intent {
            id: session.id.0,
            source: session.source.clone(),
            status: session.status.word(),
            failure_code: session.failure_code.clone(),
            failure_message: session.failure_message.clone(),
            created_at: session.created_at.into(),
        });
        Self {
            submit_url: links.page(id),
            approve_url: session.and_then(|session| session.approve_url.clone()),
            decline_url: links.back(id, Return::Decline),
            capture_url: links.back(id, Return::Capture),
            proof: provider_id.clone().filter(|_| captured),
            provider_id,
            traces: of.events.iter().map(trace).collect(),
            intent,
            signature: links.signature(SIGNATURE, id),
        }
    }
}

/// What was kept as it was sent.
fn parse_stored<T: ParseFromJSON>(stored: serde_json::Value) -> Result<T, Problem> {
    T::parse_from_json(Some(stored)).map_err(|error| {
        tracing::error!(error = error.message(), "a stored purchase or payer cannot be read");
        Problem::new(Code::Internal)
    })
}
