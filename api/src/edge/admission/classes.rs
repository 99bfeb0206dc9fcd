//! What a request to each public route costs a stranger.

use poem::http::Method;

use crate::edge::Contract;

/// What a route costs whoever has not signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The route asks for a token itself, before it does anything.
    SignedIn,
    /// Whoever watches over this process asks often, and must not find it dead because strangers are many.
    Watched,
    /// What gateways tell, checked by its signature; on its own, so that no crowd of payers keeps money from being seen.
    Callback,
    /// A page, a file, one row.
    Cheap,
    /// Some rows, or a token.
    Write,
    /// Hashing, a file, a new order, or something that a gateway is asked for.
    Dear,
}

impl Class {
    /// Points of one request.
    pub(crate) fn points(self) -> u32 {
        match self {
            Self::SignedIn | Self::Watched => 0,
            Self::Callback | Self::Cheap => 1,
            Self::Write => 5,
            Self::Dear => 20,
        }
    }

    /// What its budget is called.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::Watched => "watched",
            Self::Callback => "callback",
            Self::Cheap => "cheap",
            Self::Write => "write",
            Self::Dear => "dear",
        }
    }
}

/// A route, as the document writes its path, that asks for no token of a caller.
pub(crate) type Stranger = (Method, &'static str, Class);

/// Every route beside those of contracts that asks for no token of a caller. One that is missing, here and in its
/// contract, costs as much as the dearest, and fails the table test of routes.
const CLASSES: &[Stranger] = &[
    (Method::GET, "/health/live", Class::Watched),
    (Method::GET, "/health/ready", Class::Watched),
    (Method::GET, "/metrics", Class::Watched),
    (Method::GET, "/", Class::Cheap),
    (Method::GET, "/docs", Class::Cheap),
    (Method::GET, "/docs/start.js", Class::Cheap),
    (Method::GET, "/docs/swagger-ui.js", Class::Cheap),
    (Method::GET, "/docs/swagger-ui.css", Class::Cheap),
    (Method::GET, "/openapi.json", Class::Cheap),
    // Signing in.
    (Method::POST, "/auth/login", Class::Dear),
    (Method::POST, "/auth/refresh", Class::Write),
    // Gateways.
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

/// The class of a route that asks for no token of a caller; none when nobody has given it one.
pub(crate) fn class_of(method: &Method, template: &str) -> Option<Class> {
    let of_contracts = Contract::ALL.into_iter().flat_map(|contract| contract.strangers);
    CLASSES
        .iter()
        .chain(of_contracts)
        .find(|(known, path, _)| known == method && *path == template)
        .map(|(.., class)| *class)
}
