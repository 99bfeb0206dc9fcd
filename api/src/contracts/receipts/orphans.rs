//! Files that no receipt names, taken away after a while. Here and not with a worker, because the process that serves files is
//! the one that reaches their store.

use std::time::Duration;

use anyhow::Context;
use chrono::TimeDelta;
use entities::now;
use payments::uploads;
use tokio_util::sync::CancellationToken;

use crate::state::State;

/// Pause between two sweeps.
const EVERY: Duration = Duration::from_secs(600);

/// Files of one step, so that no step holds its locks for long.
const STEP: u64 = 100;

/// Steps one after another; what is left then is taken the next time.
const STEPS_MAX: usize = 100;

/// Runs until it is told to stop; what fails is tried again the next time.
pub(crate) async fn run(state: State, stop: CancellationToken) {
    loop {
        if let Some(Err(error)) = stop.run_until_cancelled(remove(&state)).await {
            tracing::warn!("files that no receipt names could not be taken away; trying again later: {error:#}");
        }
        if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}

/// Takes away what is due, and tells how many files that were.
///
/// # Errors
/// When the database or the store does not answer.
pub async fn remove(state: &State) -> anyhow::Result<usize> {
    let kept_for = TimeDelta::hours(state.config().receipts.upload_unnamed_hours.into());
    let mut removed = 0;
    for _ in 0..STEPS_MAX {
        let names = uploads::give_up(state.db(), now() - kept_for, STEP).await?;
        fail::fail_point!("upload.given_up");
        for name in &names {
            // First the file and then its row: whoever dies in between finds the row again.
            state.contract_state().uploads.remove(name).await.with_context(|| format!("the file {name}"))?;
            fail::fail_point!("upload.removed");
            uploads::forget(state.db(), name).await?;
        }
        removed += names.len();
        if names.is_empty() {
            break;
        }
    }
    metrics::counter!("quittance_uploads_removed_total").increment(u64::try_from(removed).unwrap_or(0));
    Ok(removed)
}
