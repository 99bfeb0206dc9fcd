//! Accounts and addresses that are blocked after wrong sign-ins.

use chrono::{DateTime, Utc};
use entities::{EventId, NodeId, notice, now, sign_in_count};
use payments::event::Event;
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*};
use webhooks::SignInBlocked;

use super::{NewNotice, announce, outgoing, root};
use crate::Context;

/// What the keys start with by which blocks are announced once.
pub(crate) const PREFIX: &str = "sign_in_blocked:";

/// Blocks that are announced at each poll, the newest: a thousand addresses must not cause as many events. A block
/// lasts a minute at least, which is many polls; all of them are in the audit log.
const NOTICES_MAX: usize = 20;

/// Blocks that are read, announced already or not.
const EXAMINED_MAX: u64 = 500;

pub(super) async fn notify(context: &Context) -> anyhow::Result<()> {
    use sign_in_count::Column as C;
    let blocked = sign_in_count::Entity::find()
        .filter(C::BlockedUntil.gt(now()))
        .order_by_desc(C::UpdatedAt)
        .limit(EXAMINED_MAX)
        .all(&*context.db)
        .await?;
    if blocked.is_empty() {
        return Ok(());
    }
    let blocked: Vec<_> = blocked.into_iter().filter_map(SignInBlock::of).collect();
    let keys = blocked.iter().map(|blocked| blocked.key.clone());
    let announced = notice::Entity::find().filter(notice::Column::Key.is_in(keys)).all(&*context.db).await?;
    let unannounced =
        blocked.into_iter().filter(|blocked| announced.iter().all(|row| row.key != blocked.key)).take(NOTICES_MAX);
    let root = root(&context.db).await?;
    let mut notices = Vec::new();
    for SignInBlock { key, data, node_id, since } in unannounced {
        let Some(node_id) = node_id.or(root) else { continue };
        let name = "sign_in.blocked".to_owned();
        let event = Event { id: EventId::new(), name, occurred_at: since, sequence: None, data };
        notices.push(NewNotice { key, event: outgoing(event, node_id, None, None)? });
    }
    announce(context, notices).await?;
    Ok(())
}

/// A block of which operators are still to be notified.
struct SignInBlock {
    key: String,
    data: SignInBlocked,
    node_id: Option<NodeId>,
    since: DateTime<Utc>,
}

impl SignInBlock {
    /// None where there is nothing that an operator could know by its name: nobody has the account.
    fn of(row: sign_in_count::Model) -> Option<Self> {
        let until = row.blocked_until?;
        let (kind, name) = row.subject.split_once(':')?;
        let (of, address) = match kind {
            "address" => ("address", Some(name.to_owned())),
            "site" => ("site", Some(name.to_owned())),
            "pair" => ("account", name.split_once('|').map(|(address, _)| address.to_owned())),
            _ => ("account", None),
        };
        if of == "account" && row.account.is_none() {
            return None;
        }
        let key = format!("{PREFIX}{}:{}", row.subject, until.timestamp_micros());
        let data = SignInBlocked { of, account: row.account, address, blocks: row.blocks, blocked_until: until };
        Some(Self { key, data, node_id: row.node_id, since: row.updated_at })
    }
}
