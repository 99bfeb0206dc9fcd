//! What a payer may choose from.

use gateways::Source;
use poem_openapi::Object;

use payments::checkout::Checkout;
use uuid::Uuid;

use super::request;
use crate::state::State;

/// A gateway that the payer may choose.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutOption")]
pub(super) struct PlanOption {
    code: request::Source,
    /// What payers call it.
    name: String,
    /// Address of its picture.
    image: String,
}

/// How it is paid.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutPlan", skip_serializing_if_is_none)]
pub(super) struct Plan {
    /// The gateways that the payer may choose from.
    pub(super) options: Vec<PlanOption>,
    /// The one that was chosen.
    pub(super) source: Option<request::Source>,
}

impl PlanOption {
    pub(super) fn new(source: Source, base_url: &str) -> Self {
        let image = format!("{base_url}{}", image_path(source));
        Self { code: source.into(), name: source.title().to_owned(), image }
    }
}

/// Where the gateway's picture is served.
pub(super) fn image_path(source: Source) -> String {
    format!("/checkout/assets/{}.svg", source.code().to_lowercase())
}

/// The gateways that serve this payment.
pub(super) fn offered(state: &State, of: &Checkout) -> Vec<Source> {
    let line: Vec<Uuid> = of.line.iter().map(|node| node.0).collect();
    state.gateways().offered(&line)
}
