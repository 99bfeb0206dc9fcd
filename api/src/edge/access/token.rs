//! Access tokens: short-lived JWTs (HS256) that name a token family, and through it the user or integration that signed in.

use std::time::Duration;

use entities::{SubjectKind, TokenFamilyId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::hs256;
use crate::{
    edge::AuthConfig,
    problem::{Code, Problem},
};

/// What an access token says. Permissions are not in it: they are read anew for every request, so that a revocation
/// takes effect at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The integration's or user's id.
    pub(crate) sub: Uuid,
    /// Which of the two.
    pub(crate) kind: SubjectKind,
    /// The sign-in it descends from.
    pub(crate) family: TokenFamilyId,
    /// Makes each token different from every other.
    pub(crate) jti: Uuid,
    /// Issued at, seconds since 1970.
    pub(crate) iat: i64,
    /// Expires at, seconds since 1970.
    pub(crate) exp: i64,
    /// What the receipts contract calls the user's role, in tokens of a shop's sign-in alone; for its clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
}

impl Claims {
    /// Whether it is a token of a shop's sign-in, which opens what shops' browsers need and nothing else.
    pub(crate) fn of_shop(&self) -> bool {
        self.role.is_some()
    }

    /// Whether it is a token of somebody who may have registered by themselves.
    pub(crate) fn of_customer(&self) -> bool {
        self.role.as_deref() == Some(CUSTOMER)
    }
}

/// What the receipts contract calls those who register by themselves.
pub(crate) const CUSTOMER: &str = "CLIENTE";

/// Signs and checks access tokens.
pub(crate) struct TokenIssuer {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    user_ttl_s: i64,
    integration_ttl_s: i64,
}

impl TokenIssuer {
    pub(crate) fn new(config: &AuthConfig) -> Self {
        hs256::install();
        let secret = config.jwt_secret.expose_secret().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            user_ttl_s: config.user_token_ttl_s.into(),
            integration_ttl_s: config.integration_token_ttl_s.into(),
        }
    }

    pub(crate) fn ttl_s(&self, kind: SubjectKind) -> i64 {
        match kind {
            SubjectKind::Integration => self.integration_ttl_s,
            SubjectKind::User => self.user_ttl_s,
        }
    }

    /// A new token of a sign-in.
    pub(crate) fn issue(
        &self,
        kind: SubjectKind,
        sub: Uuid,
        family: TokenFamilyId,
    ) -> Result<(String, Claims), Problem> {
        let iat = chrono::Utc::now().timestamp();
        self.sign(Claims { sub, kind, family, jti: Uuid::new_v4(), iat, exp: iat + self.ttl_s(kind), role: None })
    }

    /// A new token of a shop's sign-in, which says the role and lasts as long as the contract has it.
    pub(crate) fn issue_for_shop(
        &self,
        sub: Uuid,
        family: TokenFamilyId,
        role: &str,
        ttl: Duration,
    ) -> Result<String, Problem> {
        let (iat, ttl) = (chrono::Utc::now().timestamp(), i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX));
        let (kind, role) = (SubjectKind::User, Some(role.to_owned()));
        self.sign(Claims { sub, kind, family, jti: Uuid::new_v4(), iat, exp: iat + ttl, role }).map(|(token, _)| token)
    }

    fn sign(&self, claims: Claims) -> Result<(String, Claims), Problem> {
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding);
        let token = token.map_err(|error| {
            tracing::error!(%error, "an access token could not be signed");
            Problem::new(Code::Internal)
        })?;
        Ok((token, claims))
    }

    /// The claims, if the token is ours and has not expired.
    pub(crate) fn verify(&self, token: &str) -> Option<Claims> {
        jsonwebtoken::decode(token, &self.decoding, &self.validation).ok().map(|data| data.claims)
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use hmac::{Hmac, Mac};
    use secrecy::SecretString;
    use sha2::Sha512;

    use super::*;

    fn issuer(secret: &str, ttl: u32) -> TokenIssuer {
        let jwt_secret = SecretString::from(secret);
        TokenIssuer::new(&AuthConfig { jwt_secret, user_token_ttl_s: ttl, ..AuthConfig::default() })
    }

    #[test]
    fn takes_its_own_tokens_until_they_expire() {
        let ours = issuer("one", 60);
        let (token, claims) = ours.issue(SubjectKind::User, Uuid::new_v4(), TokenFamilyId::new()).unwrap();
        assert_eq!(ours.verify(&token), Some(claims));
        assert_eq!(issuer("two", 60).verify(&token), None, "signed with another key");
        assert_eq!(ours.verify(&token[..token.len() - 2]), None, "cut off");

        let mut expired = ours.issue(SubjectKind::User, Uuid::new_v4(), TokenFamilyId::new()).unwrap().1;
        expired.exp -= 61;
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &expired, &ours.encoding).unwrap();
        assert_eq!(ours.verify(&token), None, "expired a second ago");
    }

    #[test]
    fn refuses_other_algorithms_even_with_the_right_key() {
        let ours = issuer("one", 60);
        let claims = ours.issue(SubjectKind::User, Uuid::new_v4(), TokenFamilyId::new()).unwrap().1;
        let header = serde_json::to_vec(&Header::new(Algorithm::HS512)).unwrap();
        let parts = [header, serde_json::to_vec(&claims).unwrap()];
        let message = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let mac = Hmac::<Sha512>::new_from_slice(b"one").unwrap().chain_update(&message).finalize();
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()));
        assert_eq!(ours.verify(&token), None);
        let (_, rest) = token.split_once('.').unwrap();
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
        assert_eq!(ours.verify(&format!("{none}.{rest}")), None);
    }
}
