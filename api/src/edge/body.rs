//! Request bodies: read to a limit, parsed with numbers as text, and checked against the very schema that the document
//! publishes, so that every mistake is found at once and named by its pointer.
//!
//! Bodies of the published contracts are open: what they name is checked, and fields of anybody's besides are not read, for
//! their clients send more than the contracts name. Those of our own administration are closed: who misspells a field
//! there must not get something without it. In open bodies an optional field that is empty where it could not be (an id,
//! an address, a time, a URL) counts as absent.

mod repeated;
mod schema;

use std::{collections::HashSet, time::Duration};

use poem::{Request, RequestBody, Result, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::ParseFromJSON,
};
use rust_decimal::Decimal;
use serde_json::Value;

use self::schema::Schemas;
pub(crate) use self::schema::{Fits, OwnFormat};
use crate::{
    edge::{EdgeState, HttpConfig, RequestContext},
    money,
    offload::Work,
    problem::{Code, Kind, Location, Mistake, Problem, Wrong},
};

/// What the document says of open bodies; by this it knows them.
pub(crate) const OPEN_BODY: &str = "Fields that are not named here are not read. Optional ids, addresses, times and URLs \
                                    that are null or empty count as left out.";

/// A JSON body that fits its schema; where `OPEN`, with fields of anybody's besides, which nobody reads.
#[derive(Debug)]
pub(crate) struct Body<T, const OPEN: bool = false> {
    pub(crate) value: T,
    /// The body with its keys sorted, equal for requests that mean the same; empty without an `Idempotency-Key`, which
    /// alone needs it.
    pub(crate) canonical: String,
}

impl<'a, T: ParseFromJSON + 'static, const OPEN: bool> ApiExtractor<'a> for Body<T, OPEN> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }];
        Some(MetaRequest { description: OPEN.then_some(OPEN_BODY), content, required: true })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        require_json(request)?;
        let bytes = bytes(request, body).await?;
        let (keyed, formats) = (request.header("idempotency-key").is_some(), formats(request));
        let read = reading(request, bytes, move |bytes| {
            let value = parse(bytes)?;
            let canonical = if keyed { value.to_string() } else { String::new() };
            Ok(Self { value: fit(value, OPEN, formats)?, canonical })
        });
        Ok(read.await?)
    }
}

/// Reads the bytes as this body of a contract with these formats, as [`Body`] does.
#[cfg(any(test, fuzzing))]
pub(crate) fn read<T: ParseFromJSON + 'static>(bytes: &[u8], formats: &'static [OwnFormat]) -> Result<T, Problem> {
    fit(parse(bytes)?, false, formats)
}

/// The formats of the contract that the request is for.
fn formats(request: &Request) -> &'static [OwnFormat] {
    request.data::<RequestContext>().map_or(&[], |context| context.contract.formats)
}

/// The value as its type, or every way in which it does not fit.
fn fit<T: ParseFromJSON + 'static>(mut value: Value, open: bool, formats: &'static [OwnFormat]) -> Result<T, Problem> {
    let (schemas, schema) = (Schemas::of::<T>(formats), T::schema_ref());
    if open {
        schemas.drop_empty(&schema, &mut value);
    }
    let mistakes = schemas.check(&schema, &value, open);
    if !mistakes.is_empty() {
        return Err(Problem::new(Code::ValidationFailed).mistakes(mistakes));
    }
    // What a schema lets through and its type does not is a fault of ours; the framework's sentence would name the type.
    T::parse_from_json(Some(value)).map_err(|error| {
        tracing::warn!(error = error.message(), "a body fits its schema and not its type");
        Problem::invalid("", Wrong::UnreadableWithin)
    })
}

/// A JSON body whose mistakes are answered together with what was sent; other fields are not read.
#[derive(Debug)]
pub(crate) struct Form<T> {
    pub(crate) value: T,
    /// As in [`Body`].
    pub(crate) canonical: String,
    sent: Value,
}

impl<T> Form<T> {
    /// Refuses what no schema can find wrong.
    pub(crate) fn refuse(&self, mistakes: Vec<Mistake>) -> Result<(), Problem> {
        if mistakes.is_empty() {
            return Ok(());
        }
        Err(Problem::new(Code::ValidationFailed).mistakes(mistakes).with_sent(self.sent.clone()))
    }
}

impl<'a, T: ParseFromJSON + 'static> ApiExtractor<'a> for Form<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        <Body<T, true> as ApiExtractor>::request_meta()
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let bytes = bytes(request, body).await?;
        if bytes.is_empty() {
            return Err(Problem::invalid("", Wrong::Required).into());
        }
        require_json(request)?;
        let (keyed, formats) = (request.header("idempotency-key").is_some(), formats(request));
        let read = reading(request, bytes, move |bytes| {
            let sent = parse(bytes)?;
            let canonical = if keyed { sent.to_string() } else { String::new() };
            let value = fit(sent.clone(), true, formats).map_err(|problem| problem.with_sent(sent.clone()))?;
            Ok(Self { value, canonical, sent })
        });
        Ok(read.await?)
    }
}

/// A JSON body that may be left out altogether, or be an empty object; where `OPEN`, with fields of anybody's.
#[derive(Debug)]
pub(crate) struct OptionalBody<T, const OPEN: bool = false>(pub(crate) Option<T>);

