//! The form that a file is uploaded with. It is read to its own limit, which is far above that of all other bodies.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt};
use poem::{
    Body, FromRequest, Request, RequestBody, Result,
    http::header,
    web::{Field, Multipart},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    picture::{PictureKind, PictureRefused},
    store::Uploads,
};
use crate::{
    body::require_uncoded,
    edge::ClientAddress,
    offload::Work,
    problem::{Code, Problem, Wrong},
    state::State,
};

/// Largest file, bytes.
pub(super) const FILE_MAX: usize = 20 << 20;

/// What may stand around the file in the form, bytes.
const FORM_MAX: usize = 64 << 10;

/// What each form is counted with at least, KiB.
const FORM_KIB: u32 = 64;

/// How much earlier than the whole request the reading has to end, so that the file can still be stored.
const MARGIN: Duration = Duration::from_secs(5);

/// Fields that a form may have up to its file; programs send one or two.
const FIELDS_MAX: usize = 16;

/// A file that was uploaded.
pub(super) struct UploadForm {
    pub(super) file: Vec<u8>,
    pub(super) kind: PictureKind,
    pub(super) from: String,
    /// The memory that it takes, counted as long as it is there.
    _memory: OwnedSemaphorePermit,
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
        state.contract_state().uploads.per_address.take(&address)?;
        let media_type = request.content_type().and_then(|sent| sent.split(';').next()).unwrap_or("").trim();
        if !media_type.eq_ignore_ascii_case("multipart/form-data") {
            let problem = Problem::new(Code::UnsupportedMediaType);
            return Err(problem.detail("The body must be multipart/form-data").into());
        }
        require_uncoded(request)?;
        let announced = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > FILE_MAX + FORM_MAX) {
            return Err(too_large().into());
        }
        let patience = Duration::from_millis(state.config().http.request_timeout_ms).saturating_sub(MARGIN);
        let body = body.take().map_err(|_| Problem::new(Code::MalformedRequest))?;
        let (body, memory) = match tokio::time::timeout(patience, read(body, &state.contract_state().uploads)).await {
            Ok(read) => read?,
            Err(_) => return Err(Problem::new(Code::RequestTimeout).header(header::CONNECTION, "close").into()),
        };
        let mut form = RequestBody::new(Body::from_vec(body));
        let form = <Multipart as FromRequest>::from_request(request, &mut form).await.map_err(|_| malformed())?;
        let (file, kind) = state.offload(Work::Parsing, move || sorted(form)).await??;
        Ok(Self { file, kind, from: address, _memory: memory })
    }
}

/// The body, as long as there is memory for it: what is counted is what has come, so that a client who announces much and
/// sends nothing takes nothing of the others'.
async fn read(body: Body, uploads: &Uploads) -> Result<(Vec<u8>, OwnedSemaphorePermit), Problem> {
    let full = |_| Problem::new(Code::Unavailable).detail("Too many files are under way").retry_after(1);
    let memory = || Arc::clone(&uploads.memory_kib);
    let mut held = memory().try_acquire_many_owned(FORM_KIB).map_err(full)?;
    let mut bytes = Vec::new();
    let mut chunks = std::pin::pin!(body.into_bytes_stream());
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.map_err(|_| malformed())?);
        if bytes.len() > FILE_MAX + FORM_MAX {
            return Err(too_large());
        }
        let wanted = FORM_KIB.max(u32::try_from(bytes.len().div_ceil(1 << 10)).unwrap_or(u32::MAX));
        let held_kib = u32::try_from(held.num_permits()).unwrap_or(u32::MAX);
        held.merge(memory().try_acquire_many_owned(wanted.saturating_sub(held_kib)).map_err(full)?);
    }
    Ok((bytes, held))
}

/// The file and what it is. All of the form is in memory, so that nothing is ever waited for.
fn sorted(form: Multipart) -> Result<(Vec<u8>, PictureKind), Problem> {
    let file = file(form).now_or_never().ok_or_else(malformed)??;
    match PictureKind::of(&file) {
        Ok(kind) => Ok((file, kind)),
        Err(PictureRefused::Content(wrong)) => Err(Problem::invalid("/file", Wrong::Rule(wrong))),
        Err(PictureRefused::TooLarge) => {
            let detail = "The file has more than 1 MiB, which is all that an SVG picture may have";
            Err(Problem::new(Code::PayloadTooLarge).detail(detail))
        }
    }
}

/// The first field that is called `file`.
async fn file(mut form: Multipart) -> Result<Vec<u8>, Problem> {
    for _ in 0..FIELDS_MAX {
        let Some(field) = form.next_field().await.map_err(|_| malformed())? else { break };
        if field.name() == Some("file") {
            return content(field).await;
        }
    }
    Err(Problem::invalid("/file", Wrong::Required))
}

async fn content(field: Field) -> Result<Vec<u8>, Problem> {
    let bytes = field.bytes().await.map_err(|_| malformed())?;
    if bytes.len() > FILE_MAX {
        return Err(too_large());
    }
    if bytes.is_empty() {
        return Err(Problem::invalid("/file", Wrong::Empty));
    }
    Ok(bytes)
}

fn too_large() -> Problem {
    Problem::new(Code::PayloadTooLarge).detail("The file has more than 20 MiB")
}

fn malformed() -> Problem {
    Problem::new(Code::MalformedRequest).detail("The form cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A part of the largest file: with more, the system hands out memory page by page, and that would be measured.
    const PART: usize = FILE_MAX / 5;

    /// How a form is made of what is repeated in it.
    type Shape = fn(&str) -> Vec<u8>;

    const TYPE: &str = "multipart/form-data; boundary=edge";

    fn taken(form: &[u8]) -> Result<(Vec<u8>, PictureKind), Problem> {
        let request = Request::builder().header(header::CONTENT_TYPE, TYPE).finish();
        let mut body = RequestBody::new(Body::from_vec(form.to_vec()));
        let form = <Multipart as FromRequest>::from_request(&request, &mut body).now_or_never().unwrap();
        sorted(form.map_err(|_| malformed())?)
    }

    fn form(fields: &str, content: &str) -> Vec<u8> {
        let file = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
        format!("{fields}{file}{content}\r\n--edge--\r\n").into_bytes()
    }

    #[test]
    fn forms_are_read_in_time_with_their_size() {
        let field = "--edge\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n";
        let kinds: [(&str, &str, Shape); 5] = [
            ("a file", "0123456789", |text| form("", &format!("%PDF-{text}"))),
            ("almost edges", "\r\n--edg", |text| form("", &format!("%PDF-{text}"))),
            ("fields", field, |text| form(text, "%PDF-")),
            ("names of headers", "A: b\r\n", |text| form(&format!("--edge\r\n{text}"), "%PDF-")),
            ("no end", "a", |text| format!("--edge\r\n{text}").into_bytes()),
        ];
        for (what, part, form) in kinds {
            let input = |size: usize| form(&part.repeat(size / part.len()));
            fixtures::assert_linear(what, PART, input, |form| drop(taken(form)));
        }
    }

    #[test]
    fn a_form_has_some_fields_before_its_file() {
        let field = "--edge\r\nContent-Disposition: form-data; name=\"userId\"\r\n\r\n7\r\n";
        assert_eq!(taken(&form(field, "%PDF-1")).unwrap(), (b"%PDF-1".to_vec(), PictureKind::Pdf));
        assert!(taken(&form(&field.repeat(FIELDS_MAX - 1), "%PDF-1")).is_ok());
        assert!(taken(&form(&field.repeat(FIELDS_MAX), "%PDF-1")).is_err());
    }
}
