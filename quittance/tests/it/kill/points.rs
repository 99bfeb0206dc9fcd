//! Every failpoint of the sources with what is done to pass it, and whose death it is.

use std::{collections::BTreeSet, path::Path};

/// Which process dies. The embedded default has one for everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Api,
    Worker,
    /// A command of the operator.
    Command,
}

/// What is done so that the point is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drive {
    Create,
    CreateWithKey,
    Cancel,
    CancelWithKey,
    Deposit,
    Release,
    Expire,
    /// A job that fails and is tried again.
    Retry,
    /// A job that cannot succeed.
    GiveUp,
    /// A message that no job can read.
    Unreadable,
    /// Something that the broker has given up.
    BrokerGivesUp,
    Replay,
    /// A letter in a redrive run, whose job then has nothing left to do.
    Redrive,
    /// A recovery of the consumer's endpoint.
    Recover,
    /// A Lightning invoice of the sandbox node, and its payment.
    Invoice,
    /// A seller's account, a card payment at the sandbox, a refund and a payout of it.
    Sell,
    /// The verdict that a card payment goes back, whose order was paid by a transfer, too.
    GiveBack,
    /// A file for a receipt.
    Upload,
    /// Files that no receipt has named in time, at the start of the process.
    TakeAway,
    /// A person who signs in.
    SignIn,
    /// A row that no process has in hand.
    Sweep,
    /// A transaction that waits for longer than it should.
    Bump,
    Reorganise,
    /// Nothing: it comes by itself.
    Wait,
    /// The start of the process.
    Start,
}

/// Where a point exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Both,
    Embedded,
    Engine,
}

pub(crate) struct Row {
    pub(crate) point: &'static str,
    pub(crate) drive: Drive,
    pub(crate) role: Role,
    pub(crate) on: On,
}

const fn row(point: &'static str, drive: Drive, role: Role) -> Row {
    Row { point, drive, role, on: On::Both }
}

const fn only(on: On, point: &'static str, drive: Drive, role: Role) -> Row {
    Row { point, drive, role, on }
}

use Drive::*;
use Role::*;

