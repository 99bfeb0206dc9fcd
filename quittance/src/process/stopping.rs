//! Stopping in time: what is under way may finish, unless the database takes nothing, for then nothing can.

use std::time::Duration;

use queue::{Broker, Database};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

/// How long nobody asks whether the database can be written: nearly everything ends sooner.
const GRACE: Duration = Duration::from_secs(2);

/// How long one answer may take, and how many times in a row it has to be no.
const ANSWER: Duration = Duration::from_secs(1);
const ANSWERS: u32 = 3;

/// How long what carries messages may take where the database takes nothing.
const LAST: Duration = Duration::from_secs(2);

/// Waits for what is under way. Where the database takes nothing it is given up, and answered false: what is not
/// committed comes again at the next start, as after a kill.
pub(super) async fn finish(db: &Database, under_way: impl Future<Output = ()>) -> bool {
    tokio::select! {
        () = under_way => true,
        () = nothing_is_taken(db) => {
            tracing::warn!("stopping at once: the database takes nothing, so that nothing under way can be finished");
            false
        }
    }
}

async fn nothing_is_taken(db: &Database) {
    sleep(GRACE).await;
    let mut refusals = 0;
    while refusals < ANSWERS {
        let taken = timeout(ANSWER, db.check_writing()).await.is_ok_and(|checked| checked.is_ok());
        refusals = if taken { 0 } else { refusals + 1 };
        sleep(ANSWER / 2).await;
    }
}

/// Ends what carries messages: what was committed last is still published, and what is done is deleted.
pub(super) async fn carry_on(finished: bool, relay: AbortOnDropHandle<()>, broker: &dyn Broker) {
    let end = async {
        if let Err(error) = relay.await {
            tracing::error!(%error, "the relay broke off");
        }
        broker.close().await;
    };
    if finished {
        end.await;
    } else if timeout(LAST, end).await.is_err() {
        tracing::warn!("finished outbox rows could not be deleted in time; they will come again");
    }
}
