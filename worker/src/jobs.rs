//! Every job, by the verb phrase that also names its file, its type and its message.

pub(crate) mod announce_events;
mod ask_invoice;
pub(crate) mod cancel_deal;
mod check_session;
mod deploy_diamond;
pub(crate) mod expire_payment;
pub(crate) mod open_deal;
mod open_session;
pub(crate) mod recover_webhooks;
pub(crate) mod release_deal;
pub(crate) mod send_payout;
pub(crate) mod send_refund;
pub(crate) mod sync_account;
mod watch_invoice;

use std::{collections::HashMap, time::Duration};

use entities::{PaymentId, PaymentStatus, payment};
use queue::{Delivery, Foresight, JobError, JobResult, Registry, Transaction};
use sea_orm::{DbErr, EntityTrait, QueryFilter, prelude::*};

pub use announce_events::AnnounceEvents;
pub use ask_invoice::AskInvoice;
pub use cancel_deal::CancelDeal;
pub use check_session::CheckSession;
pub use deploy_diamond::DeployDiamond;
pub use expire_payment::ExpirePayment;
pub use open_deal::OpenDeal;
pub use open_session::OpenSession;
pub use recover_webhooks::RecoverWebhooks;
pub use release_deal::ReleaseDeal;
pub use send_payout::SendPayout;
pub use send_refund::SendRefund;
pub use sync_account::SyncAccount;
pub use watch_invoice::WatchInvoice;

use crate::Context;

#[must_use]
pub fn registry() -> Registry<Context> {
    Registry::new()
        .register::<OpenDeal>()
        .register::<CancelDeal>()
        .register::<ReleaseDeal>()
        .register::<ExpirePayment>()
        .register::<AskInvoice>()
        .register::<WatchInvoice>()
        .register::<OpenSession>()
        .register::<CheckSession>()
        .register::<DeployDiamond>()
        .register::<SendRefund>()
        .register::<SendPayout>()
        .register::<SyncAccount>()
        .register::<AnnounceEvents>()
        .register::<RecoverWebhooks>()
}

/// When to poll again what a gateway has not decided, by how often that was done: up to 2, 4, 8 … seconds, five minutes
/// at most, which is well within the patience of stragglers.
fn poll_delay(looks: i32) -> Duration {
    let before = u32::try_from(looks).unwrap_or(0);
    queue::backoff::delay(before, Duration::from_secs(2), Duration::from_secs(300))
}

/// The answer of a job that has more to do after this time, if any is named.
fn snooze(after: Option<Duration>) -> JobResult {
    after.map_or(Ok(()), |wait| Err(JobError::Snooze(wait)))
}

/// What came of payments that a batch took up.
#[derive(Default)]
pub(crate) struct BatchProgress {
    /// Payments that have to wait, each with what its job answers.
    pub(crate) waiting: HashMap<PaymentId, JobError>,
    /// How many have moved, or have an operation that they did not have before.
    pub(crate) written: usize,
}

/// How many of these payments ask the chain for something that it is not asked for already.
async fn not_requested(tx: &Transaction, payments: &[payment::Model], kind: chain::Kind) -> anyhow::Result<usize> {
    let statuses = chain::operation_statuses(&**tx, payments.iter().map(|payment| payment.id.0), kind).await?;
    let starts = |payment: &&payment::Model| match statuses.get(&payment.id.0) {
        None | Some(chain::OperationStatus::StartsAnew { .. }) => true,
        Some(
            chain::OperationStatus::Waiting | chain::OperationStatus::UnderWay | chain::OperationStatus::Confirmed,
        ) => false,
    };
    Ok(payments.iter().filter(starts).count())
}

/// What a job would do about these payments, in the order of their messages: those it would not lock, because they are
/// in none of the states that it takes, it would let pass; `judge` tells about the others.
fn foresee_payments(
    ids: impl IntoIterator<Item = PaymentId>,
    payments: &HashMap<PaymentId, payment::Model>,
    takes: &[PaymentStatus],
    judge: impl Fn(&payment::Model) -> Foresight,
) -> Vec<Foresight> {
    let foresee = |id| match payments.get(&id) {
        None => Foresight::already_done("there is no such payment, so there is nothing to do"),
        Some(payment) if takes.contains(&payment.status) => judge(payment),
        Some(payment) => Foresight::already_done(format!("the payment is {}", payment.status)),
    };
    ids.into_iter().map(foresee).collect()
}

/// The payments as they are, unlocked.
async fn read_payments(
    context: &Context,
    ids: impl IntoIterator<Item = PaymentId>,
) -> Result<HashMap<PaymentId, payment::Model>, DbErr> {
    let found = payment::Entity::find().filter(payment::Column::Id.is_in(ids)).all(&*context.db).await?;
    Ok(found.into_iter().map(|payment| (payment.id, payment)).collect())
}

