//! The order of the contract's lists: any attribute up or down, amounts as the numbers they are, and at last the id, so
//! that pages never overlap. The same on both databases.

use entities::payment;
use sea_orm::{DatabaseBackend, Order as Direction, QuerySelect, QueryTrait, Select, prelude::*};

use super::Status;

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// What a list can be sorted by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Attribute {
            $($(#[$doc])* $name),+
        }

        impl Attribute {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name in requests.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// The attribute with this name.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|attribute| attribute.word() == word)
            }
        }
    };
}

attributes! {
    /// The payment's id, which rises with the time of creation.
    Id = "id",
    /// When it was created.
    CreatedAt = "createdAt",
    /// The state's name.
    Status = "status",
    /// The shop's own reference.
    ClientId = "clientId",
    /// The shop's note.
    ClientNote = "clientNote",
    /// The total.
    Value = "value",
    /// The total's currency.
    Currency = "currency",
    /// The gateway.
    Source = "source",
    /// When it was canceled.
    CanceledAt = "canceledAt",
    /// When a gateway was chosen.
    SubmittedAt = "submittedAt",
    /// When the payer agreed.
    ApprovedAt = "approvedAt",
    /// When the money was taken.
    CapturedAt = "capturedAt",
    /// When the gateway refused.
    FailedAt = "failedAt",
    /// When the shop had it.
    CompletedAt = "completedAt",
}

/// One key of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub by: Attribute,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// The payments in this order; the newest first where no key is given. Payments without a value come last either way.
fn sorted(payments: Select<payment::Entity>, backend: DatabaseBackend, order: &[Order]) -> Select<payment::Entity> {
    let newest_first = [Order { by: Attribute::CreatedAt, descending: true }];
    let order = if order.is_empty() { &newest_first } else { order };
    let mut payments = payments;
    for Order { by, descending } in order {
        let direction = if *descending { Direction::Desc } else { Direction::Asc };
        for key in keys(*by, backend) {
            let query = QueryTrait::query(&mut payments);
            query.order_by_expr(Expr::cust(format!("({key}) IS NULL")), Direction::Asc);
            query.order_by_expr(Expr::cust(key), direction.clone());
        }
    }
    QueryTrait::query(&mut payments).order_by_expr(Expr::cust("payments.id"), Direction::Asc);
    payments
}

/// So many of the payments in this order, behind the first `offset`.
#[must_use]
pub fn page(
    payments: Select<payment::Entity>,
    backend: DatabaseBackend,
    order: &[Order],
    offset: u32,
    limit: u32,
) -> Select<payment::Entity> {
    sorted(payments, backend, order).offset(u64::from(offset)).limit(u64::from(limit))
}

/// SQL of the values to compare, in their order. Nothing of a request is in it.
fn keys(by: Attribute, backend: DatabaseBackend) -> Vec<String> {
    let of_checkout =
        |column: &str| text(&format!("SELECT {column} FROM checkouts WHERE payment_id = payments.id"), backend);
    let told = |types: &str| {
        // Ids of rows rise with time.
        vec![format!(
            "SELECT id FROM payment_logs WHERE payment_id = payments.id AND event_type IN ({types}) \
             AND sequence IS NOT NULL ORDER BY sequence DESC LIMIT 1"
        )]
    };
    match by {
        Attribute::Id | Attribute::CreatedAt => vec!["payments.id".to_owned()],
        Attribute::Status => vec![text(&status(), backend)],
        Attribute::ClientId => vec![of_checkout("client_id")],
        Attribute::ClientNote => vec![of_checkout("client_note")],
        Attribute::Source => vec![of_checkout("source")],
        Attribute::Value => value(backend),
        Attribute::Currency => {
            vec![text("SELECT symbol FROM currencies WHERE currencies.id = payments.currency_id", backend)]
        }
        Attribute::ApprovedAt => vec![
            "SELECT approved_at FROM gateway_sessions WHERE payment_id = payments.id ORDER BY id DESC LIMIT 1"
                .to_owned(),
        ],
        Attribute::CanceledAt => told("'payment.canceling', 'payment.canceled', 'payment.expired'"),
        Attribute::SubmittedAt => told("'payment.submitted'"),
        Attribute::CapturedAt => told("'payment.paid'"),
        Attribute::FailedAt => told("'payment.failed', 'payment.rejected'"),
        Attribute::CompletedAt => told("'payment.completed'"),
    }
    .into_iter()
    .map(|sql| format!("({sql})"))
    .collect()
}

/// Text by its bytes, whatever language the database was made for.
fn text(sql: &str, backend: DatabaseBackend) -> String {
    match backend {
        DatabaseBackend::Postgres => format!("({sql}) COLLATE \"C\""),
        _ => sql.to_owned(),
    }
}

/// SQLite keeps amounts as text without leading zeros: the longer whole part is the greater one, equally long ones
/// compare as text, and so do fractions.
fn value(backend: DatabaseBackend) -> Vec<String> {
    if backend == DatabaseBackend::Postgres {
        return vec!["payments.paid_price".to_owned()];
    }
    let point = "instr(payments.paid_price || '.', '.')";
    vec![
        point.to_owned(),
        format!("substr(payments.paid_price, 1, {point} - 1)"),
        format!("rtrim(substr(payments.paid_price, {point} + 1), '0')"),
    ]
}

/// [`Status::of`] in SQL.
fn status() -> String {
    let before_review = "CASE WHEN payments.status = 'needs_review' THEN (SELECT data->>'from' FROM payment_logs \
                         WHERE payment_id = payments.id AND event_type = 'payment.needs_review' \
                         AND sequence IS NOT NULL ORDER BY sequence DESC LIMIT 1) ELSE payments.status END";
    let approved = "EXISTS (SELECT 1 FROM gateway_sessions AS last WHERE last.payment_id = payments.id \
                    AND last.approved_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM gateway_sessions AS later \
                    WHERE later.payment_id = payments.id AND later.id > last.id))";
    let submitted =
        format!("CASE WHEN {approved} THEN '{}' ELSE '{}' END", Status::Approved.word(), Status::Submitted.word());
    let words: Vec<String> = entities::PaymentStatus::ALL
        .iter()
        .filter(|core| !matches!(core, entities::PaymentStatus::Submitted | entities::PaymentStatus::NeedsReview))
        .map(|core| format!("WHEN '{}' THEN '{}'", core.word(), Status::of(*core, false, None).word()))
        .collect();
    format!("CASE {before_review} {} ELSE {submitted} END", words.join(" "))
}
