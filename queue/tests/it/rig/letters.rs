//! Dead letters in any number, without anything having died.

use std::time::Duration;

use chrono::Utc;
use queue::{
    Database, Payload,
    dead_letters::{self, Act, DeadLetter, Filter, Page},
    redrive::{self, NewRun, Run, RunState},
};
use sea_orm::{ConnectionTrait as _, Statement, Value};
use uuid::Uuid;

use super::jobs::Act as Deed;

/// A letter that is to be.
#[derive(Clone, Debug)]
pub(crate) struct Specimen {
    pub(crate) number: u32,
    pub(crate) deed: Deed,
    pub(crate) queue: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) error_code: &'static str,
    pub(crate) origin: &'static str,
    pub(crate) payment_id: Option<Uuid>,
    pub(crate) node_id: Option<Uuid>,
    /// Instead of what the job can read.
    pub(crate) body: Option<(&'static str, &'static str)>,
    pub(crate) state: &'static str,
}

impl Specimen {
    pub(crate) fn of<P: Payload>(number: u32, deed: Deed) -> Self {
        Self {
            number,
            deed,
            queue: P::QUEUE,
            kind: P::TYPE,
            error_code: "specimen",
            origin: "job",
            payment_id: None,
            node_id: None,
            body: None,
            state: "dead",
        }
    }

    fn values(&self) -> Vec<Value> {
        let id = Uuid::now_v7();
        let read = serde_json::json!({ "number": self.number, "act": self.deed }).to_string();
        let (body, encoding) = self.body.map_or((read, "text"), |(body, encoding)| (body.to_owned(), encoding));
        let payment = self.payment_id.map(|id| format!(r#""payment_id":"{id}""#)).unwrap_or_default();
        let now = Utc::now();
        vec![
            id.into(),
            Uuid::now_v7().into(),
            Uuid::now_v7().into(),
            self.queue.into(),
            self.kind.into(),
            self.origin.into(),
            body.into(),
            encoding.into(),
            format!("{{{payment}}}").into(),
            3.into(),
            self.error_code.into(),
            format!("specimen {}", self.number).into(),
            format!("{}-{}", self.error_code, self.kind).into(),
            self.payment_id.into(),
            self.node_id.into(),
            now.into(),
            now.into(),
            0.into(),
            self.state.into(),
            now.into(),
        ]
    }
}

const COLUMNS: &str = "id, outbox_id, message_id, queue, kind, origin, body, body_encoding, headers, attempts, \
    error_code, error_message, fingerprint, payment_id, node_id, first_at, last_at, replay_no, state, state_at";

/// Writes them down in this order, which is the order of their ids.
pub(crate) async fn insert(db: &Database, specimens: &[Specimen]) {
    for some in specimens.chunks(1_000) {
        let values: Vec<Vec<Value>> = some.iter().map(Specimen::values).collect();
        let mut place = 0;
        let mut row = |values: &Vec<Value>| {
            let places: Vec<_> = values
                .iter()
                .map(|_| {
                    place += 1;
                    format!("${place}")
                })
                .collect();
            format!("({})", places.join(", "))
        };
        let rows: Vec<_> = values.iter().map(&mut row).collect();
        let sql = format!("INSERT INTO dead_letters ({COLUMNS}) VALUES {}", rows.join(", "));
        let tx = db.begin().await.expect("a transaction");
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values.into_iter().flatten());
        tx.execute_raw(statement).await.expect("letters are written");
        tx.commit().await.expect("commits");
    }
}

pub(crate) const OPERATOR: Act<'static> = Act { actor: "user:test", reason: "a test" };

/// A quick run without a canary over these.
pub(crate) fn run_over(filter: Filter) -> NewRun {
    NewRun { canary: 0, rate_per_second: 10_000, ..NewRun::new(filter, OPERATOR.actor, OPERATOR.reason) }
}

pub(crate) async fn start(db: &Database, new: NewRun) -> Run {
    let mut tx = db.begin().await.expect("a transaction");
    let run = redrive::create(&mut tx, new).await.expect("a valid run");
    tx.commit().await.expect("commits");
    run
}

pub(crate) async fn run(db: &Database, id: Uuid) -> Run {
    redrive::show(db, id).await.expect("answers").expect("is there")
}

/// Waits, for five minutes at most, until the run stands there.
pub(crate) async fn until(db: &Database, id: Uuid, state: RunState) -> Run {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(300);
    loop {
        let run = run(db, id).await;
        if run.state == state {
            return run;
        }
        assert!(tokio::time::Instant::now() < deadline, "in vain: {state}, it is {run:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// All that match, newest first.
pub(crate) async fn all(db: &Database, filter: &Filter) -> Vec<DeadLetter> {
    let (mut letters, mut page) = (Vec::new(), Page { after: None, limit: 500 });
    loop {
        let found = dead_letters::search(db, filter, page).await.expect("a page");
        letters.extend(found.letters);
        match found.next {
            Some(next) => page.after = Some(next),
            None => return letters,
        }
    }
}
