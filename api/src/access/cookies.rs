//! The cookies that carry a user's tokens in a browser.

use std::time::Duration;

use poem::web::cookie::{Cookie, CookieJar, SameSite};

use crate::config::AuthConfig;

/// Carries the access token.
pub(crate) const ACCESS_TOKEN: &str = "accessToken";

/// Carries the refresh token.
pub(crate) const REFRESH_TOKEN: &str = "refreshToken";

/// Carries the access token of a shop's customer or back office.
pub(crate) const STORE_TOKEN: &str = "krafta-token";

/// Tells a shop's own scripts which role has signed in; it proves nothing.
const STORE_ROLE: &str = "krafta-role";

/// How long a sign-in at a shop lasts.
pub(crate) const STORE_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Sets what a shop's browser carries.
pub(crate) fn set_store(jar: &CookieJar, config: &AuthConfig, token: &str, role: &str) {
    set(jar, config, STORE_TOKEN, token, STORE_TTL);
    let mut readable = cookie(config, STORE_ROLE, role, STORE_TTL);
    readable.set_http_only(false);
    jar.add(readable);
}

pub(crate) fn set_access(jar: &CookieJar, config: &AuthConfig, token: &str) {
    set(jar, config, ACCESS_TOKEN, token, Duration::from_secs(config.user_token_ttl_s.into()));
}

pub(crate) fn set_refresh(jar: &CookieJar, config: &AuthConfig, token: &str) {
    let days = Duration::from_secs(u64::from(config.refresh_ttl_days) * 86_400);
    set(jar, config, REFRESH_TOKEN, token, days);
}

/// Empties both.
pub(crate) fn clear(jar: &CookieJar, config: &AuthConfig) {
    set(jar, config, ACCESS_TOKEN, "", Duration::ZERO);
    set(jar, config, REFRESH_TOKEN, "", Duration::ZERO);
}

fn set(jar: &CookieJar, config: &AuthConfig, name: &str, value: &str, max_age: Duration) {
    jar.add(cookie(config, name, value, max_age));
}

fn cookie(config: &AuthConfig, name: &str, value: &str, max_age: Duration) -> Cookie {
    let mut cookie = Cookie::new_with_str(name, value);
    cookie.set_http_only(true);
    cookie.set_path("/");
    cookie.set_max_age(max_age);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(config.cookie_secure.unwrap_or(false));
    cookie
}
