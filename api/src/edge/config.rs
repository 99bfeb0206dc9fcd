//! Settings of the edge, one struct per concern, each with working defaults except the secrets.

use std::{fmt, net::SocketAddr};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};

/// Tokens, their lifetimes and the keys that sign them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Lifetime of a user's access token, seconds.
    pub user_token_ttl_s: u32,
    /// Lifetime of an integration's access token, seconds.
    pub integration_token_ttl_s: u32,
    /// Lifetime of a refresh token, days.
    pub refresh_ttl_days: u32,
    /// Signs access tokens (HS256); at least 32 bytes, the same in every process that serves the API.
    pub jwt_secret: SecretString,
    /// Derives the payments' widget tokens; at least 32 bytes, and never changed while payments are open.
    pub access_token_secret: SecretString,
    /// Marks cookies `Secure`; whether browsers reach the server by HTTPS decides where nothing is said.
    pub cookie_secure: Option<bool>,
    /// Memory that hashing PINs and passwords may take at a time, MiB; each takes 19, and one is always let through.
    pub hashing_memory_mib: usize,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            user_token_ttl_s: 60,
            integration_token_ttl_s: 3_600,
            refresh_ttl_days: 30,
            jwt_secret: SecretString::from(""),
            access_token_secret: SecretString::from(""),
            cookie_secure: None,
            hashing_memory_mib: 128,
        }
    }
}

/// What one request, one caller and one address may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Largest request body, bytes; more is answered 413.
    pub body_limit_bytes: usize,
    /// Longest path with its query, bytes; more is answered 414.
    pub uri_limit_bytes: usize,
    /// Largest sum of request header names and values, bytes; more is answered 431.
    pub header_limit_bytes: usize,
    /// Most headers of a request; more are answered 431.
    pub header_count_max: usize,
    /// How long a request's headers may take to arrive after their first byte, milliseconds; longer is answered 408.
    pub header_timeout_ms: u64,
    /// How long a request's body may take to arrive, milliseconds; longer is answered 408.
    pub body_timeout_ms: u64,
    /// How long a request may take, milliseconds; longer is answered 503.
    pub request_timeout_ms: u64,
    /// How long a client may take nothing of its answer, milliseconds; after that the connection is cut.
    pub write_timeout_ms: u64,
    /// How long a connection may stay silent between two requests, seconds.
    pub idle_timeout_s: u64,
    /// How long a shutdown waits for requests under way, seconds.
    pub shutdown_timeout_s: u64,
    /// Connections open at once; one more is answered 503 and closed.
    pub connections_max: usize,
    /// Connections open at once from one address (IPv6: one /64); one more is answered 503 and closed. Without effect
    /// behind proxies, from whose addresses all connections come.
    pub connections_per_address: usize,
    /// Proxies in front that append to `X-Forwarded-For`; 0, or `"none"`, takes the peer's address and ignores the
    /// header.
    #[serde(deserialize_with = "number_or_none")]
    pub trusted_proxies: usize,
    /// Requests a second that one signed-in caller may send, and its burst.
    pub rate_per_caller: u32,
    /// Requests a second that one address may send, and its burst.
    pub rate_per_address: u32,
    /// Whether `/metrics` is served to everybody who reaches the API.
    pub metrics: bool,
    /// Whether `/docs` and `/openapi.json` are.
    pub docs: bool,
    /// An address on which health, metrics and documents are served besides, whatever the two above say.
    pub operations_listen: Option<SocketAddr>,
    /// Callbacks a minute of one address that a gateway is asked about, where only it can tell whether they are its own; more
    /// are answered 429.
    pub callback_checks_per_address: u32,
    /// The same of all addresses.
    pub callback_checks_in_all: u32,
}

/// A number, or `none` for zero.
fn number_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    struct Number;

    impl de::Visitor<'_> for Number {
        type Value = usize;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of proxies, or none")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<usize, E> {
            usize::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<usize, E> {
            usize::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<usize, E> {
            match text.trim() {
                "none" => Ok(0),
                number => number.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self)),
            }
        }
    }

    deserializer.deserialize_any(Number)
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            body_limit_bytes: 1 << 20,
            uri_limit_bytes: 8 << 10,
            header_limit_bytes: 16 << 10,
            header_count_max: 100,
            header_timeout_ms: 10_000,
            body_timeout_ms: 15_000,
            request_timeout_ms: 30_000,
            write_timeout_ms: 20_000,
            idle_timeout_s: 75,
            shutdown_timeout_s: 20,
            connections_max: 4_096,
            connections_per_address: 1_024,
            trusted_proxies: 0,
            rate_per_caller: 20_000,
            rate_per_address: 40_000,
            metrics: true,
            docs: true,
            operations_listen: None,
            callback_checks_per_address: 30,
            callback_checks_in_all: 120,
        }
    }
}
