//! Whether the ledger holds together.

use entities::NodeId;
use queue::Database;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, prelude::Uuid};
use serde::Serialize;

/// Differences of one kind that are reported; there should be none.
const REPORTED_MAX: usize = 100;

/// What a check has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Entries that were checked.
    pub entries: i64,
    /// Entries whose postings do not sum to zero, or that have none; a hundred at most.
    pub unbalanced: Vec<Uuid>,
    /// Balances that are not the sums of their postings; a hundred at most.
    pub differences: Vec<Difference>,
    /// Captures whose refunds are not the sum of their rows, or are more than was captured; a hundred at most.
    pub captures: Vec<Uuid>,
}

/// A balance that is not the sum of its postings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromQueryResult)]
pub struct Difference {
    /// Whose.
    pub node_id: NodeId,
    /// In which currency.
    pub currency: String,
    /// What the balance says.
    pub available: i64,
    /// What the postings say.
    pub available_posted: i64,
    /// What the balance says.
    pub in_transit: i64,
    /// What the postings say.
    pub in_transit_posted: i64,
}

impl Check {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unbalanced.is_empty() && self.differences.is_empty() && self.captures.is_empty()
    }
}

const UNBALANCED: &str = "SELECT e.id AS id FROM ledger_entries e LEFT JOIN ledger_postings p ON p.entry_id = e.id \
    GROUP BY e.id HAVING COALESCE(SUM(p.amount), 0) <> 0 OR COUNT(p.amount) = 0 ORDER BY e.id";

const DIFFERENCES: &str = "SELECT * FROM (SELECT COALESCE(b.node_id, p.node_id) AS node_id, \
    COALESCE(b.currency, p.currency) AS currency, \
    COALESCE(b.available, 0) AS available, COALESCE(p.available, 0) AS available_posted, \
    COALESCE(b.in_transit, 0) AS in_transit, COALESCE(p.in_transit, 0) AS in_transit_posted \
    FROM seller_balances b FULL JOIN (SELECT e.node_id, e.currency, \
    CAST(SUM(CASE WHEN p.account = 'seller:available' THEN p.amount ELSE 0 END) AS BIGINT) AS available, \
    CAST(SUM(CASE WHEN p.account = 'seller:in_transit' THEN p.amount ELSE 0 END) AS BIGINT) AS in_transit \
    FROM ledger_entries e JOIN ledger_postings p ON p.entry_id = e.id GROUP BY e.node_id, e.currency) p \
    ON p.node_id = b.node_id AND p.currency = b.currency) AS compared \
    WHERE available <> available_posted OR in_transit <> in_transit_posted ORDER BY node_id, currency";

const CAPTURES: &str = "SELECT c.session_id AS id FROM captures c LEFT JOIN refunds r ON r.session_id = c.session_id \
    GROUP BY c.session_id, c.captured, c.refund_reserved, c.refunded, c.fee_reserved \
    HAVING c.refund_reserved > c.captured \
    OR c.refund_reserved <> COALESCE(SUM(CASE WHEN r.status <> 'failed' THEN r.amount ELSE 0 END), 0) \
    OR c.fee_reserved <> COALESCE(SUM(CASE WHEN r.status <> 'failed' THEN r.fee ELSE 0 END), 0) \
    OR c.refunded <> COALESCE(SUM(CASE WHEN r.status = 'succeeded' THEN r.amount ELSE 0 END), 0) ORDER BY c.session_id";

/// Compares every entry with zero, every balance with its postings and every capture with its refunds, as of one moment.
///
/// # Errors
/// When the database does not answer.
pub async fn check(db: &Database) -> Result<Check, DbErr> {
    let backend = db.get_database_backend();
    let limited = |sql: &str| Statement::from_string(backend, format!("{sql} LIMIT {REPORTED_MAX}"));
    // On SQLite this holds writers up, on PostgreSQL the isolation gives each statement the same picture.
    let tx = db.begin().await?;
    if backend == sea_orm::DatabaseBackend::Postgres {
        tx.execute_unprepared("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    }
    let ids = async |sql: &str| -> Result<Vec<Uuid>, DbErr> {
        tx.query_all_raw(limited(sql)).await?.iter().map(|row| row.try_get("", "id")).collect()
    };
    let counted = tx.query_one_raw(Statement::from_string(backend, "SELECT COUNT(*) AS entries FROM ledger_entries"));
    let entries = counted.await?.map_or(Ok(0), |row| row.try_get("", "entries"))?;
    let unbalanced = ids(UNBALANCED).await?;
    let differences = Difference::find_by_statement(limited(DIFFERENCES)).all(&*tx).await?;
    let captures = ids(CAPTURES).await?;
    tx.commit().await?;
    Ok(Check { entries, unbalanced, differences, captures })
}
