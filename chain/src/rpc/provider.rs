//! One JSON-RPC endpoint over HTTP.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::primitives::U64;
use reqwest::{Client, Response, Url, header::RETRY_AFTER, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{
    Answer, Call, Fault,
    answer::{TEXT_MAX, answers_of, asks_for_patience, foreign_text, has_error, refuses_batches},
    batch_size::BatchSize,
    health::Health,
    health::ProviderHealth,
    wire,
};
use crate::error::Error;

/// Bytes of an answer that are read; more is a lie or a mistake.
const ANSWER_MAX: usize = 64 << 20;
/// How long an endpoint that does not serve us is left alone.
const REFUSED: Duration = Duration::from_secs(30);

pub(crate) struct Provider {
    client: Client,
    url: SecretString,
    label: String,
    /// What it must serve, where that is known.
    chain_id: Option<u64>,
    timeout: Duration,
    batches: Mutex<BatchSize>,
    /// Whether it gives the logs of a block by the block's hash.
    logs_by_hash: AtomicBool,
    /// Whether its chain id was checked since it last failed.
    verified: AtomicBool,
    health: Mutex<Health>,
}

/// One connection pool for all endpoints. Proxies of the environment and redirects are not followed: a signed
/// transaction goes where it was configured to go.
pub(super) fn client(timeout: Duration) -> Result<Client, Error> {
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(timeout.min(Duration::from_secs(3)))
        .timeout(timeout)
        .build()
        .map_err(|error| Error::Rpc(format!("HTTP client: {error}")))
}

/// Before anything is asked of it, so that its first failure is seen as a rise.
fn register_series(label: &str) {
    metrics::counter!("quittance_chain_rpc_failures_total", "provider" => label.to_owned()).increment(0);
    metrics::counter!("quittance_chain_rpc_doubts_total", "provider" => label.to_owned()).increment(0);
    drop(metrics::histogram!("quittance_chain_rpc_seconds", "provider" => label.to_owned()));
}

impl Provider {
    pub(super) fn new(
        client: Client,
        url: SecretString,
        index: usize,
        chain_id: Option<u64>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let parsed = Url::parse(url.expose_secret())
            .map_err(|error| Error::Rpc(format!("URL of endpoint {}: {error}", index + 1)))?;
        let host = parsed.host_str().unwrap_or("?");
        let label = match parsed.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let health = Mutex::default();
        let (verified, logs_by_hash) = (AtomicBool::new(false), AtomicBool::new(true));
        if chain_id.is_some() {
            register_series(&label);
        }
        Ok(Self { client, url, label, chain_id, timeout, batches: Mutex::default(), logs_by_hash, verified, health })
    }

    /// Host and port: the URL's other parts may be secret.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn health(&self) -> Health {
        self.lock().clone()
    }

    pub(crate) fn snapshot(&self) -> ProviderHealth {
        let health = self.health();
        ProviderHealth {
            label: self.label.clone(),
            up: health.failures == 0 && health.retry_at().is_none(),
            failures: health.failures,
            last_error: health.last_error,
        }
    }

    /// Counts something against the endpoint that it answered without an error, such as being behind.
    pub(crate) fn distrust(&self, why: String) {
        metrics::counter!("quittance_chain_rpc_doubts_total", "provider" => self.label.clone()).increment(1);
        tracing::warn!(provider = self.label, why, "JSON-RPC endpoint is doubted");
        self.verified.store(false, Ordering::Release);
        self.lock().doubted(why);
    }

    /// One call whose failure is the caller's failure.
    pub(crate) async fn read(&self, call: Call) -> Result<Value, Error> {
        self.read_all(vec![call]).await?.pop().ok_or_else(|| Error::Rpc("no answer".to_owned()))
    }

    /// Calls that must all succeed; answers stand in the order of the calls.
    pub(crate) async fn read_all(&self, calls: Vec<Call>) -> Result<Vec<Value>, Error> {
        let methods: Vec<_> = calls.iter().map(|call| call.method).collect();
        let answers = self.call_all(calls).await;
        let named = methods.into_iter().zip(answers);
        named.map(|(method, answer)| answer.map_err(|fault| self.error(method, &fault))).collect()
    }

    pub(crate) fn error(&self, method: &str, fault: &Fault) -> Error {
        Error::Rpc(format!("{method} at {}: {fault}", self.label))
    }

    /// Calls, each with an answer of its own, in the order of the calls.
    pub(crate) async fn call_all(&self, calls: Vec<Call>) -> Vec<Answer> {
        let health = self.health();
        if health.resting() {
            let fault = Fault::NotSent(format!("resting after {}", health.last_error.unwrap_or_default()));
            return vec![Err(fault); calls.len()];
        }
        if let Err(fault) = self.verify().await {
            return vec![Err(fault); calls.len()];
        }
        let mut answers = Vec::with_capacity(calls.len());
        let mut rest = &calls[..];
        let mut refused = None;
        while !rest.is_empty() {
            let size = self.batches().of(rest.len());
            let (batch, after) = rest.split_at(size);
            let found = self.exchange(batch).await;
            if found.iter().all(refuses_batches) {
                if size > 1 {
                    // None of it was executed, and what is asked may be asked twice. Half of it may do; one alone will.
                    tracing::warn!(provider = self.label, size, "JSON-RPC endpoint refuses batches of this size");
                    self.batches().refused(size);
                    refused = refused.or(Some(size));
                    continue;
                }
                if let Some(size) = refused.take() {
                    self.batches().wronged(size);
                }
            } else {
                refused = None;
            }
            if size > 1 && found.iter().all(asks_for_patience) {
                tracing::warn!(provider = self.label, size, "JSON-RPC endpoint asks for patience; batches get smaller");
                self.batches().throttled(size);
                answers.extend(found);
                let unsent = |_| Err(Fault::NotSent("the endpoint asks for patience".to_owned()));
                answers.extend(after.iter().map(unsent));
                return answers;
            }
            answers.extend(found);
            rest = after;
        }
        answers
    }

    /// Whether it has taken several calls in one request, as far as it was tried.
    pub(crate) fn takes_batches(&self) -> bool {
        self.batches().of(2) > 1
    }

    /// Whether it may be asked for the logs of a block by its hash.
    pub(crate) fn gives_logs_by_hash(&self) -> bool {
        self.logs_by_hash.load(Ordering::Relaxed)
    }

    /// It has refused that, and will again.
    pub(crate) fn refuses_logs_by_hash(&self) {
        if self.logs_by_hash.swap(false, Ordering::Relaxed) {
            tracing::warn!(provider = self.label, "JSON-RPC endpoint gives no logs by a block's hash, only by number");
        }
    }

    /// An endpoint of another network would give answers that look good and are wrong.
    async fn verify(&self) -> Result<(), Fault> {
        let Some(expected) = self.chain_id.filter(|_| !self.verified.load(Ordering::Acquire)) else {
            return Ok(());
        };
        let unsent = |fault: Fault| Fault::NotSent(format!("chain id not confirmed ({fault})"));
        let answer = self.exchange(&[Call::new("eth_chainId", json!([]))]).await.pop();
        let value = answer.unwrap_or_else(|| Err(Fault::Lost("no answer".to_owned()))).map_err(unsent)?;
        let found: U64 = wire::decode(value).map_err(|error| unsent(Fault::Lost(error.to_string())))?;
        if found.to::<u64>() != expected {
            let wrong = Error::WrongChain { provider: self.label.clone(), found: found.to(), expected };
            tracing::error!(provider = self.label, "{wrong}");
            self.failed(wrong.to_string(), Some(REFUSED));
            return Err(Fault::NotSent(wrong.to_string()));
        }
        self.verified.store(true, Ordering::Release);
        Ok(())
    }

    async fn exchange(&self, calls: &[Call]) -> Vec<Answer> {
        let started = std::time::Instant::now();
        let outcome = match tokio::time::timeout(self.timeout, self.post(calls)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Fault::Lost(format!("nothing within {} ms", self.timeout.as_millis()))),
        };
        metrics::histogram!("quittance_chain_rpc_seconds", "provider" => self.label.clone())
            .record(started.elapsed().as_secs_f64());
        match outcome {
            Ok(answers) => {
                self.lock().succeeded();
                answers
            }
            Err(fault) => {
                let pause = match &fault {
                    Fault::Http { status: 401 | 403 | 404 | 410, .. } => Some(REFUSED),
                    Fault::Http { retry_after, .. } => *retry_after,
                    _ => None,
                };
                self.failed(fault.to_string(), pause);
                vec![Err(fault); calls.len()]
            }
        }
    }

    async fn post(&self, calls: &[Call]) -> Result<Vec<Answer>, Fault> {
        let request = |(id, call): (usize, &Call)| json!({"jsonrpc": "2.0", "id": id, "method": call.method, "params": call.params});
        let body = match calls {
            [call] => request((0, call)),
            calls => Value::Array(calls.iter().enumerate().map(request).collect()),
        };
        let sent = self.client.post(self.url.expose_secret()).json(&body).send().await;
        let response = sent.map_err(|error| {
            let unsent = error.is_connect() || error.is_builder();
            // Its URL may hold a key.
            let text = describe(&error.without_url());
            if unsent { Fault::NotSent(text) } else { Fault::Lost(text) }
        })?;
        let (status, retry_after) = (response.status(), retry_after(&response));
        let bytes = body_of(response).await?;
        let parsed: Result<Value, _> = serde_json::from_slice(&bytes);
        match parsed {
            // Some nodes say what is wrong in a JSON-RPC error under an HTTP error; that is the better word, except
            // where the status is about the endpoint and not about the call.
            Ok(value) if status.is_success() || (status.as_u16() != 429 && has_error(&value)) => {
                Ok(answers_of(value, calls.len()))
            }
            _ if !status.is_success() => {
                let text = foreign_text(&String::from_utf8_lossy(&bytes), TEXT_MAX);
                Err(Fault::Http { status: status.as_u16(), retry_after, text })
            }
            Ok(_) | Err(_) => Err(Fault::Lost("the answer is not JSON".to_owned())),
        }
    }

    fn failed(&self, error: String, at_least: Option<Duration>) {
        metrics::counter!("quittance_chain_rpc_failures_total", "provider" => self.label.clone()).increment(1);
        self.verified.store(false, Ordering::Release);
        let mut health = self.lock();
        if health.failures == 0 {
            tracing::warn!(provider = self.label, error, "JSON-RPC endpoint fails");
        }
        health.failed(error, at_least);
    }

    fn batches(&self) -> MutexGuard<'_, BatchSize> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text.chars().take(TEXT_MAX).collect()
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(Duration::from_secs(600)))
}

async fn body_of(mut response: Response) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > ANSWER_MAX => {
                return Err(Fault::Lost(format!("the answer is longer than {ANSWER_MAX} bytes")));
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(error) => return Err(Fault::Lost(describe(&error.without_url()))),
        }
    }
}
