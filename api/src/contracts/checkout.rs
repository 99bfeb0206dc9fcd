//! The contract of the hosted checkout: its words, its errors, its routes and the pages that payers see, over the core's
//! payments.

mod countries;
mod create;
mod language;
mod list;
mod mistakes;
mod pages;
mod payment_routes;
mod plan;
mod quantity;
mod refusal;
mod request;
mod response;
mod returns;
mod submit;
mod texts;
mod token;
mod wrong;

#[cfg(test)]
pub(crate) use self::request::CheckoutRequest;
use self::{language::Language, list::Attributes, wrong::CheckoutWrong};

use payments::checkout::CheckoutError;
use poem::http::Method;
use poem_openapi::Tags;

use crate::{
    body::{Fits, OwnFormat},
    disk::Room,
    edge::{Class, Contract, Part},
    problem::{Code, Parameter, Problem},
    state::State,
};

/// The contract's group in the document.
#[derive(Tags)]
enum Tag {
    /// Payments that a shop's customer makes on our page, at a gateway of their choice. Errors of these operations have
    /// one of the statuses 400, 401, 403, 404, 429 and 500, and are told in the language of `Accept-Language` (English,
    /// French, Spanish, Portuguese).
    Checkout,
}

pub(crate) type Api =
    (token::Token, payment_routes::PaymentRoutes, returns::ReturnsRoutes, pages::Pages, pages::Assets);

pub(crate) fn api(state: &State) -> Api {
    let state = || state.clone();
    (
        token::Token(state()),
        payment_routes::PaymentRoutes(state()),
        returns::ReturnsRoutes(state()),
        pages::Pages(state()),
        pages::Assets,
    )
}

/// The contract as the edge knows it.
pub(crate) static CONTRACT: Contract = Contract {
    name: "checkout",
    owns_path,
    refuse: refusal::refuse,
    strangers: &[
        (Method::POST, "/v1/token", Class::Write),
        (Method::GET, "/checkout/{id}", Class::Cheap),
        (Method::POST, "/checkout/{id}/submit", Class::Dear),
        (Method::POST, "/checkout/{id}/cancel", Class::Write),
        (Method::GET, "/checkout/assets/{id}", Class::Cheap),
        (Method::GET, "/v1/payments/{id}/capture", Class::Write),
        (Method::GET, "/v1/payments/{id}/decline", Class::Write),
    ],
    credentials: &[token::OF_A_CLIENT],
    parameters: &[Parameter::new::<Attributes>(Attributes::wrong)],
    formats: &[OwnFormat {
        name: quantity::FORMAT,
        fits: Fits::Value(quantity::fits),
        wanted: || CheckoutWrong::Quantity.into(),
    }],
    fills: &[("/v1/payments", Room::Little)],
    no_money: language::no_money,
    part: Part {
        summary: "The hosted checkout",
        groups: &[&Tag::Checkout],
        paths: &["/v1/webhooks/"],
        // Answered with 400, 404 or 500.
        statuses_unused: &["408", "413", "414", "415", "431", "503"],
        leaves_out: |schema, _| schema.starts_with("Checkout"),
        ..Part::PLAIN
    },
    ..Contract::PLAIN
};

/// Whether errors at this path are problem objects in the contract's words.
fn is_api_path(path: &str) -> bool {
    path.strip_prefix("/v1").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the contract decides what errors at this path look like: problems for shops, pages for payers.
fn owns_path(path: &str) -> bool {
    is_api_path(path) || path.starts_with("/checkout/")
}

impl From<CheckoutError> for Problem {
    fn from(error: CheckoutError) -> Self {
        match error {
            CheckoutError::Denied(payments::Denied::NotFound) => Self::not_found("Payment"),
            CheckoutError::Denied(denied) => denied.into(),
            CheckoutError::UnknownCurrency => Self::invalid("/purchase/total/currency", CheckoutWrong::UnknownCurrency),
            CheckoutError::Amount(error) => Self::invalid("/purchase/total/value", error),
            CheckoutError::ClientIdTaken | CheckoutError::NotSubmittable(_) | CheckoutError::NotCancelable(_) => {
                Self::new(Code::Conflict).detail(error.to_string())
            }
            CheckoutError::Database(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_api_path, owns_path};

    #[test]
    fn only_the_contracts_own_paths_have_its_errors() {
        for own in ["/v1", "/v1/token", "/v1/payments/7/submit", "/v1/webhooks/payments/stripe"] {
            assert!(is_api_path(own) && owns_path(own), "{own}");
        }
        assert!(owns_path("/checkout/7") && !is_api_path("/checkout/7"));
        for other in ["/api/v1/payments", "/v10/payments", "/payments", "/checkouts", "/"] {
            assert!(!owns_path(other), "{other}");
        }
    }
}
