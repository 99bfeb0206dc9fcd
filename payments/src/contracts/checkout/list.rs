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
    /// When it last changed.
    UpdatedAt = "updatedAt",
    /// The state's name.
    Status = "status",
    /// Whether the money is taken.
    Captured = "captured",
    /// The payer's language and country.
    Locale = "context.locale",
    /// How the payer's browser comes to our page.
    RedirectMode = "context.redirectMode",
    /// The shop's terminal.
    TerminalId = "context.terminalId",
    /// The shop's name.
    Payee = "payee.fullName",
    /// The payer's name in one.
    PayerName = "payer.fullName",
    /// The first part of it.
    PayerFirstName = "payer.firstName",
    /// The last part of it.
    PayerLastName = "payer.lastName",
    /// The payer's e-mail address.
    PayerEmail = "payer.email",
    /// The payer's phone.
    PayerPhone = "payer.phone",
    /// Where the payer lives.
    PayerLine1 = "payer.address.line1",
    /// The same, further.
    PayerLine2 = "payer.address.line2",
    /// The same, further.
    PayerLine3 = "payer.address.line3",
    /// The payer's city.
    PayerCity = "payer.address.city",
    /// The payer's state.
    PayerState = "payer.address.state",
    /// The payer's postcode.
    PayerPostcode = "payer.address.postcode",
    /// The payer's country.
    PayerCountry = "payer.address.country",
    /// The total.
    TotalValue = "purchase.total.value",
    /// The total's currency.
    TotalCurrency = "purchase.total.currency",
    /// The total, in short.
    Value = "value",
    /// The total's currency, in short.
    Currency = "currency",
    /// The shop's own reference.
    ClientId = "clientId",
    /// The shop's note.
    ClientNote = "clientNote",
    /// The gateway.
    PlanSource = "plan.source",
    /// The gateway, in short.
    Source = "source",
    /// Where the payer goes after turning away.
    CancelUrl = "cancelUrl",
    /// Where the payer goes after paying.
    SuccessUrl = "successUrl",
    /// The gateway's id of the payment.
    ProviderId = "billing.providerId",
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
    use Attribute as A;
    let keys = match by {
        A::Id | A::CreatedAt => vec!["payments.id".to_owned()],
        A::UpdatedAt => vec!["payments.updated_at".to_owned()],
        A::Status => vec![text(&status(), backend)],
        A::Captured => vec![captured()],
        A::Value | A::TotalValue => value(backend),
        A::Currency | A::TotalCurrency => {
            vec![text("SELECT symbol FROM currencies WHERE currencies.id = payments.currency_id", backend)]
        }
        A::Payee => vec![text("SELECT name FROM nodes WHERE nodes.id = payments.node_id", backend)],
        A::ProviderId => vec![text(&of_last_session("gateway_id"), backend)],
        A::ApprovedAt => vec![of_last_session("approved_at")],
        A::CanceledAt => vec![last_event("'payment.canceling', 'payment.canceled', 'payment.expired'")],
        A::SubmittedAt => vec![last_event("'payment.submitted'")],
        A::CapturedAt => vec![last_event("'payment.paid'")],
        A::FailedAt => vec![last_event("'payment.failed', 'payment.rejected'")],
        A::CompletedAt => vec![last_event("'payment.completed'")],
        A::TerminalId => vec![of_checkout(column(by))],
        kept => vec![text(&of_checkout(column(kept)), backend)],
    };
    keys.into_iter().map(|sql| format!("({sql})")).collect()
}

/// What the contract's own row has of the attribute, as text.
fn column(of: Attribute) -> &'static str {
    use Attribute as A;
    match of {
        A::Locale => "locale",
        A::RedirectMode => "redirect_mode",
        A::ClientId => "client_id",
        A::ClientNote => "client_note",
        A::Source | A::PlanSource => "source",
        A::CancelUrl => "cancel_url",
        A::SuccessUrl => "success_url",
        // Joined as [`super::payer_name`] does.
        A::PayerName => {
            "COALESCE(NULLIF(trim(payer->>'fullName'), ''), NULLIF(trim(COALESCE(trim(payer->>'firstName'), '') || ' ' || \
             COALESCE(trim(payer->>'lastName'), '')), ''))"
        }
        A::PayerFirstName => "payer->>'firstName'",
        A::PayerLastName => "payer->>'lastName'",
        A::PayerEmail => "payer->>'email'",
        A::PayerPhone => "payer->>'phone'",
        A::PayerLine1 => "payer->'address'->>'line1'",
        A::PayerLine2 => "payer->'address'->>'line2'",
        A::PayerLine3 => "payer->'address'->>'line3'",
        A::PayerCity => "payer->'address'->>'city'",
        A::PayerState => "payer->'address'->>'state'",
        A::PayerPostcode => "payer->'address'->>'postcode'",
        A::PayerCountry => "payer->'address'->>'country'",
        A::TerminalId => "terminal_id",
        // These stand elsewhere.
        A::Id
        | A::CreatedAt
        | A::UpdatedAt
        | A::Status
        | A::Captured
        | A::Payee
        | A::TotalValue
        | A::TotalCurrency
        | A::Value
        | A::Currency
        | A::ProviderId
        | A::CanceledAt
        | A::SubmittedAt
        | A::ApprovedAt
        | A::CapturedAt
        | A::FailedAt
        | A::CompletedAt => "NULL",
    }
}

fn of_checkout(column: &str) -> String {
    format!("SELECT {column} FROM checkouts WHERE checkouts.payment_id = payments.id")
}

fn of_last_session(column: &str) -> String {
    format!("SELECT {column} FROM gateway_sessions WHERE payment_id = payments.id ORDER BY id DESC LIMIT 1")
}

/// The last row of the log that is one of these events; ids of rows rise with time.
fn last_event(types: &str) -> String {
    format!(
        "SELECT id FROM payment_logs WHERE payment_id = payments.id AND event_type IN ({types}) \
         AND sequence IS NOT NULL ORDER BY sequence DESC LIMIT 1"
    )
}

/// No before yes.
fn captured() -> String {
    let (captured, completed) = (Status::Captured.word(), Status::Completed.word());
    format!("CASE WHEN ({}) IN ('{captured}', '{completed}') THEN 1 ELSE 0 END", status())
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
