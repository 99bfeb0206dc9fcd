//! Notifies operators of what needs them: letters of the dead, signers without funds, and blocked sign-ins.
//!
//! Every process polls, and what is announced is guarded by a row of `notices`, written with the deliveries it leads
//! to. Dead letters are found by their ids, which rise with the time; a letter may become visible later than one with a
//! higher id, so that each poll begins a while before where the last one ended.

mod sign_ins;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use entities::{EventId, NetworkId, NodeId, PaymentId, Shared as _, node, notice, now, payment, signer};
use payments::event::Event;
use queue::{
    Database, Transaction,
    dead_letters::{Died, died_after},
    insert_unless_there,
};
use sea_orm::{ActiveValue::Set, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, prelude::*};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use webhooks::{DeadLetterCreated, Outgoing, SignerLowBalance};

pub(crate) use self::sign_ins::PREFIX as OF_SIGN_INS;
use crate::Context;

/// Pause between two polls for what needs operators.
const EVERY: Duration = Duration::from_secs(5);

/// How late a letter may become visible: far longer than any transaction may take, and than clocks may differ.
const MARGIN: TimeDelta = TimeDelta::minutes(2);

/// Letters in one transaction.
const TOGETHER: u64 = 200;

/// The row that remembers up to when letters were announced; it is kept for ever.
const CURSOR: &str = "cursor:dead_letters";

/// Polls until it is stopped; what fails is tried again the next time.
pub async fn run(context: Context, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = notify(&context).await {
            tracing::warn!("operators are told of dead letters and signers later: {error:#}");
        }
        let _ = tokio::time::timeout(EVERY, stop.cancelled()).await;
    }
}

/// Notifies operators of what they do not know yet.
///
/// # Errors
/// A statement failed. What was announced before stays announced, and the next call goes on.
pub async fn notify(context: &Context) -> anyhow::Result<()> {
    notify_dead_letters(context).await?;
    notify_low_balances(context).await?;
    sign_ins::notify(context).await
}

/// An event for operators, under the key that guards it.
struct NewNotice {
    key: String,
    event: Outgoing,
}

async fn notify_dead_letters(context: &Context) -> anyhow::Result<()> {
    let checked_at = now();
    let Some(since) = cursor(&context.db, checked_at).await? else { return Ok(()) };
    let mut after = first_id(since - MARGIN);
    let root = root(&context.db).await?;
    loop {
        let letters = died_after(&context.db, after, TOGETHER).await?;
        let Some(last) = letters.last().map(|letter| letter.id) else { break };
        let full = letters.len() as u64 == TOGETHER;
        let mut notices = Vec::new();
        let unannounced = unannounced(&context.db, letters.into_iter().map(created).collect()).await?;
        let nodes = nodes(&context.db, &unannounced).await?;
        for letter in unannounced {
            let of_payment = letter.payment_id.and_then(|id| nodes.get(&id).copied());
            if let Some(node_id) = letter.node_id.or(of_payment).or(root) {
                // A delivery is traced in its payment's log: one that names a payment which is not there could never
                // be.
                let payment_id = letter.payment_id.filter(|id| nodes.contains_key(id));
                notices.push(dead_letter_notice(letter, node_id, payment_id)?);
            }
        }
        announce(context, notices).await?;
        after = last;
        if !full {
            break;
        }
    }
    advance(&context.db, checked_at).await?;
    Ok(())
}

