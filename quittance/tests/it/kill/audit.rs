//! Compares what was asked for and answered with the database, the broker and the chain.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use alloy::primitives::{Address, B256, keccak256};
use chrono::{TimeDelta, Utc};
use entities::{PaymentId, PaymentMethod, PaymentStatus, payment, payment_log};
use queue::{Database, dead_letters, redrive};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Statement, prelude::Uuid,
};

use super::seller;
use crate::{
    consumers::{consumer::Consumer, delivered},
    merchant::Payer,
};

/// What the outside knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    /// By external id, how each payment that was asked for has to end.
    pub(crate) wanted: BTreeMap<String, PaymentStatus>,
    /// By external id, what was answered 201.
    pub(crate) promised: BTreeMap<String, PaymentId>,
    /// Dead letters that there have to be.
    pub(crate) letters: usize,
}

/// What is not as it was promised.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// Promised and not there.
    pub(crate) lost: Vec<String>,
    /// Happened twice.
    pub(crate) doubled: Vec<String>,
    /// Anything else.
    pub(crate) wrong: Vec<String>,
}

impl Findings {
    pub(crate) fn none(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.wrong.is_empty()
    }
}

#[derive(Debug, FromQueryResult)]
struct Pending {
    what: String,
    rows: i64,
}

#[derive(Debug, FromQueryResult)]
struct SendRow {
    signer: String,
    nonce: i64,
    mined: i64,
    next_nonce: Option<i64>,
}

/// Rows of the outbox that are due later than this are a schedule and no leftover.
const SOON: TimeDelta = TimeDelta::seconds(60);

async fn statement<T: FromQueryResult>(db: &Database, sql: &str, values: Vec<sea_orm::Value>) -> Vec<T> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    T::find_by_statement(statement).all(&**db).await.unwrap()
}

async fn payments(db: &Database) -> Vec<payment::Model> {
    payment::Entity::find().all(&**db).await.unwrap()
}

/// What is still under way, for as long as anything is. Looked for twice: what was between two places when one and then
/// the other was looked at is seen the second time.
pub(crate) async fn under_way(db: &Database, book: &Book) -> Option<String> {
    match moving(db, book).await {
        None => moving(db, book).await,
        found => found,
    }
}

async fn moving(db: &Database, book: &Book) -> Option<String> {
    let soon = vec![(Utc::now() + SOON).into()];
    let outbox = "SELECT 'outbox: ' || kind AS what, COUNT(*) AS rows FROM outbox WHERE due_at < $1 GROUP BY kind";
    let mut left: Vec<Pending> = statement(db, outbox, soon).await;
    let operations = "SELECT 'operation: ' || kind || ' ' || status AS what, COUNT(*) AS rows FROM chain_operations \
        WHERE status IN ('pending', 'sending') GROUP BY kind, status";
    left.extend(statement::<Pending>(db, operations, vec![]).await);
    let sends = "SELECT 'send: ' || status AS what, COUNT(*) AS rows FROM chain_sends WHERE status <> 'final' \
        GROUP BY status";
    left.extend(statement::<Pending>(db, sends, vec![]).await);
    // The message that leads to this may be with the broker, where nothing of ours shows it.
    let unclosed = "SELECT 'deal to close: ' || status AS what, COUNT(*) AS rows FROM payments WHERE status = 'expired' \
        AND deal_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM chain_operations WHERE kind = 'cancel' \
        AND subject_id = payments.id) GROUP BY status";
    left.extend(statement::<Pending>(db, unclosed, vec![]).await);
    let untold = "SELECT 'transition to tell' AS what, COUNT(*) AS rows FROM payment_logs \
        WHERE sequence IS NOT NULL AND announced_at IS NULL HAVING COUNT(*) > 0";
    left.extend(statement::<Pending>(db, untold, vec![]).await);
    let deliveries = "SELECT 'delivery: ' || status AS what, COUNT(*) AS rows FROM webhook_deliveries \
        WHERE status <> 'delivered' GROUP BY status";
    left.extend(statement::<Pending>(db, deliveries, vec![]).await);
    let recoveries = "SELECT 'recovery' AS what, COUNT(*) AS rows FROM webhook_recoveries WHERE status = 'running' \
        HAVING COUNT(*) > 0";
    left.extend(statement::<Pending>(db, recoveries, vec![]).await);
    let redrives = "SELECT 'redrive: ' || state AS what, COUNT(*) AS rows FROM redrives WHERE tended GROUP BY state";
    left.extend(statement::<Pending>(db, redrives, vec![]).await);
    if let Some(first) = left.first() {
        return Some(format!("{} rows of {}", first.rows, first.what));
    }
    let found: Vec<(String, PaymentStatus)> = payment::Entity::find()
        .select_only()
        .columns([payment::Column::ExternalId, payment::Column::Status])
        .into_tuple()
        .all(&**db)
        .await
        .unwrap();
    let found: BTreeMap<String, PaymentStatus> = found.into_iter().collect();
    let behind = book.wanted.iter().filter(|(id, status)| found.get(*id) != Some(*status));
    let behind: Vec<_> = behind.map(|(id, status)| format!("{id} {:?} not {status:?}", found.get(id))).collect();
    if let Some(first) = behind.first() {
        return Some(format!("{} payments, one of them {first}", behind.len()));
    }
    let (letters, announced) = (letters(db).await.len(), letters_announced(db).await);
    if announced < letters {
        return Some(format!("operators were told of {announced} of {letters} dead letters"));
    }
    (letters < book.letters).then(|| format!("{letters} of {} dead letters", book.letters))
}

