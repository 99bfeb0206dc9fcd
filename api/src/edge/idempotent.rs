//! `Idempotency-Key`: the same key and request get the first answer again, and the effect happens once.

use payments::{
    Caller, CallerKind,
    idempotency::{self, Claim, Key},
};
use poem::{PathPattern, Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    param::Header,
    registry::{MetaParamIn, MetaSchemaRef},
    types::{ParseFromJSON, ToJSON},
};
use queue::Transaction;
use serde_json::Value;
use uuid::Uuid;

use super::idempotency_key::IdempotencyKey;
use crate::{
    access::hash_secret,
    edge::EdgeState,
    problem::{Code, Problem},
};

/// The header, which an operation names by `#[oai(name = "Idempotency-Key")]`.
type KeyHeader = Header<Option<IdempotencyKey>>;

/// A request that may carry a key, as a handler's parameter in place of the header.
pub(crate) struct Once {
    state: EdgeState,
    key: Option<IdempotencyKey>,
    /// Method and path: a key belongs to one of them.
    target: String,
}

impl<'a> ApiExtractor<'a> for Once {
    const TYPES: &'static [ApiExtractorType] = KeyHeader::TYPES;
    const PARAM_IS_REQUIRED: bool = KeyHeader::PARAM_IS_REQUIRED;

    type ParamType = <KeyHeader as ApiExtractor<'a>>::ParamType;
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        KeyHeader::param_in()
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        KeyHeader::param_schema_ref()
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        let key = KeyHeader::from_request(request, body, options).await?.0;
        let state = request.data::<EdgeState>().ok_or_else(|| Problem::new(Code::Internal))?.clone();
        Ok(Self { state, key, target: target(request) })
    }
}

/// The request's method and path. An id counts as itself however it is spelled.
fn target(request: &Request) -> String {
    let pattern = request.data::<PathPattern>().map_or_else(|| request.uri().path(), |pattern| &pattern.0);
    let part = |part: &str| {
        let sent = part.strip_prefix(':').and_then(|name| request.raw_path_param(name)).unwrap_or(part);
        Uuid::parse_str(sent).map_or_else(|_| sent.to_owned(), |id| id.to_string())
    };
    format!("{} {}", request.method(), pattern.split('/').map(part).collect::<Vec<_>>().join("/"))
}

/// What a claim of a key has found.
pub(crate) enum Claimed<T> {
    /// The first answer, to be given again.
    Answered(T),
    /// Go on, and keep the answer under this key if there is one.
    Fresh(Option<Key>),
}

/// Somebody whose keys never meet another's.
pub(crate) trait KeyHolder {
    /// What their keys are distinguished from all others' by.
    fn scope(&self) -> String;
}

impl Once {
    /// Claims the key for its holder and this body, which is in canonical form.
    pub(crate) async fn claim<T: ParseFromJSON>(
        &self,
        holder: &impl KeyHolder,
        body: &str,
    ) -> Result<Claimed<T>, Problem> {
        let Some(sent) = &self.key else { return Ok(Claimed::Fresh(None)) };
        let key = Key { scope: holder.scope(), key: sent.0.clone() };
        let fingerprint = hash_secret(&format!("{}\n{body}", self.target));
        let tx = self.state.db().begin().await?;
        let claim = idempotency::claim(&*tx, &key, &fingerprint).await?;
        tx.commit().await?;
        fail::fail_point!("idempotent.claimed");
        match claim {
            Claim::Fresh => Ok(Claimed::Fresh(Some(key))),
            Claim::Answered { body, .. } => {
                let stored: Value = serde_json::from_str(&body).unwrap_or_default();
                T::parse_from_json(Some(stored)).map(Claimed::Answered).map_err(|error| {
                    tracing::error!(error = error.message(), "a kept answer cannot be read");
                    Problem::new(Code::Internal)
                })
            }
            Claim::InFlight => Err(Problem::new(Code::IdempotencyInFlight).retry_after(1)),
            Claim::OtherRequest => {
                let detail = "The key was used for another request in the last 24 hours";
                Err(Problem::new(Code::IdempotencyKeyReused).detail(detail))
            }
        }
    }

    /// Does the work in a transaction that also keeps the answer, so that both are durable or neither.
    pub(crate) async fn create<T>(
        &self,
        holder: &impl KeyHolder,
        body: &str,
        work: impl AsyncFnOnce(&mut Transaction) -> Result<T, Problem>,
    ) -> Result<T, Problem>
    where
        T: ParseFromJSON + ToJSON,
    {
        self.create_keeping(holder, body, work, |answer| answer.to_json_string()).await
    }

    /// The same, where what is kept is not the whole answer.
    pub(crate) async fn create_keeping<T: ParseFromJSON>(
        &self,
        holder: &impl KeyHolder,
        body: &str,
        work: impl AsyncFnOnce(&mut Transaction) -> Result<T, Problem>,
        keep: impl FnOnce(&T) -> String,
    ) -> Result<T, Problem> {
        let key = match self.claim(holder, body).await? {
            Claimed::Answered(answer) => return Ok(answer),
            Claimed::Fresh(key) => key,
        };
        let done = async {
            let mut tx = self.state.db().begin().await?;
            let answer = work(&mut tx).await?;
            if let Some(key) = &key {
                idempotency::complete(&*tx, key, 200, &keep(&answer)).await?;
            }
            tx.commit().await?;
            Ok(answer)
        };
        let done = done.await;
        self.settle(key, done).await
    }

