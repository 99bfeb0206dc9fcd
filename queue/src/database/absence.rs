//! What an error of the database says about the database itself, rather than about what was asked of it.

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// Whether the database could not be asked at all: it is away, starting, full, read-only or has no connection left, or
/// somebody holds the row (PostgreSQL) or the file (SQLite) for too long. The same may succeed when that is over, and
/// nothing was wrong with the request. A commit that ends so may have happened.
#[must_use]
pub fn is_absent(error: &DbErr) -> bool {
    match sqlx_error(error) {
        Some(sqlx::Error::Database(database)) => database.code().is_some_and(|code| says_absent(&code)),
        Some(
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed,
        ) => true,
        Some(_) => false,
        None => matches!(error, DbErr::ConnectionAcquire(_)),
    }
}

/// Whether the database answered that others were in the way, or that it took too long: a deadlock, a lost race between
/// transactions, the limit of a statement's time. Nothing was written.
#[must_use]
pub fn is_contended(error: &DbErr) -> bool {
    const CONTENDED: [&str; 3] = ["40001", "40P01", "57014"];
    match sqlx_error(error) {
        Some(sqlx::Error::Database(database)) => database.code().is_some_and(|code| CONTENDED.contains(&&*code)),
        _ => false,
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// PostgreSQL has states of five characters, SQLite numbers whose low byte is the kind.
fn says_absent(code: &str) -> bool {
    if code.len() == 5 {
        // Connection, resources; operator's intervention but for a cancelled statement (57014); a session that stood
        // idle in its transaction; a lock that was not to be had; a server that only reads, as after a switch-over.
        return code.starts_with("08")
            || code.starts_with("53")
            || code.starts_with("57P")
            || ["25P03", "25P04", "55P03", "25006"].contains(&code);
    }
    // Busy, locked, read-only, input or output failed, full, cannot be opened.
    code.parse::<u32>().is_ok_and(|code| [5, 6, 8, 10, 13, 14].contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_both_databases_are_told_apart() {
        for absent in ["08006", "53300", "57P01", "57P02", "57P03", "25P03", "55P03", "25006", "5", "6", "517", "13"] {
            assert!(says_absent(absent), "{absent}");
        }
        for present in ["23505", "42P01", "57014", "40P01", "22001", "1", "19", "2067"] {
            assert!(!says_absent(present), "{present}");
        }
    }

    #[test]
    fn a_pool_without_a_free_connection_is_an_absent_database() {
        use sea_orm::ConnAcquireErr;
        assert!(is_absent(&DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)));
        let cut = sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
        assert!(is_absent(&DbErr::Query(RuntimeErr::SqlxError(cut.into()))));
        assert!(!is_absent(&DbErr::RecordNotInserted) && !is_contended(&DbErr::RecordNotInserted));
    }
}
