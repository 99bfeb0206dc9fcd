//! The schema's history, append-only and with its own column names, so that a later entity change cannot break it.

mod m0004_chain;

pub use sea_orm_migration::{MigratorTrait, prelude::MigrationTrait};

/// All migrations in their order.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0004_chain::Migration)]
    }
}
