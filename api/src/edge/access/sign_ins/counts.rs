//! The rows that wrong sign-ins are counted in. Rows of one try are locked in the order of their subjects, so that tries
//! beside each other wait and never block each other for good.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entities::sign_in_count;
use queue::{Database, Transaction, insert_missing};
use sea_orm::{ActiveValue::Set, DbErr, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, prelude::*};
use serde_json::json;

use super::{
    Account,
    rules::{Kind, at_home, blocked_for, failures, is_quiet},
};
use crate::{audit, edge::ClientAddress};

/// Whom a try counts against.
pub(super) struct Subjects {
    by_kind: BTreeMap<Kind, String>,
    guessable: bool,
    address: String,
}

impl Subjects {
    pub(super) fn of(address: &ClientAddress, account: &Account) -> Self {
        let (network, hash) = (address.network(), account.hash());
        let names = [
            (Kind::Account, Some(hash.to_owned())),
            (Kind::Address, Some(network.clone())),
            (Kind::Pair, Some(format!("{network}|{hash}"))),
            (Kind::Site, address.site()),
        ];
        let subject = |(kind, name): (Kind, Option<String>)| Some((kind, format!("{}:{}", kind.word(), name?)));
        let by_kind = names.into_iter().filter_map(subject).collect();
        Self { by_kind, guessable: account.guessable(), address: network }
    }

    /// Those that decide whether the try is let through: where the account is at home, the pair alone.
    fn decisive(&self, rows: &Rows, now: DateTime<Utc>) -> Vec<Kind> {
        if rows.get(&Kind::Pair).is_some_and(|pair| at_home(pair, now)) {
            return vec![Kind::Pair];
        }
        let decides = |kind: &Kind| match kind {
            Kind::Address | Kind::Site => true,
            Kind::Account => self.guessable,
            Kind::Pair => false,
        };
        self.by_kind.keys().copied().filter(decides).collect()
    }
}

type Rows = BTreeMap<Kind, sign_in_count::Model>;

/// Whether a try may be checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// It is counted as a wrong one until it is known to be right.
    Counted,
    /// It may not; seconds until the next.
    Blocked(u64),
}

/// Counts a try, or begins the block that is due.
pub(super) async fn begin(
    db: &Database,
    subjects: &Subjects,
    account: &Account,
    now: DateTime<Utc>,
) -> Result<Begun, DbErr> {
    // Who is blocked writes nothing, however often they come.
    let rows = by_kind(subjects, select(subjects).all(&**db).await?);
    if let Some(seconds) = longest_block(&rows, &subjects.decisive(&rows, now), now) {
        return Ok(Begun::Blocked(seconds));
    }
    let tx = db.begin().await?;
    let mut rows = lock(&tx, subjects, account, now).await?;
    let decisive = subjects.decisive(&rows, now);
    let due = |kind: &Kind| rows.get(kind).is_some_and(|row| failures(row, now) >= kind.tries());
    let due: Vec<Kind> = decisive.iter().copied().filter(due).collect();
    for kind in &due {
        let Some(row) = rows.get_mut(kind) else { continue };
        if blocked_for(row, now).is_none() {
            start_block(&tx, subjects, account, *kind, row, now).await?;
        }
    }
    if let Some(seconds) = longest_block(&rows, &decisive, now) {
        tx.commit().await?;
        return Ok(Begun::Blocked(seconds));
    }
    for row in rows.values_mut() {
        if is_quiet(row, now) {
            (row.failures, row.blocks, row.blocked_until) = (0, 0, None);
        }
        row.failures += 1;
        row.updated_at = now;
        write(&tx, row).await?;
    }
    tx.commit().await?;
    Ok(Begun::Counted)
}

/// Takes back what the account has counted from the address, which is at home there from now on.
pub(super) async fn succeeded(db: &Database, subjects: &Subjects, now: DateTime<Utc>) -> Result<(), DbErr> {
    take_back(db, subjects, now, true).await
}

/// Takes back a try that was never checked.
pub(super) async fn withdraw(db: &Database, subjects: &Subjects, now: DateTime<Utc>) -> Result<(), DbErr> {
    take_back(db, subjects, now, false).await
}

