//! Who has done what.

use entities::{AuditId, audit};
use poem_openapi::{Object, OpenApi, param::Query, payload::Json, types::Any};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*};
use serde_json::Value;
use uuid::Uuid;

use super::{Tag, payments::Actor};
use crate::{
    access::{Allowed, InstallationOperations},
    paging::{self, PerPage},
    problem::{Code, Location, Problem, Refused, Wrong},
    query_text::QueryText,
    state::State,
    time::Time,
};

/// An administrative act, or a sign-in that failed.
#[derive(Clone, Debug, Object)]
pub(crate) struct AuditEntry {
    id: Uuid,
    actor_type: Actor,
    /// The integration's or user's id, or `address:` and where somebody came from who has not signed in. Empty for the
    /// command line on the host itself.
    actor_id: String,
    /// What was done, such as `signer.pause`.
    action: String,
    /// To what, such as `signer`.
    object_type: String,
    object_id: String,
    /// What was set; never a secret. Its fields depend on the action.
    data: Any<Value>,
    created_at: Time,
}

impl From<audit::Model> for AuditEntry {
    fn from(row: audit::Model) -> Self {
        Self {
            id: row.id.0,
            actor_type: row.actor_type.into(),
            actor_id: row.actor_id,
            action: row.action,
            object_type: row.object_type,
            object_id: row.object_id,
            data: Any(row.data),
            created_at: row.created_at.into(),
        }
    }
}

/// A page of the audit.
#[derive(Clone, Debug, Object)]
pub(crate) struct AuditPage {
    /// Newest first.
    items: Vec<AuditEntry>,
    /// Continues after this page; null on the last.
    next_cursor: Option<String>,
}

pub(crate) struct AuditLog(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/operations/audit", tag = "Tag::Operations")]
impl AuditLog {
    /// List administrative acts
    ///
    /// Every change of what is configured, every operator's act, and sign-ins that failed, newest first. Only for callers on the
    /// root node: acts are of the whole installation.
    #[oai(path = "/", method = "get", operation_id = "list_audit")]
    #[expect(clippy::too_many_arguments, reason = "each is a filter")]
    async fn list(
        &self,
        _caller: Allowed<InstallationOperations>,
        /// Only this action, such as `signer.pause`.
        action: Query<Option<QueryText>>,
        /// Only acts of the integration or user with this id.
        actor_id: Query<Option<QueryText>>,
        /// Only acts on things of this type, such as `signer`.
        object_type: Query<Option<QueryText>>,
        /// Only acts on the thing with this id.
        object_id: Query<Option<QueryText>>,
        /// Continues after a page.
        cursor: Query<Option<QueryText>>,
        /// Items a page, 1 to 100.
        #[oai(default)]
        per_page: Query<PerPage>,
    ) -> Result<Json<AuditPage>, Refused> {
        use audit::Column as C;
        let invalid = || Problem::new(Code::ValidationFailed).wrong("/cursor", Location::Query, Wrong::NotACursor);
        let after = cursor.0.map(|cursor| paging::after_cursor(&cursor.0).ok_or_else(invalid)).transpose()?;
        let mut rows = audit::Entity::find().order_by_desc(C::Id);
        let texts = [
            (C::Action, action.0),
            (C::ActorId, actor_id.0),
            (C::ObjectType, object_type.0),
            (C::ObjectId, object_id.0),
        ];
        for (column, wanted) in texts {
            if let Some(wanted) = wanted {
                rows = rows.filter(column.eq(wanted.0));
            }
        }
        if let Some(after) = after {
            rows = rows.filter(C::Id.lt(AuditId(after)));
        }
        // One more than a page tells whether there is a next.
        let size = per_page.0.0 as usize;
        let mut found = rows.limit(size as u64 + 1).all(&**self.0.db()).await?;
        let more = found.len() > size;
        found.truncate(size);
        let next_cursor = found.last().filter(|_| more).map(|last| paging::cursor_after(last.id.0));
        Ok(Json(AuditPage { items: found.into_iter().map(AuditEntry::from).collect(), next_cursor }))
    }
}
