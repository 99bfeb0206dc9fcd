//! Every job over real databases, each run twice: what is delivered again must not do anything again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "a test looks at any tenant's rows")]

mod announce_events;
mod debts;
mod foresight;
mod jobs;
mod letters;
mod lightning;
mod marketplace;
mod notices;
mod order;
mod recorder;
mod recover_webhooks;
mod sessions;
mod stragglers;
mod transfers;
mod twice;
mod webhooks;

use std::sync::Arc;

use chain::{Fact, Recorder};
use entities::{PaymentId, payment};
use fixtures::{LightningNode, Merchant, TestDatabase};
use gateways::Gateways;
use payments::{Acceptor, CheckoutLinks, commands};
use queue::{BrokerConfig, Database, Runner};
use sea_orm::{ConnectionTrait, EntityTrait, Statement};
use secrecy::SecretString;
use worker::{Context, PaymentRecorder};

/// What jobs work with where no gateway is asked for anything.
fn context(db: &Database) -> Context {
    let links = CheckoutLinks::new("http://127.0.0.1:9154", &SecretString::from("a secret of tests"));
    Context::new(db.clone(), Gateways::default(), links)
}

/// A worker without agents: jobs run when they are told to.
struct Worker {
    database: TestDatabase,
    merchant: Merchant,
    runner: Runner<Context>,
    /// Whose invoices it asks for.
    node: LightningNode,
}

impl Worker {
    async fn on(database: TestDatabase) -> Self {
        let context = context(&database.db);
        Self::with(database, context).await
    }

    /// The same, with what jobs work with.
    async fn with(mut database: TestDatabase, context: Context) -> Self {
        // Nobody takes what commits hand over: everything is due at once.
        database.committed = None;
        let merchant = Merchant::insert(&database.db, 1).await;
        let broker = queue::broker::open(&BrokerConfig::default(), &database.db).unwrap();
        let node = LightningNode::start().await;
        let context = Arc::new(context.with_lightning(Some(lightning::client(&node.base_url))));
        let runner = Runner::new(database.db.clone(), broker, worker::jobs::registry(), context);
        Self { database, merchant, runner, node }
    }

    fn db(&self) -> &Database {
        &self.database.db
    }

    /// Runs what is due, and what that leads to.
    async fn run(&self) {
        self.runner.run_due().await.unwrap();
    }

    /// Delivers a message, as a broker that has forgotten that it did so before.
    async fn deliver(&self, message: queue::NewMessage) {
        let mut tx = self.db().begin().await.unwrap();
        tx.enqueue(vec![message]).await.unwrap();
        tx.commit().await.unwrap();
        self.run().await;
    }

    async fn accept(&self, external_id: &str) -> PaymentId {
        let acceptor = Acceptor::start(self.db().clone());
        let new = self.merchant.payment(external_id);
        acceptor.accept(&self.merchant.caller(), new).await.unwrap().payment.id
    }

    async fn cancel(&self, id: PaymentId) {
        commands::cancel(self.db(), &self.merchant.caller(), id, None).await.unwrap();
    }

    async fn release(&self, id: PaymentId) {
        commands::release(self.db(), &self.merchant.caller(), id, None).await.unwrap();
    }

    /// Tells what the chain tells.
    async fn record_facts(&self, facts: Vec<Fact>) {
        let mut tx = self.db().begin().await.unwrap();
        PaymentRecorder::new(31_337).record(&mut tx, facts).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Says that the chain was read, with finality, up to this time.
    async fn read_until(&self, time: chrono::DateTime<chrono::Utc>) {
        let sql = "INSERT INTO chain_cursors (network_id, scanned_number, scanned_hash, scanned_time, final_number, \
                   final_time, updated_at) VALUES ($1, 9, $3, $2, 9, $2, $2)";
        let hash = format!("0x{}", "0".repeat(64));
        let values = [self.merchant.network_id.0.into(), time.into(), hash.into()];
        let statement = Statement::from_sql_and_values(self.db().get_database_backend(), sql, values);
        self.db().execute_raw(statement).await.unwrap();
    }

    async fn payment(&self, id: PaymentId) -> payment::Model {
        payment::Entity::find_by_id(id).one(&**self.db()).await.unwrap().unwrap()
    }

    /// The operations that the chain was asked for, in order: kind and status.
    async fn operations(&self) -> Vec<(String, String)> {
        let sql = "SELECT kind, status FROM chain_operations ORDER BY id";
        let rows =
            self.db().query_all_raw(Statement::from_string(self.db().get_database_backend(), sql)).await.unwrap();
        rows.iter().map(|row| (row.try_get("", "kind").unwrap(), row.try_get("", "status").unwrap())).collect()
    }

    async fn dead_letters(&self) -> Vec<String> {
        let letters = queue::dead_letters::list(self.db(), &Default::default(), Default::default()).await.unwrap();
        letters.into_iter().map(|letter| letter.error_code).collect()
    }
}
