//! Closed-loop load: every connection sends its next request when the last one was answered.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{http::Connection, merchant::Merchant};

/// How much to send: whichever limit is reached first ends it.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) requests: usize,
    pub(crate) time: Duration,
}

/// What the requests of one measurement led to.
#[derive(Default)]
pub(crate) struct Outcome {
    /// How long each 201 took, sorted.
    pub(crate) created: Vec<Duration>,
    /// Requests with any other response, or none.
    pub(crate) errors: usize,
    pub(crate) first_error: Option<String>,
    /// When the first 201 came.
    pub(crate) first_at: Option<Instant>,
    pub(crate) elapsed: Duration,
}

/// Creates payments whose external ids start with `name`.
pub(crate) async fn create_payments(merchant: &Rc<Merchant>, name: &str, limits: Limits) -> anyhow::Result<Outcome> {
    let left = Rc::new(Cell::new(limits.requests));
    let mut connections = Vec::with_capacity(limits.connections);
    for _ in 0..limits.connections {
        connections.push(Connection::open(&merchant.address).await?);
    }
    let started = Instant::now();
    let mut senders = JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        let (merchant, left, name) = (Rc::clone(merchant), Rc::clone(&left), format!("{name}-{number:03}"));
        senders.spawn_local(send(merchant, connection, name, left, started + limits.time));
    }
    let mut outcome = Outcome::default();
    while let Some(sent) = senders.join_next().await {
        let sent = sent?;
        outcome.created.extend(sent.created);
        outcome.errors += sent.errors;
        outcome.first_error = outcome.first_error.or(sent.first_error);
        outcome.first_at = [outcome.first_at, sent.first_at].into_iter().flatten().min();
    }
    outcome.elapsed = started.elapsed();
    outcome.created.sort_unstable();
    Ok(outcome)
}

async fn send(
    merchant: Rc<Merchant>,
    mut connection: Connection,
    name: String,
    left: Rc<Cell<usize>>,
    until: Instant,
) -> Outcome {
    let mut outcome = Outcome::default();
    // Only the number changes from request to request, and never its length.
    let mut request = merchant.create(&format!("{name}-{:09}", 0));
    let digits = format!("{name}-000000000");
    let at = request.windows(digits.len()).position(|bytes| bytes == digits.as_bytes()).unwrap_or_default();
    let number_at = at + name.len() + 1;
    for number in 0.. {
        if left.get() == 0 || Instant::now() >= until {
            break;
        }
        left.set(left.get() - 1);
        request[number_at..number_at + 9].copy_from_slice(format!("{number:09}").as_bytes());
        let sent_at = Instant::now();
        let failed = match connection.exchange(&request).await {
            Ok(answer) if answer.status == 201 => {
                outcome.created.push(sent_at.elapsed());
                outcome.first_at.get_or_insert_with(Instant::now);
                continue;
            }
            Ok(answer) => format!("{}: {}", answer.status, String::from_utf8_lossy(answer.body)),
            Err(error) => format!("{error:#}"),
        };
        outcome.errors += 1;
        outcome.first_error.get_or_insert(failed);
        match Connection::open(&merchant.address).await {
            Ok(again) => connection = again,
            Err(_) => break,
        }
    }
    outcome
}
