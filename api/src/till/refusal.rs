//! The contract's error body.

use poem_openapi::{
    Object,
    types::{Example, ToJSON},
};

/// Why a request was refused.
#[derive(Object)]
#[oai(rename = "TillRefusal", example)]
pub(crate) struct Refusal {
    /// A sentence for people.
    message: String,
}

impl Example for Refusal {
    fn example() -> Self {
        Self { message: "Payment not found".to_owned() }
    }
}

impl Refusal {
    /// The body as it is sent.
    pub(crate) fn text(message: String) -> String {
        Self { message }.to_json_string()
    }
}

/// A refusal in the contract's words.
pub(crate) type Declined<const A: u16 = 0, const B: u16 = 0, const C: u16 = 0> =
    crate::declined::Declined<Refusal, A, B, C>;
