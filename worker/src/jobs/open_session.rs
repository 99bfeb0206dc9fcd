//! Opens a payment at its gateway, and polls it there until it is concluded.

use chrono::TimeDelta;
use entities::{GatewaySessionId, GatewaySessionStatus, gateway_session};
use payments::jobs;
use queue::{Delivery, Foresight, Job, JobResult};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};

use super::snooze;
use crate::{Context, sessions};

/// A session is polled every five minutes at least: for longer, its message is lost.
const PATIENCE: TimeDelta = TimeDelta::minutes(9);

/// Gateways call back; this is for the callbacks that never come. The guard is the session: it says
/// `sent` before the gateway is asked, and one that says so is looked for there before it is asked again. One message
/// of the session comes back until it is concluded, however many there are.
pub struct OpenSession;

impl Job<Context> for OpenSession {
    type Payload = jobs::OpenSession;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        let id = delivery.payload.session_id;
        let known = payments::sessions::find(&*context.db, id).await?;
        if known.is_none_or(|session| is_concluded(session.status)) {
            return Ok(());
        }
        let polls = payments::sessions::claim_polling(&context.db, id, delivery.message_id, PATIENCE).await?;
        snooze(sessions::advance(context, id, "open_session").await?.poll_after().filter(|_| polls))
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        let ids = deliveries.iter().map(|delivery| delivery.payload.session_id);
        let found = gateway_session::Entity::find().filter(gateway_session::Column::Id.is_in(ids));
        let found = found.all(&*context.db).await?;
        let known = |id: GatewaySessionId| found.iter().find(|session| session.id == id);
        let judge = |delivery: &Delivery<Self::Payload>| foresee(known(delivery.payload.session_id));
        Ok(deliveries.iter().map(judge).collect())
    }
}

const fn is_concluded(status: GatewaySessionStatus) -> bool {
    matches!(status, GatewaySessionStatus::Captured | GatewaySessionStatus::Failed | GatewaySessionStatus::Closed)
}

fn foresee(session: Option<&gateway_session::Model>) -> Foresight {
    match session.map(|session| session.status) {
        None => Foresight::already_done("there is no such session, so there is nothing to do"),
        Some(GatewaySessionStatus::Asked) => Foresight::would_resume("the gateway was never asked and would be"),
        Some(GatewaySessionStatus::Sent) => Foresight::would_resume(
            "the payment would be looked for at the gateway, and opened only if it is not there",
        ),
        Some(GatewaySessionStatus::Ready) => Foresight::would_resume("the payment would be looked at, at its gateway"),
        Some(status) => Foresight::already_done(format!("the payment is {status} at its gateway")),
    }
}
