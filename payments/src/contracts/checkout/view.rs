//! A payment as the checkout contract tells it: the core's states under its names, and when each was reached.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entities::{NodeId, PaymentId, PaymentStatus, checkout, gateway_session, node, payment, payment_log};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, prelude::*};

/// A state of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not on its rail yet.
    Init,
    /// The payer may choose a gateway and pay.
    Pending,
    /// A gateway was chosen.
    Submitted,
    /// The payer has agreed there.
    Approved,
    /// The money is taken.
    Captured,
    /// The shop has it.
    Completed,
    /// Ended without money.
    Canceled,
    /// The gateway has refused.
    Failed,
}

impl Status {
    /// The word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Pending => "pending",
            Self::Submitted => "submitted",
            Self::Approved => "approved",
            Self::Captured => "captured",
            Self::Completed => "completed",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
        }
    }

    /// The name of a core's state. In review it is what it was before, as far as that is known.
    pub(crate) fn of(status: PaymentStatus, approved: bool, before_review: Option<PaymentStatus>) -> Self {
        match status {
            PaymentStatus::Pending => Self::Init,
            PaymentStatus::Open => Self::Pending,
            PaymentStatus::Submitted if approved => Self::Approved,
            PaymentStatus::Submitted => Self::Submitted,
            PaymentStatus::Paid => Self::Captured,
            PaymentStatus::Completed | PaymentStatus::Refunded => Self::Completed,
            PaymentStatus::Canceling | PaymentStatus::Canceled | PaymentStatus::Expired => Self::Canceled,
            PaymentStatus::Failed | PaymentStatus::Rejected => Self::Failed,
            PaymentStatus::NeedsReview => match before_review {
                Some(before) if before != PaymentStatus::NeedsReview => Self::of(before, approved, None),
                _ => Self::Submitted,
            },
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// All that the contract tells of a payment.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// The core's row.
    pub payment: payment::Model,
    /// The contract's own.
    pub checkout: checkout::Model,
    /// The payment at the gateway that was chosen last.
    pub session: Option<gateway_session::Model>,
    /// The payment's events, in their order.
    pub events: Vec<payment_log::Model>,
    /// The shop's name.
    pub payee: String,
    /// The shop's node and all above it.
    pub line: Vec<NodeId>,
}

impl Checkout {
    /// Its state in the contract's words.
    #[must_use]
    pub fn status(&self) -> Status {
        let review = self.events.iter().rev().find(|event| event.event_type == "payment.needs_review");
        let before = review.and_then(|event| serde_json::from_value(event.data["from"].clone()).ok());
        Status::of(self.payment.status, self.approved_at().is_some(), before)
    }

    /// When the last of these events happened.
    #[must_use]
    pub fn last(&self, event_types: &[&str]) -> Option<DateTime<Utc>> {
        let is_one = |event: &&payment_log::Model| event_types.contains(&event.event_type.as_str());
        self.events.iter().rev().find(is_one).map(|event| event.created_at)
    }

    /// When the payer agreed at the gateway.
    #[must_use]
    pub fn approved_at(&self) -> Option<DateTime<Utc>> {
        self.session.as_ref().and_then(|session| session.approved_at)
    }
}

/// What the contract shows of these payments, in their order; those of other contracts are left out.
///
/// # Errors
/// When the database does not answer.
pub async fn load<C: ConnectionTrait>(db: &C, payments: Vec<payment::Model>) -> Result<Vec<Checkout>, DbErr> {
    let ids: Vec<PaymentId> = payments.iter().map(|payment| payment.id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = checkout::Entity::find().filter(checkout::Column::PaymentId.is_in(ids.iter().copied())).all(db).await?;
    let mut rows: HashMap<PaymentId, checkout::Model> = rows.into_iter().map(|row| (row.payment_id, row)).collect();
    let mut events = events(db, &ids).await?;
    let mut sessions = sessions(db, &ids).await?;
    let nodes = lines(db, &payments).await?;
    let known = payments.into_iter().filter_map(|payment| rows.remove(&payment.id).map(|checkout| (payment, checkout)));
    Ok(known
        .map(|(payment, checkout)| Checkout {
            session: sessions.remove(&payment.id),
            events: events.remove(&payment.id).unwrap_or_default(),
            payee: nodes.get(&payment.node_id).map(|node| node.0.clone()).unwrap_or_default(),
            line: nodes.get(&payment.node_id).map(|node| node.1.clone()).unwrap_or_default(),
            payment,
            checkout,
        })
        .collect())
}

/// Of each node its name, and itself with all above it.
async fn lines<C: ConnectionTrait>(
    db: &C,
    payments: &[payment::Model],
) -> Result<HashMap<NodeId, (String, Vec<NodeId>)>, DbErr> {
    let own = payments.iter().map(|payment| payment.node_id);
    let own = node::Entity::find().filter(node::Column::Id.is_in(own)).all(db).await?;
    let paths: BTreeSet<&str> = own.iter().flat_map(|node| above(&node.path)).collect();
    let all = node::Entity::find().filter(node::Column::Path.is_in(paths)).all(db).await?;
    let ids: HashMap<&str, NodeId> = all.iter().map(|node| (node.path.as_str(), node.id)).collect();
    let line = |node: &node::Model| above(&node.path).filter_map(|path| ids.get(path).copied()).collect();
    Ok(own.iter().map(|node| (node.id, (node.name.clone(), line(node)))).collect())
}

/// The path itself and those of all nodes above: `1.3.6`, `1.3` and `1`.
fn above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('.').map(|(above, _)| above))
}

