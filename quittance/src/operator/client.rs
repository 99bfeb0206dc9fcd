//! The operators' API.

use anyhow::{Context, bail};
use reqwest::{RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{Access, terminal::text};
use crate::{bootstrap, settings::Settings};

/// Signed in as an integration.
pub(crate) struct Client {
    http: reqwest::Client,
    base_url: String,
    api_key: String,
    secret_key: SecretString,
    token: Mutex<SecretString>,
}

/// The instance did not answer at all: it may be starting again.
#[derive(Debug, thiserror::Error)]
#[error("the instance at {0} does not answer; is it running?")]
pub(crate) struct NoResponse(String);

impl Client {
    /// Signs in with what was given, or else with what the first start has written into the data folder.
    pub(crate) async fn sign_in(settings: &Settings, access: Access) -> anyhow::Result<Self> {
        let Access { url, api_key, api_secret } = access;
        let (base_url, api_key, secret_key) = match (url, api_key, api_secret) {
            (Some(url), Some(key), Some(secret)) => (url, key, secret),
            (url, key, secret) => {
                let first = bootstrap::read(settings).context(
                    "no instance and no credentials: pass --url, --api-key and --api-secret (or QUITTANCE_URL, \
                     QUITTANCE_API_KEY and QUITTANCE_API_SECRET), or name the data folder of an embedded instance",
                )?;
                let own = first.integration;
                // Both or neither are given. Credentials of this machine are not sent to another one by accident.
                if url.is_some() && key.is_none() {
                    bail!("--url goes together with --api-key and --api-secret");
                }
                (first.base_url, key.unwrap_or(own.api_key), secret.unwrap_or(own.secret_key))
            }
        };
        let client = Self {
            http: reqwest::Client::builder().timeout(std::time::Duration::from_secs(40)).build()?,
            base_url: base_url.trim_end_matches('/').to_owned(),
            api_key,
            secret_key: secret_key.into(),
            token: Mutex::default(),
        };
        client.renew().await?;
        Ok(client)
    }

    /// Gets what is below `/api/v1`.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        let url = Url::parse_with_params(&self.url(path), query).context("--url")?;
        self.send(|| self.http.get(url.clone())).await
    }

    /// Posts to what is below `/api/v1`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(|| self.http.post(self.url(path)).json(body)).await
    }

    /// The same, for what must not be done twice: with an idempotency key of its own.
    pub(crate) async fn post_once(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let key = uuid::Uuid::now_v7().to_string();
        self.send(|| self.http.post(self.url(path)).header("idempotency-key", &key).json(body)).await
    }

    /// Changes what is below `/api/v1`.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(|| self.http.patch(self.url(path)).json(body)).await
    }

    /// Puts what is below `/api/v1`, at a path of these parts.
    pub(crate) async fn put(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        let mut url = Url::parse(&self.url("")).context("--url")?;
        url.path_segments_mut().map_err(|()| anyhow::anyhow!("--url is no web address"))?.extend(path);
        self.send(|| self.http.put(url.clone()).json(body)).await
    }

    /// Deletes what is below `/api/v1`.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.send(|| self.http.delete(self.url(path))).await.map(drop)
    }

    /// Tokens live for an hour; whoever watches for longer gets a new one.
    async fn send(&self, request: impl Fn() -> RequestBuilder) -> anyhow::Result<Value> {
        for again in [false, true] {
            let token = self.token.lock().await.expose_secret().to_owned();
            let (status, body) = self.exchange(request().bearer_auth(token)).await?;
            if status == StatusCode::UNAUTHORIZED && !again {
                self.renew().await?;
                continue;
            }
            return read(status, body);
        }
        bail!("the instance does not accept its own token")
    }

    async fn renew(&self) -> anyhow::Result<()> {
        let credentials = json!({ "api_key": self.api_key, "secret_key": self.secret_key.expose_secret() });
        let authenticate = self.http.post(format!("{}/api/v1/auth/authenticate", self.base_url)).json(&credentials);
        let (status, body) = self.exchange(authenticate).await?;
        let tokens = read(status, body)?;
        let token = tokens["access_token"].as_str().context("the answer holds no token")?;
        *self.token.lock().await = token.into();
        Ok(())
    }

    async fn exchange(&self, request: RequestBuilder) -> anyhow::Result<(StatusCode, Value)> {
        let answer = request
            .send()
            .await
            .map_err(|error| anyhow::Error::from(error.without_url()).context(NoResponse(self.base_url.clone())))?;
        let status = answer.status();
        if status == StatusCode::NO_CONTENT {
            return Ok((status, Value::Null));
        }
        let body = answer.json().await.with_context(|| format!("answered {status} without JSON"))?;
        Ok((status, body))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.base_url)
    }
}

/// The answer's body; a problem becomes an error that says what the API says.
fn read(status: StatusCode, body: Value) -> anyhow::Result<Value> {
    if status.is_success() {
        return Ok(body);
    }
    bail!("{status}: {} (request {})", text(&body, "detail"), text(&body, "request_id"))
}
