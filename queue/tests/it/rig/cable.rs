//! A TCP connection that a test can cut.

use std::sync::Arc;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Forwards to a server, unless it is cut.
pub(crate) struct Cable {
    pub(crate) port: u16,
    intact: Arc<watch::Sender<bool>>,
    task: tokio::task::JoinHandle<()>,
}

impl Cable {
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let intact = Arc::new(watch::Sender::new(true));
        let state = Arc::clone(&intact);
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (server, mut state) = (server.clone(), state.subscribe());
                tokio::spawn(async move {
                    if !*state.borrow() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(server).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = state.wait_for(|intact| !intact) => {}
                    }
                });
            }
        });
        Self { port, intact, task }
    }

    /// Ends all connections and refuses new ones.
    pub(crate) fn cut(&self) {
        self.intact.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.intact.send_replace(true);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.task.abort();
    }
}
