//! What the database last refused to write, until it takes something again; and which connections are used no more.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sea_orm::{
    DbErr,
    sqlx::{
        Connection, Postgres, Sqlite,
        pool::{PoolConnectionMetadata, PoolOptions},
    },
};

use super::absence::{Unwritable, is_outdated, unwritable};

/// A refusal counts for at least so long: what is small may be taken while what is larger is refused.
const HELD: Duration = Duration::from_secs(2);

/// Connections are given up at most so often: a server that refuses everybody is not connected to for each statement.
const GIVEN_UP_EVERY: Duration = Duration::from_secs(1);

/// How often it is tried, at most, whether something is taken again.
const TRIED_EVERY: Duration = Duration::from_millis(500);

/// Shared by everything that uses a pool. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Mutex<WatchState>>);

#[derive(Default)]
struct WatchState {
    refused: Option<(Instant, Unwritable)>,
    tried: Option<Instant>,
    /// Connections that were opened before are closed instead of being used again.
    given_up: Option<Instant>,
}

impl Watch {
    /// Takes notice of an error, whatever it is.
    pub(super) fn note(&self, error: &DbErr) {
        if let Some(why) = unwritable(error) {
            metrics::counter!("quittance_database_refused_writes_total", "why" => why.word()).increment(1);
            let before = self.state().refused.replace((Instant::now(), why));
            if before.is_none() {
                tracing::error!(%error, "the database takes nothing that is written: {why}");
            }
        }
        if is_outdated(error) {
            self.give_up();
        }
    }

    /// Has all connections closed that are open now, as soon as nobody uses them.
    pub(super) fn give_up(&self) {
        let mut state = self.state();
        if state.given_up.is_none_or(|at| at.elapsed() >= GIVEN_UP_EVERY) {
            state.given_up = Some(Instant::now());
        }
    }

    /// Something that was begun at this time has been written.
    pub(super) fn written(&self, begun: Instant) {
        let mut state = self.state();
        if state.refused.is_some_and(|(at, _)| at < begun && at.elapsed() >= HELD) {
            state.refused = None;
            tracing::info!("the database takes again what is written");
        }
    }

    /// Why nothing is written, if something was refused and nothing has been taken since.
    pub(super) fn refused(&self) -> Option<Unwritable> {
        self.state().refused.map(|(_, why)| why)
    }

    /// Whether it is time to try again; the caller that gets `true` does it.
    pub(super) fn may_try(&self) -> bool {
        let mut state = self.state();
        let may = state.tried.is_none_or(|at| at.elapsed() >= TRIED_EVERY);
        if may {
            state.tried = Some(Instant::now());
        }
        may
    }

    fn is_given_up(&self, connection: &PoolConnectionMetadata) -> bool {
        self.state().given_up.is_some_and(|at| connection.age >= at.elapsed())
    }

    fn state(&self) -> MutexGuard<'_, WatchState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pool of connections to a file. SQLite ends a transaction by itself when the disk is full or fails, and then
    /// refuses the ROLLBACK; sqlx goes on to believe in a transaction, and would open savepoints in none, one of which
    /// would hold the file's only write lock for ever. Such a connection is closed, which ends all it held.
    pub(super) fn over_file(&self, options: PoolOptions<Sqlite>) -> PoolOptions<Sqlite> {
        let (before, after) = (self.clone(), self.clone());
        options
            .before_acquire(move |_, connection| {
                let fit = !before.is_given_up(&connection);
                Box::pin(async move { Ok(fit) })
            })
            .after_release(move |connection, metadata| {
                let given_up = after.is_given_up(&metadata);
                Box::pin(async move {
                    // The rollback of a dropped transaction is only on its way; whatever is asked next comes after it.
                    if connection.is_in_transaction() {
                        connection.ping().await?;
                    }
                    let ended = !connection.is_in_transaction();
                    if !ended {
                        tracing::warn!("a transaction could not be ended; its connection is closed");
                    }
                    Ok(ended && !given_up)
                })
            })
    }

    /// A pool of connections to a server.
    pub(super) fn over_server(&self, options: PoolOptions<Postgres>) -> PoolOptions<Postgres> {
        let (before, after) = (self.clone(), self.clone());
        options
            .before_acquire(move |_, connection| {
                let fit = !before.is_given_up(&connection);
                Box::pin(async move { Ok(fit) })
            })
            .after_release(move |_, connection| {
                let fit = !after.is_given_up(&connection);
                Box::pin(async move { Ok(fit) })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> DbErr {
        use sea_orm::{RuntimeErr, sqlx::Error};
        // A connection whose answer is cut off says nothing about writing.
        DbErr::Exec(RuntimeErr::SqlxError(Error::Io(std::io::ErrorKind::UnexpectedEof.into()).into()))
    }

    #[test]
    fn a_line_that_is_cut_is_no_refusal() {
        let watch = Watch::default();
        watch.note(&refusal());
        assert!(watch.refused().is_none());
    }

    #[test]
    fn what_was_begun_before_a_refusal_does_not_end_it() {
        let watch = Watch::default();
        let begun = Instant::now();
        watch.state().refused = Some((Instant::now(), Unwritable::Full));
        watch.written(begun);
        assert_eq!(watch.refused(), Some(Unwritable::Full));
        let long_ago = Instant::now().checked_sub(HELD * 2).expect("the clock runs for longer");
        watch.state().refused = Some((long_ago, Unwritable::Full));
        watch.written(Instant::now());
        assert_eq!(watch.refused(), None);
    }
}
