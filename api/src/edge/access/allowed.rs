//! The extractor that lets a request in: first who it is (401), then what they may do (403), before anything else of
//! the request is read.

use std::{marker::PhantomData, ops::Deref, sync::Arc};

use payments::Caller;
use poem::{
    Request, RequestBody, Result,
    http::{Method, header},
    web::cookie::CookieJar,
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use url::Url;

use super::{Claims, Needs, cookies};
use crate::{
    edge::{EdgeState, RequestContext},
    idempotent::KeyHolder,
    problem::{Code, Problem},
};

/// A caller who may do what the operation needs.
pub(crate) struct Allowed<N> {
    caller: Arc<Caller>,
    pub(crate) claims: Claims,
    needs: PhantomData<N>,
}

impl<N> Deref for Allowed<N> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<N> KeyHolder for Allowed<N> {
    fn scope(&self) -> String {
        self.caller.scope()
    }
}

impl<'a, N: Needs> ApiExtractor<'a> for Allowed<N> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme("bearer", bearer());
        let staff = cookie(cookies::ACCESS_TOKEN, "The access token as `/auth/login` sets it in a browser.");
        let store = cookie(cookies::STORE_TOKEN, "The access token as `/api/auth/login` sets it in a shop's browser.");
        registry.create_security_scheme("cookie", staff);
        registry.create_security_scheme("store_cookie", store);
    }

    fn security_schemes() -> Vec<&'static str> {
        N::SCHEMES.to_vec()
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let state = request.data::<EdgeState>().ok_or_else(|| Problem::new(Code::Internal))?;
        let allows = |caller: &Caller| N::PERMISSION.is_none_or(|permission| caller.can(permission));
        let (caller, claims) = authenticate(state, request, N::COOKIES, N::TO_SHOPS, allows).await?;
        state.allowances().per_caller.take(&claims.sub.to_string())?;
        match N::PERMISSION {
            Some(permission) if !caller.can(permission) => {
                let detail = format!("The permission {} is missing", permission.word());
                Err(Problem::new(Code::PermissionMissing).detail(detail).into())
            }
            _ if N::AT_ROOT && !at_root(&caller) => {
                let detail = "Only admins and callers on the root node may see or change what all nodes share";
                Err(Problem::new(Code::PermissionMissing).detail(detail).into())
            }
            _ => Ok(Self { caller, claims, needs: PhantomData }),
        }
    }
}

/// Whether the caller may manage what all nodes share. A path without a dot is a root's.
pub(crate) fn at_root(caller: &Caller) -> bool {
    caller.is_admin || !caller.node_path.contains('.')
}

