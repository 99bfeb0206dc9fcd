//! Refresh tokens: each sign-in starts a family, each use replaces the token, a second use ends the family, because one
//! of its two users must be a thief.

use chrono::TimeDelta;
use entities::{RefreshTokenId, SubjectKind, TokenFamilyId, Unscoped as _, now, refresh_token, token_family};
use queue::{Database, Transaction};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, QueryFilter, prelude::*};
use uuid::Uuid;

use super::{Claims, hash_secret, unguessable};
use crate::{
    edge::EdgeState,
    problem::{Code, Problem},
};

/// The tokens of a sign-in or a refresh.
pub(crate) struct Pair {
    pub(crate) access_token: String,
    pub(crate) claims: Claims,
    pub(crate) refresh_token: String,
}

/// Starts the family of a new sign-in.
pub(crate) async fn start_family(
    state: &EdgeState,
    tx: &Transaction,
    kind: SubjectKind,
    subject_id: Uuid,
) -> Result<Pair, Problem> {
    let family = new_family(tx, kind, subject_id).await?;
    continue_family(state, tx, &family).await
}

/// A family without a refresh token: its sign-in ends with its access token.
pub(crate) async fn new_family(
    tx: &Transaction,
    kind: SubjectKind,
    subject_id: Uuid,
) -> Result<token_family::Model, DbErr> {
    let family = token_family::ActiveModel {
        id: Set(TokenFamilyId::new()),
        subject_kind: Set(kind),
        subject_id: Set(subject_id),
        created_at: Set(now()),
        revoked_at: Set(None),
    };
    family.insert(&**tx).await
}

async fn continue_family(state: &EdgeState, tx: &Transaction, family: &token_family::Model) -> Result<Pair, Problem> {
    let refresh_token = unguessable("qr_").map_err(|error| {
        tracing::error!(%error, "no refresh token");
        Problem::new(Code::Internal)
    })?;
    let ttl = TimeDelta::days(state.auth().refresh_ttl_days.into());
    let row = refresh_token::ActiveModel {
        id: Set(RefreshTokenId::new()),
        family_id: Set(family.id),
        token_hash: Set(hash_secret(&refresh_token)),
        expires_at: Set(now() + ttl),
        used_at: Set(None),
        created_at: Set(now()),
    };
    row.insert(&**tx).await?;
    let (access_token, claims) = state.tokens().issue(family.subject_kind, family.subject_id, family.id)?;
    Ok(Pair { access_token, claims, refresh_token })
}

/// A stored refresh token that has not expired, with its family if that is live and of this kind.
pub(crate) async fn find(
    db: &Database,
    kind: SubjectKind,
    token: &str,
) -> Result<Option<(refresh_token::Model, token_family::Model)>, Problem> {
    let stored = refresh_token::Entity::find()
        .filter(refresh_token::Column::TokenHash.eq(hash_secret(token)))
        .filter(refresh_token::Column::ExpiresAt.gt(now()))
        .one(&**db)
        .await?;
    let Some(stored) = stored else { return Ok(None) };
    let family = token_family::Entity::find_unscoped(stored.family_id)
        .filter(token_family::Column::RevokedAt.is_null())
        .filter(token_family::Column::SubjectKind.eq(kind))
        .one(&**db)
        .await?;
    Ok(family.map(|family| (stored, family)))
}

/// Replaces the token by a new pair; none when it is unknown, expired, revoked or used before. Of several uses at once
/// one wins, and the others end the family.
pub(crate) async fn refresh(state: &EdgeState, kind: SubjectKind, token: &str) -> Result<Option<Pair>, Problem> {
    let Some((stored, family)) = find(state.db(), kind, token).await? else { return Ok(None) };
    if state.callers().load(kind, family.id).await?.is_none() {
        return Ok(None);
    }
    let tx = state.db().begin().await?;
    let won = refresh_token::Entity::update_many()
        .col_expr(refresh_token::Column::UsedAt, Expr::value(now()))
        .filter(refresh_token::Column::Id.eq(stored.id))
        .filter(refresh_token::Column::UsedAt.is_null())
        .exec(&*tx)
        .await?;
    let pair = if won.rows_affected == 1 {
        Some(continue_family(state, &tx, &family).await?)
    } else {
        tracing::warn!(family_id = %family.id, "a refresh token was used twice; its family is revoked");
        revoke_family(&tx, family.id).await?;
        None
    };
    tx.commit().await?;
    Ok(pair)
}

/// Ends a sign-in: its refresh tokens and, because callers are read for every request, its access tokens too.
pub(crate) async fn revoke_family(tx: &Transaction, id: TokenFamilyId) -> Result<(), DbErr> {
    token_family::Entity::update_many()
        .col_expr(token_family::Column::RevokedAt, Expr::value(now()))
        .filter(token_family::Column::Id.eq(id))
        .filter(token_family::Column::RevokedAt.is_null())
        .exec(&**tx)
        .await?;
    Ok(())
}

/// Ends all sign-ins of somebody but this one.
pub(crate) async fn revoke_others(
    tx: &Transaction,
    kind: SubjectKind,
    subject_id: Uuid,
    kept: TokenFamilyId,
) -> Result<(), DbErr> {
    token_family::Entity::update_many()
        .col_expr(token_family::Column::RevokedAt, Expr::value(now()))
        .filter(token_family::Column::SubjectKind.eq(kind))
        .filter(token_family::Column::SubjectId.eq(subject_id))
        .filter(token_family::Column::Id.ne(kept))
        .filter(token_family::Column::RevokedAt.is_null())
        .exec(&**tx)
        .await?;
    Ok(())
}
