//! Recoveries of webhook endpoints.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    ActorType, DeliveryStatus, RecoveryStatus, WebhookEndpointId, WebhookRecoveryId, WebhookStatus, now,
    webhook_delivery, webhook_recovery,
};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{Acceptor, jobs::RecoverWebhooks};
use queue::{Delivery, Job, NewMessage};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel};

use crate::Worker;

impl Worker {
    /// A run that is about to begin; its message is not sent.
    pub(crate) async fn recovery(&self, endpoint: WebhookEndpointId, only_failed: bool) -> WebhookRecoveryId {
        self.recovery_of(endpoint, only_failed, now() - TimeDelta::hours(1), now()).await
    }

    async fn recovery_of(
        &self,
        endpoint: WebhookEndpointId,
        only_failed: bool,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> WebhookRecoveryId {
        let row = webhook_recovery::Model {
            id: WebhookRecoveryId::new(),
            endpoint_id: endpoint,
            since,
            until,
            only_failed,
            status: RecoveryStatus::Running,
            cursor: None,
            examined: 0,
            recovered: 0,
            error: None,
            actor_type: ActorType::System,
            actor_id: None,
            created_at: now(),
            updated_at: now(),
            finished_at: None,
        };
        let tx = self.db().begin().await.unwrap();
        webhook_recovery::Entity::insert(row.clone().into_active_model()).exec_without_returning(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        row.id
    }

    async fn recovered(&self, id: WebhookRecoveryId) -> webhook_recovery::Model {
        webhook_recovery::Entity::find_by_id(id).one(&**self.db()).await.unwrap().unwrap()
    }
}

fn message(recovery_id: WebhookRecoveryId) -> NewMessage {
    NewMessage::of(&RecoverWebhooks::new(recovery_id, None))
}

fn event_types(owed: &[webhook_delivery::Model]) -> Vec<&str> {
    owed.iter().map(|delivery| delivery.event_type.as_str()).collect()
}

on_both!(what_was_held_or_given_up_is_due_again, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let endpoint = worker.endpoint(worker.merchant.node_id, &["*"]).await.id;
    let other = worker.endpoint(worker.merchant.node_id, &["*"]).await.id;
    for status in [DeliveryStatus::Held, DeliveryStatus::Failed, DeliveryStatus::Delivered] {
        worker.deliveries_in(endpoint, status, 2).await;
        worker.deliveries_in(other, status, 1).await;
    }
    let id = worker.recovery(endpoint, true).await;
    worker.deliver(message(id)).await;
    let run = worker.recovered(id).await;
    assert_eq!((run.status, run.examined, run.recovered), (RecoveryStatus::Done, 4, 4));
    assert!(run.finished_at.is_some() && run.error.is_none());
    let owed = worker.owed(endpoint).await;
    let due = owed.iter().filter(|row| row.status == DeliveryStatus::Pending);
    assert_eq!(due.clone().count(), 4);
    assert!(due.clone().all(|row| (row.attempts, row.round_attempts) == (10, 0) && row.next_attempt_at.is_some()));
    assert!(worker.owed(other).await.iter().all(|row| row.status != DeliveryStatus::Pending));
    let row = entities::webhook_endpoint::Entity::find_by_id(endpoint).one(&**worker.db()).await.unwrap().unwrap();
    assert!(row.due_at.is_some(), "its lane is woken");
});

on_both!(only_the_requested_time_is_recovered, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let endpoint = worker.endpoint(worker.merchant.node_id, &["payment.*"]).await.id;
    worker.accept("before").await;
    worker.run().await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let between = now();
    worker.accept("after").await;
    worker.run().await;
    for delivery in worker.owed(endpoint).await {
        worker.set_delivery(delivery.id, DeliveryStatus::Failed).await;
    }
    for only_failed in [true, false] {
        let id = worker.recovery_of(endpoint, only_failed, now() - TimeDelta::hours(1), between).await;
        worker.deliver(message(id)).await;
        let owed = worker.owed(endpoint).await;
        let statuses: Vec<_> = owed.iter().map(|delivery| delivery.status).collect();
        assert_eq!(statuses, [DeliveryStatus::Pending, DeliveryStatus::Failed], "only_failed: {only_failed}");
        worker.set_delivery(owed[0].id, DeliveryStatus::Failed).await;
    }
});

