//! What becomes owed to whom when payments move.

use std::collections::BTreeSet;

use chain::Fact;
use entities::{
    DeliveryStatus, NodeId, PaymentId, PaymentMethod, WebhookEndpointId, WebhookFormat, WebhookStatus, node, now,
    payment_log, webhook_body, webhook_delivery, webhook_endpoint,
};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{Acceptor, NewPayment, jobs::AnnounceEvents};
use queue::{Database, Delivery, Job, NewMessage};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, Statement, prelude::*};
use serde_json::{Value, json};

use crate::{Worker, twice::evidence};

/// An endpoint of a node that wants everything about payments.
fn endpoint(node_id: NodeId) -> webhook_endpoint::Model {
    fixtures::endpoint(node_id, &["payment.*"])
}

async fn insert(db: &Database, endpoint: webhook_endpoint::Model) -> WebhookEndpointId {
    let id = endpoint.id;
    let tx = db.begin().await.unwrap();
    webhook_endpoint::Entity::insert(endpoint.into_active_model()).exec_without_returning(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// A node at this path, with a number that no other has.
async fn node_at(db: &Database, path: &str, number: i64) -> NodeId {
    let now = now();
    let node = node::Model {
        id: NodeId::new(),
        parent_id: None,
        path: path.to_owned(),
        number,
        name: path.to_owned(),
        plan: entities::Plan::Starter,
        created_at: now,
        updated_at: now,
        deleted_at: None,
    };
    let id = node.id;
    let tx = db.begin().await.unwrap();
    node::Entity::insert(node.into_active_model()).exec_without_returning(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn deliveries(db: &Database, endpoint: WebhookEndpointId) -> Vec<webhook_delivery::Model> {
    webhook_delivery::Entity::find()
        .filter(webhook_delivery::Column::EndpointId.eq(endpoint))
        .order_by_asc(webhook_delivery::Column::EventId)
        .all(&**db)
        .await
        .unwrap()
}

async fn row(db: &Database, endpoint: WebhookEndpointId) -> webhook_endpoint::Model {
    webhook_endpoint::Entity::find_by_id(endpoint).one(&**db).await.unwrap().unwrap()
}

async fn body(db: &Database, delivery: &webhook_delivery::Model) -> Value {
    let key = (delivery.event_id, delivery.format);
    let body = webhook_body::Entity::find_by_id(key).one(&**db).await.unwrap().expect("a body");
    serde_json::from_str(&body.body).unwrap()
}

async fn opened(worker: &Worker, id: PaymentId) {
    let deal_id = alloy::primitives::U256::from(7);
    worker.record_facts(vec![Fact::DealOpened { subject_id: id.0, deal_id, evidence: evidence() }]).await;
}

on_both!(each_transition_is_owed_once_with_its_number_and_status, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = insert(worker.db(), endpoint(worker.merchant.node_id)).await;
    let payment_id = worker.accept("order").await;
    // Told late: what was then is told, not what is now.
    opened(&worker, payment_id).await;
    worker.cancel(payment_id).await;
    worker.run().await;

    let owed = deliveries(worker.db(), id).await;
    let listed: Vec<_> = owed.iter().map(|owed| (owed.event_type.as_str(), owed.sequence.unwrap())).collect();
    assert_eq!(listed, [("payment.created", 1), ("payment.open", 2), ("payment.canceling", 3)]);
    assert!(owed.iter().all(|owed| owed.status == DeliveryStatus::Pending && owed.payment_id == Some(payment_id)));
    let [created, open, canceling] = &owed[..] else { panic!("{owed:?}") };
    let (created, open, canceling) =
        (body(worker.db(), created).await, body(worker.db(), open).await, body(worker.db(), canceling).await);
    assert_eq!(created["type"], "payment.created");
    assert_eq!(created["sequence"], 1);
    assert_eq!(created["data"]["payment"]["status"], "pending");
    assert_eq!(created["data"]["payment"]["external_id"], "order");
    assert_eq!(created["data"]["payment"]["price"].to_string(), "10.5");
    assert_eq!(open["data"]["payment"]["status"], "open");
    assert_eq!(open["data"]["previous_status"], "pending");
    assert_eq!(open["data"]["details"]["deal_id"], 7);
    assert_eq!(canceling["data"]["trigger"], "cancel_requested");
    assert!(row(worker.db(), id).await.due_at.is_some(), "its lane is told");
});

on_both!(a_checkout_that_ends_is_announced_in_the_format_of_its_contract, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let own = endpoint(worker.merchant.node_id);
    let id = insert(worker.db(), webhook_endpoint::Model { format: WebhookFormat::CheckoutV1, ..own }).await;
    let deal = worker.accept("deal").await;
    let new = NewPayment { payment_method: PaymentMethod::CreditCard, ..worker.merchant.payment("card") };
    let acceptor = Acceptor::start(worker.db().clone());
    let card = acceptor.accept(&worker.merchant.caller(), new).await.unwrap().payment.id;
    worker.cancel(deal).await;
    worker.cancel(card).await;
    worker.run().await;
    let owed = deliveries(worker.db(), id).await;
    assert_eq!(owed.len(), 1, "nothing but the end of what a checkout has taken: {owed:?}");
    assert_eq!((owed[0].payment_id, owed[0].event_type.as_str()), (Some(card), "payment.canceled"));
    let body = body(worker.db(), &owed[0]).await;
    assert_eq!((&body["topic"], &body["data"]["clientId"]), (&json!("payment.canceled"), &json!("card")));
});

on_both!(an_endpoint_gets_events_of_its_node_and_those_below_and_of_what_it_selects, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let (db, merchant) = (worker.db(), &worker.merchant);
    // The merchant stands at 1.
    let (below, beside, longer) = (node_at(db, "1.4", 4).await, node_at(db, "2", 2).await, node_at(db, "10", 10).await);
    let own = || endpoint(merchant.node_id);
    let recipients = [
        insert(db, own()).await,
        insert(db, webhook_endpoint::Model { events: json!(["refund.*", "payment.created"]), ..own() }).await,
        insert(db, webhook_endpoint::Model { events: json!(["*"]), ..own() }).await,
        insert(db, webhook_endpoint::Model { wallet_id: Some(merchant.wallet_id), ..own() }).await,
        insert(db, webhook_endpoint::Model { network_id: Some(merchant.network_id), ..own() }).await,
    ];
    let other = Merchant::insert(db, 3).await;
    let not = [
        insert(db, endpoint(below)).await,
        insert(db, endpoint(beside)).await,
        insert(db, endpoint(longer)).await,
        insert(db, webhook_endpoint::Model { events: json!(["payment.paid"]), ..own() }).await,
        insert(db, webhook_endpoint::Model { wallet_id: Some(other.wallet_id), ..own() }).await,
        insert(db, webhook_endpoint::Model { network_id: Some(other.network_id), ..own() }).await,
        insert(db, webhook_endpoint::Model { deleted_at: Some(now()), ..own() }).await,
    ];
    worker.accept("order").await;
    worker.run().await;
    for (index, id) in recipients.into_iter().enumerate() {
        assert_eq!(deliveries(db, id).await.len(), 1, "endpoint {index} hears of it");
    }
    for (index, id) in not.into_iter().enumerate() {
        assert!(deliveries(db, id).await.is_empty(), "endpoint {index} must not hear of it");
        assert_eq!(row(db, id).await.due_at, None);
    }
    // From below it is heard at every node above.
    let mut new = merchant.payment("below");
    (new.node_id, new.wallet_id) = (below, Some(merchant.wallet_id));
    let caller = merchant.caller();
    Acceptor::start(db.clone()).accept(&caller, new).await.unwrap();
    worker.run().await;
    assert_eq!(deliveries(db, recipients[0]).await.len(), 2);
    assert_eq!(deliveries(db, not[0]).await.len(), 1);
    assert!(deliveries(db, not[1]).await.is_empty());
});

on_both!(a_disabled_endpoint_s_events_are_held, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let disabled = webhook_endpoint::Model { status: WebhookStatus::Disabled, ..endpoint(worker.merchant.node_id) };
    let id = insert(worker.db(), disabled).await;
    worker.accept("order").await;
    worker.run().await;
    let owed = deliveries(worker.db(), id).await;
    assert_eq!((owed.len(), owed[0].status, owed[0].next_attempt_at), (1, DeliveryStatus::Held, None));
    assert_eq!(row(worker.db(), id).await.due_at, None, "nothing is sent");
});

