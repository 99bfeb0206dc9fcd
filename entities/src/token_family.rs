//! All refresh tokens that descend from one sign-in.

use sea_orm::entity::prelude::*;

use crate::{id::TokenFamilyId, status::SubjectKind};

/// All refresh tokens that descend from one sign-in.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "token_families")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TokenFamilyId,
    pub subject_kind: SubjectKind,
    pub subject_id: Uuid,
    pub created_at: DateTimeUtc,
    pub revoked_at: Option<DateTimeUtc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
