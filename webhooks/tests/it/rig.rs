//! A database with endpoints, and processes that send.

use std::{
    sync::Once,
    time::{Duration, Instant},
};

use entities::{
    DeliveryStatus, EventId, NodeId, PaymentId, WebhookDeliveryId, WebhookEndpointId, now, webhook_attempt,
    webhook_delivery, webhook_endpoint,
};
use fixtures::{Merchant, TestDatabase};
use queue::Database;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, prelude::*};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use webhooks::{Config, Lanes, Lookup, Outgoing, Secrets, Waker, fan_out, wake};

/// Long, since the machine may be busy; nothing ever waits for all of it but a failure.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Rig {
    pub(crate) database: TestDatabase,
    pub(crate) merchant: Merchant,
    pub(crate) config: Config,
    pub(crate) waker: Waker,
}

/// What one process does; it is stopped when it is told to, not when this is dropped.
pub(crate) struct Process {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Process {
    /// Stops as a process does that is asked to.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// Fast, and allowed to reach this host.
pub(crate) fn config() -> Config {
    Config {
        secret: "the secret of this installation".into(),
        allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
        schedule_s: vec![0, 0, 0],
        poll_interval_ms: 50,
        timeout_ms: 10_000,
        ..Config::default()
    }
}

impl Rig {
    pub(crate) async fn on(database: TestDatabase) -> Self {
        Self::with(database, config()).await
    }

    pub(crate) async fn with(mut database: TestDatabase, config: Config) -> Self {
        static TLS: Once = Once::new();
        TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        database.committed = None;
        let merchant = Merchant::insert(&database.db, 1).await;
        Self { database, merchant, config, waker: Waker::default() }
    }

    pub(crate) fn db(&self) -> &Database {
        &self.database.db
    }

    pub(crate) fn secrets(&self) -> Secrets {
        Secrets::new(&self.config.secret)
    }

    fn lanes(&self) -> Lanes {
        Lanes::new(self.db().clone(), self.config.clone(), self.waker.clone())
    }

    pub(crate) fn start(&self) -> Process {
        run(self.lanes())
    }

    pub(crate) fn start_with(&self, lookup: Lookup) -> Process {
        run(self.lanes().with_lookup(lookup))
    }

    pub(crate) async fn endpoint(&self, url: &str) -> WebhookEndpointId {
        self.endpoint_as(url, |_| {}).await
    }

    /// An endpoint that hears everything, but for what is changed about it.
    pub(crate) async fn endpoint_as(
        &self,
        url: &str,
        change: impl FnOnce(&mut webhook_endpoint::Model),
    ) -> WebhookEndpointId {
        let mut row = fixtures::endpoint(self.merchant.node_id, &["*"]);
        let id = row.id;
        url.clone_into(&mut row.url);
        row.secret_check = self.secrets().check(id, 1);
        change(&mut row);
        let tx = self.db().begin().await.unwrap();
        webhook_endpoint::Entity::insert(row.into_active_model()).exec_without_returning(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Changes the endpoint's row.
    pub(crate) async fn change(&self, row: webhook_endpoint::ActiveModel) {
        let tx = self.db().begin().await.unwrap();
        row.update(&*tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// So many events, with bodies that no two serialisers would write alike.
    pub(crate) fn events(&self, count: usize) -> Vec<Outgoing> {
        (0..count).map(|place| event(self.merchant.node_id, None, place)).collect()
    }

    /// Owed and woken for, as the worker does it.
    pub(crate) async fn announce(&self, events: &[Outgoing]) {
        let mut tx = self.db().begin().await.unwrap();
        let waiting = fan_out(&mut tx, events).await.unwrap();
        tx.commit().await.unwrap();
        wake(self.db(), &waiting).await.unwrap();
        self.waker.wake();
    }

    pub(crate) async fn row(&self, id: WebhookEndpointId) -> webhook_endpoint::Model {
        webhook_endpoint::Entity::find_by_id(id).one(&**self.db()).await.unwrap().unwrap()
    }

    pub(crate) async fn deliveries(&self, id: WebhookEndpointId) -> Vec<webhook_delivery::Model> {
        let of_endpoint = webhook_delivery::Column::EndpointId.eq(id);
        let found = webhook_delivery::Entity::find().filter(of_endpoint).order_by_asc(webhook_delivery::Column::Id);
        found.all(&**self.db()).await.unwrap()
    }

    /// The one delivery.
    pub(crate) async fn delivery(&self, id: WebhookEndpointId) -> webhook_delivery::Model {
        let mut all = self.deliveries(id).await;
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    pub(crate) async fn attempts(&self, id: WebhookDeliveryId) -> Vec<webhook_attempt::Model> {
        let of_delivery = webhook_attempt::Column::DeliveryId.eq(id);
        let found = webhook_attempt::Entity::find().filter(of_delivery).order_by_asc(webhook_attempt::Column::Number);
        found.all(&**self.db()).await.unwrap()
    }

    /// How many deliveries of the endpoint have come so far.
    pub(crate) async fn count(&self, id: WebhookEndpointId, status: DeliveryStatus) -> usize {
        self.deliveries(id).await.iter().filter(|delivery| delivery.status == status).count()
    }

    pub(crate) async fn until_delivered(&self, id: WebhookEndpointId, count: usize) {
        until("delivered", async || self.count(id, DeliveryStatus::Delivered).await >= count).await;
    }

    /// Until nobody has the endpoint, and it waits for nothing before this many seconds.
    pub(crate) async fn until_free(&self, id: WebhookEndpointId) {
        until("free", async || self.row(id).await.lane_owner.is_none()).await;
    }
}

fn run(lanes: Lanes) -> Process {
    let stop = CancellationToken::new();
    Process { task: tokio::spawn(lanes.run(stop.clone())), stop }
}

pub(crate) fn event(node_id: NodeId, payment_id: Option<PaymentId>, place: usize) -> Outgoing {
    let id = EventId::new();
    Outgoing {
        others: Vec::new(),
        id,
        name: "payment.paid".to_owned(),
        operators: false,
        node_id,
        payment_id,
        wallet_id: None,
        network_id: None,
        sequence: payment_id.map(|_| 1),
        occurred_at: now(),
        body: format!("{{ \"id\":\"{id}\",  \"place\": {place}, \"price\": 1.50, \"text\":\"ü\\u00fc / \\/ 🎉\" }}"),
    }
}

/// Waits for it.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
