//! One connection to RabbitMQ, made when it is needed and made again when it is lost.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use lapin::{Channel, Connection, ConnectionProperties, runtime::default_runtime, tcp::OwnedTLSConfig, uri::AMQPUri};
use tokio::sync::Mutex;

use crate::{
    backoff::Pauses,
    broker::BrokerError,
    health::{Health, PartHandle},
    log_throttle::LogThrottle,
};

/// Seconds between heartbeats unless the URL says otherwise: a half-open connection is noticed within twice that.
const HEARTBEAT_S: u16 = 10;

/// Longest pause between two attempts to connect.
const PAUSE_MAX: Duration = Duration::from_secs(5);

pub(super) struct SharedConnection {
    name: String,
    uri: AMQPUri,
    /// Certificates of authorities (PEM), besides the system's.
    authorities: Option<String>,
    pub(super) timeout: Duration,
    health: Health,
    /// On the board from the first use on: a process that never consumes is not ill for lack of that connection.
    part: OnceLock<PartHandle>,
    throttle: LogThrottle,
    state: Mutex<State>,
}

struct State {
    connection: Option<Connection>,
    pauses: Pauses,
    /// A caller before this time is refused: the many users of a connection share its attempts.
    not_before: Instant,
}

impl SharedConnection {
    pub(super) fn new(
        name: &str,
        url: &str,
        authorities: Option<String>,
        timeout: Duration,
        health: Health,
    ) -> Result<Self, BrokerError> {
        // The parser's own message may quote the URL, which holds a password.
        let mut uri: AMQPUri = url.parse().map_err(|_| {
            let expected = "url is neither `embedded` nor amqp[s]://user:password@host:port/vhost";
            BrokerError::Configuration(expected.to_owned())
        })?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        let pauses = Pauses::new(Duration::from_millis(200), PAUSE_MAX);
        let state = State { connection: None, pauses, not_before: Instant::now() };
        let (name, part, throttle) = (name.to_owned(), OnceLock::new(), LogThrottle::default());
        Ok(Self { name, uri, authorities, timeout, health, part, throttle, state: Mutex::new(state) })
    }

    /// A new channel, over a new connection if there is none.
    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        let part = self.part.get_or_init(|| self.health.part(format!("rabbitmq {}", self.name)));
        let mut state = self.state.lock().await;
        if state.connection.as_ref().is_none_or(|connection| !connection.status().connected()) {
            state.connection = None;
            if Instant::now() < state.not_before {
                return Err(BrokerError::Disconnected);
            }
        }
        match self.open(&mut state.connection).await {
            Ok(channel) => {
                state.pauses.reset();
                part.up();
                if self.throttle.reset() {
                    tracing::info!(connection = self.name, "connected to RabbitMQ again");
                }
                Ok(channel)
            }
            Err(error) => {
                let pause = state.pauses.next();
                state.not_before = Instant::now() + pause;
                state.connection = None;
                if self.throttle.should_log(&error) {
                    tracing::warn!(connection = self.name, error = %error, "no connection to RabbitMQ; trying again");
                } else {
                    tracing::debug!(connection = self.name, error = %error, again_in = ?pause, "no connection to RabbitMQ");
                }
                part.down(&error);
                Err(error)
            }
        }
    }

    /// Whether there is a connection. Where there is none, that is logged here, and its many users need not log it.
    pub(super) async fn is_connected(&self) -> bool {
        self.state.lock().await.connection.as_ref().is_some_and(|open| open.status().connected())
    }

    /// Whether the broker has said that it takes nothing more over this connection for now. Nothing is sent then, not
    /// even a channel's opening, so that whatever is asked would only run into its deadline.
    pub(super) async fn is_blocked(&self) -> bool {
        let state = self.state.lock().await;
        state.connection.as_ref().is_some_and(|open| open.status().connected() && open.status().blocked())
    }

    async fn open(&self, connection: &mut Option<Connection>) -> Result<Channel, BrokerError> {
        let open = match connection {
            Some(open) => open,
            None => {
                let properties =
                    ConnectionProperties::default().with_connection_name(format!("quittance {}", self.name).into());
                let tls = OwnedTLSConfig { identity: None, cert_chain: self.authorities.clone() };
                let connect =
                    Connection::connect_uri_with_config(self.uri.clone(), properties, tls, default_runtime()?);
                connection.insert(within(self.timeout, "connecting", connect).await?)
            }
        };
        within(self.timeout, "opening a channel", open.create_channel()).await
    }

    pub(super) async fn close(&self) {
        if let Some(connection) = self.state.lock().await.connection.take() {
            // A broker that does not answer notices the end of the connection by itself.
            let _ = within(self.timeout, "closing", connection.close(200, "bye".into())).await;
        }
    }
}

/// Every call to the broker has a deadline: a quorum queue without a leader answers never.
pub(super) async fn within<T>(
    timeout: Duration,
    what: &'static str,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(timeout, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(BrokerError::Timeout(what)),
    }
}
