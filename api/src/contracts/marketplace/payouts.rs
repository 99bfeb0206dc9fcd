//! Paying a seller's balance out.

use std::borrow::Cow;

use chrono::NaiveDate;
use entities::{PayoutStatus, payout};
use payments::payouts;
use poem_openapi::{
    Object, OpenApi,
    param::Query,
    payload::Json,
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseFromParameter, ParseResult, Type},
};
use rust_decimal::Decimal;
use serde_json::json;

use super::{Declined, Tag, lower_case, manage::MarketplaceManage, processor};
use crate::{
    access::Allowed,
    idempotent::Once,
    problem::{Code, Kind, Location, Problem, Wrong},
    state::State,
};

/// A number of cents as it was sent, so that a mistake can be told with it.
#[derive(Clone, Debug)]
pub(crate) struct Cents(String);

impl Type for Cents {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "Cents".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let minimum = Some(1.0);
        MetaSchemaRef::Inline(Box::new(MetaSchema { minimum, ..MetaSchema::new_with_format("integer", "int64") }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromParameter for Cents {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        Ok(Self(value.to_owned()))
    }
}

impl Cents {
    fn amount(&self) -> Result<i64, Problem> {
        let wrong = |wrong: Wrong| {
            let problem = Problem::new(Code::ValidationFailed).wrong("/amount", Location::Query, wrong);
            Err(problem.with_sent(json!(self.0)))
        };
        match self.0.parse() {
            Ok(amount) if amount > 0 => Ok(amount),
            Ok(_) => wrong(Wrong::GreaterThan(Decimal::ZERO)),
            Err(_) => wrong(Wrong::NotA(Kind::Integer)),
        }
    }
}

/// A payout as it stands.
#[derive(Object)]
pub(crate) struct ConnectPayout {
    payout_id: String,
    /// In cents.
    amount: i64,
    /// In lower case, such as `eur`.
    currency: String,
    /// `pending`, `paid` or `failed`; `payout.paid` and `payout.failed` tell its end.
    status: String,
    /// When the bank should have it; null until the processor has told.
    arrival_date: Option<String>,
}

impl From<payout::Model> for ConnectPayout {
    fn from(payout: payout::Model) -> Self {
        let status = match payout.status {
            PayoutStatus::Asked | PayoutStatus::Sent => "pending",
            PayoutStatus::Paid => "paid",
            PayoutStatus::Failed => "failed",
        };
        Self {
            payout_id: payout.id.to_string(),
            amount: payout.amount,
            currency: lower_case(&payout.currency),
            status: status.to_owned(),
            arrival_date: payout.arrival_date.map(|day: NaiveDate| day.to_string()),
        }
    }
}

pub(crate) struct Payouts(pub(crate) State);

#[OpenApi(prefix_path = "/api/payments/connect", tag = "Tag::Marketplace")]
impl Payouts {
    /// Pay out
    ///
    /// From the available balance of the caller's node, in the currency of its orders, to the seller's bank. 409 when there
    /// is no account that can be paid out, or the balance does not cover it, however many are asked for at once; 503 when no card processor is configured.
    #[oai(path = "/payout", method = "post", operation_id = "create_connect_payout")]
    async fn create(
        &self,
        caller: Allowed<MarketplaceManage>,
        /// In cents.
        amount: Query<Cents>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
    ) -> Result<Json<ConnectPayout>, Declined<409>> {
        let cents = amount.0.amount()?;
        processor(&self.0)?;
        let (state, body) = (&self.0, cents.to_string());
        let payout = once.create(&caller, &body, async |tx| {
            let payout = payouts::request(tx, caller.node_id, &state.config().receipts.currency, cents).await?;
            fail::fail_point!("payout.before_commit");
            Ok(ConnectPayout::from(payout))
        });
        Ok(Json(payout.await?))
    }
}
