//! Where gateways send the browser back. What the browser says is not believed: somebody asks the gateway, and our page
//! tells how it stands.

use entities::PaymentId;
use payments::{checkout, checkout_links::Return};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
};

use super::Tag;
use crate::{
    problem::{Code, Problem, Refused},
    state::State,
};

/// Onwards.
#[derive(ApiResponse)]
enum Redirect {
    /// Our page, which goes on to the shop as soon as the gateway has told.
    #[oai(status = 302)]
    Found(#[oai(header = "Location")] String),
}

pub(crate) struct ReturnsRoutes(pub(crate) State);

#[OpenApi(prefix_path = "/v1/payments", tag = "Tag::Checkout")]
impl ReturnsRoutes {
    /// Come back from a gateway
    ///
    /// For the browser of a payer who has agreed. 403 unless the signature is ours.
    #[oai(path = "/:id/capture", method = "get", operation_id = "capture_checkout")]
    async fn capture(
        &self,
        /// The payment.
        id: Path<String>,
        /// Our signature of this address.
        sig: Query<Option<String>>,
    ) -> Result<Redirect, Refused<403>> {
        self.redirect(&id.0, sig.0, Return::Capture).await
    }

    /// Come back from a gateway without having paid
    ///
    /// For the browser of a payer who has turned away. 403 unless the signature is ours.
    #[oai(path = "/:id/decline", method = "get", operation_id = "decline_checkout")]
    async fn decline(
        &self,
        /// The payment.
        id: Path<String>,
        /// Our signature of this address.
        sig: Query<Option<String>>,
    ) -> Result<Redirect, Refused<403>> {
        self.redirect(&id.0, sig.0, Return::Decline).await
    }
}

impl ReturnsRoutes {
    async fn redirect(&self, id: &str, sig: Option<String>, what: Return) -> Result<Redirect, Refused<403>> {
        let forged = || Problem::new(Code::ForeignOrigin).detail("The signature is missing or wrong");
        let id: PaymentId = id.parse().map_err(|_| forged())?;
        let links = self.0.checkout_links();
        if !links.verify(id, what, &sig.unwrap_or_default()) {
            return Err(forged().into());
        }
        let mut tx = self.0.db().begin().await?;
        checkout::request_check(&mut tx, id).await?;
        tx.commit().await?;
        Ok(Redirect::Found(links.page(id)))
    }
}
