//! The events in the order in which they became visible, for those who read them and go on where they were.

use entities::{event, now};
use queue::{Transaction, insert_missing};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, Statement};

use crate::fan_out::{Outgoing, ROWS_PER_INSERT};

/// Writes events down behind all that were written before. The row with the last position stays locked until the caller's
/// transaction ends, so that positions rise with the commits; so this comes last.
pub(crate) async fn append(tx: &Transaction, events: &[Outgoing]) -> Result<(), DbErr> {
    if events.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(events.len()).map_err(|error| DbErr::Custom(error.to_string()))?;
    let advance = Statement::from_sql_and_values(
        tx.get_database_backend(),
        "UPDATE event_positions SET last = last + $1 WHERE id = 1 RETURNING last",
        [count.into()],
    );
    let row = tx.query_one_raw(advance).await?.ok_or_else(|| DbErr::RecordNotFound("event_positions".to_owned()))?;
    let last: i64 = row.try_get("", "last")?;
    let created_at = now();
    let rows = (last - count + 1..).zip(events).map(|(position, event)| event::ActiveModel {
        position: Set(position),
        id: Set(event.id),
        node_id: Set(event.node_id),
        event_type: Set(event.name.clone()),
        operators: Set(event.operators),
        payment_id: Set(event.payment_id),
        created_at: Set(created_at),
    });
    let rows: Vec<event::ActiveModel> = rows.collect();
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        insert_missing(&**tx, chunk.to_vec(), [event::Column::Id]).await?;
    }
    Ok(())
}