/// Who the request's token belongs to, whether it came as a bearer token or in one of these cookies. A token of a shop's
/// sign-in counts where it is `to_shops` alone. Of two cookies that are good the one counts whose caller is `wanted`.
pub(crate) async fn authenticate(
    state: &EdgeState,
    request: &Request,
    cookies: &[&str],
    to_shops: bool,
    wanted: impl Fn(&Caller) -> bool,
) -> Result<(Arc<Caller>, Claims), Problem> {
    let jar: &CookieJar = request.cookie();
    let (tokens, by_cookie): (Vec<String>, bool) = match request.header(header::AUTHORIZATION) {
        Some(authorization) => (bearer_token(authorization).map(str::to_owned).into_iter().collect(), false),
        None => (
            cookies.iter().filter_map(|name| jar.get(name)).map(|cookie| cookie.value_str().to_owned()).collect(),
            true,
        ),
    };
    if tokens.is_empty() {
        return Err(unauthorized("Bearer"));
    }
    let mut found = None;
    for token in tokens {
        let claims = state.tokens().verify(&token).filter(|claims| to_shops || !claims.of_shop());
        let Some(claims) = claims else { continue };
        let Some(caller) = state.callers().load(claims.kind, claims.family).await? else { continue };
        let is_wanted = wanted(&caller);
        if is_wanted || found.is_none() {
            found = Some((caller, claims));
        }
        if is_wanted {
            break;
        }
    }
    let found = found.ok_or_else(|| unauthorized(r#"Bearer error="invalid_token""#))?;
    if by_cookie && !matches!(*request.method(), Method::GET | Method::HEAD) {
        require_same_origin(request)?;
    }
    Ok(found)
}

/// Who has a good token of a program or of the staff, by its signature alone, so that it costs no query;
/// whether the sign-in is still good, the route finds out. A customer is none: anybody can become one.
pub(crate) fn signed_in(state: &EdgeState, request: &Request) -> Option<String> {
    let jar: &CookieJar = request.cookie();
    let cookie = || [cookies::ACCESS_TOKEN, cookies::STORE_TOKEN].into_iter().find_map(|name| jar.get(name));
    let claims = match request.header(header::AUTHORIZATION) {
        Some(authorization) => state.tokens().verify(bearer_token(authorization)?),
        None => state.tokens().verify(cookie()?.value_str()),
    };
    claims.filter(|claims| !claims.of_customer()).map(|claims| claims.sub.to_string())
}

fn unauthorized(challenge: &str) -> Problem {
    Problem::new(Code::Unauthorized).header(header::WWW_AUTHENTICATE, challenge)
}

/// The token of an `Authorization: Bearer …` header; the scheme's case does not matter.
pub(crate) fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Refuses what another site makes a browser do with our cookies.
pub(crate) fn require_same_origin(request: &Request) -> Result<(), Problem> {
    let base_url = request.data::<EdgeState>().map(|state| state.base_url());
    if same_origin(request, base_url) || from_allowed_origin(request) {
        Ok(())
    } else {
        Err(Problem::new(Code::ForeignOrigin))
    }
}

/// Whether a page on another host makes the request, from where the contract allows it.
pub(crate) fn from_allowed_origin(request: &Request) -> bool {
    let (Some(state), Some(context)) = (request.data::<EdgeState>(), request.data::<RequestContext>()) else {
        return false;
    };
    let allows = state.origins(context.contract);
    allows.zip(request.header(header::ORIGIN)).is_some_and(|(allows, origin)| allows(origin))
}

/// Browsers attach cookies to requests that another site makes, but they also send which site it was. Ours are the one
/// that the request is for, and the one that browsers know us by, whatever host a proxy names.
fn same_origin(request: &Request, base_url: Option<&str>) -> bool {
    let Some(origin) = request.header(header::ORIGIN) else { return true };
    let Some((scheme, _)) = origin.split_once("://") else { return false };
    let Ok(from) = Url::parse(origin).map(|url| url.origin()) else { return false };
    let host = request.header(header::HOST).or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let requested = host.map(|host| format!("{scheme}://{host}"));
    // Parsed, so that a default port equals none.
    let ours = [requested.as_deref(), base_url].into_iter().flatten().filter_map(|url| Url::parse(url).ok());
    from.is_tuple() && ours.into_iter().any(|url| url.origin() == from)
}

fn bearer() -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty: "http",
        description: Some("An access token from `/api/v1/auth/authenticate` or `/auth/login`."),
        name: None,
        key_in: None,
        scheme: Some("bearer"),
        bearer_format: Some("JWT"),
        flows: None,
        openid_connect_url: None,
    }
}

fn cookie(name: &'static str, description: &'static str) -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty: "apiKey",
        description: Some(description),
        name: Some(name),
        key_in: Some("cookie"),
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: Option<&str>) -> bool {
        between(origin, "pay.example:9154", None)
    }

    fn between(origin: Option<&str>, host: &str, base_url: Option<&str>) -> bool {
        let request = Request::builder().header(header::HOST, host);
        let request = match origin {
            Some(origin) => request.header(header::ORIGIN, origin),
            None => request,
        };
        same_origin(&request.finish(), base_url)
    }

    #[test]
    fn knows_its_own_origin() {
        assert!(from(None), "not a browser, or an old one");
        assert!(from(Some("https://pay.example:9154")));
        for foreign in ["https://evil.example", "https://pay.example", "null", "https://pay.example:9154.evil.example"]
        {
            assert!(!from(Some(foreign)), "{foreign}");
        }
    }

    #[test]
    fn knows_the_origin_of_its_base_url_whatever_host_a_proxy_names() {
        let base_url = Some("https://pay.example/");
        for ours in ["https://pay.example", "https://pay.example:443", "http://api:9154"] {
            assert!(between(Some(ours), "api:9154", base_url), "{ours}");
        }
        for foreign in ["http://pay.example", "https://pay.example:8443", "https://pay.example.evil.example", "null"] {
            assert!(!between(Some(foreign), "api:9154", base_url), "{foreign}");
        }
        assert!(between(Some("http://pay.example"), "pay.example:80", None), "a default port equals none");
    }

    #[test]
    fn reads_bearer_tokens() {
        assert_eq!(bearer_token("Bearer abc"), Some("abc"));
        assert_eq!(bearer_token("bearer  abc "), Some("abc"));
        assert_eq!(bearer_token("Basic abc"), None);
        assert_eq!(bearer_token("abc"), None);
    }
}
