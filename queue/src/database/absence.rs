//! What an error of the database says about the database itself, rather than about what was asked of it.

use std::fmt::{self, Display};

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// Why a database that can be read takes nothing that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritable {
    /// There is no room.
    Full,
    /// What is below it fails: reading or writing its files did.
    Broken,
    /// It only reads: a standby, a server that was told to, or a file that may not be written.
    ReadOnly,
}

impl Unwritable {
    /// For a metric's label.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Broken => "broken",
            Self::ReadOnly => "read_only",
        }
    }
}

impl Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "its disk is full",
            Self::Broken => "its disk fails",
            Self::ReadOnly => "it only reads, as a standby does",
        })
    }
}

/// Whether an error says that nothing at all can be written.
pub(super) fn unwritable(error: &DbErr) -> Option<Unwritable> {
    says_unwritable(&code(error)?)
}

/// Whether others may fare better on new connections: this one leads to a server that only reads, or to files that
/// are not what they were; or what was prepared on it is not there, because somebody in between has others use it.
pub(super) fn is_outdated(error: &DbErr) -> bool {
    let lost = |code: &str| ["26000", "42P05"].contains(&code);
    code(error).is_some_and(|code| {
        lost(&code) || matches!(says_unwritable(&code), Some(Unwritable::ReadOnly | Unwritable::Broken))
    })
}

fn code(error: &DbErr) -> Option<std::borrow::Cow<'_, str>> {
    match sqlx_error(error) {
        Some(sqlx::Error::Database(database)) => database.code(),
        _ => None,
    }
}

fn says_unwritable(code: &str) -> Option<Unwritable> {
    if code.len() == 5 {
        return match code {
            "53100" => Some(Unwritable::Full),
            "25006" => Some(Unwritable::ReadOnly),
            code if code.starts_with("58") => Some(Unwritable::Broken),
            _ => None,
        };
    }
    match code.parse::<u32>().ok()? & 0xff {
        8 => Some(Unwritable::ReadOnly),
        10 | 14 => Some(Unwritable::Broken),
        13 => Some(Unwritable::Full),
        _ => None,
    }
}

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

pub(super) fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
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
        // Connection, credentials, resources, its own files; operator's intervention but for a cancelled statement
        // (57014); a session that stood idle in its transaction; a lock that was not to be had; a server that only
        // reads, as after a switch-over; no such database; statements that a pooler has prepared elsewhere.
        return ["08", "28", "53", "57P", "58"].iter().any(|class| code.starts_with(class))
            || ["25P03", "25P04", "55P03", "25006", "3D000", "26000", "42P05"].contains(&code);
    }
    // Busy, locked, read-only, input or output failed, full, cannot be opened.
    code.parse::<u32>().is_ok_and(|code| [5, 6, 8, 10, 13, 14].contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_both_databases_are_distinguished() {
        let servers =
            ["08006", "08P01", "28P01", "3D000", "53100", "53300", "57P01", "57P02", "57P03", "58030", "25P03"];
        for absent in servers.into_iter().chain(["55P03", "25006", "26000", "42P05", "5", "6", "517", "13", "778"]) {
            assert!(says_absent(absent), "{absent}");
        }
        for present in ["23505", "42P01", "57014", "40P01", "22001", "1", "19", "2067"] {
            assert!(!says_absent(present), "{present}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_distinguished_from_what_is_merely_busy() {
        for (code, why) in [
            ("53100", Unwritable::Full),
            ("13", Unwritable::Full),
            ("58030", Unwritable::Broken),
            ("778", Unwritable::Broken),
            ("25006", Unwritable::ReadOnly),
            ("264", Unwritable::ReadOnly),
        ] {
            assert_eq!(says_unwritable(code), Some(why), "{code}");
        }
        for code in ["53300", "55P03", "57P01", "5", "517", "19"] {
            assert_eq!(says_unwritable(code), None, "{code}");
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
