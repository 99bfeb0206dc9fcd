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
    /// Seconds until the next try; only with 429.
    #[oai(rename = "retryAfter", skip_serializing_if_is_none)]
    retry_after: Option<u64>,
}

impl Example for Refusal {
    fn example() -> Self {
        Self { message: "Payment not found".to_owned(), retry_after: None }
    }
}

impl Refusal {
    /// The body as it is sent.
    pub(crate) fn text(message: String, retry_after: Option<u64>) -> String {
        Self { message, retry_after }.to_json_string()
    }
}

/// A refusal in the contract's words.
pub(crate) type Declined<const A: u16 = 0, const B: u16 = 0, const C: u16 = 0> =
    crate::declined::Declined<Refusal, A, B, C>;