/// What asking for an operation once more comes to.
fn foresee_request(status: Option<&chain::OperationStatus>, never: &'static str) -> Foresight {
    match status {
        None => Foresight::would_resume(never),
        Some(chain::OperationStatus::StartsAnew { failed: true }) => {
            Foresight::would_resume("it has failed on the chain and would be sent again")
        }
        Some(chain::OperationStatus::StartsAnew { failed: false }) => {
            Foresight::would_resume("it was taken back and would be sent")
        }
        Some(chain::OperationStatus::Waiting | chain::OperationStatus::UnderWay) => {
            Foresight::already_done("it was asked for and is on its way")
        }
        Some(chain::OperationStatus::Confirmed) => Foresight::already_done("it is confirmed on the chain"),
    }
}

/// The same answer to every delivery of a batch, but for the payments named in `but`.
fn results<P>(
    deliveries: &[Delivery<P>],
    id: impl Fn(&P) -> PaymentId,
    mut but: HashMap<PaymentId, JobError>,
) -> Vec<JobResult> {
    deliveries.iter().map(|delivery| but.remove(&id(&delivery.payload)).map_or(Ok(()), Err)).collect()
}

/// One success for each delivery of a batch.
fn all_ok<P>(deliveries: &[Delivery<P>]) -> Vec<JobResult> {
    deliveries.iter().map(|_| Ok(())).collect()
}

#[cfg(test)]
mod tests {
    use entities::{
        DiamondId, GatewaySessionId, NodeId, PaymentId, PaymentLogId, PayoutId, RefundId, WebhookRecoveryId,
    };
    use payments::jobs::*;
    use queue::{Payload, Subject};

    fn subject_of<P: Payload>(payload: &P) -> (&'static str, Subject) {
        (P::QUEUE, payload.subject())
    }

    /// What each payload says of its subject, written as it is written everywhere.
    fn subjects() -> Vec<(&'static str, Subject)> {
        let (payment_id, node_id) = (PaymentId::new(), NodeId::new());
        vec![
            subject_of(&OpenDeal { payment_id }),
            subject_of(&CancelDeal { payment_id }),
            subject_of(&ReleaseDeal { payment_id }),
            subject_of(&ExpirePayment { payment_id }),
            subject_of(&AskInvoice { payment_id }),
            subject_of(&WatchInvoice { payment_id }),
            subject_of(&OpenSession::new(GatewaySessionId::new(), payment_id)),
            subject_of(&CheckSession::new(payment_id, None)),
            subject_of(&DeployDiamond::new(DiamondId::new(), node_id)),
            subject_of(&SendRefund::new(RefundId::new(), payment_id)),
            subject_of(&SendPayout::new(PayoutId::new(), node_id)),
            subject_of(&SyncAccount { node_id }),
            // Of several payments it names none: a commit may tell of payments of many nodes. Whom its letter belongs
            // to is found out from their rows.
            subject_of(&AnnounceEvents::new(vec![PaymentLogId::new()], payment_id)),
            subject_of(&RecoverWebhooks::new(WebhookRecoveryId::new(), node_id)),
        ]
    }

    #[test]
    fn every_payload_names_its_subject() {
        let subjects = subjects();
        let mut named: Vec<_> = subjects.iter().map(|(queue, _)| *queue).collect();
        let mut jobs = super::registry().queues();
        named.sort_unstable();
        jobs.sort_unstable();
        assert_eq!(named, jobs, "a payload is missing here");
        for (queue, subject) in subjects {
            assert!(!subject.is_nobodys(), "{queue} names neither a payment nor a node");
            let one_row = queue != AnnounceEvents::QUEUE;
            assert_eq!(subject.id.is_some(), one_row, "{queue}: the row by which a discarded step is known");
        }
    }

    #[test]
    fn bodies_of_earlier_versions_are_still_read() {
        let id = PaymentId::new();
        let old = format!(r#"{{"session_id":"{id}"}}"#);
        let read: OpenSession = serde_json::from_str(&old).expect("it is read");
        assert_eq!(serde_json::to_string(&read).expect("JSON"), old, "and written as it was");
        assert_eq!(subject("open_session", &old), Subject::row(id.0));
    }

    #[test]
    fn every_payload_has_its_job() {
        let mut jobs = super::registry().queues();
        let mut payloads = payments::jobs::QUEUES.to_vec();
        jobs.sort_unstable();
        payloads.sort_unstable();
        assert_eq!(jobs, payloads);
    }
}
