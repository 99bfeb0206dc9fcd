//! Stands around each operation: strangers spend their budget, errors and panics become problems, other methods 405, slow
//! answers 503.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    time::Duration,
};

use futures_util::FutureExt;
use poem::{
    Endpoint, EndpointExt, Request, Response, Result,
    endpoint::{BoxEndpoint, make_sync},
    http::{HeaderValue, Method, header},
};
use poem_openapi::{
    OpenApi,
    registry::{MetaApi, Registry},
};

use super::{Class, Contracts, EdgeState, RequestContext, RequestId, admission, endpoint::METHODS};
use crate::{
    disk::Room,
    problem::{Code, Problem},
};

/// The matched path as the document writes it, such as `/api/v1/payments/{id}`; set on every answer of a route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouteTemplate(pub(crate) &'static str);

/// An API whose operations are guarded one by one.
pub(crate) struct Guarded<T> {
    api: T,
    timeout: Duration,
    contracts: &'static Contracts,
}

impl<T> Guarded<T> {
    pub(crate) fn new(api: T, timeout: Duration, contracts: &'static Contracts) -> Self {
        Self { api, timeout, contracts }
    }
}

type Routes = HashMap<String, HashMap<Method, BoxEndpoint<'static>>>;

impl<T: OpenApi> OpenApi for Guarded<T> {
    fn meta() -> Vec<MetaApi> {
        T::meta()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn add_routes(self, routes: &mut Routes) {
        let Self { api, timeout, contracts } = self;
        let signed_in = signed_in::<T>(contracts);
        let mut bare = Routes::new();
        api.add_routes(&mut bare);
        for (path, mut methods) in bare {
            // Routes live as long as the process, so their names may too.
            let template: &'static str = template(&path).leak();
            let open = contracts.is_open(template);
            if open {
                methods.insert(Method::OPTIONS, make_sync(|_| preflight()).boxed());
            }
            let allow = allow(&methods);
            let mut guarded: HashMap<Method, BoxEndpoint<'static>> = methods
                .into_iter()
                .map(|(method, inner)| {
                    let class = class(contracts, &signed_in, &method, template).unwrap_or(Class::Dear);
                    let room = contracts.room_for(&method, template);
                    (method, Guard { inner, template, class, room, open, timeout, contracts }.boxed())
                })
                .collect();
            // A HEAD is a GET wherever there is one.
            for method in METHODS.into_iter().filter(|method| *method != Method::HEAD) {
                guarded.entry(method).or_insert_with(|| {
                    let problem = Problem::new(Code::MethodNotAllowed).header(header::ALLOW, &allow);
                    let inner = make_sync(move |_| Err::<Response, poem::Error>(problem.clone().into())).boxed();
                    Guard { inner, template, class: Class::Cheap, room: None, open, timeout, contracts }.boxed()
                });
            }
            routes.insert(path, guarded);
        }
    }
}

/// Every route of an API, such as `POST /auth/login`, with the word for what it costs a stranger; none where nobody has
/// said it.
pub(crate) fn admissions<T: OpenApi>(api: T, contracts: &Contracts) -> Vec<(String, Option<&'static str>)> {
    let signed_in = signed_in::<T>(contracts);
    let mut routes = Routes::new();
    api.add_routes(&mut routes);
    let routes = routes.into_iter().flat_map(|(path, methods)| {
        let template = template(&path);
        methods.into_keys().map(move |method| (method, template.clone())).collect::<Vec<_>>()
    });
    routes
        .map(|(method, template)| {
            let class = class(contracts, &signed_in, &method, &template).map(Class::word);
            (format!("{method} {template}"), class)
        })
        .collect()
}

/// Operations that need a caller's token, as the document declares them. A payer's token, which belongs to one payment,
/// makes nobody a caller, and neither do the credentials that a token is requested with.
fn signed_in<T: OpenApi>(contracts: &Contracts) -> HashSet<(Method, String)> {
    let operations = T::meta().into_iter().flat_map(|api| api.paths).flat_map(|path| {
        let template = template(&path.path);
        path.operations.into_iter().map(move |operation| (operation, template.clone()))
    });
    let of_callers =
        |scheme: &&'static str| !contracts.all.iter().any(|contract| contract.credentials.contains(scheme));
    operations
        .filter(|(operation, _)| operation.security.iter().flat_map(|scheme| scheme.keys()).any(of_callers))
        .map(|(operation, template)| (operation.method, template))
        .collect()
}

fn class(
    contracts: &Contracts,
    signed_in: &HashSet<(Method, String)>,
    method: &Method,
    template: &str,
) -> Option<Class> {
    if signed_in.contains(&(method.clone(), template.to_owned())) {
        return Some(Class::SignedIn);
    }
    // A preflight, which is answered from here.
    if *method == Method::OPTIONS {
        return Some(Class::Cheap);
    }
    contracts.class_of(method, template)
}

/// `/payments/:param0/logs` and, as the document has it, `/payments/{hash}/logs`, as `/payments/{id}/logs`.
fn template(path: &str) -> String {
    let part = |part: &str| if part.starts_with([':', '{']) { "{id}".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn allow(methods: &HashMap<Method, BoxEndpoint<'static>>) -> String {
    let mut names: Vec<&str> = methods.keys().map(Method::as_str).collect();
    if methods.contains_key(&Method::GET) {
        names.push("HEAD");
    }
    names.sort_unstable();
    names.join(", ")
}

fn preflight() -> Response {
    Response::builder()
        .status(poem::http::StatusCode::NO_CONTENT)
        .header(header::ACCESS_CONTROL_ALLOW_METHODS, "GET")
        .header(header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, x-request-id")
        .header(header::ACCESS_CONTROL_MAX_AGE, "86400")
        .finish()
}

struct Guard {
    inner: BoxEndpoint<'static>,
    template: &'static str,
    class: Class,
    /// What there has to be on the disks.
    room: Option<Room>,
    /// Whether any site's scripts may read it.
    open: bool,
    timeout: Duration,
    contracts: &'static Contracts,
}

impl Guard {
    /// The context that the outermost endpoint has set, or a new one where there is no such endpoint, as in tests.
    fn context(&self, request: &Request) -> RequestContext {
        let known = request.data::<RequestContext>().cloned();
        known.unwrap_or_else(|| {
            RequestContext::new(self.contracts, RequestId::of(request), request.uri().path(), request.headers())
        })
    }
}

impl Endpoint for Guard {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let context = self.context(&request);
        let disk = request.data::<EdgeState>().map(EdgeState::disk).zip(self.room);
        let disk = disk.map_or(Ok(()), |(disk, needed)| disk.admit(needed));
        if let Err(problem) = disk.and_then(|()| admission::admit(&request, self.class)) {
            let mut response = problem.respond(&context);
            response.set_data(RouteTemplate(self.template));
            return Ok(response);
        }
        let answer = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let mut response = match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(error))) => Problem::from_error(error, context.contract).respond(&context),
            Ok(Err(_)) => {
                tracing::error!(route = self.template, "a handler panicked");
                Problem::new(Code::Internal).respond(&context)
            }
            Err(_) => {
                tracing::error!(route = self.template, "a handler took longer than http.request_timeout_ms");
                Problem::new(Code::Unavailable).retry_after(1).respond(&context)
            }
        };
        if self.open {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        response.set_data(RouteTemplate(self.template));
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use poem::{IntoEndpoint, http::StatusCode, test::TestClient};
    use poem_openapi::{OpenApiService, payload::PlainText};

    use super::*;
    use crate::edge::Contract;

    static PLAIN: Contract = Contract::PLAIN;
    static CONTRACTS: Contracts = Contracts { all: &[], otherwise: &PLAIN, strangers: &[], as_sent: &[] };

    struct Broken;

    #[OpenApi]
    impl Broken {
        #[oai(path = "/panic", method = "get")]
        async fn panic(&self) -> PlainText<String> {
            panic!("a secret")
        }

        #[oai(path = "/slow", method = "get")]
        async fn slow(&self) -> PlainText<String> {
            tokio::time::sleep(Duration::from_secs(60)).await;
            PlainText(String::new())
        }
    }

    async fn answer(method: Method, path: &str) -> (StatusCode, String, String) {
        let api = Guarded::new(Broken, Duration::from_millis(20), &CONTRACTS);
        let client = TestClient::new(OpenApiService::new(api, "", "").into_endpoint());
        let response = client.request(method, path).send().await.0;
        let allow = response.header(header::ALLOW).unwrap_or_default().to_owned();
        (response.status(), allow, response.into_body().into_string().await.unwrap())
    }

    #[tokio::test]
    async fn panics_and_slow_answers_become_problems_without_insides() {
        let (status, _, body) = answer(Method::GET, "/panic").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body.contains("internal_error") && !body.contains("secret"), "{body}");
        let (status, _, body) = answer(Method::GET, "/slow").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("\"retryable\":true"), "{body}");
    }

    #[tokio::test]
    async fn every_other_method_is_answered_405() {
        for method in [Method::POST, Method::DELETE, Method::OPTIONS, Method::TRACE, Method::CONNECT] {
            let (status, allow, _) = answer(method, "/slow").await;
            assert_eq!((status, allow.as_str()), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
        }
    }
}
