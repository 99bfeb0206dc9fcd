//! Where browsers reach us: the first part of every address that we hand out.

use poem::{
    FromRequest, Request, RequestBody, Result,
    http::{header, uri::Authority},
};

use crate::{
    problem::{Code, Location, Problem},
    state::State,
};

/// Scheme, host and port, without a slash at the end.
pub(super) struct Origin(pub(super) String);

impl<'a> FromRequest<'a> for Origin {
    /// As configured; else as the client itself has reached us, which then hands the address to others.
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let state = request.data::<State>().ok_or_else(|| Problem::new(Code::Internal))?;
        if let Some(configured) = &state.config().public_url {
            return Ok(Self(configured.trim_end_matches('/').to_owned()));
        }
        let named = request.header(header::HOST).map(str::to_owned);
        let host = named.or_else(|| request.uri().authority().map(ToString::to_string));
        let host = host.unwrap_or_else(|| "localhost".to_owned());
        let wrong = || Problem::new(Code::ValidationFailed).wrong("/Host", Location::Header, "is required");
        let host: Authority = host.parse().map_err(|_| wrong())?;
        let proxied = state.config().http.trusted_proxies > 0;
        let secure = proxied && request.header("x-forwarded-proto").is_some_and(|scheme| scheme.ends_with("https"));
        let scheme = if secure { "https" } else { "http" };
        Ok(Self(format!("{scheme}://{host}")))
    }
}
