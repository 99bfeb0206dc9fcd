//! A socket that gives up on clients who let it wait: with a request begun and not finished, between requests, or with
//! an answer they do not take.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

use crate::edge::HttpConfig;

/// What a connection is about. Shared by its socket, which sees bytes, and its service, which sees requests.
///
/// A counter: every change is a new number, so that no wait is taken for an earlier one of the same kind.
#[derive(Default)]
pub(super) struct Progress {
    number: AtomicU64,
    /// Who reads while a request is being answered, without a deadline.
    reader: AtomicWaker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing of a request has come.
    Idle,
    /// Headers are coming.
    Head,
    /// A request is being answered; its body is the handler's to wait for.
    Busy,
}

impl Progress {
    fn now(&self) -> (u64, Phase) {
        let number = self.number.load(Ordering::Relaxed);
        let phase = match number % 3 {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Busy,
        };
        (number, phase)
    }

    /// Steps forward to the next time of this phase.
    fn enter(&self, phase: Phase) {
        let (number, now) = self.now();
        if now != phase {
            self.number.store(number + (3 + phase as u64 - now as u64) % 3, Ordering::Relaxed);
        }
    }

    /// A request has been read; until the guard is dropped it is being answered.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.enter(Phase::Busy);
        Busy(Arc::clone(self))
    }
}

/// A request is being answered.
pub(super) struct Busy(Arc<Progress>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
        // Reading has to begin once more: from now on it has a deadline.
        self.0.reader.wake();
    }
}

/// How long a socket waits for its client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    idle: Duration,
    head: Duration,
    write: Duration,
}

impl Patience {
    pub(super) fn new(config: &HttpConfig) -> Self {
        Self {
            idle: Duration::from_secs(config.idle_timeout_s),
            head: Duration::from_millis(config.header_timeout_ms),
            write: Duration::from_millis(config.write_timeout_ms),
        }
    }
}

pub(super) struct Paced {
    socket: TcpStream,
    progress: Arc<Progress>,
    patience: Patience,
    /// The wait that the reading timer runs for, and since when: its beginning, or the last write.
    awaited: Option<u64>,
    since: Instant,
    reading: Pin<Box<Sleep>>,
    /// Whether the writing timer runs.
    stalled: bool,
    writing: Pin<Box<Sleep>>,
    late: bool,
}

impl Paced {
    pub(super) fn new(socket: TcpStream, progress: Arc<Progress>, patience: Patience) -> Self {
        let timer = || Box::pin(tokio::time::sleep(Duration::ZERO));
        let (reading, writing) = (timer(), timer());
        Self {
            socket,
            progress,
            patience,
            awaited: None,
            since: Instant::now(),
            reading,
            stalled: false,
            writing,
            late: false,
        }
    }

    /// Whether the client was given up on in the middle of its headers.
    pub(super) fn gave_up_on_head(&self) -> bool {
        self.late
    }

    /// The timer's end while reading waits.
    fn read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let (number, phase) = self.progress.now();
        let patience = match phase {
            Phase::Busy => {
                self.progress.reader.register(cx.waker());
                return Poll::Pending;
            }
            Phase::Head => self.patience.head,
            Phase::Idle => self.patience.idle,
        };
        if self.awaited != Some(number) {
            (self.awaited, self.since) = (Some(number), Instant::now());
            let due = self.since + patience;
            self.reading.as_mut().reset(due);
        }
        loop {
            ready!(self.reading.as_mut().poll(cx));
            let due = self.since + patience;
            if Instant::now() >= due {
                break;
            }
            self.reading.as_mut().reset(due);
        }
        self.late = phase == Phase::Head;
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// What a write has come to, or the timer's end while it waits.
    fn written(&mut self, wrote: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if wrote.is_ready() {
            self.stalled = false;
            // A client that reads its answer is not idle.
            self.since = Instant::now();
            return wrote;
        }
        if !self.stalled {
            self.stalled = true;
            self.writing.as_mut().reset(Instant::now() + self.patience.write);
        }
        ready!(self.writing.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Paced {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        if read.is_pending() {
            return self.read_deadline(cx).map(Err);
        }
        if buf.filled().len() > before && self.progress.now().1 == Phase::Idle {
            self.progress.enter(Phase::Head);
        }
        read
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.written(wrote, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.written(wrote, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wait_has_a_number_of_its_own() {
        let progress = Arc::new(Progress::default());
        let mut readings = vec![progress.now().0];
        for _ in 0..3 {
            progress.enter(Phase::Head);
            readings.push(progress.now().0);
            let busy = progress.busy();
            assert_eq!(progress.now().1, Phase::Busy);
            readings.push(progress.now().0);
            drop(busy);
            assert_eq!(progress.now().1, Phase::Idle);
            readings.push(progress.now().0);
        }
        assert!(readings.is_sorted_by(|one, next| one < next), "{readings:?}");
        // A request that was read together with the one before it has no head to wait for.
        drop(progress.busy());
        assert_eq!(progress.now().1, Phase::Idle);
    }
}
