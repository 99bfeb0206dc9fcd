//! Looks at a payment at its gateway, because something may have happened to it there: the gateway has called back, the
//! payer came back, or the payment was canceled.

use std::collections::HashMap;

use entities::{PaymentId, gateway_session};
use payments::jobs;
use queue::{Delivery, Foresight, Job, JobError, JobResult};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};

use crate::{
    Context,
    sessions::{self, SessionProgress},
};

/// Looking changes nothing at the gateway, and what is seen again changes nothing here.
pub struct CheckSession;

impl Job<Context> for CheckSession {
    type Payload = jobs::CheckSession;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        let session = match delivery.payload.session_id() {
            Some(id) => payments::sessions::find(&*context.db, *id).await?,
            None => payments::sessions::newest(&*context.db, delivery.payload.payment_id).await?,
        };
        let Some(session) = session else { return Ok(()) };
        match sessions::advance(context, session.id, "check_session").await? {
            // Nobody else follows what is on its way back.
            progress @ SessionProgress::Refunding { .. } => {
                Err(JobError::Snooze(progress.poll_after().unwrap_or_default()))
            }
            SessionProgress::Concluded | SessionProgress::Live { .. } => Ok(()),
        }
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        use gateway_session::Column as C;
        let ids = deliveries.iter().map(|delivery| delivery.payload.payment_id);
        let found = gateway_session::Entity::find().filter(C::PaymentId.is_in(ids)).order_by_asc(C::Id);
        let found = found.all(&*context.db).await?;
        let newest: HashMap<PaymentId, gateway_session::Model> =
            found.into_iter().map(|session| (session.payment_id, session)).collect();
        let judge = |delivery: &Delivery<Self::Payload>| match newest.get(&delivery.payload.payment_id) {
            None => Foresight::already_done("the payment was never opened at a gateway"),
            Some(session) => Foresight::would_resume(format!(
                "the payment, which is {} at its gateway, would be looked at there",
                session.status
            )),
        };
        Ok(deliveries.iter().map(judge).collect())
    }
}
