//! Where operations stand, for those who want to know what asking for them would come to.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, QueryFilter, entity::prelude::*};
use uuid::Uuid;

use crate::{
    error::Error,
    operation::{Kind, REARMED},
    table::operation::{self, Status},
};

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationStatus {
    /// Nobody has asked for it, or it was taken back or has failed: asking starts it anew.
    StartsAnew {
        /// Whether it has definitely failed.
        failed: bool,
    },
    /// Asked for and never in a transaction: it can be withdrawn, and asking again changes nothing.
    Waiting,
    /// On its way: asking again changes nothing.
    UnderWay,
    /// Final on the chain: asking again changes nothing.
    Confirmed,
}

/// Where these subjects' operations of a kind stand; those that were never asked for are missing.
///
/// # Errors
/// When the database fails.
pub async fn operation_statuses(
    db: &impl ConnectionTrait,
    subjects: impl IntoIterator<Item = Uuid>,
    kind: Kind,
) -> Result<HashMap<Uuid, OperationStatus>, Error> {
    let operations = operation::Entity::find()
        .filter(operation::Column::SubjectId.is_in(subjects))
        .filter(operation::Column::Kind.eq(kind))
        .all(db)
        .await?;
    Ok(operations.iter().map(|operation| (operation.subject_id, OperationStatus::of(operation))).collect())
}

impl OperationStatus {
    fn of(operation: &operation::Model) -> Self {
        match operation.status {
            status if REARMED.contains(&status) => Self::StartsAnew { failed: status == Status::Failed },
            Status::Pending if operation.sends == 0 => Self::Waiting,
            Status::Confirmed => Self::Confirmed,
            Status::Pending | Status::Sending | Status::Failed | Status::Withdrawn => Self::UnderWay,
        }
    }
}
