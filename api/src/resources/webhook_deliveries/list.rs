//! Lists of deliveries.

use entities::{DeliveryStatus, PaymentId, WebhookDeliveryId, WebhookEndpointId, id_bound, webhook_delivery};
use payments::Caller;
use queue::Database;
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, prelude::*};
use uuid::Uuid;

use super::{Delivery, DeliveryPage, Status, webhooks};
use crate::{
    paging::{self, PerPage},
    problem::{Code, Location, Problem, Wrong},
    query_text::QueryText,
    time::Time,
};

/// Which deliveries are wanted.
pub(super) struct Filter {
    pub(super) status: Option<Status>,
    pub(super) event_type: Option<QueryText>,
    pub(super) payment_id: Option<Uuid>,
    pub(super) since: Option<Time>,
    pub(super) until: Option<Time>,
    pub(super) cursor: Option<QueryText>,
}

/// Reads a page.
pub(super) async fn read(
    db: &Database,
    caller: &Caller,
    endpoint: Uuid,
    filter: Filter,
    per_page: PerPage,
) -> Result<DeliveryPage, Problem> {
    let invalid = || Problem::new(Code::ValidationFailed).wrong("/cursor", Location::Query, Wrong::NotACursor);
    let after = filter.cursor.as_ref().map(|cursor| paging::after_cursor(&cursor.0).ok_or_else(invalid)).transpose()?;
    let endpoint = webhooks::find_even_deleted(&**db, caller, endpoint).await?;
    let size = per_page.0 as usize;
    let ordered = filter.select(endpoint.id, after).order_by_desc(webhook_delivery::Column::Id);
    // One more than a page tells whether there is a next.
    let mut found = ordered.limit(u64::from(per_page.0) + 1).all(&**db).await?;
    let more = found.len() > size;
    found.truncate(size);
    let next_cursor = found.last().filter(|_| more).map(|last| paging::cursor_after(last.id.0));
    Ok(DeliveryPage { items: found.into_iter().map(Delivery::from).collect(), next_cursor })
}

impl Filter {
    /// Times are compared by the ids, which rise with time: a page costs the same wherever it is.
    fn select(self, endpoint: WebhookEndpointId, after: Option<Uuid>) -> Select<webhook_delivery::Entity> {
        use webhook_delivery::Column as C;
        let bound = |time: Time| WebhookDeliveryId(id_bound(time.0));
        let conditions = [
            self.status.map(|status| C::Status.eq(DeliveryStatus::from(status))),
            self.event_type.map(|event_type| C::EventType.eq(event_type.0)),
            self.payment_id.map(|id| C::PaymentId.eq(PaymentId(id))),
            self.since.map(|since| C::Id.gte(bound(since))),
            self.until.map(|until| C::Id.lt(bound(until))),
            after.map(|id| C::Id.lt(WebhookDeliveryId(id))),
        ];
        let of_endpoint = webhook_delivery::Entity::find().filter(C::EndpointId.eq(endpoint));
        conditions.into_iter().flatten().fold(of_endpoint, QueryFilter::filter)
    }
}
