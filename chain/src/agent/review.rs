//! Tells, once, of each operation whose outcome stays unknown for too long, with all the evidence there is.
//!
//! Nothing is given up by it: the lane goes on sending the same bytes, and what turns out later is told as usual.

mod query;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{FromQueryResult, QueryFilter, QueryOrder, Statement, entity::prelude::*};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Context, Tip};
use crate::{
    error::Error,
    fact::Fact,
    inquiry::{Inquiry, SignedAttempt},
    table::{Hash, Place, attempt, operation, send},
};

/// Operations told of in one transaction.
const ROUND: i64 = 100;
/// A new owner first sends everything again and reads on for this long, at most, before it says that nobody knows.
const LOOKED_FOR: Duration = Duration::from_secs(60);
/// Blocks that an endpoint may be ahead of what is recorded; what is further behind has to be read first.
const CAUGHT_UP: u64 = 16;

/// An operation that is on its way for too long.
#[derive(Debug, FromQueryResult)]
struct Overdue {
    id: Uuid,
    signer: Place,
    diamond: Option<Place>,
    send_id: Option<Uuid>,
    sending_since: DateTime<Utc>,
    reference: Option<Hash>,
}

pub(super) async fn run(
    context: Arc<Context>,
    tips: watch::Receiver<Option<Tip>>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let after = context.config.review_after();
    let every = (after / 10).clamp(Duration::from_millis(50), Duration::from_secs(30));
    let mut querying_since: Option<Instant> = None;
    loop {
        if tokio::time::timeout(every, stop.cancelled()).await.is_ok() {
            return Ok(());
        }
        let Some(tip) = *tips.borrow() else { continue };
        if !caught_up(&context, tip).await {
            querying_since = None;
            continue;
        }
        if querying_since.get_or_insert_with(Instant::now).elapsed() < after.min(LOOKED_FOR) {
            continue;
        }
        match review(&context, tip).await {
            Ok(()) => {}
            Err(Error::LeaseLost(network)) => return Err(Error::LeaseLost(network)),
            Err(error) => tracing::warn!(network = %context.network.id, "chain review: {error}"),
        }
    }
}

/// Whether what is recorded is about as far as the endpoint. One that does not answer says nothing against it: that the
/// endpoints are away is a reason not to know.
async fn caught_up(context: &Context, tip: Tip) -> bool {
    let head = super::watcher::head_number(&context.rpc.preferred()).await;
    head.is_none_or(|head| head <= tip.number.saturating_add(CAUGHT_UP))
}

async fn review(context: &Context, tip: Tip) -> Result<(), Error> {
    let final_number = i64::try_from(tip.final_number).unwrap_or(i64::MAX);
    let mut overdue = overdue(context, SENDING, Some(final_number.into())).await?;
    overdue.extend(self::overdue(context, AGAIN, None).await?);
    if overdue.is_empty() {
        return Ok(());
    }
    let attempts = attempts(context, &overdue).await?;
    let testimonies = query::everybody(context, &overdue, &attempts).await;
    let mut inquiries: HashMap<Uuid, Inquiry> = HashMap::with_capacity(overdue.len());
    for (row, testimonies) in overdue.iter().zip(testimonies) {
        let attempts = row.send_id.and_then(|id| attempts.get(&id)).cloned().unwrap_or_default();
        let inquiry = Inquiry {
            since: row.sending_since,
            signer: row.signer.0,
            diamond: row.diamond.map(|diamond| diamond.0),
            reference: row.reference.map(|reference| reference.0),
            attempts,
            testimonies,
        };
        inquiries.insert(row.id, inquiry);
    }
    record(context, inquiries).await
}

/// In a transaction that is not mined, or is not what it was taken for, or done by somebody else in a block that never
/// becomes final. What is mined and waits for its confirmations is where it should be.
const SENDING: &str = "o.status = 'sending' AND (s.id IS NULL OR s.status <> 'mined' OR EXISTS \
    (SELECT 1 FROM chain_attempts a WHERE a.send_id = s.id AND a.mined_number <= $4))";
