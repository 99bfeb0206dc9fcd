//! What stands in the outbox, and what operators have discarded.

use queue::{Database, Payload};
use sea_orm::{ConnectionTrait, Statement, Value, prelude::*};

/// Bodies of the messages of this kind, oldest first.
pub(crate) async fn sent<P: Payload>(db: &Database) -> Vec<P> {
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        "SELECT payload FROM outbox WHERE kind = $1 ORDER BY id",
        [P::TYPE.into()],
    );
    let rows = db.query_all_raw(statement).await.unwrap();
    let body = |text: String| serde_json::from_str(&text).unwrap();
    rows.iter().map(|row| body(row.try_get("", "payload").unwrap())).collect()
}

/// Takes all messages away, so that only later ones are seen.
pub(crate) async fn clear_outbox(db: &Database) {
    db.execute_unprepared("DELETE FROM outbox").await.unwrap();
}

/// A letter about this row that an operator has discarded just now.
pub(crate) async fn discard<P: Payload>(db: &Database, subject_id: Uuid) {
    let sql = "INSERT INTO dead_letters (id, outbox_id, message_id, queue, kind, origin, body, body_encoding, headers, \
        attempts, error_code, error_message, fingerprint, first_at, last_at, replay_no, state, state_at, subject_id) \
        VALUES ($1, $1, $1, $2, $3, 'job', '{}', 'text', '{}', 1, 'x', '', '', $4, $4, 0, 'discarded', $4, $5)";
    let values: [Value; 5] =
        [Uuid::now_v7().into(), P::QUEUE.into(), P::TYPE.into(), entities::now().into(), subject_id.into()];
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await.unwrap();
}
