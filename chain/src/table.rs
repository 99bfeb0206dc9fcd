//! Chain's own tables, one module each. Hashes, addresses and amounts are text, so that an operator can read them.

pub(crate) mod attempt;
pub(crate) mod block;
pub(crate) mod cursor;
pub(crate) mod deal;
pub(crate) mod diamond;
pub(crate) mod lane;
pub(crate) mod lease;
pub(crate) mod log;
pub(crate) mod operation;
pub(crate) mod send;
pub(crate) mod signer;
mod text;

use queue::Transaction;
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

pub(crate) use text::{Amount, Hash, Place};

/// Rows of one multi-row statement: far below the 32,766 parameters of SQLite at any of our widths.
pub(crate) const ROWS_MAX: usize = 1_000;

/// Runs `{head} FROM (VALUES …) AS v {tail}` for the rows, several hundred a statement, and tells how many it changed.
/// The values are `v.column1`, `v.column2` … on both back ends.
pub(crate) async fn update_from(tx: &Transaction, head: &str, tail: &str, rows: Vec<Vec<Value>>) -> Result<u64, DbErr> {
    let mut changed = 0;
    for chunk in rows.chunks(ROWS_MAX) {
        let mut number = 0;
        let tuples = chunk.iter().map(|row| {
            let places = row.iter().map(|_| {
                number += 1;
                format!("${number}")
            });
            format!("({})", places.collect::<Vec<_>>().join(", "))
        });
        let sql = format!("{head} FROM (VALUES {}) AS v {tail}", tuples.collect::<Vec<_>>().join(", "));
        let values = chunk.iter().flatten().cloned();
        let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
        changed += tx.execute_raw(statement).await?.rows_affected();
    }
    Ok(changed)
}
