//! A TCP connection that a test can cut.

use std::sync::Arc;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Intact,
    /// Open, but nothing goes through any more.
    Held,
    /// Ended, and new connections are refused.
    Cut,
}

/// Forwards to a server as long as it is intact.
pub(crate) struct Cable {
    pub(crate) port: u16,
    state: Arc<watch::Sender<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Cable {
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(watch::Sender::new(State::Intact));
        let states = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(forward(near, server.clone(), states.subscribe()));
            }
        });
        Self { port, state, task }
    }

    /// Ends all connections and refuses new ones.
    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Leaves all connections open and lets nothing through; what is held is lost.
    pub(crate) fn hold(&self) {
        self.state.send_replace(State::Held);
    }

    /// New connections go through again.
    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Intact);
    }
}

async fn forward(mut near: TcpStream, server: String, mut state: watch::Receiver<State>) {
    if *state.borrow() == State::Intact
        && let Ok(mut far) = TcpStream::connect(server).await
    {
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            _ = state.wait_for(|state| *state != State::Intact) => {}
        }
        let _ = state.wait_for(|state| *state != State::Held).await;
    } else {
        let _ = state.wait_for(|state| *state != State::Held).await;
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.task.abort();
    }
}
