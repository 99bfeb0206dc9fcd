//! A gateway whose answers are counted.

use std::sync::Arc;

use crate::{
    Error, Source,
    gateway::{Callback, CallbackRefused, Gateway, Handle, Notification, Order, Payment, Refund, Refunded},
};

/// Counts what becomes of each request and hands it on.
pub(crate) struct Measured {
    gateway: Arc<dyn Gateway>,
    source: Source,
}

impl Measured {
    /// The gateway's series are there from now on, and it counts as reachable until a request shows that it is not.
    pub(crate) fn new(gateway: Arc<dyn Gateway>, source: Source) -> Self {
        for outcome in OUTCOMES {
            count(source, outcome, 0);
        }
        reachable(source, true);
        Self { gateway, source }
    }

    fn seen<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        let outcome = match &answer {
            Ok(_) | Err(Error::Declined { .. }) => ANSWERED,
            Err(Error::Misconfigured(_)) => MISCONFIGURED,
            Err(Error::Unavailable(_)) => UNAVAILABLE,
            Err(Error::Unknown(_)) => UNKNOWN,
        };
        count(self.source, outcome, 1);
        reachable(self.source, matches!(outcome, ANSWERED | MISCONFIGURED));
        answer
    }
}

const ANSWERED: &str = "answered";
const MISCONFIGURED: &str = "misconfigured";
const UNAVAILABLE: &str = "unavailable";
const UNKNOWN: &str = "unknown";
const OUTCOMES: [&str; 4] = [ANSWERED, MISCONFIGURED, UNAVAILABLE, UNKNOWN];

fn count(source: Source, outcome: &'static str, requests: u64) {
    metrics::counter!("quittance_gateway_requests_total", "gateway" => source.code(), "outcome" => outcome)
        .increment(requests);
}

fn reachable(source: Source, is_reachable: bool) {
    metrics::gauge!("quittance_gateway_reachable", "gateway" => source.code()).set(u8::from(is_reachable));
}

#[async_trait::async_trait]
impl Gateway for Measured {
    async fn open(&self, order: &Order) -> Result<Payment, Error> {
        self.seen(self.gateway.open(order).await)
    }

    async fn look_up(&self, handle: &Handle) -> Result<Option<Payment>, Error> {
        self.seen(self.gateway.look_up(handle).await)
    }

    async fn capture(&self, handle: &Handle) -> Result<Payment, Error> {
        self.seen(self.gateway.capture(handle).await)
    }

    async fn close(&self, handle: &Handle) -> Result<Payment, Error> {
        self.seen(self.gateway.close(handle).await)
    }

    async fn refund(&self, handle: &Handle, refund: &Refund) -> Result<Refunded, Error> {
        self.seen(self.gateway.refund(handle, refund).await)
    }

    async fn look_up_refund(&self, handle: &Handle, refund: &Refund) -> Result<Option<Refunded>, Error> {
        self.seen(self.gateway.look_up_refund(handle, refund).await)
    }

    fn claims(&self, callback: &Callback<'_>) -> Result<Option<Notification>, CallbackRefused> {
        self.gateway.claims(callback)
    }

    /// Callbacks are the gateway's requests and not ours, whatever strangers send in its name.
    async fn receive(&self, callback: &Callback<'_>) -> Result<Notification, CallbackRefused> {
        self.gateway.receive(callback).await
    }
}
