//! What operators answer. They do not agree on upper and lower case.

use rust_decimal::Decimal;
use serde::Deserialize;

use crate::{
    Error, State,
    http::{segment, short},
};

/// How far a request is.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RequestState {
    server_correlation_id: String,
    status: String,
    /// The transaction that it became.
    object_reference: Option<String>,
    #[serde(alias = "errorReference")]
    error: Option<Refusal>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Transaction {
    transaction_status: String,
    amount: String,
    currency: String,
}

/// The answer that we may have missed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Missed {
    link: String,
}

/// Why a request was refused, or failed.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Refusal {
    #[serde(alias = "ErrorCode")]
    error_code: String,
    #[serde(alias = "ErrorDescription")]
    error_description: String,
    fault: Option<Fault>,
}

/// What stands before MVola's API answers in words of its own.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    message: String,
    description: String,
}

impl RequestState {
    pub(super) fn id(&self) -> Result<&str, Error> {
        segment(&self.server_correlation_id).ok_or_else(|| Error::Unknown("the operator's answer has no id".to_owned()))
    }

    pub(super) fn transaction(&self) -> Option<&str> {
        self.object_reference.as_deref().and_then(segment)
    }

    pub(super) fn state(&self) -> Result<State, Error> {
        state(&self.status, self.error.as_ref())
    }
}

impl Transaction {
    pub(super) fn state(&self) -> Result<State, Error> {
        // Before it can be taken back, it has been carried out.
        if self.is_reversed() { Ok(State::Captured) } else { state(&self.transaction_status, None) }
    }

    pub(super) fn is_reversed(&self) -> bool {
        self.transaction_status.eq_ignore_ascii_case("reversed")
    }

    /// Whether it is about this amount, as the operator writes it.
    pub(super) fn is_of(&self, (amount, currency): &(String, &str)) -> bool {
        let number = |text: &str| Decimal::from_str_exact(text).ok();
        number(&self.amount).is_some_and(|body| number(amount) == Some(body)) && self.currency == *currency
    }
}

impl Missed {
    /// As we keep ids; the link may begin with the API's own path.
    pub(super) fn id(&self) -> Result<String, Error> {
        let mut parts = self.link.rsplit('/');
        match (parts.next().and_then(segment), parts.next()) {
            (Some(id), Some("requeststates")) => Ok(id.to_owned()),
            (Some(id), Some("transactions" | "reversals")) => Ok(format!("transactions/{id}")),
            _ => Err(Error::Unknown("the operator's answer leads to nothing that is documented".to_owned())),
        }
    }
}

impl Refusal {
    pub(super) fn is_duplicate(&self) -> bool {
        self.error_code.eq_ignore_ascii_case("DuplicateRequest")
    }

    pub(super) fn into_error(self, status: u16) -> Error {
        let fault = self.fault.unwrap_or_default();
        let first = |texts: [String; 3]| texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let code = first([self.error_code, format!("http_{status}"), String::new()]);
        let unexplained = "the operator refused without a reason".to_owned();
        let message =
            first([self.error_description, first([fault.description, fault.message, unexplained]), code.clone()]);
        Error::Declined { code: short(&code), message: short(&message) }
    }
}

/// What an operator's word for a state means.
pub(super) fn state(word: &str, error: Option<&Refusal>) -> Result<State, Error> {
    match word.to_ascii_lowercase().as_str() {
        "pending" | "initiated" | "in progress" => Ok(State::Waiting),
        "completed" | "success" | "successful" => Ok(State::Captured),
        word @ ("failed" | "rejected" | "declined" | "cancelled" | "canceled" | "expired" | "timeout") => {
            let body = |text: &str, otherwise: &str| short(if text.is_empty() { otherwise } else { text });
            let (code, message) = error.map_or(("", ""), |error| (&*error.error_code, &*error.error_description));
            Ok(State::Failed { code: body(code, word), message: body(message, "the payer did not pay") })
        }
        _ => Err(Error::Unknown("the operator tells of a state that is not documented".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_missed_answers_lead_to_requests_or_transactions() {
        let id = |link: &str| Missed { link: link.to_owned() }.id();
        assert_eq!(id("/requeststates/a-1").unwrap(), "a-1");
        assert_eq!(id("/v1.2/mm/transactions/REF-1").unwrap(), "transactions/REF-1");
        for bad in ["", "/", "/transactions/", "/accounts/1", "/transactions/..", "/transactions/a?b"] {
            assert!(matches!(id(bad), Err(Error::Unknown(_))), "{bad}");
        }
    }

    #[test]
    fn a_word_that_nobody_documents_is_no_state() {
        assert_eq!(state("Completed", None).unwrap(), State::Captured);
        assert_eq!(state("pending", None).unwrap(), State::Waiting);
        assert!(matches!(state("expired", None).unwrap(), State::Failed { code, .. } if code == "expired"));
        assert!(matches!(state("", None), Err(Error::Unknown(_))));
        assert!(matches!(state("perhaps", None), Err(Error::Unknown(_))));
    }
}