async fn letters(db: &Database) -> Vec<dead_letters::DeadLetter> {
    let all = dead_letters::Page { limit: 500, ..Default::default() };
    dead_letters::list(db, &dead_letters::Filter::default(), all).await.unwrap()
}

/// Looks at everything; nothing may be under way.
pub(crate) async fn audit(db: &Database, payer: &Payer, consumer: &Consumer, book: &Book) -> Findings {
    let mut findings = Findings::default();
    let payments = payments(db).await;
    promises(book, &payments, &mut findings);
    logs(db, &payments, &mut findings).await;
    events(db, consumer, &mut findings).await;
    deals(payer, &payments, &mut findings).await;
    nonces(db, payer, &mut findings).await;
    findings.wrong.extend(seller::wrong(db).await);
    let scheduled: Vec<Pending> =
        statement(db, "SELECT kind AS what, COUNT(*) AS rows FROM outbox GROUP BY kind", vec![]).await;
    for row in scheduled.iter().filter(|row| row.what != "expire_payment") {
        findings.wrong.push(format!("{} rows of {} are left in the outbox", row.rows, row.what));
    }
    for run in redrive::list(db, redrive::RunPage::default()).await.unwrap() {
        if (run.state, run.total, run.replayed, run.resolved) != (redrive::RunState::Done, 1, 1, 1) {
            findings.wrong.push(format!("a redrive of one letter is not done: {run:?}"));
        }
    }
    let letters = letters(db).await;
    let counts = || format!("{} dead letters instead of {}: {letters:?}", letters.len(), book.letters);
    match letters.len().cmp(&book.letters) {
        Ordering::Less => findings.lost.push(counts()),
        Ordering::Equal => {}
        Ordering::Greater => findings.doubled.push(counts()),
    }
    findings
}

fn promises(book: &Book, payments: &[payment::Model], findings: &mut Findings) {
    let by_id: BTreeMap<&str, &payment::Model> =
        payments.iter().map(|payment| (payment.external_id.as_str(), payment)).collect();
    for (external_id, id) in &book.promised {
        if by_id.get(external_id.as_str()).is_none_or(|payment| payment.id != *id) {
            findings.lost.push(format!("{external_id} was answered 201 as {id}"));
        }
    }
    for (external_id, status) in &book.wanted {
        match by_id.get(external_id.as_str()) {
            Some(payment) if payment.status == *status => {}
            Some(payment) => findings.wrong.push(format!("{external_id} is {:?}, not {status:?}", payment.status)),
            None => findings.lost.push(format!("{external_id} was asked for until it was there")),
        }
    }
    for payment in payments {
        if !book.wanted.contains_key(&payment.external_id) {
            findings.wrong.push(format!("nobody asked for {}", payment.external_id));
        }
    }
}