/// In the order of a payment's way. A point that lies on several ways stands here once for each.
pub(crate) const ROWS: &[Row] = &[
    row("idempotent.claimed", CreateWithKey, Api),
    row("accept.payments_written", Create, Api),
    row("accept.logs_written", Create, Api),
    row("accept.before_commit", Create, Api),
    row("commit.before_handover", Create, Api),
    row("accept.committed", Create, Api),
    row("relay.before_publish", Create, Api),
    only(On::Engine, "publisher.sent", Create, Api),
    row("relay.published", Create, Api),
    row("erase.before_commit", Create, Api),
    row("claim.before_commit", Sweep, Worker),
    row("claim.committed", Sweep, Worker),
    row("job.delivered", Create, Worker),
    row("open_deal.requested", Create, Worker),
    row("record.payments_written", Create, Worker),
    row("record.logs_written", Create, Worker),
    row("job.done", Create, Worker),
    only(On::Embedded, "shelf.acknowledged", Create, Worker),
    row("announce_events.fanned_out", Create, Worker),
    row("announce_events.before_commit", Create, Worker),
    row("announce_events.committed", Create, Worker),
    row("webhook.lane_taken", Create, Worker),
    row("webhook.sent", Create, Worker),
    row("webhook.results_written", Create, Worker),
    row("webhook.results_committed", Create, Worker),
    row("webhook.lane_released", Create, Worker),
    row("recover_webhooks.before_commit", Recover, Worker),
    row("recover_webhooks.committed", Recover, Worker),
    row("lease.before_commit", Start, Worker),
    row("lease.taken", Start, Worker),
    row("lane.examined", Create, Worker),
    row("lane.signed", Create, Worker),
    row("lane.nonce_taken", Create, Worker),
    row("lane.ids_taken", Create, Worker),
    row("lane.sends_written", Create, Worker),
    row("lane.attempts_written", Create, Worker),
    row("lane.before_commit", Create, Worker),
    row("lane.committed", Create, Worker),
    row("broadcast.answered", Create, Worker),
    row("broadcast.before_commit", Create, Worker),
    row("bump.before_commit", Bump, Worker),
    row("bump.committed", Bump, Worker),
    row("outcome.receipts_read", Create, Worker),
    row("outcome.before_commit", Create, Worker),
    row("watcher.logs_read", Create, Worker),
    row("watcher.logs_written", Create, Worker),
    row("settlement.deals_written", Create, Worker),
    row("watcher.cursor_written", Create, Worker),
    row("watcher.before_commit", Create, Worker),
    row("watcher.committed", Create, Worker),
    row("watcher.undone", Reorganise, Worker),
    row("reconciliation.before_commit", Wait, Worker),
    row("watcher.committed", Deposit, Worker),
    row("idempotent.done", CancelWithKey, Api),
    row("cancel.committed", Cancel, Api),
    row("cancel_deal.requested", Cancel, Worker),
    row("job.done", Cancel, Worker),
    row("lane.committed", Cancel, Worker),
    row("release.committed", Release, Api),
    row("release_deal.requested", Release, Worker),
    row("job.done", Release, Worker),
    row("broadcast.answered", Release, Worker),
    row("expire_payment.recorded", Expire, Worker),
    row("job.done", Expire, Worker),
    only(On::Embedded, "ask_invoice.sent", Invoice, Worker),
    only(On::Embedded, "ask_invoice.answered", Invoice, Worker),
    only(On::Embedded, "ask_invoice.followed", Invoice, Worker),
    only(On::Embedded, "onboard.before_commit", Sell, Api),
    only(On::Embedded, "intent.before_commit", Sell, Api),
    only(On::Embedded, "session.claimed", Sell, Worker),
    only(On::Embedded, "session.before_open", Sell, Worker),
    only(On::Embedded, "session.answered", Sell, Worker),
    only(On::Embedded, "session.before_commit", Sell, Worker),
    only(On::Embedded, "callback.received", Sell, Api),
    only(On::Embedded, "refund.before_commit", Sell, Api),
    only(On::Embedded, "payout.before_commit", Sell, Api),
    only(On::Embedded, "sync_account.before_sent", Sell, Worker),
    only(On::Embedded, "sync_account.sent", Sell, Worker),
    only(On::Embedded, "sync_account.asked", Sell, Worker),
    only(On::Embedded, "sync_account.before_commit", Sell, Worker),
    only(On::Embedded, "send_refund.before_sent", Sell, Worker),
    only(On::Embedded, "send_refund.sent", Sell, Worker),
    only(On::Embedded, "send_refund.asked", Sell, Worker),
    only(On::Embedded, "send_refund.before_commit", Sell, Worker),
    only(On::Embedded, "send_payout.before_sent", Sell, Worker),
    only(On::Embedded, "send_payout.sent", Sell, Worker),
    only(On::Embedded, "send_payout.asked", Sell, Worker),
    only(On::Embedded, "send_payout.before_commit", Sell, Worker),
    only(On::Embedded, "give_back.asked", GiveBack, Worker),
    only(On::Embedded, "give_back.before_commit", GiveBack, Worker),
    row("upload.counted", Upload, Api),
    row("upload.kept", Upload, Api),
    row("upload.given_up", TakeAway, Api),
    row("upload.removed", TakeAway, Api),
    row("sign_in.counted", SignIn, Api),
    row("sign_in.taken_back", SignIn, Api),
    row("settle.before_commit", Retry, Worker),
    row("settle.retry_written", Retry, Worker),
    row("settle.letter_written", GiveUp, Worker),
    row("notices.before_commit", GiveUp, Worker),
    row("settle.letter_written", Unreadable, Worker),
    only(On::Engine, "archivist.recorded", BrokerGivesUp, Worker),
    row("redrive.claimed", Redrive, Worker),
    row("redrive.before_commit", Redrive, Worker),
    row("redrive.replayed", Redrive, Worker),
    row("settle.letter_resolved", Redrive, Worker),
    row("replay.claimed", Replay, Command),
    row("replay.committed", Replay, Command),
];

/// The failpoints in the sources of every crate.
fn in_sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            in_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let calls = text.split("fail_point!(\"").skip(1);
            found.extend(calls.map(|call| call.split('"').next().unwrap().to_owned()));
        }
    }
}

#[test]
fn every_failpoint_stands_in_the_table() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let sources = entry.unwrap().path().join("src");
        if sources.is_dir() {
            in_sources(&sources, &mut found);
        }
    }
    let distinct: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(distinct.len(), found.len(), "a name stands for one place: {found:?}");
    let in_table: BTreeSet<&str> = ROWS.iter().map(|row| row.point).collect();
    assert_eq!(distinct, in_table, "the sources, and the table");
}
