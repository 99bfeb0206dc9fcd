//! Access tokens for client credentials (OAuth 2.0), fetched when they are needed and kept while they are good.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::{
    Error,
    http::{self, Effect, Http, HttpResponse},
};

/// How long before its end a token is no longer used, at most.
const MARGIN: Duration = Duration::from_secs(60);

/// Sends requests with a token.
pub(crate) struct OAuth {
    http: Http,
    path: &'static str,
    scope: Option<&'static str>,
    client_id: String,
    client_secret: SecretString,
    /// Held while a token is fetched, so that those who come meanwhile wait for that one.
    cache: Mutex<TokenCache>,
}

#[derive(Default)]
struct TokenCache {
    token: Option<Token>,
    /// The last attempt to get a token that failed.
    failed: Option<(Instant, Error)>,
}

struct Token {
    value: SecretString,
    until: Instant,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: SecretString,
    /// The lifetime of the token, seconds.
    expires_in: u64,
}

impl OAuth {
    pub(crate) fn new(
        http: Http,
        path: &'static str,
        scope: Option<&'static str>,
        client_id: &str,
        client_secret: &SecretString,
    ) -> Self {
        let (client_id, client_secret) = (client_id.to_owned(), client_secret.clone());
        Self { http, path, scope, client_id, client_secret, cache: Mutex::default() }
    }

    /// Sends; a token that the gateway no longer takes is replaced, once. What is refused for its token was not carried
    /// out, so that it may be sent again whatever its effect is.
    pub(crate) async fn send(&self, request: RequestBuilder, effect: Effect) -> Result<HttpResponse, Error> {
        let again = request.try_clone();
        let token = self.token(None).await?;
        let response = http::send(request.bearer_auth(token.expose_secret()), effect).await?;
        match again {
            Some(again) if response.status == 401 => {
                let token = self.token(Some(&token)).await?;
                http::send(again.bearer_auth(token.expose_secret()), effect).await
            }
            _ => Ok(response),
        }
    }

    /// A token other than the refused one.
    async fn token(&self, refused: Option<&SecretString>) -> Result<SecretString, Error> {
        let asked = Instant::now();
        let mut cache = self.cache.lock().await;
        let is_refused = |token: &Token| refused.is_some_and(|it| it.expose_secret() == token.value.expose_secret());
        match &cache.token {
            Some(token) if token.until > Instant::now() && !is_refused(token) => return Ok(token.value.clone()),
            _ => cache.token = None,
        }
        // Those who have waited for an attempt share its failure, or the last of them would wait for all attempts.
        if let Some((at, error)) = &cache.failed
            && *at > asked
        {
            return Err(error.clone());
        }
        match self.fetch().await {
            Ok(token) => Ok(cache.token.insert(token).value.clone()),
            Err(error) => {
                cache.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    fn form(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = self.scope {
            form.append_pair("scope", scope);
        }
        form.finish()
    }

    async fn fetch(&self) -> Result<Token, Error> {
        let request = self
            .http
            .request(Method::POST, self.path)
            .basic_auth(&self.client_id, Some(self.client_secret.expose_secret()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(self.form());
        let asked = Instant::now();
        let response = http::send(request, Effect::Reads).await?.checked(Effect::Reads)?;
        if !response.is_success() {
            return Err(Error::Misconfigured(format!(
                "no access token for our client id: answered {}",
                response.status
            )));
        }
        let response: TokenResponse = response.read(Effect::Reads)?;
        let lifetime = Duration::from_secs(response.expires_in.min(24 * 3_600));
        Ok(Token { value: response.access_token, until: asked + (lifetime - MARGIN.min(lifetime / 10)) })
    }
}
