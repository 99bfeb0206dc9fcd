//! What is counted of messages and of the database.

use meters::{
    Meter, SECONDS,
    Values::{Given, Known},
};

use crate::health::Health;

/// Every metric of this crate. The values of `queue` are whose queues the process knows.
pub const METERS: &[Meter] = &[
    Meter::counter(
        "quittance_jobs_total",
        "Job runs by queue and outcome (done, retried, snoozed, dead)",
        &[("queue", Given), ("outcome", Known(&["done", "retried", "snoozed", "dead"]))],
    ),
    Meter::histogram(
        "quittance_job_seconds",
        "Time a job took, or a batch of them, by queue",
        SECONDS,
        &[("queue", Given)],
    ),
    Meter::counter(
        "quittance_acks_lost_total",
        "Acknowledgements that did not arrive: redeliveries to come, by queue",
        &[("queue", Given)],
    ),
    Meter::counter(
        "quittance_published_total",
        "Messages published, by outcome (confirmed, unknown)",
        &[("outcome", Known(&["confirmed", "unknown"]))],
    ),
    Meter::counter(
        "quittance_dead_letters_total",
        "Dead letters, by queue and origin (job, broker)",
        &[("queue", Given), ("origin", Known(&["job", "broker"]))],
    ),
    Meter::gauge(
        "quittance_dead_letters",
        "Letters that are dead, by queue; counted up to 100000",
        &[("queue", Given)],
    ),
    Meter::counter(
        "quittance_redrive_replays_total",
        "Dead letters replayed by redrive runs, by queue",
        &[("queue", Given)],
    ),
    Meter::counter(
        "quittance_replay_outcomes_total",
        "What became of replayed letters, by outcome (resolved, dead_again)",
        &[("outcome", Known(&["resolved", "dead_again"]))],
    ),
    Meter::gauge("quittance_outbox_pending", "Rows in the outbox, scheduled ones included; counted up to 10000", &[]),
    Meter::gauge("quittance_outbox_oldest_seconds", "How long the longest due row has been due", &[]),
    Meter::counter(
        "quittance_database_refused_writes_total",
        "Statements and commits that the database refused because it takes nothing (full, broken, read_only), by why",
        &[("why", Known(&["full", "broken", "read_only"]))],
    ),
    Meter::gauge("quittance_queue_depth", "Messages that wait for a consumer, by queue", &[("queue", Given)]),
    Meter::gauge(
        "quittance_broker_parts_down",
        "Publishers, consumers and relays of this process that are without their broker",
        &[],
    ),
];

/// Counts the parts that are down. Nothing is asked for it, so that it may be done for each scrape.
pub fn sample_broker(health: &Health) {
    let down = health.parts().iter().filter(|part| !part.up).count();
    metrics::gauge!("quittance_broker_parts_down").set(f64::from(u32::try_from(down).unwrap_or(u32::MAX)));
}
