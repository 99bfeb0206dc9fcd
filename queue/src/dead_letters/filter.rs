//! Which dead letters are meant.

use chrono::{DateTime, Utc};
use sea_orm::{
    Condition, ConnectionTrait, DatabaseBackend, DbErr, ExprTrait as _, Order, QueryOrder, QuerySelect,
    QueryTrait as _, Select, Statement,
    entity::prelude::*,
    sea_query::{LikeExpr, SimpleExpr},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Column, Entity, LetterState, Origin};

/// Which dead letters; every part that is given narrows the choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The letters of this message, its replays included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_id: Option<Uuid>,
    /// About one of these nodes: the reach of the caller. `None` reaches everything, also letters about no node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<Uuid>>,
    /// With this text, in this case, in the error message or the body. It is looked for in at most
    /// [`Self::SEARCHED`] letters at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Replayed already (whatever came of it), or not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<LetterState>,
    /// Letters that this run has claimed or skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redrive_id: Option<Uuid>,
    /// Letters that died at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Letters that died before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<DateTime<Utc>>,
}

/// Which end of the letters is read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    NewestFirst,
    OldestFirst,
}

/// Letters between two ids that are searched in one go.
pub(crate) struct Stretch {
    pub(crate) letters: Select<Entity>,
    /// Where it ends, when there are more behind it.
    pub(crate) edge: Option<Uuid>,
}

impl Filter {
    /// Letters that are searched for a text in one go. There may be more behind them: [`super::LetterPage::next`] goes on.
    pub const SEARCHED: u64 = 20_000;

    /// The same choice, narrowed to a state.
    #[must_use]
    pub fn in_state(&self, state: LetterState) -> Self {
        Self { state: Some(state), ..self.clone() }
    }

    /// Those behind `after` (exclusive) in this direction, and not beyond `last` (inclusive). A look for a text is
    /// limited to the next [`Self::SEARCHED`] letters that match otherwise: no index helps it.
    pub(crate) async fn stretch<C: ConnectionTrait>(
        &self,
        connection: &C,
        direction: Direction,
        after: Option<Uuid>,
        last: Option<Uuid>,
    ) -> Result<Stretch, DbErr> {
        let (order, behind): (_, fn(Uuid) -> SimpleExpr) = match direction {
            Direction::NewestFirst => (Order::Desc, |id| Column::Id.lt(id)),
            Direction::OldestFirst => (Order::Asc, |id| Column::Id.gt(id)),
        };
        let until = |id| match direction {
            Direction::NewestFirst => Column::Id.gte(id),
            Direction::OldestFirst => Column::Id.lte(id),
        };
        let bounds = Condition::all().add_option(after.map(behind)).add_option(last.map(until));
        let letters = Entity::find().filter(self.indexed()).filter(bounds).order_by(Column::Id, order);
        let Some(text) = &self.text else { return Ok(Stretch { letters, edge: None }) };
        let edge: Option<Uuid> = letters
            .clone()
            .select_only()
            .column(Column::Id)
            .offset(Self::SEARCHED - 1)
            .limit(1)
            .into_tuple()
            .one(connection)
            .await?;
        let letters = letters.filter(holds(text)).filter(Condition::all().add_option(edge.map(until)));
        Ok(Stretch { letters, edge })
    }

    /// The question behind a page of the list, without a text: for a test that asks the database how it is answered.
    #[doc(hidden)]
    #[must_use]
    pub fn list_statement(&self, backend: DatabaseBackend) -> Statement {
        let letters = Entity::find().filter(self.indexed()).order_by_desc(Column::Id).limit(50);
        letters.build(backend)
    }

    /// The conditions that an index answers: all but the text.
    pub(crate) fn indexed(&self) -> Condition {
        let replayed = self.replayed.map(|replayed| match replayed {
            true => Column::ReplayedAt.is_not_null(),
            false => Column::ReplayedAt.is_null(),
        });
        Condition::all()
            .add_option(self.state.map(is))
            .add_option(self.redrive_id.map(of_run))
            .add_option(self.queue.as_ref().map(|queue| Column::Queue.eq(queue)))
            .add_option(self.kind.as_ref().map(|kind| Column::Kind.eq(kind)))
            .add_option(self.origin.map(|origin| Expr::cust(format!("origin = '{}'", origin.as_str()))))
            .add_option(self.error_code.as_ref().map(|code| Column::ErrorCode.eq(code)))
            .add_option(self.fingerprint.as_ref().map(|cause| Column::Fingerprint.eq(cause)))
            .add_option(self.message_id.map(|id| Column::MessageId.eq(id)))
            .add_option(self.payment_id.map(|id| Column::PaymentId.eq(id)))
            .add_option(self.node_id.map(|id| Column::NodeId.eq(id)))
            .add_option(self.nodes.as_ref().map(|nodes| Column::NodeId.is_in(nodes.iter().copied())))
            .add_option(self.since.map(|since| Column::LastAt.gte(since)))
            .add_option(self.before.map(|before| Column::LastAt.lt(before)))
            .add_option(replayed)
    }
}

/// The state as a literal: partial indexes are used only where their condition stands word by word.
pub(crate) fn is(state: LetterState) -> SimpleExpr {
    Expr::cust(format!("state = '{state}'"))
}

/// The run as a literal, for the same reason.
pub(crate) fn of_run(id: Uuid) -> SimpleExpr {
    Expr::cust("redrive_id IS NOT NULL").and(Column::RedriveId.eq(id))
}

fn holds(text: &str) -> Condition {
    let holds = LikeExpr::new(format!("%{}%", literal(text))).escape('\\');
    Condition::any().add(Column::ErrorMessage.like(holds.clone())).add(Column::Body.like(holds))
}

/// What is searched for is text, not a pattern.
fn literal(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_stored_and_read_again() {
        let filter = Filter {
            queue: Some("open_deal.v1".to_owned()),
            origin: Some(Origin::Broker),
            state: Some(LetterState::DeadAgain),
            nodes: Some(vec![Uuid::now_v7()]),
            since: Some(Utc::now()),
            ..Filter::default()
        };
        let text = serde_json::to_string(&filter).expect("JSON");
        assert!(text.contains(r#""state":"dead_again""#) && !text.contains("fingerprint"), "{text}");
        assert_eq!(serde_json::from_str::<Filter>(&text).expect("a filter"), filter);
        assert!(serde_json::from_str::<Filter>(r#"{"quue":"open_deal.v1"}"#).is_err(), "a typo is no wider choice");
    }
}