on_both!(what_is_announced_again_is_owed_once, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = insert(worker.db(), endpoint(worker.merchant.node_id)).await;
    let payment_id = worker.accept("order").await;
    worker.run().await;
    let first = deliveries(worker.db(), id).await;
    let log_ids = first.iter().map(|owed| entities::PaymentLogId(owed.event_id.0)).collect();
    let again = payments::jobs::AnnounceEvents::new(log_ids, None);
    worker.deliver(NewMessage::of(&again).header("payment_id", payment_id.to_string())).await;
    assert_eq!(deliveries(worker.db(), id).await, first);
});

on_both!(a_batch_of_payments_is_announced_by_one_message, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let acceptor = Acceptor::start(worker.db().clone());
    let requests = (0..120).map(|number| {
        let (acceptor, merchant) = (acceptor.clone(), worker.merchant.clone());
        tokio::spawn(async move {
            acceptor.accept(&merchant.caller(), merchant.payment(&format!("order {number}"))).await.unwrap()
        })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.unwrap();
    }
    let backend = worker.db().get_database_backend();
    let sql = "SELECT payload FROM outbox WHERE kind = 'announce_events'";
    let rows = worker.db().query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    let announced: BTreeSet<String> = rows
        .iter()
        .flat_map(|row| {
            let payload: Value = serde_json::from_str(&row.try_get::<String>("", "payload").unwrap()).unwrap();
            payload["log_ids"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(announced.len(), 120, "each once");
    assert!(rows.len() < 60, "{} messages for 120 payments that came at once", rows.len());
});

on_both!(what_was_never_announced_is_announced_after_a_while, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = insert(worker.db(), endpoint(worker.merchant.node_id)).await;
    for number in 0..105 {
        worker.accept(&format!("order {number}")).await;
    }
    worker.db().execute_unprepared("DELETE FROM outbox WHERE kind = 'announce_events'").await.unwrap();
    let context = crate::context(worker.db());
    let announce = async |patience| worker::announce_stragglers(&context, patience).await.unwrap();
    assert_eq!(announce(chrono::TimeDelta::minutes(10)).await, 0, "its message may still come");
    assert_eq!(announce(chrono::TimeDelta::zero()).await, 105);
    assert_eq!(announce(chrono::TimeDelta::zero()).await, 0);
    assert_eq!(deliveries(worker.db(), id).await.len(), 105);
    // The handover of each is told by its own message.
    worker.run().await;
    assert_eq!(deliveries(worker.db(), id).await.len(), 105);
});

on_both!(a_message_that_comes_twice_notifies_other_systems_once, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.accept("one").await;
    worker.lose_messages().await;
    let created = payment_log::Entity::find()
        .filter(payment_log::Column::PaymentId.eq(id))
        .filter(payment_log::Column::Sequence.eq(1))
        .one(&**worker.db())
        .await
        .unwrap()
        .unwrap();
    let context = crate::context(worker.db());
    let published = async || {
        let sql = "SELECT COUNT(*) FROM outbox WHERE kind = 'payment.created'";
        let backend = worker.db().get_database_backend();
        let row = worker.db().query_one_raw(Statement::from_string(backend, sql)).await.unwrap().unwrap();
        row.try_get_by_index::<i64>(0).unwrap()
    };
    for _ in 0..3 {
        let message = AnnounceEvents::new(vec![created.id], None);
        worker::jobs::AnnounceEvents::run(&context, Delivery::of(message)).await.unwrap();
        assert_eq!(published().await, 1, "the topic exchange has no unique rows; the mark is all there is");
    }
});
