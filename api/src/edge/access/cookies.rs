//! The cookies in which browsers carry tokens of a sign-in.

use std::time::Duration;

use poem::web::cookie::{Cookie, SameSite};

use crate::edge::AuthConfig;

/// Carries the access token of a user.
pub(crate) const ACCESS_TOKEN: &str = "accessToken";

/// Carries the access token of a shop's customer or back office. Routes of more than one contract take it, and no contract
/// knows another, so its name stands here.
pub(crate) const STORE_TOKEN: &str = "krafta-token";

/// A cookie as every sign-in sets it: out of the reach of scripts, and `Secure` where the installation is.
pub(crate) fn cookie(config: &AuthConfig, name: &str, value: &str, max_age: Duration) -> Cookie {
    let mut cookie = Cookie::new_with_str(name, value);
    cookie.set_http_only(true);
    cookie.set_path("/");
    cookie.set_max_age(max_age);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(config.cookie_secure.unwrap_or(false));
    cookie
}
