//! What one process runs.

use std::{sync::Arc, time::Duration};

use queue::{
    Archivist, Broker, CommittedMessages, Database, NewMessage, Registry, Relay, Runner, dead_letters,
    redrive::Conductor,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{eventually, jobs::Diary};

pub(crate) struct Process {
    pub(crate) db: Database,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) diary: Arc<Diary>,
    stop_jobs: CancellationToken,
    stop_relay: CancellationToken,
    jobs: Vec<JoinHandle<()>>,
    relay: JoinHandle<()>,
}

impl Process {
    pub(super) fn start(
        db: Database,
        committed: CommittedMessages,
        broker: Arc<dyn Broker>,
        registry: Registry<Diary>,
        diary: Arc<Diary>,
    ) -> Self {
        let (stop_jobs, stop_relay) = (CancellationToken::new(), CancellationToken::new());
        let relay = Relay::new(db.clone(), committed, Arc::clone(&broker)).run(stop_relay.clone());
        let runner = Runner::new(db.clone(), Arc::clone(&broker), registry, Arc::clone(&diary));
        let archivist = Archivist::new(db.clone(), Arc::clone(&broker));
        // What a killed one had is taken over soon.
        let conductor = Conductor::new(db.clone()).lease(Duration::from_secs(2));
        let jobs = vec![
            tokio::spawn(runner.run(stop_jobs.clone())),
            tokio::spawn(archivist.run(stop_jobs.clone())),
            tokio::spawn(conductor.run(stop_jobs.clone())),
        ];
        Self { db, broker, diary, stop_jobs, stop_relay, jobs, relay: tokio::spawn(relay) }
    }

    pub(crate) async fn enqueue(&self, messages: Vec<NewMessage>) -> Vec<Uuid> {
        enqueue(&self.db, messages).await
    }

    /// As on SIGTERM.
    pub(crate) async fn stop(mut self) -> Arc<Diary> {
        self.stop_jobs.cancel();
        for job in std::mem::take(&mut self.jobs) {
            job.await.expect("jobs end without a panic");
        }
        self.stop_relay.cancel();
        (&mut self.relay).await.expect("the relay ends without a panic");
        self.broker.close().await;
        Arc::clone(&self.diary)
    }

    /// As on SIGKILL: nothing is finished, nothing acknowledged.
    pub(crate) fn kill(self) {}

    pub(crate) async fn outbox_rows(&self) -> u64 {
        queue::outbox::backlog(&self.db).await.expect("the outbox can be counted").rows
    }

    /// Waits until nothing is on its way.
    pub(crate) async fn settled(&self) {
        eventually("the outbox is empty", async || self.outbox_rows().await == 0).await;
    }

    pub(crate) async fn dead_letters(&self) -> Vec<dead_letters::DeadLetter> {
        let all = dead_letters::Page { limit: 500, ..Default::default() };
        dead_letters::list(&self.db, &dead_letters::Filter::default(), all).await.expect("dead letters can be listed")
    }

    pub(crate) async fn one_dead_letter(&self) -> dead_letters::DeadLetter {
        eventually("there is a dead letter", async || !self.dead_letters().await.is_empty()).await;
        let mut letters = self.dead_letters().await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        for job in &self.jobs {
            job.abort();
        }
        self.relay.abort();
    }
}

pub(crate) async fn enqueue(db: &Database, messages: Vec<NewMessage>) -> Vec<Uuid> {
    let mut tx = db.begin().await.expect("a transaction");
    let ids = tx.enqueue(messages).await.expect("messages are enqueued");
    tx.commit().await.expect("the transaction commits");
    ids
}
