//! Sign-in of programs: an API key and its secret for a pair of tokens.

use chrono::DateTime;
use entities::{SubjectKind, integration, now};
use poem_openapi::{Object, OpenApi, param::Header, payload::Json, types::Example};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};

use super::Tag;
use crate::{
    access::{Account, Pair, refresh, secret_matches, sign_ins, start_family},
    body::Body,
    body::OptionalBody,
    edge::ClientAddress,
    problem::{Code, Location, Problem, Refused, Wrong},
    state::State,
    time::Time,
};

/// What an integration signs in with.
#[derive(Object)]
#[oai(example)]
pub(crate) struct Credentials {
    /// The integration's public key.
    #[oai(validator(min_length = 1, max_length = 255))]
    api_key: String,
    /// Its secret, shown once when the integration was created.
    #[oai(validator(min_length = 1, max_length = 255))]
    secret_key: String,
}

impl Example for Credentials {
    fn example() -> Self {
        Self { api_key: "qk_7Yw2…".to_owned(), secret_key: "qs_Zk0v…".to_owned() }
    }
}

/// A refresh token.
#[derive(Object)]
#[oai(example)]
pub(crate) struct RefreshRequest {
    /// From the last answer; it works once.
    #[oai(validator(min_length = 1, max_length = 255))]
    refresh_token: String,
}

impl Example for RefreshRequest {
    fn example() -> Self {
        Self { refresh_token: "qr_9f3K…".to_owned() }
    }
}

/// A pair of tokens.
#[derive(Object)]
pub(crate) struct TokenPair {
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    /// Gets the next pair, once. Using it twice ends the sign-in.
    refresh_token: String,
    /// Always `Bearer`.
    token_type: String,
    /// Lifetime of the access token, seconds.
    expires_in: i64,
    /// When the access token expires.
    expires_at: Time,
}

impl From<Pair> for TokenPair {
    fn from(pair: Pair) -> Self {
        Self {
            access_token: pair.access_token,
            refresh_token: pair.refresh_token,
            token_type: "Bearer".to_owned(),
            expires_in: pair.claims.exp - pair.claims.iat,
            expires_at: DateTime::from_timestamp(pair.claims.exp, 0).unwrap_or_default().into(),
        }
    }
}

pub(crate) struct Authentication(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/auth", tag = "Tag::Authentication")]
impl Authentication {
    /// Sign an integration in
    ///
    /// Exchanges an API key and its secret for a pair of tokens. They go into the body, or into the headers `Api-Key`
    /// and `Api-Secret` without a body. 401 when they are wrong, revoked or expired; 429 after five wrong tries from one
    /// address.
    #[oai(path = "/authenticate", method = "post", operation_id = "authenticate")]
    async fn authenticate(
        &self,
        address: ClientAddress,
        /// The API key, instead of a body.
        #[oai(name = "Api-Key")]
        api_key: Header<Option<String>>,
        /// Its secret, instead of a body.
        #[oai(name = "Api-Secret")]
        api_secret: Header<Option<String>>,
        body: OptionalBody<Credentials, true>,
    ) -> Result<Json<TokenPair>, Refused<401>> {
        let credentials = match (body.0, api_key.0, api_secret.0) {
            (Some(credentials), _, _) => credentials,
            (None, Some(api_key), Some(secret_key)) => Credentials { api_key, secret_key },
            (None, api_key, _) => return Err(missing(api_key.is_none()).into()),
        };
        let Credentials { api_key, secret_key } = credentials;
        let integration = sign_in_integration(&self.0, &address, &api_key, &secret_key, wrong).await?;
        let tx = self.0.db().begin().await?;
        let pair = start_family(&self.0, &tx, SubjectKind::Integration, integration.id.0).await?;
        tx.commit().await?;
        Ok(Json(pair.into()))
    }

    /// Get the next pair of tokens
    ///
    /// The refresh token is used up by this. Using it again revokes every token of the sign-in, because one of the two
    /// users must have stolen it. 401 when it is unknown, expired, revoked or used.
    #[oai(path = "/refresh", method = "post", operation_id = "refresh_tokens")]
    async fn refresh(&self, body: Body<RefreshRequest, true>) -> Result<Json<TokenPair>, Refused<401>> {
        let pair = refresh(&self.0, SubjectKind::Integration, &body.value.refresh_token).await?;
        let invalid = || Problem::new(Code::Unauthorized).detail("Invalid or expired refresh token");
        Ok(Json(pair.ok_or_else(invalid)?.into()))
    }
}

/// The integration with this key and secret, if it may sign in; `wrong` says that it may not.
pub(crate) async fn sign_in_integration(
    state: &State,
    address: &ClientAddress,
    api_key: &str,
    secret_key: &str,
    wrong: fn() -> Problem,
) -> Result<integration::Model, Problem> {
    let db = state.db();
    // PostgreSQL cannot compare U+0000, and no key has one.
    let found = if api_key.contains('\0') {
        None
    } else {
        integration::Entity::find().filter(integration::Column::ApiKey.eq(api_key)).one(&**db).await?
    };
    // An unknown key costs as much as a wrong secret.
    let stored = found.as_ref().map_or("", |found| found.secret_hash.as_str());
    let live = found.as_ref().is_some_and(|found| {
        found.revoked_at.is_none() && found.expires_at.is_none_or(|expires_at| expires_at > now())
    });
    let right = secret_matches(secret_key, stored) && live;
    let account = Account::of_integration(api_key, found.as_ref());
    sign_ins::attempt(state, address, &account, async { Ok(right) }).await?.refuse(wrong)?;
    found.ok_or_else(wrong)
}

fn wrong() -> Problem {
    Problem::new(Code::Unauthorized).detail("Invalid API key or secret")
}

fn missing(key: bool) -> Problem {
    let problem = Problem::new(Code::ValidationFailed).detail("Neither a body nor both headers were sent");
    let (pointer, name) = if key { ("/api_key", "/Api-Key") } else { ("/secret_key", "/Api-Secret") };
    let header = Wrong::Rule("is required without a body");
    problem.wrong(pointer, Location::Body, Wrong::Required).wrong(name, Location::Header, header)
}
