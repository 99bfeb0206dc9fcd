//! What the acts on one letter and on many have in common: the letter in reach, and the row in the audit log.

use std::time::Instant;

use payments::Caller;
use poem_openapi::types::ToJSON as _;
use queue::{
    Transaction,
    dead_letters::{self, Act, ActError, Chunk, Filter},
};
use sea_orm::DbErr;
use serde_json::json;
use uuid::Uuid;

use super::{
    DeadLetters, PATIENCE, find,
    request::{ManyChanged, ManyLetters},
    response::DeadLetter,
};
use crate::{audit, edge::RequestId, problem::Problem};

impl DeadLetters {
    /// An act on a letter with its audit row, in one transaction.
    pub(super) async fn act(
        &self,
        caller: &Caller,
        request_id: &RequestId,
        id: Uuid,
        action: &str,
        reason: &str,
        work: impl AsyncFnOnce(&mut Transaction, Act<'_>) -> Result<(), ActError>,
    ) -> Result<DeadLetter, Problem> {
        find(&self.0, caller, id).await?;
        let actor = audit::name(caller);
        let mut tx = self.0.db().begin().await?;
        work(&mut tx, Act { actor: &actor, reason }).await?;
        let data = json!({ "reason": reason, "request_id": request_id.as_str() });
        audit::record(&tx, caller, action, ("dead_letter", id), data).await?;
        tx.commit().await?;
        let (letter, _) = find(&self.0, caller, id).await?;
        Ok(DeadLetter::new(letter, true))
    }

    /// An act on many letters, a chunk at a time: each with its audit row in its own transaction, so that the log never
    /// tells less than was done.
    pub(super) async fn many(
        &self,
        caller: &Caller,
        request_id: &RequestId,
        action: &str,
        ManyLetters { filter, reason }: ManyLetters,
        step: impl AsyncFn(&mut Transaction, &Filter, Act<'_>, Option<Uuid>, Uuid) -> Result<Chunk, DbErr>,
    ) -> Result<ManyChanged, Problem> {
        let (db, actor) = (self.0.db(), audit::name(caller));
        let as_sent = filter.to_json();
        let filter = filter.within(&**db, caller).await?;
        let Some(last) = dead_letters::newest(&**db).await? else {
            return Ok(ManyChanged { changed: 0, complete: true });
        };
        let (started, mut changed, mut after) = (Instant::now(), 0, None);
        loop {
            let mut tx = db.begin().await?;
            let chunk = step(&mut tx, &filter, Act { actor: &actor, reason: &reason }, after, last).await?;
            if chunk.changed > 0 {
                let data = json!({
                    "filter": as_sent, "reason": reason, "letters": chunk.changed, "after": after, "until": chunk.next,
                    "request_id": request_id.as_str(),
                });
                audit::record(&tx, caller, action, ("dead_letters", ""), data).await?;
            }
            tx.commit().await?;
            changed += chunk.changed;
            after = chunk.next;
            if after.is_none() || started.elapsed() > PATIENCE {
                return Ok(ManyChanged { changed, complete: after.is_none() });
            }
        }
    }
}
