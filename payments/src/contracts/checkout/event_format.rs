//! The contract's own format of events, `checkout.v1`: three of them, in the contract's words.

use std::collections::HashMap;

use entities::{EventId, PaymentId, WebhookFormat, checkout, payment_log, rfc3339};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, prelude::*};
use serde_json::{Value, json};

use super::Status;

/// An event in a format beside the standard one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormattedEvent {
    /// That format.
    pub format: WebhookFormat,
    /// What endpoints choose it by: `payment.completed`, `payment.canceled` or `payment.failed`.
    pub topic: &'static str,
    /// What is sent.
    pub body: String,
}

/// The contract's topic and state for a type of event. An expired payment is a canceled one here, a rejected one has
/// failed.
fn topic(event_type: &str) -> Option<(&'static str, Status)> {
    match event_type {
        "payment.completed" => Some(("payment.completed", Status::Completed)),
        "payment.canceled" | "payment.expired" => Some(("payment.canceled", Status::Canceled)),
        "payment.failed" | "payment.rejected" => Some(("payment.failed", Status::Failed)),
        _ => None,
    }
}

/// Those of the events that this format has, of payments that a checkout has taken.
///
/// # Errors
/// When the database does not answer.
pub async fn format_events<C: ConnectionTrait>(
    db: &C,
    rows: &[payment_log::Model],
) -> Result<HashMap<EventId, FormattedEvent>, DbErr> {
    let of: Vec<PaymentId> =
        rows.iter().filter(|row| topic(&row.event_type).is_some()).map(|row| row.payment_id).collect();
    if of.is_empty() {
        return Ok(HashMap::new());
    }
    let checkouts = checkout::Entity::find().filter(checkout::Column::PaymentId.is_in(of)).all(db).await?;
    if checkouts.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = checkouts.iter().map(|checkout| checkout.payment_id);
    let submitted = payment_log::Entity::find()
        .filter(payment_log::Column::PaymentId.is_in(ids))
        .filter(payment_log::Column::EventType.eq("payment.submitted"))
        .order_by_asc(payment_log::Column::Id)
        .all(db)
        .await?;
    let submitted: HashMap<PaymentId, &payment_log::Model> =
        submitted.iter().map(|row| (row.payment_id, row)).collect();
    let checkouts: HashMap<PaymentId, &checkout::Model> =
        checkouts.iter().map(|checkout| (checkout.payment_id, checkout)).collect();
    let in_words = rows.iter().filter_map(|row| {
        let (topic, status) = topic(&row.event_type)?;
        let checkout = checkouts.get(&row.payment_id)?;
        let body = body(topic, status, checkout, submitted.get(&row.payment_id).copied());
        Some((EventId(row.id.0), FormattedEvent { format: WebhookFormat::CheckoutV1, topic, body }))
    });
    Ok(in_words.collect())
}

fn body(topic: &str, status: Status, checkout: &checkout::Model, submitted: Option<&payment_log::Model>) -> String {
    let submitted_at = submitted.map(|row| rfc3339(row.created_at));
    let mut data = json!({
        "id": checkout.payment_id,
        "status": status.word(),
        "captured": status == Status::Completed,
        "total": checkout.purchase["total"],
        "submittedAt": submitted_at,
        "clientId": checkout.client_id,
        "source": checkout.source,
    });
    // Members without a value are left out, here as everywhere in the contract.
    if let Some(data) = data.as_object_mut() {
        data.retain(|_, value| *value != Value::Null);
    }
    json!({ "topic": topic, "data": data }).to_string()
}

#[cfg(test)]
mod tests {
    use entities::{ActorType, PaymentLogId, RedirectMode, now};

    use super::*;
    use crate::event::EVENT_TYPES;

    fn checkout() -> checkout::Model {
        checkout::Model {
            payment_id: PaymentId::new(),
            redirect_mode: RedirectMode::Hosted,
            locale: None,
            channels: None,
            terminal_id: None,
            payer: None,
            purchase: json!({ "total": { "value": 10.5, "currency": "KMF" } }),
            client_id: None,
            client_note: None,
            source: Some("STR".to_owned()),
            cancel_url: None,
            success_url: None,
        }
    }

    #[test]
    fn three_topics_are_sent_of_every_end_and_of_nothing_else() {
        let ends = [
            ("payment.completed", "payment.completed", "completed"),
            ("payment.canceled", "payment.canceled", "canceled"),
            ("payment.expired", "payment.canceled", "canceled"),
            ("payment.failed", "payment.failed", "failed"),
            ("payment.rejected", "payment.failed", "failed"),
        ];
        for known in EVENT_TYPES {
            let found = topic(known.name).map(|(topic, status)| (topic, status.word()));
            let wanted = ends.iter().find(|(name, ..)| *name == known.name).map(|(_, topic, status)| (*topic, *status));
            assert_eq!(found, wanted, "{}", known.name);
        }
    }

    #[test]
    fn what_has_no_value_is_left_out() {
        let checkout = checkout();
        let text = body("payment.completed", Status::Completed, &checkout, None);
        let sent: Value = serde_json::from_str(&text).unwrap();
        let data = json!({ "id": checkout.payment_id, "status": "completed", "captured": true,
            "total": { "value": 10.5, "currency": "KMF" }, "source": "STR" });
        assert_eq!(sent, json!({ "topic": "payment.completed", "data": data }));
    }

    #[test]
    fn when_the_payer_submitted_is_written_in_utc() {
        let (checkout, created_at) = (checkout(), now());
        let submitted = payment_log::Model {
            id: PaymentLogId::new(),
            payment_id: checkout.payment_id,
            sequence: Some(2),
            event_type: "payment.submitted".to_owned(),
            message: String::new(),
            actor_type: ActorType::Payer,
            actor_id: None,
            data: json!({}),
            created_at,
            announced_at: None,
        };
        let text = body("payment.canceled", Status::Canceled, &checkout, Some(&submitted));
        let sent: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(sent["data"]["submittedAt"], rfc3339(created_at));
        assert_eq!(sent["data"]["captured"], false);
    }
}