async fn events<C: ConnectionTrait>(
    db: &C,
    ids: &[PaymentId],
) -> Result<HashMap<PaymentId, Vec<payment_log::Model>>, DbErr> {
    let rows = payment_log::Entity::find()
        .filter(payment_log::Column::PaymentId.is_in(ids.iter().copied()))
        .filter(payment_log::Column::Sequence.is_not_null())
        .order_by_asc(payment_log::Column::Sequence)
        .all(db)
        .await?;
    let mut events: HashMap<PaymentId, Vec<payment_log::Model>> = HashMap::new();
    for row in rows {
        events.entry(row.payment_id).or_default().push(row);
    }
    Ok(events)
}

/// The newest of each payment: what was tried before it is history.
async fn sessions<C: ConnectionTrait>(
    db: &C,
    ids: &[PaymentId],
) -> Result<HashMap<PaymentId, gateway_session::Model>, DbErr> {
    let rows = gateway_session::Entity::find()
        .filter(gateway_session::Column::PaymentId.is_in(ids.iter().copied()))
        .order_by_asc(gateway_session::Column::Id)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.payment_id, row)).collect())
}

#[cfg(test)]
mod tests {
    use entities::{ActorType, GatewaySessionStatus, PaymentLogId, PaymentMethod, RedirectMode, now};
    use serde_json::{Value, json};

    use super::*;
    use crate::samples;

    fn shown(status: PaymentStatus, events: &[(&str, Value)]) -> Checkout {
        let payment = samples::payment(PaymentMethod::CreditCard, status);
        let event = |(event_type, data): &(&str, Value)| payment_log::Model {
            id: PaymentLogId::new(),
            payment_id: payment.id,
            sequence: Some(1),
            event_type: (*event_type).to_owned(),
            message: String::new(),
            actor_type: ActorType::System,
            actor_id: None,
            data: data.clone(),
            created_at: now(),
            announced_at: None,
        };
        let checkout = checkout::Model {
            payment_id: payment.id,
            redirect_mode: RedirectMode::Hosted,
            locale: None,
            channels: None,
            terminal_id: None,
            payer: None,
            purchase: json!({}),
            client_id: None,
            client_note: None,
            source: None,
            cancel_url: None,
            success_url: None,
        };
        let events = events.iter().map(event).collect();
        Checkout { checkout, session: None, events, payee: String::new(), line: Vec::new(), payment }
    }

    #[test]
    fn a_review_shows_what_the_payment_was_before_the_last_one() {
        let review = |from: &str| ("payment.needs_review", json!({ "from": from }));
        let status = |events: &[(&str, Value)]| shown(PaymentStatus::NeedsReview, events).status();
        assert_eq!(status(&[review("open"), review("completed")]), Status::Completed);
        assert_eq!(status(&[review("completed"), review("submitted")]), Status::Submitted);
        assert_eq!(status(&[]), Status::Submitted, "nobody knows");
        assert_eq!(status(&[review("needs_review")]), Status::Submitted);
        let open = shown(PaymentStatus::Open, &[review("completed")]);
        assert_eq!(open.status(), Status::Pending, "what was reviewed once is over");
    }

    #[test]
    fn a_payer_who_has_agreed_shows() {
        let mut checkout = shown(PaymentStatus::Submitted, &[]);
        let session = samples::session(checkout.payment.id, GatewaySessionStatus::Ready);
        checkout.session = Some(session.clone());
        assert_eq!(checkout.status(), Status::Submitted);
        checkout.session = Some(gateway_session::Model { approved_at: Some(now()), ..session });
        assert_eq!(checkout.status(), Status::Approved);
        checkout.payment.status = PaymentStatus::Completed;
        assert_eq!(checkout.status(), Status::Completed);
    }

    #[test]
    fn the_last_of_several_events_says_when() {
        let mut checkout = shown(PaymentStatus::Failed, &[("payment.open", json!({})), ("payment.open", json!({}))]);
        checkout.events[1].created_at += chrono::TimeDelta::seconds(1);
        assert_eq!(checkout.last(&["payment.open", "payment.paid"]), Some(checkout.events[1].created_at));
        assert_eq!(checkout.last(&["payment.paid"]), None);
    }

    #[test]
    fn a_line_goes_from_the_node_up_to_the_root() {
        assert_eq!(above("1.3.6").collect::<Vec<_>>(), ["1.3.6", "1.3", "1"]);
        assert_eq!(above("1").collect::<Vec<_>>(), ["1"]);
    }

    #[test]
    fn states_are_names_of_the_cores() {
        let word = |status| Status::of(status, false, Some(PaymentStatus::Paid)).word();
        let words: Vec<&str> = PaymentStatus::ALL.iter().map(|status| word(*status)).collect();
        let expected = [
            "init",
            "pending",
            "submitted",
            "captured",
            "completed",
            "canceled",
            "canceled",
            "canceled",
            "failed",
            "failed",
            "completed",
            "captured",
        ];
        assert_eq!(words, expected);
        assert_eq!(Status::of(PaymentStatus::Submitted, true, None), Status::Approved);
    }
}
