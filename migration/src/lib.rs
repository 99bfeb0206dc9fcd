//! The schema's history, append-only and with its own column names, so that a later entity change cannot break it.

use sea_orm_migration::prelude::*;

mod m0003_queue;

/// Every migration, in the order in which they are applied.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0003_queue::Migration)]
    }
}
