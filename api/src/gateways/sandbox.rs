//! The built-in sandbox: it plays gateways and a card processor, so that everything can be tried offline, and moves no money. Its adapter in
//! `gateways` speaks with it over HTTP like those of real gateways. Not part of the document.

mod accounts;
mod lightning;
mod page;
mod payments;
mod sellers;

use entities::{now, sandbox_object};
use queue::{Transaction, insert_unless_there};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, prelude::*,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::{
    problem::{Code, Problem},
    state::State,
};

/// Every route of the sandbox.
pub(crate) type Api = (
    payments::SandboxPayments,
    accounts::SandboxAccounts,
    page::SandboxPage,
    sellers::SandboxSellers,
    lightning::SandboxLightning,
);

/// Builds it.
pub(crate) fn api(state: impl Fn() -> State) -> Api {
    (
        payments::SandboxPayments(state()),
        accounts::SandboxAccounts(state()),
        page::SandboxPage(state()),
        sellers::SandboxSellers(state()),
        lightning::SandboxLightning(state()),
    )
}

/// Where the sandbox is not served, nothing is there.
fn secret(state: &State) -> Result<&SecretString, Problem> {
    state.sandbox().ok_or_else(|| Problem::not_found("Sandbox"))
}

/// Refuses whoever is not our own adapter.
fn authorize(state: &State, authorization: Option<&str>) -> Result<(), Problem> {
    let secret = secret(state)?.expose_secret().as_bytes();
    let given = authorization.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if bool::from(given.as_bytes().ct_eq(secret)) { Ok(()) } else { Err(Problem::new(Code::Unauthorized)) }
}

/// What the sandbox remembers under this key, written now unless it is there. Whether it is new, too.
async fn put(
    tx: &Transaction,
    kind: &str,
    reference: Uuid,
    body: Value,
) -> Result<(sandbox_object::Model, bool), DbErr> {
    use sandbox_object::Column as C;
    let now = now();
    let (id, of_kind) = (Uuid::now_v7(), kind.to_owned());
    let row = sandbox_object::Model { id, kind: of_kind, reference, body, created_at: now, updated_at: now };
    let new = insert_unless_there(&**tx, row.into_active_model(), [C::Kind, C::Reference]).await?;
    let known = by_reference(tx, kind, reference).await?.ok_or(DbErr::RecordNotInserted)?;
    Ok((known, new))
}

async fn by_reference(tx: &Transaction, kind: &str, reference: Uuid) -> Result<Option<sandbox_object::Model>, DbErr> {
    sandbox_object::Entity::find()
        .filter(sandbox_object::Column::Kind.eq(kind))
        .filter(sandbox_object::Column::Reference.eq(reference))
        .one(&**tx)
        .await
}

/// Locked until the end of the transaction.
async fn by_id(tx: &Transaction, kind: &str, id: Uuid) -> Result<Option<sandbox_object::Model>, DbErr> {
    sandbox_object::Entity::find()
        .filter(sandbox_object::Column::Id.eq(id))
        .filter(sandbox_object::Column::Kind.eq(kind))
        .lock_exclusive()
        .one(&**tx)
        .await
}

async fn save(tx: &Transaction, known: sandbox_object::Model, body: Value) -> Result<sandbox_object::Model, DbErr> {
    let mut row = known.into_active_model();
    (row.body, row.updated_at) = (Set(body), Set(now()));
    row.update(&**tx).await
}