/// Each payment's transitions are numbered without gaps, and none is told twice; what an operator decides may be what had
/// happened before.
async fn logs(db: &Database, payments: &[payment::Model], findings: &mut Findings) {
    use payment_log::Column::{Data, EventType, PaymentId as Payment, Sequence};

    let rows: Vec<(PaymentId, i32, String, serde_json::Value)> = payment_log::Entity::find()
        .select_only()
        .columns([Payment, Sequence, EventType, Data])
        .filter(Sequence.is_not_null())
        .order_by_asc(Sequence)
        .into_tuple()
        .all(&**db)
        .await
        .unwrap();
    let mut lives: BTreeMap<PaymentId, Vec<(i32, String)>> = BTreeMap::new();
    for (id, sequence, mut event, data) in rows {
        if data["trigger"] == "verdict" {
            event.push_str(" by verdict");
        }
        lives.entry(id).or_default().push((sequence, event));
    }
    for payment in payments {
        let life = lives.remove(&payment.id).unwrap_or_default();
        let numbers: Vec<i32> = life.iter().map(|(number, _)| *number).collect();
        if numbers != (1..=payment.sequence).collect::<Vec<_>>() {
            findings.wrong.push(format!("{}: {numbers:?} of {}", payment.external_id, payment.sequence));
        }
        let events: BTreeSet<&str> = life.iter().map(|(_, event)| event.as_str()).collect();
        if events.len() != life.len() {
            findings.doubled.push(format!("{}: {life:?}", payment.external_id));
        }
    }
}

/// Each transition was told, as itself, and each letter as one event.
async fn events(db: &Database, consumer: &Consumer, findings: &mut Findings) {
    let (owed, received) = (delivered(db).await, consumer.payments());
    let missed = owed.iter().filter(|(id, what)| received.get(*id) != Some(*what));
    findings
        .lost
        .extend(missed.map(|(id, what)| format!("the event {id}, {what:?}, was heard as {:?}", received.get(id))));
    let invented = received.keys().filter(|id| !owed.contains_key(*id));
    findings.wrong.extend(invented.map(|id| format!("the event {id} did not happen")));
    let (mut letters, accepted) = (BTreeSet::new(), consumer.accepted());
    for (id, event) in &accepted {
        if event.letter.is_some_and(|letter| !letters.insert(letter)) {
            findings.doubled.push(format!("the event {id} tells of a letter that was told of"));
        }
        if event.bodies != 1 {
            findings.wrong.push(format!("the event {id} came with {} bodies", event.bodies));
        }
    }
    if consumer.forged() > 0 {
        findings.wrong.push(format!("{} requests were not signed by the endpoint's secret", consumer.forged()));
    }
}

/// One deal a payment, in the state that the payment says, and none besides.
async fn deals(payer: &Payer, payments: &[payment::Model], findings: &mut Findings) {
    let on_chain = payments.iter().filter(|payment| payment.payment_method == PaymentMethod::Web3);
    let by_reference: BTreeMap<B256, &payment::Model> =
        on_chain.map(|payment| (keccak256(payment.id.0.as_bytes()), payment)).collect();
    let mut payments_seen = BTreeSet::new();
    for reference in payer.references().await {
        match by_reference.get(&reference) {
            None => findings.wrong.push(format!("the deal {reference} is nobody's")),
            Some(payment) if !payments_seen.insert(reference) => {
                findings.doubled.push(format!("{} has a second deal", payment.external_id));
            }
            Some(_) => {}
        }
    }
    let references: Vec<B256> = by_reference.keys().copied().collect();
    let states = payer.deal_states(&references).await.unwrap();
    for (payment, state) in by_reference.values().zip(states) {
        let expected: &[u8] = match payment.status {
            PaymentStatus::Open => &[1],
            PaymentStatus::Paid => &[2],
            PaymentStatus::Completed => &[3],
            PaymentStatus::Canceled if payment.deal_id.is_none() => &[0],
            PaymentStatus::Canceled | PaymentStatus::Expired | PaymentStatus::Refunded => &[4],
            PaymentStatus::Pending
            | PaymentStatus::Submitted
            | PaymentStatus::Canceling
            | PaymentStatus::Rejected
            | PaymentStatus::Failed
            | PaymentStatus::NeedsReview => &[],
        };
        if !expected.contains(&state) {
            findings.wrong.push(format!("{} is {:?}, its deal {state}", payment.external_id, payment.status));
        }
    }
}