async fn take_back(db: &Database, subjects: &Subjects, now: DateTime<Utc>, signed_in: bool) -> Result<(), DbErr> {
    let tx = db.begin().await?;
    let mut rows = by_kind(subjects, select(subjects).lock_exclusive().all(&*tx).await?);
    let own = rows.get(&Kind::Pair).map_or(0, |pair| failures(pair, now));
    let own = if signed_in { own } else { own.min(1) };
    for (kind, row) in &mut rows {
        // A pair's old tries may have led to a block since; then the others no longer hold them.
        row.failures = (row.failures - own).max(0);
        if *kind == Kind::Pair && signed_in {
            (row.blocks, row.blocked_until, row.signed_in_at) = (0, None, Some(now));
        }
        write(&tx, row).await?;
    }
    tx.commit().await
}

fn select(subjects: &Subjects) -> Select<sign_in_count::Entity> {
    use sign_in_count::Column::Subject;
    sign_in_count::Entity::find().filter(Subject.is_in(subjects.by_kind.values())).order_by_asc(Subject)
}

fn by_kind(subjects: &Subjects, rows: Vec<sign_in_count::Model>) -> Rows {
    let kind = |row: &sign_in_count::Model| subjects.by_kind.iter().find(|(_, subject)| **subject == row.subject);
    rows.into_iter().filter_map(|row| Some((*kind(&row)?.0, row))).collect()
}

/// The rows, made where there are none, and locked.
async fn lock(tx: &Transaction, subjects: &Subjects, account: &Account, now: DateTime<Utc>) -> Result<Rows, DbErr> {
    let named = |kind: &Kind| matches!(kind, Kind::Account | Kind::Pair);
    let fresh = subjects.by_kind.iter().map(|(kind, subject)| {
        let row = sign_in_count::Model {
            subject: subject.clone(),
            failures: 0,
            blocks: 0,
            blocked_until: None,
            signed_in_at: None,
            account: account.id().filter(|_| named(kind)).map(|id| format!("{}:{id}", account.kind())),
            node_id: account.node_id().filter(|_| named(kind)),
            updated_at: now,
        };
        row.into_active_model()
    });
    insert_missing(&**tx, fresh, [sign_in_count::Column::Subject]).await?;
    Ok(by_kind(subjects, select(subjects).lock_exclusive().all(&**tx).await?))
}

fn longest_block(rows: &Rows, decisive: &[Kind], now: DateTime<Utc>) -> Option<u64> {
    decisive.iter().filter_map(|kind| blocked_for(rows.get(kind)?, now)).max()
}

async fn start_block(
    tx: &Transaction,
    subjects: &Subjects,
    account: &Account,
    kind: Kind,
    row: &mut sign_in_count::Model,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let until = now + kind.block(row.blocks);
    let counted = row.failures;
    (row.failures, row.blocks, row.blocked_until, row.updated_at) = (0, row.blocks + 1, Some(until), now);
    write(tx, row).await?;
    metrics::counter!("quittance_sign_ins_blocked_total", "of" => kind.word()).increment(1);
    let about = match kind {
        Kind::Account | Kind::Pair => (account.kind(), account.id().unwrap_or_default()),
        Kind::Address | Kind::Site => (kind.word(), row.subject.split_once(':').map_or("", |(_, name)| name)),
    };
    let data = json!({ "of": kind.word(), "failures": counted, "blocks": row.blocks, "blocked_until": until });
    audit::record_of_stranger(tx, &subjects.address, "sign_in.blocked", about, data).await
}

async fn write(tx: &Transaction, row: &sign_in_count::Model) -> Result<(), DbErr> {
    let change = sign_in_count::ActiveModel {
        failures: Set(row.failures),
        blocks: Set(row.blocks),
        blocked_until: Set(row.blocked_until),
        signed_in_at: Set(row.signed_in_at),
        updated_at: Set(row.updated_at),
        ..Default::default()
    };
    sign_in_count::Entity::update_many()
        .set(change)
        .filter(sign_in_count::Column::Subject.eq(&row.subject))
        .exec(&**tx)
        .await?;
    Ok(())
}
