//! What gateways call, and the built-in gateway that one can play with. Knows no contract and no resource.

pub(crate) mod callbacks;
pub(crate) mod lightning;
pub(crate) mod sandbox;

use poem::http::Method;
use poem_openapi::Tags;

use crate::{
    edge::{Class, Stranger},
    state::State,
};

/// Their group in the document.
#[derive(Tags)]
enum Tag {
    /// What payment gateways tell us; for them alone.
    Gateways,
}

/// Every callback, and the sandbox.
pub(crate) type Api = (callbacks::GatewayCallbacks, lightning::LightningCallbacks, sandbox::Api);

/// Builds them.
pub(crate) fn api(state: &State) -> Api {
    (
        callbacks::GatewayCallbacks(state.clone()),
        lightning::LightningCallbacks(state.clone()),
        sandbox::api(|| state.clone()),
    )
}

/// Beginnings of paths of callbacks that are checked as they came, empty parameters included.
pub(crate) const AS_SENT: &[&str] = &["/v1/webhooks/"];

/// Routes that ask for no token of a caller.
pub(crate) const STRANGERS: &[Stranger] = &[
    (Method::POST, "/v1/webhooks/payments/stripe", Class::Callback),
    (Method::POST, "/v1/webhooks/payments/paypal", Class::Callback),
    (Method::PUT, "/v1/webhooks/payments/mvola-mg", Class::Callback),
    (Method::POST, "/v1/webhooks/payments/mvola-km", Class::Callback),
    (Method::GET, "/v1/webhooks/payments/holo", Class::Callback),
    (Method::POST, "/v1/webhooks/payments/huri", Class::Callback),
    (Method::POST, "/webhook/phoenixd", Class::Callback),
    // The sandbox's own adapter brings a secret, which is looked at first; payers play on its pages.
    (Method::POST, "/sandbox/accounts", Class::SignedIn),
    (Method::GET, "/sandbox/accounts", Class::SignedIn),
    (Method::GET, "/sandbox/accounts/{id}", Class::SignedIn),
    (Method::POST, "/sandbox/accounts/{id}/login-links", Class::SignedIn),
    (Method::POST, "/sandbox/accounts/{id}/payouts", Class::SignedIn),
    (Method::GET, "/sandbox/payouts", Class::SignedIn),
    (Method::POST, "/sandbox/payments", Class::SignedIn),
    (Method::GET, "/sandbox/payments", Class::SignedIn),
    (Method::GET, "/sandbox/payments/{id}", Class::SignedIn),
    (Method::POST, "/sandbox/payments/{id}/close", Class::SignedIn),
    (Method::POST, "/sandbox/payments/{id}/refunds", Class::SignedIn),
    (Method::GET, "/sandbox/refunds", Class::SignedIn),
    (Method::POST, "/sandbox/lightning/createinvoice", Class::SignedIn),
    (Method::GET, "/sandbox/lightning/payments/incoming/{id}", Class::SignedIn),
    (Method::GET, "/sandbox/lightning/payments/incoming", Class::SignedIn),
    (Method::POST, "/sandbox/lightning/invoices/{id}/pay", Class::Cheap),
    (Method::GET, "/sandbox/pay/{id}", Class::Cheap),
    (Method::POST, "/sandbox/pay/{id}/approve", Class::Cheap),
    (Method::POST, "/sandbox/pay/{id}/decline", Class::Cheap),
    (Method::POST, "/sandbox/pay/{id}/timeout", Class::Cheap),
    (Method::POST, "/sandbox/pay/{id}/reverse", Class::Cheap),
    (Method::GET, "/sandbox/sellers/{id}", Class::Cheap),
];
