//! A transaction's connection, with the watch looking on: whoever writes, what the database says of it is noticed.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseTransaction, DbErr, ExecResult, QueryResult, Statement};

use super::watch::Watch;

/// What statements of a [`super::Transaction`] are sent to.
pub struct Session {
    pub(super) inner: DatabaseTransaction,
    pub(super) watch: Watch,
}

impl Session {
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let Self { inner, watch } = self;
        inner.commit().await.inspect_err(|error| watch.note(error))
    }
}

#[async_trait]
impl ConnectionTrait for Session {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.inner.execute_raw(statement).await.inspect_err(|error| self.watch.note(error))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.inner.execute_unprepared(sql).await.inspect_err(|error| self.watch.note(error))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.inner.query_one_raw(statement).await.inspect_err(|error| self.watch.note(error))
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.inner.query_all_raw(statement).await.inspect_err(|error| self.watch.note(error))
    }
}
