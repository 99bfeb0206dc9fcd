//! The recorder of this process, and what it shows from the start.

use std::time::Duration;

use anyhow::Context;
use meters::{Kind, Meter};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use payments::jobs::QUEUES;
use queue::Health;

/// The metrics of every crate that a process may run.
const TABLES: [&[Meter]; 8] = [
    meters::PROCESS,
    api::METERS,
    chain::METERS,
    gateways::METERS,
    payments::METERS,
    queue::METERS,
    webhooks::METERS,
    worker::METERS,
];

/// How often measured durations are put into their buckets where nobody scrapes; until then each takes memory.
const UPKEEP_EVERY: Duration = Duration::from_secs(15);

/// Installs the recorder and brings into being every series that is known beforehand.
pub(crate) fn install() -> anyhow::Result<PrometheusHandle> {
    let mut builder = PrometheusBuilder::new();
    for meter in TABLES.into_iter().flatten() {
        if let Kind::Histogram(bounds) = meter.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(meter.name.to_owned()), bounds)?;
        }
    }
    let handle = builder.install_recorder().context("metrics")?;
    for table in TABLES {
        meters::register(table, &[("queue", QUEUES)]);
    }
    Ok(handle)
}

/// Runs for as long as the process.
pub(crate) async fn upkeep(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        handle.run_upkeep();
    }
}

/// What is scraped, with what costs nothing to find out measured anew.
pub(crate) fn render(handle: &PrometheusHandle, broker: &Health) -> String {
    meters::sample_process();
    queue::sample_broker(broker);
    handle.render()
}