on_both!(a_late_subscriber_gets_what_its_node_and_its_list_select, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let stranger = Merchant::insert(worker.db(), 2).await;
    let foreign = Acceptor::start(worker.db().clone());
    let foreign = foreign.accept(&stranger.caller(), stranger.payment("foreign")).await.unwrap().payment.id;
    let id = worker.accept("one").await;
    worker.run().await;
    worker.record_facts(vec![crate::jobs::opened(id), crate::jobs::deposited(id)]).await;
    worker.run().await;
    let all = worker.endpoint(worker.merchant.node_id, &["*"]).await;
    let paid = worker.endpoint(worker.merchant.node_id, &["payment.paid"]).await;
    for (endpoint, expected) in [
        (&all, &["payment.created", "payment.open", "payment.submitted", "payment.paid"][..]),
        (&paid, &["payment.paid"][..]),
    ] {
        let run = worker.recovery(endpoint.id, false).await;
        worker.deliver(message(run)).await;
        let run = worker.recovered(run).await;
        assert_eq!((run.status, run.examined), (RecoveryStatus::Done, 5));
        assert_eq!(usize::try_from(run.recovered).unwrap(), expected.len());
        let owed = worker.owed(endpoint.id).await;
        assert_eq!(event_types(&owed), expected);
        assert!(owed.iter().all(|delivery| delivery.payment_id == Some(id) && Some(foreign) != delivery.payment_id));
    }
    // What was delivered is sent once more, too, as the same delivery.
    let before = worker.owed(all.id).await;
    for delivery in &before {
        worker.set_delivery(delivery.id, DeliveryStatus::Delivered).await;
    }
    let run = worker.recovery(all.id, false).await;
    worker.deliver(message(run)).await;
    let after = worker.owed(all.id).await;
    let ids = |rows: &[webhook_delivery::Model]| rows.iter().map(|row| (row.id, row.event_id)).collect::<Vec<_>>();
    assert_eq!(ids(&before), ids(&after));
    assert!(after.iter().all(|delivery| delivery.status == DeliveryStatus::Pending));
});

on_both!(a_run_of_many_steps_misses_nothing_and_a_message_twice_makes_one_step, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let endpoint = worker.endpoint(worker.merchant.node_id, &["*"]).await.id;
    worker.deliveries_in(endpoint, DeliveryStatus::Failed, 700).await;
    worker.deliveries_in(endpoint, DeliveryStatus::Held, 600).await;
    let id = worker.recovery(endpoint, true).await;
    let context = crate::context(worker.db());
    let first = Delivery::of(RecoverWebhooks::new(id, None));
    for _ in 0..3 {
        worker::jobs::RecoverWebhooks::run(&context, first.clone()).await.unwrap();
    }
    let run = worker.recovered(id).await;
    assert_eq!((run.status, run.examined, run.recovered), (RecoveryStatus::Running, 500, 500), "one step");
    // What is given up again behind the cursor has had its turn.
    let again = worker.owed(endpoint).await[0].id;
    worker.set_delivery(again, DeliveryStatus::Failed).await;
    worker.run().await;
    let run = worker.recovered(id).await;
    assert_eq!((run.status, run.examined, run.recovered), (RecoveryStatus::Done, 1_300, 1_300));
    let owed = worker.owed(endpoint).await;
    let ids: BTreeSet<_> = owed.iter().filter(|row| row.status == DeliveryStatus::Pending).map(|row| row.id).collect();
    assert_eq!(ids.len(), 1_299);
    assert!(!ids.contains(&again));
    worker.deliver(message(id)).await;
    assert_eq!(worker.recovered(id).await, run, "what is at its end stays there");
});

