//! Access tokens for client credentials (OAuth 2.0), fetched when they are needed and kept while they are good.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::{
    Error,
    http::{self, Answer, Effect, Http},
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
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    token: Option<Token>,
    /// The last time that there was none.
    failed: Option<(Instant, Error)>,
}

struct Token {
    value: SecretString,
    until: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    /// Seconds.
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
        Self { http, path, scope, client_id, client_secret, kept: Mutex::default() }
    }

    /// Sends; a token that the gateway no longer takes is replaced, once. What is refused for its token was not carried
    /// out, so that it may be sent again whatever its effect is.
    pub(crate) async fn send(&self, request: RequestBuilder, effect: Effect) -> Result<Answer, Error> {
        let again = request.try_clone();
        let token = self.token(None).await?;
        let answer = http::send(request.bearer_auth(token.expose_secret()), effect).await?;
        match again {
            Some(again) if answer.status == 401 => {
                let token = self.token(Some(&token)).await?;
                http::send(again.bearer_auth(token.expose_secret()), effect).await
            }
            _ => Ok(answer),
        }
    }

    /// A token other than the refused one.
    async fn token(&self, refused: Option<&SecretString>) -> Result<SecretString, Error> {
        let asked = Instant::now();
        let mut kept = self.kept.lock().await;
        let is_refused = |token: &Token| refused.is_some_and(|it| it.expose_secret() == token.value.expose_secret());
        match &kept.token {
            Some(token) if token.until > Instant::now() && !is_refused(token) => return Ok(token.value.clone()),
            _ => kept.token = None,
        }
        // Those who have waited for an attempt share its failure, or the last of them would wait for all attempts.
        if let Some((at, error)) = &kept.failed
            && *at > asked
        {
            return Err(error.clone());
        }
        match self.fetch().await {
            Ok(token) => Ok(kept.token.insert(token).value.clone()),
            Err(error) => {
                kept.failed = Some((Instant::now(), error.clone()));
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
        let answer = http::send(request, Effect::Looks).await?.checked(Effect::Looks)?;
        if !answer.is_success() {
            return Err(Error::Misconfigured(format!("no access token for our client id: answered {}", answer.status)));
        }
        let told: TokenAnswer = answer.read(Effect::Looks)?;
        let lifetime = Duration::from_secs(told.expires_in.min(24 * 3_600));
        Ok(Token { value: told.access_token, until: asked + (lifetime - MARGIN.min(lifetime / 10)) })
    }
}
