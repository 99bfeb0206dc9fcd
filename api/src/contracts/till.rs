//! The contract of the point of sale: its words, its errors and its routes, over the core's payments.

mod base_currency;
mod catalogue;
mod config;
mod initial_setup;
mod invoices;
mod list;
mod payments_taken;
mod permissions;
mod refusal;
mod relations;
mod roles;
mod sign_in_page;
pub(crate) mod staff;
mod staff_cookies;
mod staff_list;
mod tickets;
mod transaction_id;
mod user_change;
mod users;

pub use self::config::TillConfig;
use self::{permissions::till_name, refusal::Declined};

use payments::till::{Reference, TillError};
use poem::http::Method;
use poem_openapi::{
    ApiResponse, Tags,
    payload::Json,
    types::{ParseFromJSON, ToJSON},
};

use crate::{
    disk::Room,
    edge::{Class, Contract, Part},
    problem::{Code, Problem},
    state::State,
};

/// The contract's groups in the document.
#[derive(Tags)]
enum Tag {
    /// Payments taken at a point of sale, and the tickets that they cover; reads show the payments of every contract.
    /// Errors of these operations are `{"message":"…"}`.
    Till,
    /// People: how they sign in, what they may do, and who decides that. Errors of these operations are
    /// `{"message":"…"}`. Permissions are named with an underscore here, such as `payments_read`.
    Staff,
}

pub(crate) type Api = (
    staff::Staff,
    payments_taken::PaymentsTaken,
    (catalogue::Catalogue, invoices::Invoices),
    (base_currency::BaseCurrencyRoutes, initial_setup::InitialSetupRoutes),
    relations::Relations,
    tickets::Tickets,
    users::Users,
    roles::Roles,
    permissions::Permissions,
);

pub(crate) fn api(state: &State) -> Api {
    let state = || state.clone();
    (
        staff::Staff(state()),
        payments_taken::PaymentsTaken(state()),
        (catalogue::Catalogue(state()), invoices::Invoices(state())),
        (base_currency::BaseCurrencyRoutes(state()), initial_setup::InitialSetupRoutes),
        relations::Relations(state()),
        tickets::Tickets(state()),
        users::Users(state()),
        roles::Roles(state()),
        permissions::Permissions,
    )
}

/// The contract as the edge knows it.
pub(crate) static CONTRACT: Contract = Contract {
    name: "till",
    owns_path,
    refuse: refusal::refuse,
    strangers: &[
        (Method::POST, "/auth/login", Class::Dear),
        (Method::POST, "/auth/refresh", Class::Write),
        (Method::GET, "/base-currency", Class::Cheap),
        (Method::GET, "/initial-setup", Class::Cheap),
        (Method::POST, "/initial-setup", Class::Cheap),
    ],
    fills: &[("/payments", Room::Little), ("/payments/lightning/invoices", Room::Little), ("/tickets", Room::Little)],
    part: Part {
        summary: "Payments at a point of sale",
        groups: &[&Tag::Till, &Tag::Staff],
        paths: &["/webhook/phoenixd"],
        error_schema: Some(|_| "TillRefusal"),
        // Of a user a sign-in page is given nothing but the name.
        leaves_out: |schema, property| schema == "TillUser" || (schema, property) == ("TillRefusal", "retryAfter"),
        ..Part::PLAIN
    },
    ..Contract::PLAIN
};

/// Whether errors at this path are told in the contract's own words.
fn owns_path(path: &str) -> bool {
    const PREFIXES: [&str; 8] =
        ["/payments", "/tickets", "/auth", "/users", "/roles", "/permissions", "/base-currency", "/initial-setup"];
    let under = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    PREFIXES.into_iter().any(under)
}

/// A list, which the contract answers without a body when it is empty.
#[derive(ApiResponse)]
enum Listed<T: ParseFromJSON + ToJSON + Send + Sync> {
    /// The list.
    #[oai(status = 200)]
    Some(Json<Vec<T>>),
    /// There are none; there is no body.
    #[oai(status = 204)]
    None,
}

impl<T: ParseFromJSON + ToJSON + Send + Sync> Listed<T> {
    fn of(items: Vec<T>) -> Self {
        if items.is_empty() { Self::None } else { Self::Some(Json(items)) }
    }
}

impl From<TillError> for Problem {
    fn from(error: TillError) -> Self {
        match error {
            TillError::Denied(payments::Denied::NotFound) => Self::not_found("Payment"),
            TillError::Denied(denied) => denied.into(),
            TillError::Unknown(what) => Self::not_found(name(what)),
            TillError::Amount(error) => Self::invalid("/amount", error),
            TillError::TransactionTaken
            | TillError::NotOfTheTill
            | TillError::HasTickets
            | TillError::Covered
            | TillError::InState(_)
            | TillError::Changed => Self::conflict(error.to_string()),
            TillError::Database(error) => error.into(),
        }
    }
}

/// What was named, as sentences start with it.
const fn name(what: Reference) -> &'static str {
    match what {
        Reference::Payment => "Payment",
        Reference::Ticket => "Ticket",
        Reference::PaymentMethod => "Payment method",
        Reference::Currency => "Currency",
    }
}

/// What a body names and is not there is a mistake in the body, where the contract says so.
fn in_body(error: TillError) -> Problem {
    match error {
        TillError::Unknown(what) => Problem::new(Code::ValidationFailed).detail(format!("{} not found", name(what))),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::owns_path;

    #[test]
    fn only_the_contracts_own_paths_have_its_errors() {
        for own in [
            "/payments",
            "/payments/methods/7",
            "/tickets",
            "/auth/login",
            "/users/me",
            "/roles/7/permissions",
            "/base-currency",
            "/initial-setup",
        ] {
            assert!(owns_path(own), "{own}");
        }
        for other in ["/api/v1/payments", "/api/payments", "/api/auth/login", "/paymentsome", "/v1/payments", "/"] {
            assert!(!owns_path(other), "{other}");
        }
    }
}
