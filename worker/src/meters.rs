//! What is counted beside the jobs.

use meters::{
    Meter,
    Values::{Given, Known},
};

/// Every metric of this crate.
pub const METERS: &[Meter] = &[
    Meter::counter(
        "quittance_dead_letters_resolved_total",
        "Dead letters whose effect was there, so that they were resolved, by queue",
        &[("queue", Given)],
    ),
    Meter::counter(
        "quittance_orders_removed_total",
        "Orders that nobody tried to pay in time and that were removed",
        &[],
    ),
    Meter::gauge(
        "quittance_payments_waiting",
        "Payments that wait for us or their rail, by status; paid: whose release was requested; counted up to 10000",
        &[("status", Known(WAITING))],
    ),
    Meter::gauge(
        "quittance_payments_oldest_seconds",
        "How long nothing has happened to the payment that waits longest, by status",
        &[("status", Known(WAITING))],
    ),
    Meter::gauge("quittance_reviews_waiting", "Payments that wait for an operator's verdict; counted up to 10000", &[]),
    Meter::gauge("quittance_reviews_oldest_seconds", "How long the one of them has waited that waits longest", &[]),
    Meter::counter(
        "quittance_stragglers_total",
        "Payments and others that waited for too long and were moved on from the database, by step",
        &[("step", Known(STEPS))],
    ),
    Meter::counter(
        "quittance_straggler_failures_total",
        "What waited for too long and could not be moved on, by step",
        &[("step", Known(STEPS))],
    ),
];

const WAITING: &[&str] = &["pending", "submitted", "paid", "canceling"];

const STEPS: &[&str] =
    &["open", "expire", "release", "cancel", "close", "lapse", "announce", "recover", "invoice", "look", "settle"];
