//! Records facts the way the product does: in chain's transaction, so that what is rolled back was never told.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use chain::{Fact, Recorder};
use queue::{Database, Transaction};
use sea_orm::{ConnectionTrait, Statement};
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Ledger {
    told: Mutex<HashMap<Uuid, Fact>>,
}

impl Ledger {
    pub(crate) async fn prepare(db: &Database) {
        let id = if db.get_database_backend() == sea_orm::DbBackend::Postgres { "uuid" } else { "blob" };
        let number = if id == "uuid" { "bigserial" } else { "integer" };
        let table = format!("CREATE TABLE test_facts (number {number} PRIMARY KEY, id {id})");
        db.execute_unprepared(&table).await.expect("creates the table");
    }

    /// What was told and committed, in order.
    pub(crate) async fn facts(&self, db: &Database) -> Vec<Fact> {
        let backend = db.get_database_backend();
        let rows = db
            .query_all_raw(Statement::from_string(backend, "SELECT id FROM test_facts ORDER BY number"))
            .await
            .expect("reads the facts");
        let told = self.told.lock().expect("not poisoned");
        rows.iter().map(|row| told[&row.try_get_by_index::<Uuid>(0).expect("an id")].clone()).collect()
    }
}

#[async_trait]
impl Recorder for Ledger {
    async fn record(&self, tx: &mut Transaction, facts: Vec<Fact>) -> anyhow::Result<()> {
        assert!(!facts.is_empty(), "nothing to tell is not told");
        for facts in facts.chunks(1_000) {
            let rows: Vec<(Uuid, Fact)> = facts.iter().map(|fact| (Uuid::now_v7(), fact.clone())).collect();
            let places: Vec<String> = (1..=rows.len()).map(|number| format!("(${number})")).collect();
            let sql = format!("INSERT INTO test_facts (id) VALUES {}", places.join(", "));
            let values: Vec<sea_orm::Value> = rows.iter().map(|(id, _)| (*id).into()).collect();
            tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
            self.told.lock().expect("not poisoned").extend(rows);
        }
        Ok(())
    }
}
