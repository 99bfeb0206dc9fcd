//! Endpoints and deliveries for tests of jobs.

use entities::{
    DeliveryStatus, EventId, NodeId, WebhookDeliveryId, WebhookEndpointId, WebhookFormat, now, webhook_delivery,
    webhook_endpoint,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, prelude::*};

use crate::Worker;

impl Worker {
    /// An enabled endpoint of the node for these types.
    pub(crate) async fn endpoint(&self, node_id: NodeId, events: &[&str]) -> webhook_endpoint::Model {
        let row = fixtures::endpoint(node_id, events);
        let tx = self.db().begin().await.unwrap();
        webhook_endpoint::Entity::insert(row.clone().into_active_model()).exec_without_returning(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        row
    }

    pub(crate) async fn set_endpoint(
        &self,
        id: WebhookEndpointId,
        change: impl FnOnce(&mut webhook_endpoint::ActiveModel),
    ) {
        let row = webhook_endpoint::Entity::find_by_id(id).one(&**self.db()).await.unwrap().unwrap();
        let mut row = row.into_active_model();
        change(&mut row);
        let tx = self.db().begin().await.unwrap();
        row.update(&*tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Deliveries of the endpoint in this status, as if their events had just happened.
    pub(crate) async fn deliveries_in(&self, endpoint: WebhookEndpointId, status: DeliveryStatus, count: usize) {
        let rows: Vec<_> = (0..count)
            .map(|_| webhook_delivery::Model {
                id: WebhookDeliveryId::new(),
                endpoint_id: endpoint,
                event_id: EventId::new(),
                format: WebhookFormat::Standard,
                event_type: "payment.paid".to_owned(),
                payment_id: None,
                sequence: None,
                occurred_at: now(),
                status,
                attempts: 10,
                round_attempts: 10,
                recovered: false,
                next_attempt_at: None,
                delivered_at: None,
                last_status: Some(500),
                last_error: None,
                created_at: now(),
                updated_at: now(),
            })
            .map(IntoActiveModel::into_active_model)
            .collect();
        let tx = self.db().begin().await.unwrap();
        for chunk in rows.chunks(500) {
            webhook_delivery::Entity::insert_many(chunk.to_vec()).exec_without_returning(&*tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// What is owed to the endpoint, oldest first.
    pub(crate) async fn owed(&self, endpoint: WebhookEndpointId) -> Vec<webhook_delivery::Model> {
        webhook_delivery::Entity::find()
            .filter(webhook_delivery::Column::EndpointId.eq(endpoint))
            .order_by_asc(webhook_delivery::Column::Id)
            .all(&**self.db())
            .await
            .unwrap()
    }

    pub(crate) async fn set_delivery(&self, id: WebhookDeliveryId, status: DeliveryStatus) {
        let row = webhook_delivery::Entity::find_by_id(id).one(&**self.db()).await.unwrap().unwrap();
        let mut row = row.into_active_model();
        (row.status, row.attempts, row.round_attempts) = (Set(status), Set(10), Set(10));
        row.next_attempt_at = Set(None);
        let tx = self.db().begin().await.unwrap();
        row.update(&*tx).await.unwrap();
        tx.commit().await.unwrap();
    }
}