/// Up to when letters were announced. The first poll ever only remembers when it was: what died before is history.
async fn cursor(db: &Database, checked_at: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, DbErr> {
    if let Some(row) = notice::Entity::find_shared(CURSOR).one(&**db).await? {
        return Ok(Some(row.created_at));
    }
    let tx = db.begin().await?;
    first_time(&tx, CURSOR.to_owned(), checked_at).await?;
    tx.commit().await?;
    Ok(None)
}

async fn advance(db: &Database, checked_at: DateTime<Utc>) -> Result<(), DbErr> {
    let tx = db.begin().await?;
    notice::Entity::update_many()
        .col_expr(notice::Column::CreatedAt, Expr::value(checked_at))
        .filter(notice::Column::Key.eq(CURSOR))
        .filter(notice::Column::CreatedAt.lt(checked_at))
        .exec(&*tx)
        .await?;
    tx.commit().await
}

/// An id that is lower than those of its time.
fn first_id(time: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(time.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid()
}

fn created(letter: Died) -> DeadLetterCreated {
    DeadLetterCreated {
        dead_letter_id: letter.id,
        queue: letter.queue,
        kind: letter.kind,
        error_code: letter.error_code,
        attempts: letter.attempts,
        payment_id: letter.payment_id.map(PaymentId),
        node_id: letter.node_id.map(NodeId),
    }
}

fn letter_key(id: Uuid) -> String {
    format!("dead_letter:{id}")
}

async fn unannounced(db: &Database, letters: Vec<DeadLetterCreated>) -> Result<Vec<DeadLetterCreated>, DbErr> {
    let keys = letters.iter().map(|letter| letter_key(letter.dead_letter_id));
    let announced = notice::Entity::find().filter(notice::Column::Key.is_in(keys)).all(&**db).await?;
    let announced: BTreeSet<String> = announced.into_iter().map(|row| row.key).collect();
    Ok(letters.into_iter().filter(|letter| !announced.contains(&letter_key(letter.dead_letter_id))).collect())
}

/// The nodes of the payments that letters are about; a letter may name a payment that is not there.
async fn nodes(db: &Database, letters: &[DeadLetterCreated]) -> Result<HashMap<PaymentId, NodeId>, DbErr> {
    let of_payments = letters.iter().filter_map(|letter| letter.payment_id);
    let found: Vec<(PaymentId, NodeId)> = payment::Entity::find()
        .select_only()
        .columns([payment::Column::Id, payment::Column::NodeId])
        .filter(payment::Column::Id.is_in(of_payments))
        .into_tuple()
        .all(&**db)
        .await?;
    Ok(found.into_iter().collect())
}

/// The node at the top, where nothing else is known.
async fn root(db: &Database) -> Result<Option<NodeId>, DbErr> {
    let root = node::Entity::find()
        .filter(node::Column::ParentId.is_null())
        .order_by_asc(node::Column::Number)
        .one(&**db)
        .await?;
    Ok(root.map(|node| node.id))
}

fn dead_letter_notice(
    mut letter: DeadLetterCreated,
    node_id: NodeId,
    payment_id: Option<PaymentId>,
) -> anyhow::Result<NewNotice> {
    letter.node_id.get_or_insert(node_id);
    let key = letter_key(letter.dead_letter_id);
    let event = Event {
        id: EventId::new(),
        name: "dead_letter.created".to_owned(),
        occurred_at: now(),
        sequence: None,
        data: letter,
    };
    Ok(NewNotice { key, event: outgoing(event, node_id, payment_id, None)? })
}

fn outgoing<D: Serialize>(
    event: Event<D>,
    node_id: NodeId,
    payment_id: Option<PaymentId>,
    network_id: Option<NetworkId>,
) -> anyhow::Result<Outgoing> {
    Ok(Outgoing {
        others: Vec::new(),
        id: event.id,
        body: serde_json::to_string(&event)?,
        name: event.name,
        operators: true,
        node_id,
        payment_id,
        wallet_id: None,
        network_id,
        sequence: None,
        occurred_at: event.occurred_at,
    })
}

async fn notify_low_balances(context: &Context) -> anyhow::Result<()> {
    let db = &context.db;
    let mut notices = Vec::new();
    for lane in chain::without_funds(&**db).await? {
        let data = SignerLowBalance {
            network_id: NetworkId(lane.network_id),
            signer: lane.signer,
            reason: lane.reason,
            balance: lane.balance,
            paused_at: lane.paused_at,
        };
        // Once for each pause.
        let key = format!("low_balance:{}:{}:{}", data.network_id, data.signer, data.paused_at.timestamp_micros());
        if notice::Entity::find_shared(key.as_str()).one(&**db).await?.is_some() {
            continue;
        }
        let Some(node_id) = of_signer(db, &data.signer).await? else { continue };
        let network_id = Some(data.network_id);
        let event = Event {
            id: EventId::new(),
            name: "signer.low_balance".to_owned(),
            occurred_at: data.paused_at,
            sequence: None,
            data,
        };
        notices.push(NewNotice { key, event: outgoing(event, node_id, None, network_id)? });
    }
    announce(context, notices).await?;
    Ok(())
}

/// The node whose key it is; the top one of a key that is nobody's.
async fn of_signer(db: &Database, signer: &str) -> Result<Option<NodeId>, DbErr> {
    let of_address = signer::Column::Address.eq(signer.to_lowercase());
    match signer::Entity::find().filter(of_address).one(&**db).await? {
        Some(signer) => Ok(Some(signer.node_id)),
        None => root(db).await,
    }
}

/// Fans out what was not announced before, in one transaction with the rows that say so.
async fn announce(context: &Context, notices: Vec<NewNotice>) -> Result<(), DbErr> {
    if notices.is_empty() {
        return Ok(());
    }
    let mut tx = context.db.begin().await?;
    let mut events = Vec::new();
    for NewNotice { key, event } in notices {
        if first_time(&tx, key, now()).await? {
            events.push(event);
        }
    }
    let waiting = webhooks::fan_out(&mut tx, &events).await?;
    fail::fail_point!("notices.before_commit");
    tx.commit().await?;
    webhooks::wake(&context.db, &waiting).await?;
    context.webhooks.wake();
    Ok(())
}

pub(crate) async fn first_time(tx: &Transaction, key: String, created_at: DateTime<Utc>) -> Result<bool, DbErr> {
    let row = notice::ActiveModel { key: Set(key), created_at: Set(created_at) };
    insert_unless_there(&**tx, row, [notice::Column::Key]).await
}