impl<'a, T: ParseFromJSON + 'static, const OPEN: bool> ApiExtractor<'a> for OptionalBody<T, OPEN> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        <Body<T, OPEN> as ApiExtractor>::request_meta().map(|meta| MetaRequest { required: false, ..meta })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let bytes = bytes(request, body).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        require_json(request)?;
        let formats = formats(request);
        let read = reading(request, bytes, move |bytes| match parse(bytes)? {
            Value::Object(object) if object.is_empty() => Ok(Self(None)),
            value => Ok(Self(Some(fit(value, OPEN, formats)?))),
        });
        Ok(read.await?)
    }
}

/// No body, or an empty JSON object: what a command without parameters takes.
#[derive(Debug)]
pub(crate) struct NoBody;

impl<'a> ApiExtractor<'a> for NoBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let bytes = bytes(request, body).await?;
        if bytes.is_empty() {
            return Ok(Self);
        }
        require_json(request)?;
        let read = reading(request, bytes, |bytes| match parse(bytes)? {
            Value::Object(_) | Value::Null => Ok(Self),
            _ => Err(Problem::invalid("", Wrong::NotA(Kind::Object))),
        });
        Ok(read.await?)
    }
}

/// The fields of a form, in their order, read to the same limits.
pub(crate) async fn form(request: &Request, body: &mut RequestBody) -> Result<Vec<(String, String)>, Problem> {
    let media_type = request.content_type().and_then(|sent| sent.split(';').next()).unwrap_or("").trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let detail = "The body must be application/x-www-form-urlencoded";
        return Err(Problem::new(Code::UnsupportedMediaType).detail(detail));
    }
    let bytes = bytes(request, body).await?;
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(&bytes).into_owned().collect();
    let mut names = HashSet::new();
    match fields.iter().find(|(name, _)| !names.insert(name.as_str())) {
        Some((name, _)) => Err(repeated::problem(&format!("/{}", name.replace('~', "~0").replace('/', "~1")))),
        None => Ok(fields),
    }
}

fn require_json(request: &Request) -> Result<(), Problem> {
    let media_type = request.content_type().and_then(|sent| sent.split(';').next()).unwrap_or("").trim();
    let json =
        media_type.eq_ignore_ascii_case("application/json") || media_type.to_ascii_lowercase().ends_with("+json");
    if json {
        Ok(())
    } else {
        Err(Problem::new(Code::UnsupportedMediaType).detail("The body must be application/json"))
    }
}

/// Bodies up to so many bytes are read where their request is served: that takes less than a millisecond. Reading larger ones
/// would keep everybody else waiting.
const QUICK: usize = 32 << 10;

/// Reads the bytes on a thread that blocks no other request.
async fn reading<T: Send + 'static>(
    request: &Request,
    bytes: Vec<u8>,
    read: impl FnOnce(&[u8]) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match request.data::<EdgeState>() {
        Some(state) if bytes.len() > QUICK => state.offload(Work::Reading, move || read(&bytes)).await?,
        _ => read(&bytes),
    }
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    repeated::refuse(bytes)?;
    let mut value = serde_json::from_slice(bytes).map_err(|error| {
        // Of data the parser speaks in its own terms; JSON of any shape is none of its business here.
        let wrong = if error.is_data() { Wrong::NotJsonOfOurs } else { Wrong::NotJson(error.to_string()) };
        Problem::new(Code::MalformedRequest).wrong("", Location::Body, wrong)
    })?;
    plain_integers(&mut value);
    Ok(value)
}

/// To JSON Schema `64.0` and `6.4e1` are the integer 64; from here on they are written like it.
fn plain_integers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(plain_integers),
        Value::Object(fields) => fields.values_mut().for_each(plain_integers),
        Value::Number(number) if number.as_i64().is_none() => {
            let exact = money::parse(&number.to_string()).ok().filter(Decimal::is_integer);
            if let Some(integer) = exact.and_then(|exact| i64::try_from(exact).ok()) {
                *number = integer.into();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Refuses a body that was compressed or otherwise coded: read as it comes, it would only be called malformed.
pub(crate) fn require_uncoded(request: &Request) -> Result<(), Problem> {
    let codings = request.headers().get_all(header::CONTENT_ENCODING).iter();
    let is_none = |coding: &str| ["", "identity"].iter().any(|none| coding.trim().eq_ignore_ascii_case(none));
    if codings.into_iter().all(|value| value.to_str().is_ok_and(|value| value.split(',').all(is_none))) {
        return Ok(());
    }
    let detail = "The body must be sent as it is, without a Content-Encoding";
    Err(Problem::new(Code::UnsupportedMediaType).detail(detail).header(header::ACCEPT_ENCODING, "identity"))
}

async fn bytes(request: &Request, body: &mut RequestBody) -> Result<Vec<u8>, Problem> {
    require_uncoded(request)?;
    let default = HttpConfig::default();
    let config = request.data::<EdgeState>().map_or(&default, EdgeState::http);
    let (limit, patience) = (config.body_limit_bytes, Duration::from_millis(config.body_timeout_ms));
    let too_large = || Problem::new(Code::PayloadTooLarge).detail(format!("The body has more than {limit} bytes"));
    let announced = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let body = body.take().map_err(|_| Problem::new(Code::MalformedRequest))?;
    match tokio::time::timeout(patience, body.into_bytes_limit(limit)).await {
        Ok(Ok(bytes)) => Ok(bytes.to_vec()),
        Ok(Err(poem::error::ReadBodyError::PayloadTooLarge)) => Err(too_large()),
        Err(_) => Err(Problem::new(Code::RequestTimeout).header(header::CONNECTION, "close")),
        Ok(Err(_)) => Err(Problem::new(Code::MalformedRequest).detail("The body cannot be read")),
    }
}
