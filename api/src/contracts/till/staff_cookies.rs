//! The cookies that carry a user's tokens in a browser of the till.

use std::time::Duration;

use poem::{
    Request,
    web::cookie::{CookieJar, SameSite},
};

use crate::{
    access::{
        cookies::{ACCESS_TOKEN, cookie},
        from_allowed_origin,
    },
    edge::AuthConfig,
};

/// Carries the refresh token.
pub(super) const REFRESH_TOKEN: &str = "refreshToken";

/// The cookies of a user's sign-in, as one request sets them.
pub(super) struct StaffCookies<'a> {
    jar: &'a CookieJar,
    config: &'a AuthConfig,
    same_site: SameSite,
}

impl<'a> StaffCookies<'a> {
    /// Browsers send cookies with requests of other sites' pages only where `SameSite=None` says so, and only over HTTPS.
    /// Pages on other hosts that the contract allows get it; every write is checked for its origin besides.
    pub(super) fn new(jar: &'a CookieJar, config: &'a AuthConfig, request: &Request) -> Self {
        let elsewhere = config.cookie_secure.unwrap_or(false) && from_allowed_origin(request);
        Self { jar, config, same_site: if elsewhere { SameSite::None } else { SameSite::Lax } }
    }

    pub(super) fn set_access(&self, token: &str) {
        self.set(ACCESS_TOKEN, token, Duration::from_secs(self.config.user_token_ttl_s.into()));
    }

    pub(super) fn set_refresh(&self, token: &str) {
        let days = Duration::from_secs(u64::from(self.config.refresh_ttl_days) * 86_400);
        self.set(REFRESH_TOKEN, token, days);
    }

    /// Empties both.
    pub(super) fn clear(&self) {
        self.set(ACCESS_TOKEN, "", Duration::ZERO);
        self.set(REFRESH_TOKEN, "", Duration::ZERO);
    }

    fn set(&self, name: &str, value: &str, max_age: Duration) {
        let mut cookie = cookie(self.config, name, value, max_age);
        cookie.set_same_site(self.same_site);
        self.jar.add(cookie);
    }
}