/// As many nonces as the chain counts, each stored once, each mined once.
async fn nonces(db: &Database, payer: &Payer, findings: &mut Findings) {
    let sql = "SELECT s.signer AS signer, s.nonce AS nonce, l.next_nonce AS next_nonce, \
        (SELECT COUNT(*) FROM chain_attempts a WHERE a.send_id = s.id AND a.mined_number IS NOT NULL) AS mined \
        FROM chain_sends s JOIN chain_lanes l ON l.network_id = s.network_id AND l.signer = s.signer \
        ORDER BY s.signer, s.nonce";
    let rows: Vec<SendRow> = statement(db, sql, vec![]).await;
    let mut lanes: BTreeMap<String, Vec<SendRow>> = BTreeMap::new();
    for row in rows {
        lanes.entry(row.signer.clone()).or_default().push(row);
    }
    for (signer, sends) in lanes {
        let first = sends[0].nonce;
        let dense = (first..).zip(&sends).all(|(nonce, send)| send.nonce == nonce);
        let address: Address = signer.parse().unwrap();
        let used = i64::try_from(payer.transactions_of(address).await).unwrap();
        let after = first + i64::try_from(sends.len()).unwrap();
        if !dense || used != after || sends[0].next_nonce != Some(after) {
            let next = sends[0].next_nonce;
            let summary = format!("{} sends from {first} on, {used} on chain, next {next:?}", sends.len());
            findings.wrong.push(format!("nonces of {signer}: {summary}"));
        }
        for send in sends.iter().filter(|send| send.mined != 1) {
            findings.wrong.push(format!("nonce {} of {signer} has {} mined attempts", send.nonce, send.mined));
        }
    }
}

/// How many payments that existed by then still wait for their deal.
pub(crate) async fn waiting_since(db: &Database, time: chrono::DateTime<Utc>) -> i64 {
    #[derive(FromQueryResult)]
    struct Count {
        rows: i64,
    }
    let sql = "SELECT COUNT(*) AS rows FROM payments WHERE status = 'pending' AND created_at <= $1";
    statement::<Count>(db, sql, vec![time.into()]).await[0].rows
}

/// The rows of payments by their external ids.
pub(crate) async fn by_external_id(db: &Database, external_ids: &[String]) -> Vec<payment::Model> {
    let named = payment::Column::ExternalId.is_in(external_ids.iter().map(String::as_str));
    payment::Entity::find().filter(named).all(&**db).await.unwrap()
}

/// Those of the payments that are open.
pub(crate) async fn open_among(db: &Database, external_ids: &[String]) -> Vec<String> {
    let mut open = Vec::new();
    for ids in external_ids.chunks(500) {
        let rows = by_external_id(db, ids).await;
        open.extend(rows.into_iter().filter(|row| row.status == PaymentStatus::Open).map(|row| row.external_id));
    }
    open
}

/// Of how many letters operators were told.
async fn letters_announced(db: &Database) -> usize {
    let sql = "SELECT 'letters' AS what, COUNT(*) AS rows FROM notices WHERE key LIKE 'dead_letter:%'";
    usize::try_from(statement::<Pending>(db, sql, vec![]).await[0].rows).unwrap()
}

/// Whether a message has more than one next try.
pub(crate) async fn tried_twice(db: &Database) -> bool {
    let sql = "SELECT 'tries' AS what, COUNT(*) AS rows FROM \
        (SELECT message_id FROM outbox GROUP BY message_id, attempts HAVING COUNT(*) > 1) AS doubled";
    statement::<Pending>(db, sql, vec![]).await[0].rows > 0
}

/// Whether a transaction with this payment's opening is in a block that is not final yet.
pub(crate) async fn mined_not_final(db: &Database, subject: Uuid) -> bool {
    let sql = "SELECT COUNT(*) AS rows, 'mined' AS what FROM chain_operations o JOIN chain_sends s ON s.id = o.send_id \
        WHERE o.subject_id = $1 AND s.status = 'mined'";
    statement::<Pending>(db, sql, vec![subject.into()]).await[0].rows > 0
}
