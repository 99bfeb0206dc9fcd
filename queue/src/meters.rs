//! What the metrics of this crate mean.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Describes all metrics of this crate to the installed recorder. To be called once, after it was installed.
pub fn describe_metrics() {
    describe_counter!("quittance_jobs_total", "Job runs by queue and outcome (done, retried, snoozed, dead)");
    describe_histogram!("quittance_job_seconds", Unit::Seconds, "Time a job took, or a batch of them, by queue");
    describe_counter!(
        "quittance_acks_lost_total",
        "Acknowledgements that did not arrive: redeliveries to come, by queue"
    );
    describe_counter!("quittance_published_total", "Messages published, by outcome (confirmed, unknown)");
    describe_counter!("quittance_dead_letters_total", "Dead letters, by queue and origin (job, broker)");
    describe_gauge!("quittance_dead_letters", "Letters that are dead, by queue; counted up to 100000");
    describe_counter!("quittance_redrive_replays_total", "Dead letters replayed by redrive runs, by queue");
    describe_counter!(
        "quittance_replay_outcomes_total",
        "What became of replayed letters, by outcome (resolved, dead_again)"
    );
    describe_gauge!("quittance_outbox_pending", "Rows in the outbox, scheduled ones included; counted up to 10000");
    describe_gauge!("quittance_outbox_oldest_seconds", Unit::Seconds, "How long the longest due row has been due");
    describe_counter!(
        "quittance_database_refused_writes_total",
        "Statements and commits that the database refused because it takes nothing (full, broken, read_only), by why"
    );
    describe_gauge!("quittance_queue_depth", "Messages that wait for a consumer, by queue");
}
