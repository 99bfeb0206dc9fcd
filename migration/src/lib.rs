//! The schema's history, append-only and with its own column names, so that a later entity change cannot break it.
//!
//! Migrations are SQL that SQLite and PostgreSQL both read, so that the schema can be reviewed as it is. Where they
//! differ: `{money}` is `NUMERIC` on PostgreSQL and `TEXT` on SQLite, which would otherwise turn decimals into binary
//! floating point; `{bytes}` is `BYTEA` and `BLOB`; a line behind `--postgres:` is for PostgreSQL alone.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

pub use sea_orm_migration::{MigrationName, MigratorTrait};

struct Script {
    name: &'static str,
    sql: &'static str,
}

impl MigrationName for Script {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Script {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = match manager.get_database_backend() {
            DbBackend::Sqlite => self.sql.replace("{money}", "TEXT").replace("{bytes}", "BLOB"),
            _ => self.sql.replace("{money}", "NUMERIC").replace("{bytes}", "BYTEA").replace("--postgres:", ""),
        };
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }
}

macro_rules! scripts {
    ($($name:literal),+ $(,)?) => {
        vec![$(Box::new(Script { name: $name, sql: include_str!(concat!("sql/", $name, ".sql")) })),+]
    };
}

/// Applies what is missing: `Migrator::up(&connection, None)`.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        scripts![
            "0001_reference",
            "0002_payments",
            "0003_queue",
            "0004_chain",
            "0005_unknown",
            "0006_reviews",
            "0007_stragglers",
            "0008_webhooks",
            "0009_redrives",
            "0010_queue_reports",
        ]
    }
}
