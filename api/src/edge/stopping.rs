//! Whether the server is stopping, for answers that would go on for ever.

use poem::{FromRequest, Request, RequestBody, Result};
use tokio_util::sync::CancellationToken;

/// Cancelled when the server stops. Without a server, in tests, it never is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopping(pub(crate) CancellationToken);

impl<'a> FromRequest<'a> for Stopping {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(request.data::<Self>().cloned().unwrap_or_default())
    }
}
