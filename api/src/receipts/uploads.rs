//! Pictures of receipts: taking them in, and handing them out so that no browser runs anything of them.

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::Path,
    payload::{Binary, Json},
};

use super::{Declined, picture::Kind, upload_form::UploadForm};
use crate::{
    access::unguessable,
    problem::{Code, Problem},
    resources::Tag,
    state::State,
};

/// A file that was taken in.
#[derive(Object)]
pub(crate) struct Uploaded {
    /// Always true.
    success: bool,
    /// Where it is: a path of this server.
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
    /// script, an event handler, a foreign object or a reference to somewhere else is refused. `userId` is for the shop's
    /// own programs and is not kept.
    #[oai(path = "/api/upload", method = "post", operation_id = "upload_file")]
    async fn upload(&self, form: UploadForm) -> Result<Json<Uploaded>, Declined> {
        let name = unguessable("").map_err(|error| {
            tracing::error!("no name for a file: {error:#}");
            Problem::new(Code::Internal)
        })?;
        let name = format!("{name}.{}", kind.extension());
        self.0.uploads().put(&name, file).await?;
        Ok(Json(Uploaded { success: true, url: format!("/uploads/{name}") }))
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
        let bytes = self.0.uploads().get(&id.0).await?.ok_or_else(not_found)?;
        Ok(UploadedFile::Found(
            Binary(bytes),
            kind.media_type().to_owned(),
            format!("attachment; filename=\"{}\"", id.0),
            "default-src 'none'; sandbox; frame-ancestors 'none'".to_owned(),
        ))
    }
}

/// The kind of a name that we may have given.
fn kind_of(name: &str) -> Option<Kind> {
    let (stem, extension) = name.split_once('.')?;
    let ours = stem.len() == 43 && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    Kind::of_extension(extension).filter(|_| ours)
}
