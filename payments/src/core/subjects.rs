//! The subject of a message, read from the rows that its body names.
//!
//! A body says what its writer knew; the node of a payment, and all that bodies of earlier versions left out, stand in
//! the database. Dead letters are completed with it, so that each belongs to somebody.

use entities::{
    DiamondId, GatewaySessionId, NodeId, PaymentId, PaymentLogId, PayoutId, RefundId, Unscoped as _, WebhookRecoveryId,
    diamond, gateway_session, node, payment, payment_log, payout, refund, webhook_endpoint, webhook_recovery,
};
use queue::{Payload as _, Subject};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, prelude::*};

use crate::jobs::{self, AnnounceEvents, DeployDiamond, OpenSession, RecoverWebhooks, SendPayout, SendRefund};

/// What a message of this kind with this body is about, besides what is known of it already. What the database does not
/// know stays unknown.
///
/// # Errors
/// When the database does not answer.
pub async fn complete<C: ConnectionTrait>(db: &C, kind: &str, body: &str, known: Subject) -> Result<Subject, DbErr> {
    let mut subject = known.or(jobs::subject(kind, body));
    if subject.payment_id.is_none() && subject.node_id.is_none() {
        subject = match subject.id {
            Some(id) => subject.or(of_row(db, kind, id).await?),
            None if kind == AnnounceEvents::TYPE => subject.or(of_transitions(db, body).await?),
            None => subject,
        };
    }
    if subject.node_id.is_none()
        && let Some(id) = subject.payment_id
    {
        let nodes = nodes_of(db, vec![PaymentId(id)]).await?;
        subject = subject.of_node(nodes.first().map(|(_, node_id)| node_id.0));
    }
    Ok(subject)
}

/// The payment or node of the row that a message works on.
async fn of_row<C: ConnectionTrait>(db: &C, kind: &str, id: Uuid) -> Result<Subject, DbErr> {
    let (mut payment_id, mut node_id) = (None, None);
    match kind {
        OpenSession::TYPE => {
            let session = gateway_session::Entity::find_unscoped(GatewaySessionId(id)).one(db).await?;
            payment_id = session.map(|session| session.payment_id);
        }
        SendRefund::TYPE => {
            payment_id = refund::Entity::find_unscoped(RefundId(id)).one(db).await?.map(|refund| refund.payment_id)
        }
        SendPayout::TYPE => {
            node_id = payout::Entity::find_unscoped(PayoutId(id)).one(db).await?.map(|payout| payout.node_id)
        }
        DeployDiamond::TYPE => {
            node_id = diamond::Entity::find_unscoped(DiamondId(id)).one(db).await?.map(|diamond| diamond.node_id)
        }
        RecoverWebhooks::TYPE => {
            if let Some(run) = webhook_recovery::Entity::find_unscoped(WebhookRecoveryId(id)).one(db).await? {
                let endpoint = webhook_endpoint::Entity::find_unscoped(run.endpoint_id).one(db).await?;
                node_id = endpoint.map(|endpoint| endpoint.node_id);
            }
        }
        _ => {}
    }
    Ok(Subject::default().of_payment(payment_id.map(|id| id.0)).of_node(node_id.map(|id| id.0)))
}

/// The payment that all of the transitions are of; where there are several, the lowest node that has all of theirs below it:
/// a caller who may read its letters may read each of them.
async fn of_transitions<C: ConnectionTrait>(db: &C, body: &str) -> Result<Subject, DbErr> {
    let ids: Vec<PaymentLogId> = serde_json::from_str::<AnnounceEvents>(body).map(|it| it.log_ids).unwrap_or_default();
    let payments: Vec<PaymentId> = payment_log::Entity::find()
        .select_only()
        .column(payment_log::Column::PaymentId)
        .distinct()
        .filter(payment_log::Column::Id.is_in(ids))
        .into_tuple()
        .all(db)
        .await?;
    if let [payment_id] = payments[..] {
        return Ok(Subject::default().of_payment(payment_id.0));
    }
    let nodes = nodes_of(db, payments).await?.into_iter().map(|(_, node_id)| node_id);
    let paths: Vec<String> = node::Entity::find()
        .select_only()
        .column(node::Column::Path)
        .filter(node::Column::Id.is_in(nodes))
        .into_tuple()
        .all(db)
        .await?;
    let Some(path) = common(&paths) else { return Ok(Subject::default()) };
    let above = node::Entity::find().filter(node::Column::Path.eq(path)).one(db).await?;
    Ok(Subject::default().of_node(above.map(|node| node.id.0)))
}

async fn nodes_of<C: ConnectionTrait>(db: &C, ids: Vec<PaymentId>) -> Result<Vec<(PaymentId, NodeId)>, DbErr> {
    payment::Entity::find()
        .select_only()
        .columns([payment::Column::Id, payment::Column::NodeId])
        .filter(payment::Column::Id.is_in(ids))
        .into_tuple()
        .all(db)
        .await
}

/// The longest path that is the beginning of all of them; none where they share nothing.
fn common(paths: &[String]) -> Option<String> {
    let (first, rest) = paths.split_first()?;
    let shared = rest.iter().fold(first.split('.').collect::<Vec<_>>(), |shared, path| {
        shared.into_iter().zip(path.split('.')).take_while(|(one, other)| one == other).map(|(part, _)| part).collect()
    });
    (!shared.is_empty()).then(|| shared.join("."))
}

#[cfg(test)]
mod tests {
    #[test]
    fn several_nodes_share_the_one_above_them() {
        let common = |paths: &[&str]| super::common(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
        assert_eq!(common(&["1.3.6", "1.3.7.1"]).as_deref(), Some("1.3"));
        assert_eq!(common(&["1.3", "1.30"]).as_deref(), Some("1"));
        assert_eq!(common(&["1.3"]).as_deref(), Some("1.3"));
        assert_eq!(common(&["1.3", "1.3.1"]).as_deref(), Some("1.3"));
        assert_eq!(common(&["1", "2"]), None);
        assert_eq!(common(&[]), None);
    }
}