/// To be sent once more: whether what was sent before had its effect after all is not known either.
const AGAIN: &str = "o.status = 'pending' AND o.sends > 0";

async fn overdue(context: &Context, which: &str, value: Option<sea_orm::Value>) -> Result<Vec<Overdue>, Error> {
    let sql = format!(
        "SELECT o.id, o.signer, o.diamond, o.send_id, o.sending_since, d.reference \
         FROM chain_operations o LEFT JOIN chain_deals d ON d.subject_id = o.subject_id \
         LEFT JOIN chain_sends s ON s.id = o.send_id \
         WHERE o.network_id = $1 AND o.sending_since < $2 AND o.unknown_told_at IS NULL AND {which} \
         ORDER BY o.id LIMIT $3"
    );
    let after = TimeDelta::from_std(context.config.review_after()).unwrap_or(TimeDelta::hours(1));
    let values = [context.network.id.into(), (Utc::now() - after).into(), ROUND.into()].into_iter().chain(value);
    let statement = Statement::from_sql_and_values(context.db.get_database_backend(), sql, values);
    Ok(Overdue::find_by_statement(statement).all(&*context.db).await?)
}

/// By send, the oldest first.
async fn attempts(context: &Context, overdue: &[Overdue]) -> Result<HashMap<Uuid, Vec<SignedAttempt>>, Error> {
    let mut ids: Vec<Uuid> = overdue.iter().filter_map(|row| row.send_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = attempt::Entity::find()
        .filter(attempt::Column::SendId.is_in(ids.iter().copied()))
        .order_by_asc(attempt::Column::Id)
        .all(&*context.db)
        .await?;
    let sends = send::Entity::find().filter(send::Column::Id.is_in(ids)).all(&*context.db).await?;
    let nonces: HashMap<Uuid, i64> = sends.into_iter().map(|send| (send.id, send.nonce)).collect();
    let mut attempts: HashMap<Uuid, Vec<SignedAttempt>> = HashMap::new();
    for row in rows {
        let nonce = nonces.get(&row.send_id).copied().unwrap_or_default();
        attempts.entry(row.send_id).or_default().push(SignedAttempt {
            nonce: u64::try_from(nonce).unwrap_or(0),
            kind: row.kind,
            hash: row.hash.0,
            signed_at: row.signed_at,
            broadcast_at: row.broadcast_at,
            provider: row.provider,
            answer: row.answer,
            max_fee_per_gas: u64::try_from(row.max_fee_per_gas).unwrap_or(0),
            max_priority_fee_per_gas: u64::try_from(row.max_priority_fee_per_gas).unwrap_or(0),
        });
    }
    Ok(attempts)
}

/// The mark and what follows from telling commit together; what was settled while the endpoints were asked is left out.
async fn record(context: &Context, mut inquiries: HashMap<Uuid, Inquiry>) -> Result<(), Error> {
    use operation::Column;

    let mut tx = context.begin().await?;
    let mut marked = operation::Entity::update_many()
        .col_expr(Column::UnknownToldAt, Expr::value(Utc::now()))
        .filter(Column::Id.is_in(inquiries.keys().copied()))
        .filter(Column::Status.is_in([operation::Status::Pending, operation::Status::Sending]))
        .filter(Column::UnknownToldAt.is_null())
        .exec_with_returning(&*tx)
        .await?;
    marked.sort_by_key(|operation| operation.id);
    let mut facts = Vec::with_capacity(marked.len());
    for operation in marked {
        let Some(inquiry) = inquiries.remove(&operation.id) else { continue };
        tracing::error!(subject = %operation.subject_id, kind = operation.kind.as_str(), since = %inquiry.since,
            "nobody knows what became of a chain operation");
        metrics::counter!("quittance_chain_unknown_outcomes_total").increment(1);
        let (subject_id, kind) = (operation.subject_id, operation.kind);
        facts.push(Fact::OutcomeUnknown { subject_id, kind, inquiry: Box::new(inquiry) });
    }
    context.record(&mut tx, facts).await?;
    Ok(tx.commit().await?)
}
