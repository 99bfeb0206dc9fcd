//! The contract's error body.

use poem_openapi::{Object, types::ToJSON};

/// Why a request was refused.
#[derive(Object)]
pub(crate) struct Refusal {
    /// Always false.
    success: bool,
    /// A sentence for people.
    error: String,
}

impl Refusal {
    /// The body as it is sent.
    pub(crate) fn text(error: String) -> String {
        Self { success: false, error }.to_json_string()
    }
}

/// A refusal in the contract's words.
pub(crate) type Declined<const A: u16 = 0, const B: u16 = 0, const C: u16 = 0> =
    crate::declined::Declined<Refusal, A, B, C>;