on_both!(a_run_ends_with_its_endpoint, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    for disabled in [true, false] {
        let endpoint = worker.endpoint(worker.merchant.node_id, &["*"]).await.id;
        worker.deliveries_in(endpoint, DeliveryStatus::Held, 1).await;
        let id = worker.recovery(endpoint, true).await;
        worker
            .set_endpoint(endpoint, |row| {
                if disabled {
                    row.status = Set(WebhookStatus::Disabled);
                } else {
                    row.deleted_at = Set(Some(now()));
                }
            })
            .await;
        worker.deliver(message(id)).await;
        let run = worker.recovered(id).await;
        assert_eq!((run.status, run.recovered), (RecoveryStatus::Failed, 0));
        assert!(run.error.unwrap().contains("disabled or deleted"));
        assert_eq!(worker.owed(endpoint).await[0].status, DeliveryStatus::Held, "nothing is due to it");
    }
});

on_both!(a_run_whose_message_got_lost_goes_on, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let endpoint = worker.endpoint(worker.merchant.node_id, &["*"]).await.id;
    worker.deliveries_in(endpoint, DeliveryStatus::Failed, 600).await;
    let id = worker.recovery(endpoint, true).await;
    let context = crate::context(worker.db());
    assert_eq!(worker::recover_stragglers(&context, TimeDelta::minutes(10)).await.unwrap(), 0, "it may still come");
    assert_eq!(worker::recover_stragglers(&context, TimeDelta::zero()).await.unwrap(), 1);
    assert_eq!(worker.recovered(id).await.examined, 500);
    worker.lose_messages().await;
    assert_eq!(worker::recover_stragglers(&context, TimeDelta::zero()).await.unwrap(), 1);
    let run = worker.recovered(id).await;
    assert_eq!((run.status, run.examined, run.recovered), (RecoveryStatus::Done, 600, 600));
    assert_eq!(worker::recover_stragglers(&context, TimeDelta::zero()).await.unwrap(), 0);
});

on_both!(a_run_releases_no_more_than_its_endpoint_takes, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let endpoint = worker.endpoint(worker.merchant.node_id, &["*"]).await.id;
    worker.deliveries_in(endpoint, DeliveryStatus::Held, 3_100).await;
    let id = worker.recovery(endpoint, true).await;
    worker.deliver(message(id)).await;
    let run = worker.recovered(id).await;
    assert_eq!((run.status, run.recovered), (RecoveryStatus::Running, 2_000), "it waits for the endpoint");
    let released: Vec<_> =
        worker.owed(endpoint).await.into_iter().filter(|row| row.status == DeliveryStatus::Pending).collect();
    assert!(released.iter().all(|row| row.recovered), "they come behind what is due now");
    for row in &released[..1_500] {
        worker.set_delivery(row.id, DeliveryStatus::Delivered).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    worker.run().await;
    let run = worker.recovered(id).await;
    assert_eq!((run.status, run.recovered), (RecoveryStatus::Done, 3_100));
});

on_both!(what_was_held_late_is_found_behind_the_cursor, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let endpoint = worker.endpoint(worker.merchant.node_id, &["*"]).await.id;
    worker.deliveries_in(endpoint, DeliveryStatus::Delivered, 1).await;
    let late = worker.owed(endpoint).await[0].id;
    worker.deliveries_in(endpoint, DeliveryStatus::Held, 600).await;
    let id = worker.recovery(endpoint, true).await;
    let context = crate::context(worker.db());
    let first = Delivery::of(RecoverWebhooks::new(id, None));
    worker::jobs::RecoverWebhooks::run(&context, first).await.unwrap();
    worker.set_delivery(late, DeliveryStatus::Held).await;
    worker.run().await;
    let run = worker.recovered(id).await;
    assert_eq!((run.status, run.recovered), (RecoveryStatus::Done, 601));
});
