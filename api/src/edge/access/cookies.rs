//! The cookies that carry a user's tokens in a browser.

use std::time::Duration;

use poem::{
    Request,
    web::cookie::{Cookie, CookieJar, SameSite},
};

use super::from_allowed_origin;
use crate::edge::AuthConfig;

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
    jar.add(cookie(config, STORE_TOKEN, token, STORE_TTL));
    let mut readable = cookie(config, STORE_ROLE, role, STORE_TTL);
    readable.set_http_only(false);
    jar.add(readable);
}

/// The cookies of a user's sign-in, as one request sets them.
pub(crate) struct StaffCookies<'a> {
    jar: &'a CookieJar,
    config: &'a AuthConfig,
    same_site: SameSite,
}

impl<'a> StaffCookies<'a> {
    /// Browsers send cookies with requests of other sites' pages only where they are told to, and only over HTTPS. Pages on
    /// other hosts that may ask the till are told; who else's page it is, the origin says, which every write is checked for.
    pub(crate) fn new(jar: &'a CookieJar, config: &'a AuthConfig, request: &Request) -> Self {
        let elsewhere = config.cookie_secure.unwrap_or(false) && from_allowed_origin(request);
        Self { jar, config, same_site: if elsewhere { SameSite::None } else { SameSite::Lax } }
    }

    pub(crate) fn set_access(&self, token: &str) {
        self.set(ACCESS_TOKEN, token, Duration::from_secs(self.config.user_token_ttl_s.into()));
    }

    pub(crate) fn set_refresh(&self, token: &str) {
        let days = Duration::from_secs(u64::from(self.config.refresh_ttl_days) * 86_400);
        self.set(REFRESH_TOKEN, token, days);
    }

    /// Empties both.
    pub(crate) fn clear(&self) {
        self.set(ACCESS_TOKEN, "", Duration::ZERO);
        self.set(REFRESH_TOKEN, "", Duration::ZERO);
    }

    fn set(&self, name: &str, value: &str, max_age: Duration) {
        let mut cookie = cookie(self.config, name, value, max_age);
        cookie.set_same_site(self.same_site);
        self.jar.add(cookie);
    }
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
