//! What the Lightning node tells us: that there is something to look at. Nothing moves by a callback alone.

use entities::now;
use gateways::{Callback, CallbackRefused, CallbackSubject};
use payments::lightning;
use poem::{Body, Request, error::ReadBodyError};
use poem_openapi::OpenApi;

use super::Tag;
use crate::{
    body::require_uncoded,
    problem::{Code, Problem, Refused},
    state::State,
};

/// Longest callback that is read, bytes; the node's own have a few hundred.
const BODY_MAX: usize = 16 * 1_024;

pub(crate) struct LightningCallbacks(pub(crate) State);

#[OpenApi(prefix_path = "/webhook", tag = "Tag::Gateways")]
impl LightningCallbacks {
    /// phoenixd calls back
    ///
    /// `X-Phoenix-Signature` is the HMAC-SHA256 of the body under the node's webhook secret, in hex. 401 when it is missing
    /// or wrong, and where no node is configured; 400 when the body cannot be read. The node is then asked itself, so that
    /// the same again changes nothing.
    #[oai(path = "/phoenixd", method = "post", operation_id = "phoenixd_webhook")]
    async fn phoenixd(&self, request: &Request, body: Body) -> Result<(), Refused<401, 413>> {
        require_uncoded(request)?;
        let body = body.into_bytes_limit(BODY_MAX).await.map_err(|error| match error {
            ReadBodyError::PayloadTooLarge => Problem::new(Code::PayloadTooLarge),
            _ => Problem::new(Code::MalformedRequest).detail("The body cannot be read"),
        })?;
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let callback = Callback { headers: &headers, query: "", body: &body, at: now() };
        let node = self.0.config().lightning.phoenixd.as_ref().ok_or_else(|| Problem::new(Code::Unauthorized))?;
        let notification = node.receive(&callback).map_err(refused)?;
        let CallbackSubject::Payment { reference, gateway_id } = notification.about else { return Ok(()) };
        let mut tx = self.0.db().begin().await?;
        if !lightning::receive_callback(&mut tx, reference, gateway_id.as_deref()).await? {
            tracing::info!(payment_hash = gateway_id, "the Lightning node tells of an invoice that is not ours");
        }
        Ok(tx.commit().await?)
    }
}

fn refused(error: CallbackRefused) -> Problem {
    let code = match error {
        CallbackRefused::Forged => Code::Unauthorized,
        CallbackRefused::Malformed(_) => Code::MalformedRequest,
        CallbackRefused::Unchecked(_) => Code::Internal,
    };
    Problem::new(code).detail(error.to_string())
}
