//! The accounts as the last request read them.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Account;
use crate::problem::Problem;

/// How long they are shown without a look at the database: however many strangers ask, it is read once a second. Where
/// several processes serve, a change made in another one is seen that much later.
const FRESH: Duration = Duration::from_secs(1);

/// What was read and when.
#[derive(Default)]
pub(super) struct ShownAccounts(Mutex<Option<(Instant, Vec<Account>)>>);

impl ShownAccounts {
    /// The accounts, read by one request at a time when they are no longer fresh.
    pub(super) async fn get(
        &self,
        read: impl Future<Output = Result<Vec<Account>, Problem>>,
    ) -> Result<Vec<Account>, Problem> {
        let mut last = self.0.lock().await;
        if let Some((at, accounts)) = &*last
            && at.elapsed() < FRESH
        {
            return Ok(accounts.clone());
        }
        let at = Instant::now();
        let accounts = read.await?;
        *last = Some((at, accounts.clone()));
        Ok(accounts)
    }

    /// The next request reads them, and waits for one that is reading: that may have begun before a change.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::problem::Code;

    #[tokio::test]
    async fn a_crowd_reads_once_and_a_failure_is_not_kept() {
        let (shown, reads) = (Arc::new(ShownAccounts::default()), Arc::new(AtomicUsize::new(0)));
        let failed = shown.get(async { Err(Problem::new(Code::Unavailable)) }).await;
        assert!(failed.is_err());
        let crowd: Vec<_> = (0..100)
            .map(|_| {
                let (shown, reads) = (Arc::clone(&shown), Arc::clone(&reads));
                tokio::spawn(async move {
                    let read = async {
                        reads.fetch_add(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        Ok(super::super::built_in())
                    };
                    shown.get(read).await.unwrap().len()
                })
            })
            .collect();
        for one in crowd {
            assert_eq!(one.await.unwrap(), 2);
        }
        assert_eq!(reads.load(Ordering::SeqCst), 1);
        shown.forget().await;
        assert!(shown.get(async { Ok(Vec::new()) }).await.unwrap().is_empty(), "what was changed is read anew");
    }
}
