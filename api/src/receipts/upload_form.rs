//! The form that a file is uploaded with. It is read to its own limit, which is far above that of all other bodies.

use std::time::Duration;

use poem::{
    Body, FromRequest, Request, RequestBody, Result,
    error::ReadBodyError,
    http::header,
    web::{Field, Multipart},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
};

use crate::{
    edge::ClientAddress,
    problem::{Code, Problem},
    state::State,
};

/// Largest file, bytes.
pub(super) const FILE_MAX: usize = 20 << 20;

/// What may stand around the file in the form, bytes.
const FORM_MAX: usize = 64 << 10;

/// How much earlier than the whole request the reading has to end, so that the file can still be stored.
const MARGIN: Duration = Duration::from_secs(5);

/// A file that was uploaded.
pub(super) struct UploadForm {
    pub(super) file: Vec<u8>,
}

impl<'a> ApiExtractor<'a> for UploadForm {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(_: &mut Registry) {}

    fn request_meta() -> Option<MetaRequest> {
        let text = MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
        let file = MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "binary")));
        let form = MetaSchema {
            required: vec!["file"],
            properties: vec![("file", file), ("userId", text)],
            ..MetaSchema::new("object")
        };
        let schema = MetaSchemaRef::Inline(Box::new(form));
        let content = vec![MetaMediaType { content_type: "multipart/form-data", schema }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let state = request.data::<State>().ok_or_else(|| Problem::new(Code::Internal))?;
        let address = <ClientAddress as FromRequest>::from_request(request, body).await?.network();
        state.uploads().per_address.take(&address)?;
        let media_type = request.content_type().and_then(|sent| sent.split(';').next()).unwrap_or("").trim();
        if !media_type.eq_ignore_ascii_case("multipart/form-data") {
            let problem = Problem::new(Code::UnsupportedMediaType);
            return Err(problem.detail("The body must be multipart/form-data").into());
        }
        let announced = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > FILE_MAX + FORM_MAX) {
            return Err(too_large().into());
        }
        let full = |_| Problem::new(Code::Unavailable).detail("Too many files are under way").retry_after(1);
        let _place = state.uploads().places.try_acquire().map_err(full)?;
        let patience = Duration::from_millis(state.config().http.request_timeout_ms).saturating_sub(MARGIN);
        let body = body.take().map_err(|_| Problem::new(Code::MalformedRequest))?;
        let bytes = match tokio::time::timeout(patience, body.into_bytes_limit(FILE_MAX + FORM_MAX)).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(ReadBodyError::PayloadTooLarge)) => return Err(too_large().into()),
            Ok(Err(_)) => return Err(malformed().into()),
            Err(_) => return Err(Problem::new(Code::RequestTimeout).header(header::CONNECTION, "close").into()),
        };
        let mut form = RequestBody::new(Body::from_bytes(bytes));
        let form = <Multipart as FromRequest>::from_request(request, &mut form).await.map_err(|_| malformed())?;
        Ok(Self { file: file(form).await? })
    }
}

/// The first field that is called `file`.
async fn file(mut form: Multipart) -> Result<Vec<u8>, Problem> {
    while let Some(field) = form.next_field().await.map_err(|_| malformed())? {
        if field.name() == Some("file") {
            return content(field).await;
        }
    }
    Err(Problem::invalid("/file", "is required"))
}

async fn content(field: Field) -> Result<Vec<u8>, Problem> {
    let bytes = field.bytes().await.map_err(|_| malformed())?;
    if bytes.len() > FILE_MAX {
        return Err(too_large());
    }
    if bytes.is_empty() {
        return Err(Problem::invalid("/file", "must not be empty"));
    }
    Ok(bytes)
}

fn too_large() -> Problem {
    Problem::new(Code::PayloadTooLarge).detail("The file has more than 20 MiB")
}

fn malformed() -> Problem {
    Problem::new(Code::MalformedRequest).detail("The form cannot be read")
}
