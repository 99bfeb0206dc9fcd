//! An event that tests an endpoint.

use entities::{EventId, WebhookDeliveryId, WebhookEndpointId, now, webhook_endpoint};
use payments::event::{Event, TEST};
use queue::Transaction;
use sea_orm::{ActiveValue::Set, DbErr};
use serde::Serialize;

use crate::fan_out::{self, Outgoing, Subscriber};

/// The `data` of a test event.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointTested {
    pub endpoint_id: WebhookEndpointId,
    /// A sentence for people.
    pub message: String,
}

/// Owes the endpoint, and no other, an event of the type [`TEST`], which goes the way of all events: signed, repeated,
/// listed. Its list and its filters do not matter. [`crate::wake`] the endpoint after the commit.
///
/// # Errors
/// A statement failed: the caller rolls the transaction back.
pub async fn send_test(
    tx: &Transaction,
    endpoint: &webhook_endpoint::Model,
) -> Result<(WebhookDeliveryId, EventId), DbErr> {
    let event = Event {
        id: EventId::new(),
        name: TEST.to_owned(),
        occurred_at: now(),
        sequence: None,
        data: EndpointTested {
            endpoint_id: endpoint.id,
            message: "A test of this endpoint. Nothing happened, and there is nothing to do.".to_owned(),
        },
    };
    let outgoing = Outgoing {
        others: Vec::new(),
        id: event.id,
        body: serde_json::to_string(&event).map_err(|error| DbErr::Json(error.to_string()))?,
        name: event.name,
        operators: false,
        node_id: endpoint.node_id,
        payment_id: None,
        wallet_id: None,
        network_id: None,
        sequence: None,
        occurred_at: event.occurred_at,
    };
    let delivery_id = WebhookDeliveryId::new();
    let mut delivery = fan_out::delivery(&Subscriber::new(endpoint.clone()), &outgoing);
    delivery.id = Set(delivery_id);
    fan_out::insert(tx, vec![fan_out::body(&outgoing, endpoint.format)], vec![delivery]).await?;
    Ok((delivery_id, outgoing.id))
}
