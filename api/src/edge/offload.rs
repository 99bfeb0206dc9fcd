//! Work that takes a processor for more than a millisecond, off the threads that serve requests, and never more of it at
//! once than the process has memory and processors for.
//!
//! Hashing has permits by memory: Argon2id fills 19 MiB for each hash, so that a crowd of strangers at a sign-in would else
//! take gigabytes. Neither kind of work has more permits than half of the processors, and what strangers can request
//! (hashes, files) runs at a lower priority than the threads that serve, so that what all others request is still answered
//! in time. A request that finds no permit waits in a queue that is bounded in length and time, and is then answered 503 with
//! `Retry-After`: a late answer holds a connection and helps nobody.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::available_parallelism,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    edge::{AuthConfig, EdgeState},
    problem::{Code, Problem},
};

/// Memory of one Argon2id hash with the default costs (m = 19,456 KiB), MiB.
const MIB_PER_HASH: usize = 19;

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Requests that wait for a turn with each kind of work. At 30 ms a hash on one processor they are gone within four
/// seconds; what they hold meanwhile are bodies that were read within bounds of their own.
const WAITING_MAX: usize = 128;

/// A kind of work, each with permits of its own, so that one cannot keep the other out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Making or checking the hash of a PIN or password: bounded by memory.
    Hashing,
    /// Reading foreign bytes whose check is not quick, such as an uploaded file.
    Parsing,
    /// Reading and checking a large JSON body; apart from files, so that uploads keep nobody's payments out.
    Reading,
}

impl Work {
    fn word(self) -> &'static str {
        match self {
            Self::Hashing => "hashing",
            Self::Parsing => "parsing",
            Self::Reading => "reading",
        }
    }
}

/// The permits of this process.
pub(crate) struct Offload {
    hashing: Turns,
    hashers: Threads,
    parsing: Turns,
    parsers: Threads,
    reading: Turns,
}

impl Offload {
    pub(crate) fn new(config: &AuthConfig) -> Self {
        let half = available_parallelism().map_or(1, |processors| processors.get().div_ceil(2));
        let hashes = hashes(config.hashing_memory_mib, half);
        let hashing = Turns::new(hashes);
        Self {
            hashing,
            hashers: Threads::start(hashes),
            parsing: Turns::new(half),
            parsers: Threads::start(half),
            reading: Turns::new(half),
        }
    }

    fn turns(&self, work: Work) -> &Turns {
        match work {
            Work::Hashing => &self.hashing,
            Work::Parsing => &self.parsing,
            Work::Reading => &self.reading,
        }
    }
}

/// How many may hash at once; one at least.
fn hashes(memory_mib: usize, processors: usize) -> usize {
    (memory_mib / MIB_PER_HASH).clamp(1, processors.max(1))
}

type Task = Box<dyn FnOnce() + Send>;

/// Threads of its own for what strangers can request. They give way to the threads that serve. And the allocator keeps
/// what a thread has freed in that thread's arena: on whichever of hundreds of blocking threads is free, one hash at a time
/// still came to a gigabyte.
struct Threads {
    tasks: mpsc::Sender<Task>,
}

impl Threads {
    fn start(threads: usize) -> Self {
        let (tasks, queue) = mpsc::channel::<Task>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let queue = Arc::clone(&queue);
            // It ends when the sender is gone.
            std::thread::spawn(move || {
                give_way();
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(task) = next else { return };
                    task();
                }
            });
        }
        Self { tasks }
    }

    /// What the task returns; none when it panics.
    async fn run<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let task: Task = Box::new(move || {
            if let Ok(done) = catch_unwind(AssertUnwindSafe(task)) {
                // The request that waited may be gone.
                let _ = reply.send(done);
            }
        });
        self.tasks.send(task).ok()?;
        answer.await.ok()
    }
}

/// How much later than others this thread gets a processor that both want: at 10, a tenth of the time. It still gets
/// that tenth, so that staff sign in while the machine is busy.
const NICENESS: i32 = 10;

/// Lowers the priority of the calling thread. Linux keeps it for each thread, and anybody may lower it; elsewhere the
/// permits alone must do.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::warn!(%error, "the threads that hash and read files run at the priority of those that serve");
    }
}

/// A number of permits and a bounded queue before them.
struct Turns {
    permits: Arc<Semaphore>,
    /// Places for those who work and those who wait.
    places: Arc<Semaphore>,
}

impl Turns {
    fn new(permits: usize) -> Self {
        let permits = permits.min(Semaphore::MAX_PERMITS - WAITING_MAX);
        Self { permits: Arc::new(Semaphore::new(permits)), places: Arc::new(Semaphore::new(permits + WAITING_MAX)) }
    }

    /// A turn; none when too many wait already, or the wait was too long.
    async fn take(&self, patience: Duration) -> Option<[OwnedSemaphorePermit; 2]> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let turn = tokio::time::timeout(patience, Arc::clone(&self.permits).acquire_owned()).await.ok()?.ok()?;
        Some([place, turn])
    }
}

impl EdgeState {
    /// Does the work on a thread that serves no request. The permit is the work's and not the request's: when a
    /// client hangs up the work goes on, and is counted until its end.
    ///
    /// # Errors
    /// 503 with `Retry-After` when there is too much of this work already; 500 when the work panics.
    pub(crate) async fn offload<T: Send + 'static>(
        &self,
        work: Work,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (kind, started) = (work.word(), Instant::now());
        let Some(turn) = self.offloads().turns(work).take(PATIENCE).await else {
            metrics::counter!("quittance_offload_refused_total", "work" => kind).increment(1);
            return Err(Problem::new(Code::Unavailable).retry_after(1));
        };
        metrics::histogram!("quittance_offload_wait_seconds", "work" => kind).record(started.elapsed());
        let task = move || {
            let done = task();
            drop(turn);
            done
        };
        let done = match work {
            Work::Hashing => self.offloads().hashers.run(task).await,
            Work::Parsing => self.offloads().parsers.run(task).await,
            Work::Reading => tokio::task::spawn_blocking(task).await.ok(),
        };
        done.ok_or_else(|| {
            tracing::error!(work = kind, "work off the serving threads panicked");
            Problem::new(Code::Internal)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_so_many_work_and_only_so_many_wait() {
        let turns = Arc::new(Turns::new(2));
        let short = Duration::from_millis(20);
        let held = [turns.take(short).await.unwrap(), turns.take(short).await.unwrap()];
        assert!(turns.take(short).await.is_none(), "the third waits in vain");
        let waiting: Vec<_> = (0..WAITING_MAX)
            .map(|_| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { turns.take(Duration::from_secs(60)).await.is_some() })
            })
            .collect();
        while turns.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let full = tokio::time::timeout(Duration::from_secs(1), turns.take(Duration::from_secs(60))).await;
        assert!(full.is_ok_and(|turn| turn.is_none()), "a full queue refuses at once");
        drop(held);
        for waiter in waiting {
            assert!(waiter.await.unwrap(), "everybody in the queue has a turn");
        }
        assert_eq!(turns.places.available_permits(), 2 + WAITING_MAX);
    }

    #[test]
    fn memory_and_processors_decide_how_many_hash_at_once() {
        assert_eq!([0, 19, 128, 1_024].map(|memory| hashes(memory, 32)), [1, 1, 6, 32]);
        assert_eq!(hashes(1_024, 1), 1);
    }
}
