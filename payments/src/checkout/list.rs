//! The order of the contract's lists: any attribute up or down, amounts as the numbers they are, and at last the id, so
//! that pages never overlap. The same on both databases.

use entities::payment;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, Order as Direction, Statement,
    prelude::*,
    sea_query::{Alias, Query, SelectStatement},
};

use super::{Status, within};
use crate::caller::Caller;

/// Among so many of the newest payments another order than that of their creation is made: what it costs must not grow
/// with a shop's age.
pub const SORTED_MAX: u64 = 10_000;

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

/// A page of the caller's payments in this order, behind the first `offset`; the newest first where no key is given.
/// Payments without a value come last either way.
///
/// # Errors
/// When the database does not answer.
pub async fn page<C: ConnectionTrait>(
    db: &C,
    caller: &Caller,
    order: &[Order],
    offset: u32,
    limit: u32,
) -> Result<Vec<payment::Model>, DbErr> {
    let (offset, limit) = (u64::from(offset), u64::from(limit));
    match by_creation(order) {
        Some(true) => within(caller).page(db, offset, limit).await,
        Some(false) => within(caller).oldest_first().page(db, offset, limit).await,
        None => {
            let statement = page_statement(db, caller, order, offset, limit).await?;
            payment::Entity::find().from_raw_sql(statement).all(db).await
        }
    }
}

/// Whether an order is that of creation, in which no further key decides anything, and the newest come first.
fn by_creation(order: &[Order]) -> Option<bool> {
    match order.first() {
        None => Some(true),
        Some(Order { by: Attribute::Id | Attribute::CreatedAt, descending }) => Some(*descending),
        Some(_) => None,
    }
}

/// The question behind a page in another order than that of creation.
///
/// # Errors
/// When the database does not answer.
#[doc(hidden)]
pub async fn page_statement<C: ConnectionTrait>(
    db: &C,
    caller: &Caller,
    order: &[Order],
    offset: u64,
    limit: u64,
) -> Result<Statement, DbErr> {
    let backend = db.get_database_backend();
    let window = within(caller).window(db, SORTED_MAX).await?;
    let mut page = Query::select();
    page.expr(Expr::cust("payments.*")).from_subquery(window, Alias::new("payments")).limit(limit).offset(offset);
    sort(&mut page, backend, order);
    Ok(backend.build(&page))
}

fn sort(payments: &mut SelectStatement, backend: DatabaseBackend, order: &[Order]) {
    for Order { by, descending } in order {
        let direction = if *descending { Direction::Desc } else { Direction::Asc };
        for key in keys(*by, backend) {
            payments.order_by_expr(Expr::cust(format!("({key}) IS NULL")), Direction::Asc);
            payments.order_by_expr(Expr::cust(key), direction.clone());
        }
    }
    payments.order_by_expr(Expr::cust("payments.id"), Direction::Asc);
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