    /// Does work that may be repeated without harm and has transactions of its own, then keeps the answer.
    pub(crate) async fn command<T: ParseFromJSON + ToJSON>(
        &self,
        holder: &impl KeyHolder,
        body: &str,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let key = match self.claim(holder, body).await? {
            Claimed::Answered(answer) => return Ok(answer),
            Claimed::Fresh(key) => key,
        };
        let done = work.await;
        if let (Some(key), Ok(answer)) = (&key, &done) {
            let tx = self.state.db().begin().await?;
            fail::fail_point!("idempotent.done");
            idempotency::complete(&*tx, key, 200, &answer.to_json_string()).await?;
            tx.commit().await?;
        }
        self.settle(key, done).await
    }

    /// Frees the key of a request that was refused, so that a mended one may use it. After an error of ours the outcome
    /// may be unknown; the key then stays locked until the claim runs out.
    pub(crate) async fn settle<T>(&self, key: Option<Key>, done: Result<T, Problem>) -> Result<T, Problem> {
        if let (Some(key), Err(problem)) = (key, &done)
            && poem::error::ResponseError::status(problem).is_client_error()
        {
            let tx = self.state.db().begin().await?;
            idempotency::forget(&*tx, &key).await?;
            tx.commit().await?;
        }
        done
    }
}

impl KeyHolder for Caller {
    fn scope(&self) -> String {
        match self.kind {
            CallerKind::Integration(id) => format!("integration:{id}"),
            CallerKind::User(id) => format!("user:{id}"),
            CallerKind::Operator => "operator".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use poem::{Route, endpoint::make_sync, http::Method, test::TestClient};

    use serde_json::Value;

    use super::target;
    use crate::openapi_document;

    /// What stored keys belong to. Each must stay as it is as long as there is such a key, which is a day.
    const TARGETS: [&str; 28] = [
        "POST /api/orders",
        "POST /api/payments",
        "POST /api/payments/accounts",
        "POST /api/payments/connect/payout",
        "POST /api/payments/create-intent",
        "POST /api/payments/refund",
        "POST /api/v1/chains",
        "POST /api/v1/currencies",
        "POST /api/v1/integrations",
        "POST /api/v1/members",
        "POST /api/v1/networks",
        "POST /api/v1/nodes",
        "POST /api/v1/operations/payments/{id}/resolve",
        "POST /api/v1/operations/redrives",
        "POST /api/v1/payments",
        "POST /api/v1/payments/{id}/cancel",
        "POST /api/v1/payments/{id}/release",
        "POST /api/v1/payments/{id}/retry-send",
        "POST /api/v1/wallets",
        "POST /api/v1/wallets/{id}/deploy",
        "POST /api/v1/webhooks",
        "POST /api/v1/webhooks/{id}/recover",
        "POST /api/v1/webhooks/{id}/rotate-secret",
        "POST /payments",
        "POST /payments/lightning/invoices",
        "POST /v1/payments",
        "POST /v1/payments/{id}/cancel",
        "POST /v1/payments/{id}/submit",
    ];

    const ID: &str = "0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b";

    async fn target_of(route: &str, path: &str) -> String {
        let routes = Route::new().at(route.replace("{id}", ":param0"), make_sync(|request| target(&request)));
        let response = TestClient::new(routes).request(Method::POST, path).send().await;
        response.0.into_body().into_string().await.unwrap()
    }

    #[tokio::test]
    async fn every_spelling_of_an_id_is_the_same_target() {
        let spellings = [
            ID.to_owned(),
            ID.to_uppercase(),
            ID.replace('-', ""),
            format!("urn:uuid:{ID}"),
            format!("%7B{ID}%7D"),
            ID.replace('a', "%61"),
        ];
        for expected in TARGETS {
            let (_, route) = expected.split_once(' ').unwrap();
            for spelling in &spellings {
                let found = target_of(route, &route.replace("{id}", spelling)).await;
                assert_eq!(found, expected.replace("{id}", ID), "{spelling}");
            }
        }
        assert_eq!(target_of("/payments", "/payments?amount=1").await, "POST /payments", "a query is no part of it");
        assert_eq!(target_of("/orders/{id}/pay", "/orders/Abc/pay").await, "POST /orders/Abc/pay");
    }

    #[test]
    fn every_target_is_an_operation_that_takes_a_key() {
        let document = openapi_document();
        let operations = document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
        });
        let takes_key = |parameters: &Value| {
            let mut parameters = parameters.as_array().into_iter().flatten();
            parameters.any(|parameter| parameter["in"] == "header" && parameter["name"] == "Idempotency-Key")
        };
        let keyed: HashSet<String> = operations
            .filter(|(_, operation)| takes_key(&operation["parameters"]))
            .map(|(operation, _)| operation)
            .collect();
        for target in TARGETS {
            assert!(keyed.contains(target), "{target}");
        }
    }
}
