//! Pictures of receipts: taking them in, and handing them out so that no browser runs anything of them.

use payments::uploads::{self, Full};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::Path,
    payload::{Binary, Json},
};

use super::{Declined, Tag, picture::PictureKind, upload_form::UploadForm};
use crate::{
    access::unguessable,
    problem::{Code, Problem},
    state::State,
};

/// When there may be room again, seconds.
const ROOM_AFTER_S: u64 = 3_600;

/// A file that was taken in.
#[derive(Object)]
pub(crate) struct Uploaded {
    /// Always true.
    success: bool,
    /// Where it is: an address that any page can show, under the `base_url` of this server.
    url: String,
}

/// An uploaded file.
#[derive(ApiResponse)]
pub(crate) enum UploadedFile {
    /// The file, to be saved and never shown as a page.
    #[oai(status = 200)]
    Found(
        Binary<Vec<u8>>,
        /// By the file's first bytes.
        #[oai(header = "Content-Type")]
        String,
        /// Always `attachment`.
        #[oai(header = "Content-Disposition")]
        String,
        /// Lets nothing of the file run or fetch anything.
        #[oai(header = "Content-Security-Policy")]
        String,
    ),
}

pub(crate) struct UploadRoutes(pub(crate) State);

#[OpenApi(tag = "Tag::Receipts")]
impl UploadRoutes {
    /// Upload a file
    ///
    /// A PNG, JPEG, PDF or SVG file of at most 20 MiB, told by its first bytes and not by what is declared. An SVG with a
    /// script, an event handler, a foreign object or a reference to somewhere else is refused, and may have at most 1 MiB.
    /// `userId` is for the shop's own programs and is not kept. A file that no receipt names within a day is taken away.
    /// 429 when the address has sent too much lately.
    #[oai(path = "/api/upload", method = "post", operation_id = "upload_file")]
    async fn upload(&self, form: UploadForm) -> Result<Json<Uploaded>, Declined> {
        let name = unguessable("").map_err(|error| {
            tracing::error!("no name for a file: {error:#}");
            Problem::new(Code::Internal)
        })?;
        let name = format!("{name}.{}", form.kind.extension());
        self.count(&name, &form).await?;
        fail::fail_point!("upload.counted");
        self.0.contract_state().uploads.put(&name, form.file).await?;
        fail::fail_point!("upload.kept");
        let base_url = self.0.checkout_links().base_url();
        Ok(Json(Uploaded { success: true, url: format!("{base_url}/uploads/{name}") }))
    }

    /// Get an uploaded file
    ///
    /// By the name that uploading it has given, which cannot be guessed. 404 when there is none.
    #[oai(path = "/uploads/:id", method = "get", operation_id = "get_upload")]
    async fn get(
        &self,
        /// The file's name.
        id: Path<String>,
    ) -> Result<UploadedFile, Declined<404>> {
        let not_found = || Problem::not_found("File");
        let kind = kind_of(&id.0).ok_or_else(not_found)?;
        let bytes = self.0.contract_state().uploads.get(&id.0).await?.ok_or_else(not_found)?;
        Ok(UploadedFile::Found(
            Binary(bytes),
            kind.media_type().to_owned(),
            format!("attachment; filename=\"{}\"", id.0),
            "default-src 'none'; sandbox; frame-ancestors 'none'".to_owned(),
        ))
    }
}

impl UploadRoutes {
    /// Writes down that there will be a file, if there is room for one more.
    async fn count(&self, name: &str, form: &UploadForm) -> Result<(), Problem> {
        let tx = self.0.db().begin().await?;
        let counted =
            uploads::reserve(&tx, name, &form.from, form.file.len(), self.0.contract_state().uploads.allowances())
                .await?;
        let (code, detail) = match counted {
            Ok(()) => return Ok(tx.commit().await?),
            Err(Full::Address) => (Code::TooManyRequests, "Your address has uploaded too much; come again later"),
            Err(Full::InAll) => (Code::Unavailable, "There is no room for more files at the moment"),
        };
        metrics::counter!("quittance_uploads_refused_total").increment(1);
        Err(Problem::new(code).detail(detail).retry_after(ROOM_AFTER_S))
    }
}

/// The kind of a name that we may have given.
fn kind_of(name: &str) -> Option<PictureKind> {
    let (stem, extension) = name.split_once('.')?;
    let ours = stem.len() == 43 && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    PictureKind::of_extension(extension).filter(|_| ours)
}
