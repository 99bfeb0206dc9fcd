//! Whether this process works, and what it counts.

use std::{collections::BTreeMap, time::Duration};

use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    payload::{Json, PlainText},
};

use super::Tag;
use crate::{
    disk::Room,
    problem::Refused,
    state::{HealthPart, State},
};

/// How long a part may take to answer.
const DEADLINE: Duration = Duration::from_secs(2);

/// Whether something works.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Condition {
    /// It works.
    Up,
    /// It does its own work; something that it hands on to others waits until a part is up again.
    Degraded,
    /// It does not.
    Down,
}

/// How one part is.
#[derive(Object)]
pub(crate) struct PartHealth {
    status: Condition,
    /// What is wrong; null when nothing is.
    detail: Option<String>,
}

/// How this process is.
#[derive(Object)]
pub(crate) struct HealthReport {
    status: Condition,
    /// Each part it depends on, by name.
    parts: BTreeMap<String, PartHealth>,
}

/// Whether the process takes work.
#[derive(ApiResponse)]
pub(crate) enum Readiness {
    /// Every part works, or every one that this process cannot do without: then the status is `degraded`.
    #[oai(status = 200)]
    Ready(Json<HealthReport>),
    /// A part that is needed does not work; the body says which.
    #[oai(status = 503)]
    NotReady(Json<HealthReport>),
}

pub(crate) struct Health(pub(crate) State);

#[OpenApi(tag = "Tag::Operations")]
impl Health {
    /// Is the process alive
    ///
    /// Answers as long as requests are served at all; for a liveness probe.
    #[oai(path = "/health/live", method = "get", operation_id = "live")]
    async fn live(&self) -> Result<Json<HealthReport>, Refused> {
        Ok(Json(HealthReport { status: Condition::Up, parts: BTreeMap::new() }))
    }

    /// Does it take work
    ///
    /// Checks everything that this process depends on; for a readiness probe. 503 says which part is down. While only the
    /// broker is away, an API process goes on accepting payments and stays ready: its status is then `degraded`.
    #[oai(path = "/health/ready", method = "get", operation_id = "ready")]
    async fn ready(&self) -> Result<Readiness, Refused> {
        let checks = self.0.health().iter().map(|part| async move { (part.name, check(part).await) });
        let mut parts: BTreeMap<String, PartHealth> = futures_util::future::join_all(checks)
            .await
            .into_iter()
            .map(|(name, part)| (name.to_owned(), part))
            .collect();
        parts.insert("database".to_owned(), self.database().await);
        if self.0.disk().is_watched() {
            parts.insert("disk".to_owned(), disk(self.0.disk().room()));
        }
        let needless = |name: &str| self.0.health().iter().any(|part| part.name == name && !part.needed);
        let mut down = parts.iter().filter(|(_, part)| part.status != Condition::Up).peekable();
        let status = match (
            down.peek().is_none(),
            down.all(|(name, part)| part.status == Condition::Degraded || needless(name)),
        ) {
            (true, _) => Condition::Up,
            (false, true) => Condition::Degraded,
            (false, false) => Condition::Down,
        };
        let report = Json(HealthReport { status, parts });
        Ok(if status == Condition::Down { Readiness::NotReady(report) } else { Readiness::Ready(report) })
    }

    /// Metrics of this process
    ///
    /// In Prometheus' text format.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self) -> Result<PlainText<String>, Refused> {
        Ok(PlainText(self.0.render_metrics()))
    }
}

impl Health {
    async fn database(&self) -> PartHealth {
        let answered = tokio::time::timeout(DEADLINE, self.0.db().check()).await;
        match answered {
            Ok(Ok(())) => condition(Ok(())),
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the database is down");
                condition(Err(error.to_string()))
            }
            Err(_) => condition(Err("took longer than two seconds".to_owned())),
        }
    }
}

fn disk(room: Room) -> PartHealth {
    let (status, detail) = match room {
        Room::Enough => (Condition::Up, None),
        Room::Little => (Condition::Degraded, Some("nearly full: what strangers send is refused")),
        Room::None => (Condition::Down, Some("full: new payments are refused")),
    };
    PartHealth { status, detail: detail.map(str::to_owned) }
}

async fn check(part: &HealthPart) -> PartHealth {
    let answered = tokio::time::timeout(DEADLINE, (part.check)()).await;
    condition(answered.unwrap_or_else(|_| Err("took longer than two seconds".to_owned())))
}

fn condition(checked: Result<(), String>) -> PartHealth {
    let status = if checked.is_ok() { Condition::Up } else { Condition::Down };
    PartHealth { status, detail: checked.err() }
}
