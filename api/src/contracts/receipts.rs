//! The contract of bank-transfer receipts: its words, its errors and its routes, over the core's orders and payments.

mod accounts;
mod config;
mod customers;
mod manage;
mod orders;
pub(crate) mod orphans;
mod picture;
mod refusal;
mod store;
mod submissions;
mod upload_form;
mod uploads;

pub use self::config::{AccountConfig, ObjectStoreConfig, ReceiptsConfig};
use self::refusal::Declined;
pub(crate) use self::store::Uploads;

use entities::node;
use payments::orders::{OrderError, node_of};
use poem::http::Method;
use poem_openapi::Tags;
use sea_orm::ConnectionTrait;

use crate::{
    disk::Room,
    edge::{Class, Contract, Part},
    problem::{Code, Problem},
    state::State,
};

/// The contract's group in the document.
#[derive(Tags)]
enum Tag {
    /// Orders that customers pay by bank transfer, the receipts they report, and the verdicts on them. Errors of these
    /// operations are `{"success":false,"error":"…"}`.
    #[oai(rename = "Bank receipts")]
    Receipts,
}

pub(crate) type Api =
    (customers::Customers, orders::Orders, submissions::Submissions, accounts::Accounts, uploads::UploadRoutes);

pub(crate) fn api(state: &State) -> Api {
    let state = || state.clone();
    (
        customers::Customers(state()),
        orders::Orders(state()),
        submissions::Submissions(state()),
        accounts::Accounts::new(state()),
        uploads::UploadRoutes(state()),
    )
}

/// The contract as the edge knows it.
pub(crate) static CONTRACT: Contract = Contract {
    name: "receipts",
    owns_path,
    refuse: refusal::refuse,
    strangers: &[
        (Method::POST, "/api/auth/register", Class::Dear),
        (Method::POST, "/api/auth/login", Class::Dear),
        (Method::POST, "/api/orders", Class::Dear),
        (Method::GET, "/api/orders/{id}", Class::Cheap),
        (Method::POST, "/api/payments", Class::Write),
        (Method::GET, "/api/payments/accounts", Class::Cheap),
        (Method::POST, "/api/upload", Class::Dear),
        (Method::GET, "/uploads/{id}", Class::Cheap),
    ],
    fills: &[
        ("/api/orders", Room::Enough),
        ("/api/payments", Room::Enough),
        ("/api/upload", Room::Enough),
        ("/api/auth/register", Room::Enough),
    ],
    part: Part {
        summary: "Bank transfers and their receipts",
        groups: &[&Tag::Receipts],
        error_schema: Some(|_| "Refusal"),
        ..Part::PLAIN
    },
    ..Contract::PLAIN
};

/// Whether errors at this path are told in the contract's own words.
fn owns_path(path: &str) -> bool {
    const PREFIXES: [&str; 4] = ["/api/orders", "/api/payments/accounts", "/api/auth", "/uploads"];
    let under = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    ["/api/payments", "/api/upload"].contains(&path) || PREFIXES.into_iter().any(under)
}

#[cfg(test)]
pub(crate) use self::{orders::OrderRequest, picture::SVG_MAX};

/// The extension of an uploaded file with these bytes, if it is one that is taken.
#[cfg(any(test, fuzzing))]
pub(crate) fn takes(bytes: &[u8]) -> Option<&'static str> {
    picture::PictureKind::of(bytes).ok().map(picture::PictureKind::extension)
}

/// The node that the public's orders belong to.
async fn home<C: ConnectionTrait>(db: &C, config: &ReceiptsConfig) -> Result<node::Model, Problem> {
    let node = node_of(db, config.node_id.map(entities::NodeId)).await?;
    node.ok_or_else(|| {
        tracing::error!(node_id = ?config.node_id, "the node of receipts.node_id does not exist, or there is none yet");
        Problem::new(Code::Unavailable).retry_after(1)
    })
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Amount(field, error) => Self::invalid(&format!("/{field}"), error),
            OrderError::Database(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::owns_path;

    #[test]
    fn only_the_contracts_own_paths_have_its_errors() {
        for own in ["/api/payments", "/api/payments/accounts/7", "/api/orders", "/api/orders/7", "/api/upload"] {
            assert!(owns_path(own), "{own}");
        }
        for other in ["/api/v1/payments", "/api/payments/refund", "/api/ordersome", "/payments", "/", "/api/uploads"] {
            assert!(!owns_path(other), "{other}");
        }
    }
}
