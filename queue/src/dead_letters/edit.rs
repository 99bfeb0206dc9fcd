//! Correcting the body of a letter: a new letter takes its place.

use chrono::Utc;
use sea_orm::{ActiveValue::Set, IntoActiveModel as _, entity::prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Act, ActError, Column, Entity, LetterState, Model, REPLAY_NO, REPLAY_OF, acts::refused, filter::is};
use crate::{database::Transaction, foresight::Foreseer, outbox::headers_text, subject::Subject};

/// A place in a body where an edit changed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change {
    /// JSON pointer; empty for the whole body.
    pub pointer: String,
    /// What stood there; `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<Value>,
    /// What stands there now; `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<Value>,
}

/// What an edit led to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edited {
    /// The letter that has taken the old one's place; it is `dead` and can be replayed.
    pub id: Uuid,
    /// Its message's identity: another message than the old letter's.
    pub message_id: Uuid,
    pub changes: Vec<Change>,
    /// What the new body is about, as far as it says so itself.
    pub subject: Subject,
}

/// Puts a letter with another body in the place of a dead one, which becomes `replaced`. The new letter is a message of its
/// own: an inbox does not take it for the old one.
///
/// # Errors
/// There is no such letter, it is not `dead`, or its job could not read the new body: the operator is told which.
pub async fn edit(
    tx: &mut Transaction,
    id: Uuid,
    body: &str,
    validator: &Foreseer,
    act: Act<'_>,
) -> Result<Edited, ActError> {
    let allowed = "only what is dead can be edited";
    let new_id = Uuid::now_v7();
    let now = Utc::now();
    let replaced = Entity::update_many()
        .col_expr(Column::State, Expr::value(LetterState::Replaced.as_str()))
        .col_expr(Column::StateAt, Expr::value(now))
        .col_expr(Column::StateBy, Expr::value(act.actor))
        .col_expr(Column::StateReason, Expr::value(act.reason))
        .col_expr(Column::ReplacedBy, Expr::value(new_id))
        .filter(Column::Id.eq(id))
        .filter(is(LetterState::Dead))
        .exec_with_returning(&**tx)
        .await?;
    let Some(old) = replaced.into_iter().next() else { return Err(refused(tx, id, allowed).await?) };
    let told = validator.validate(&old.queue, &old.kind, body).map_err(ActError::Invalid)?;
    let before = if old.body_encoding == "text" { old.body.as_str() } else { "" };
    let changes = changes(before, body);
    let message_id = Uuid::now_v7();
    let mut headers: std::collections::BTreeMap<String, String> =
        serde_json::from_str(&old.headers).unwrap_or_default();
    headers.retain(|name, _| name != REPLAY_OF && name != REPLAY_NO);
    let subject = told.or(still_about(&old, told));
    Subject::strip(&mut headers);
    headers.extend(subject.headers());
    let mut new = old.into_active_model().reset_all();
    new.id = Set(new_id);
    new.outbox_id = Set(Uuid::now_v7());
    new.message_id = Set(message_id);
    new.body = Set(body.to_owned());
    new.body_encoding = Set("text".to_owned());
    new.headers = Set(headers_text(&headers));
    (new.subject_id, new.payment_id, new.node_id) = (Set(subject.id), Set(subject.payment_id), Set(subject.node_id));
    // Whom it belongs to is found out anew.
    new.tended_at = Set(chrono::DateTime::UNIX_EPOCH);
    (new.replay_of, new.replay_no) = (Set(None), Set(0));
    (new.replay_failures, new.replay_error) = (Set(0), Set(None));
    (new.state, new.redrive_id, new.replaced_by) = (Set(LetterState::Dead), Set(None), Set(None));
    new.edited_from = Set(Some(id));
    new.changes = Set(Some(serde_json::to_string(&changes).unwrap_or_default()));
    Entity::insert(new).exec_without_returning(&**tx).await?;
    Ok(Edited { id: new_id, message_id, changes, subject })
}

/// What is still known of the subject of the old body when the new one says this of its own: all of it, as long as that is
/// the same row.
fn still_about(old: &Model, told: Subject) -> Subject {
    let known = Subject::default().of_payment(old.payment_id).of_node(old.node_id);
    let same = old.subject_id == told.id || (told.payment_id.is_some() && old.payment_id == told.payment_id);
    if same { known } else { Subject::default() }
}

/// What differs, place by place; the whole where one of them is not JSON.
fn changes(before: &str, after: &str) -> Vec<Change> {
    let parse = |text: &str| serde_json::from_str::<Value>(text);
    let mut changes = Vec::new();
    match (parse(before), parse(after)) {
        (Ok(before), Ok(after)) => compare("", Some(&before), Some(&after), &mut changes),
        _ => {
            let text = |text: &str| Some(Value::String(text.to_owned()));
            changes.push(Change { pointer: String::new(), before: text(before), after: text(after) });
        }
    }
    changes
}

fn compare(pointer: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    if before == after {
        return;
    }
    let (Some(Value::Object(old)), Some(Value::Object(new))) = (before, after) else {
        let (before, after) = (before.cloned(), after.cloned());
        changes.push(Change { pointer: pointer.to_owned(), before, after });
        return;
    };
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        compare(&pointer, old.get(name), new.get(name), changes);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_listed_place_by_place() {
        let found = changes(r#"{"a":1,"b":{"c/d":true,"e":2}}"#, r#"{"a":1,"b":{"c/d":false},"f":null}"#);
        let change = |pointer: &str, before, after| Change { pointer: pointer.to_owned(), before, after };
        assert_eq!(
            found,
            [
                change("/b/c~1d", Some(json!(true)), Some(json!(false))),
                change("/b/e", Some(json!(2)), None),
                change("/f", None, Some(Value::Null)),
            ]
        );
        assert!(changes("{}", " {} ").is_empty());
        assert_eq!(changes("{", "{}"), [change("", Some(json!("{")), Some(json!("{}")))]);
    }
}
