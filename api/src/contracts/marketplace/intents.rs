//! Intents: what a storefront hands to the card processor's widget.

use entities::{GatewaySessionId, GatewaySessionStatus, currency, gateway_session, payment};
use payments::{RequestedBy, intents, sessions};
use poem_openapi::{Object, OpenApi, payload::Json, types::Example};
use rust_decimal::prelude::ToPrimitive;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};

use super::{Declined, Tag, lower_case, processor, processor_silent, waiting};
use crate::{
    access::Visitor,
    body::Form,
    edge::{Class, RequestId},
    idempotent::Once,
    problem::{Code, Problem},
    state::State,
};

/// An order that is to be paid by card.
#[derive(Object)]
#[oai(rename = "IntentRequest", example)]
pub(crate) struct IntentRequest {
    /// The order's number.
    order_id: i64,
}

impl Example for IntentRequest {
    fn example() -> Self {
        Self { order_id: 1042 }
    }
}

/// What the storefront hands to the processor's widget.
#[derive(Object)]
pub(crate) struct Intent {
    /// The processor's id.
    payment_intent_id: String,
    /// For the widget alone.
    client_secret: String,
    /// The order's total, in cents.
    amount_cents: i64,
    /// In lower case, such as `eur`.
    currency: String,
    /// What the platform keeps of it, by the plan of the seller's node.
    platform_fee_cents: i64,
}

pub(crate) struct Intents(pub(crate) State);

#[OpenApi(prefix_path = "/api/payments", tag = "Tag::Marketplace")]
impl Intents {
    /// Create an intent
    ///
    /// Anybody may. The same unpaid order has the same intent, however often it is asked for. 404 when there is no such
    /// order, or none that can be paid by card here; 409 when it is paid already; 503 with `Retry-After` when the processor
    /// takes longer than ten seconds, and at once when none is configured.
    #[oai(path = "/create-intent", method = "post", operation_id = "create_intent")]
    async fn create(
        &self,
        visitor: Visitor,
        request_id: RequestId,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Form<IntentRequest>,
    ) -> Result<Json<Intent>, Declined<404, 409>> {
        let state = &self.0;
        visitor.spend(state, "order", &body.value.order_id.to_string(), Class::Dear)?;
        processor(state)?;
        let intent = once.command(&visitor, &body.canonical, async {
            let mut tx = state.db().begin().await?;
            let request_id = request_id.to_string();
            let requested_by = RequestedBy { actor: visitor.actor(), request_id: Some(request_id.to_string()) };
            let session = intents::request(&mut tx, body.value.order_id, &requested_by).await?;
            fail::fail_point!("intent.before_commit");
            tx.commit().await?;
            let session = self.opened(session.id).await?;
            self.intent(session).await
        });
        Ok(Json(intent.await?))
    }
}

impl Intents {
    /// The session, once the processor has it.
    async fn opened(&self, id: GatewaySessionId) -> Result<gateway_session::Model, Problem> {
        let mut waiting = waiting();
        let session = loop {
            let session = sessions::find(&**self.0.db(), id).await?.ok_or_else(|| Problem::new(Code::Internal))?;
            if !matches!(session.status, GatewaySessionStatus::Asked | GatewaySessionStatus::Sent) {
                break session;
            }
            if !waiting.pause().await {
                return Err(processor_silent());
            }
        };
        match session.status {
            GatewaySessionStatus::Ready => Ok(session),
            GatewaySessionStatus::Captured => Err(Problem::conflict("The order is paid already")),
            GatewaySessionStatus::Failed => {
                let why = session.failure_message.unwrap_or_default();
                Err(Problem::conflict(format!("The card processor refuses the payment: {why}")))
            }
            GatewaySessionStatus::Closed | GatewaySessionStatus::Asked | GatewaySessionStatus::Sent => {
                Err(Problem::conflict("The payment was canceled"))
            }
        }
    }

    async fn intent(&self, session: gateway_session::Model) -> Result<Intent, Problem> {
        let db = &**self.0.db();
        let payment = payment::Entity::find().filter(payment::Column::Id.eq(session.payment_id)).one(db).await?;
        let payment = payment.ok_or_else(|| Problem::new(Code::Internal))?;
        let currency = currency::Entity::find().filter(currency::Column::Id.eq(payment.currency_id)).one(db).await?;
        let currency = currency.ok_or_else(|| Problem::new(Code::Internal))?;
        let (Some(payment_intent_id), Some(client_secret)) = (session.gateway_id, session.client_secret) else {
            tracing::error!(session_id = %session.id, "the card processor has given no secret for its widget");
            return Err(Problem::new(Code::Internal));
        };
        let cents = |amount: Decimal| {
            let one = 10_i64.checked_pow(u32::try_from(currency.decimals).ok()?)?;
            amount.checked_mul(Decimal::from(one))?.to_i64()
        };
        let fee = session.fee.map(|fee| fee.0).unwrap_or_default();
        let (Some(amount_cents), Some(platform_fee_cents)) = (cents(payment.paid_price.0), cents(fee)) else {
            return Err(Problem::new(Code::Internal));
        };
        let currency = lower_case(&currency.symbol);
        Ok(Intent { payment_intent_id, client_secret, amount_cents, currency, platform_fee_cents })
    }
}
