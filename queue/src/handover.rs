//! The way from a commit to this process's relay: unpolled, and bounded.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::message::Message;

/// Messages that may wait for the relay. Above this (the broker is away, or slower than commits for long) the copies in
/// memory are dropped and the sweeper works from the rows.
const ROOM: usize = 20_000;

/// Gives what a commit enqueued to the relay.
#[derive(Clone)]
pub(crate) struct Handover {
    sender: mpsc::UnboundedSender<Committed>,
    room: Arc<Semaphore>,
}

/// What one commit enqueued and is due at once.
pub(crate) struct Committed {
    pub(crate) messages: Vec<Message>,
    at: Instant,
    _room: OwnedSemaphorePermit,
}

impl Committed {
    /// Older than this its rows are about to come due for sweepers, which then publish them.
    pub(crate) fn is_older_than(&self, age: Duration) -> bool {
        self.at.elapsed() > age
    }
}

/// The relay's end: yields what each commit enqueued. Dropping it leaves everything to sweepers.
pub struct CommittedMessages(pub(crate) mpsc::UnboundedReceiver<Committed>);

pub(crate) fn channel() -> (Handover, CommittedMessages) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Handover { sender, room: Arc::new(Semaphore::new(ROOM)) }, CommittedMessages(receiver))
}

impl Handover {
    /// Whether a relay listens. A process without one (a command-line tool) leaves its rows due at once.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(crate) fn hand_over(&self, messages: Vec<Message>) {
        let Ok(count) = u32::try_from(messages.len()) else { return };
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(count) {
            // A closed channel means that the relay has gone: the sweeper of a running process takes the rows.
            let _ = self.sender.send(Committed { messages, at: Instant::now(), _room: room });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{NewMessage, Payload};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Note;

    impl Payload for Note {
        const TYPE: &'static str = "note";
        const QUEUE: &'static str = "note.v1";

        fn subject(&self) -> crate::Subject {
            crate::Subject::default()
        }
    }

    #[tokio::test]
    async fn what_nobody_takes_is_left_to_the_table() {
        let messages = || vec![crate::outbox::message_of(NewMessage::of(&Note)); 100];
        let (handover, mut committed) = channel();
        for _ in 0..2 * ROOM / 100 {
            handover.hand_over(messages());
        }
        let mut kept = Vec::new();
        while let Ok(commit) = committed.0.try_recv() {
            kept.push(commit);
        }
        assert_eq!(kept.iter().map(|commit| commit.messages.len()).sum::<usize>(), ROOM);
        kept.truncate(1);
        handover.hand_over(messages());
        assert!(committed.0.try_recv().is_ok(), "there is room again");
        drop(committed);
        assert!(!handover.is_open());
        handover.hand_over(messages());
    }
}
