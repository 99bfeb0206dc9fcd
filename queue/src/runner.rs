//! The job runner: one lane per queue takes deliveries, runs their job and settles what became of it.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    broker::Broker,
    database::Database,
    registry::{AnyJob, Registry},
    reports::{self, LaneCounters},
};

mod lane;
mod marks;
mod pending;
mod settle;
mod work;

use lane::Lane;
use marks::Marks;
use work::Work;

/// How long jobs that are running at shutdown may take to finish.
const DRAIN: Duration = Duration::from_secs(30);

/// How often the depth of the queues is measured.
const MEASURE: Duration = Duration::from_secs(15);

/// Runs the registered jobs of this process.
pub struct Runner<C> {
    db: Database,
    broker: Arc<dyn Broker>,
    jobs: Vec<Arc<dyn AnyJob<C>>>,
    context: Arc<C>,
    drain: Duration,
    marks: Arc<Marks>,
}

/// A queue was asked for that has no job.
#[derive(Debug, thiserror::Error)]
#[error("there is no queue {unknown}; there are {known}")]
pub struct UnknownQueue {
    unknown: String,
    known: String,
}

impl<C: Send + Sync + 'static> Runner<C> {
    #[must_use]
    pub fn new(db: Database, broker: Arc<dyn Broker>, registry: Registry<C>, context: Arc<C>) -> Self {
        Self { db, broker, jobs: registry.jobs, context, drain: DRAIN, marks: Arc::default() }
    }

    /// Only these queues, named in full (`open_deal.v1`) or by their kind (`open_deal`); `None` stays with all.
    ///
    /// # Errors
    /// A name is not that of a registered job; the process cannot start.
    pub fn queues(mut self, names: Option<&[String]>) -> Result<Self, UnknownQueue> {
        let Some(names) = names else { return Ok(self) };
        let named = |job: &Arc<dyn AnyJob<C>>, name: &String| {
            let traits = job.traits();
            name == traits.queue || name == traits.kind
        };
        if let Some(unknown) = names.iter().find(|name| !self.jobs.iter().any(|job| named(job, name))) {
            let known: Vec<_> = self.jobs.iter().map(|job| job.traits().queue).collect();
            return Err(UnknownQueue { unknown: unknown.clone(), known: known.join(", ") });
        }
        self.jobs.retain(|job| names.iter().any(|name| named(job, name)));
        Ok(self)
    }

    /// How long jobs that are running when [`Self::run`] is cancelled may take to finish; 30 s unless set.
    #[must_use]
    pub fn drain(mut self, within: Duration) -> Self {
        self.drain = within;
        self
    }

    /// Runs until cancelled; then takes no more, lets running jobs finish and returns. What was not finished in time
    /// comes again elsewhere.
    pub async fn run(self, cancellation: CancellationToken) {
        let mut lanes = JoinSet::new();
        let counters: Vec<_> = self.jobs.iter().map(|job| (job.traits().queue, LaneCounters::default())).collect();
        lanes.spawn(reports::report(self.db.clone(), counters.clone(), cancellation.clone()));
        for (job, (_, counters)) in self.jobs.into_iter().zip(counters) {
            lanes.spawn(measure(Arc::clone(&self.broker), job.traits().queue, cancellation.clone()));
            let (context, marks) = (Arc::clone(&self.context), Arc::clone(&self.marks));
            let work = Work { db: self.db.clone(), job, context, counters, marks };
            lanes.spawn(Lane::new(Arc::clone(&self.broker), work).run(cancellation.clone(), self.drain));
        }
        while let Some(ended) = lanes.join_next().await {
            if let Err(error) = ended {
                tracing::error!(error = %error, "a lane of the job runner ended");
            }
        }
        // A process without jobs keeps running all the same.
        cancellation.cancelled().await;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; depths are far below 2^52")]
async fn measure(broker: Arc<dyn Broker>, queue: &'static str, cancellation: CancellationToken) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + MEASURE, MEASURE);
    while cancellation.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Ok(depth) = broker.depth(queue).await {
            metrics::gauge!("quittance_queue_depth", "queue" => queue).set(depth as f64);
        }
    }
}
