//! Payments of every contract as a till shows them: few columns of many rows.

use entities::{Amount, CurrencyId, PaymentId, PaymentMethod, PaymentStatus, payment, till_payment};
use sea_orm::{
    Condition, ConnectionTrait, DbErr, EntityTrait, ExprTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder,
    QuerySelect, RelationDef, Select, prelude::*, sea_query::Query,
};

use crate::{
    caller::Caller,
    listing::Listing,
    reach::{self, Denied},
};

/// A payment in the till's fields.
#[derive(Clone, Debug, FromQueryResult)]
#[expect(missing_docs, reason = "the fields are the contract's, `till.md`")]
pub struct Shown {
    pub id: PaymentId,
    pub payment_method: PaymentMethod,
    pub currency_id: CurrencyId,
    pub paid_price: Amount,
    external_id: String,
    /// What the till's own row calls it.
    kept: Option<String>,
}

impl Shown {
    /// What the till calls it; of another contract's payment its external id.
    #[must_use]
    pub fn transaction_id(self) -> String {
        self.kept.unwrap_or(self.external_id)
    }
}

/// The payment, whichever contract it came in by, unless the till has taken it back.
///
/// # Errors
/// [`Denied`].
pub async fn show<C: ConnectionTrait>(db: &C, caller: &Caller, id: PaymentId) -> Result<Shown, Denied> {
    super::find(db, caller, id).await?;
    let shown = fields(reach::within::<payment::Entity>(caller).filter(payment::Column::Id.eq(id)));
    shown.into_model::<Shown>().one(db).await?.ok_or(Denied::NotFound)
}

/// Payments in reach behind this one, newest first, whichever contract they came in by; none that the till has taken
/// back.
///
/// # Errors
/// When the database does not answer.
pub async fn list<C: ConnectionTrait>(
    db: &C,
    caller: &Caller,
    after: Option<PaymentId>,
    limit: u64,
) -> Result<Vec<Shown>, DbErr> {
    let same = Expr::col((till_payment::Entity, till_payment::Column::PaymentId))
        .equals((payment::Entity, payment::Column::Id));
    let of_till = Query::select().expr(Expr::val(1)).from(till_payment::Entity).and_where(same).to_owned();
    let stands =
        Condition::any().add(payment::Column::Status.ne(PaymentStatus::Canceled)).add(Expr::not_exists(of_till));
    let mut payments = Listing::within(caller).filter(stands);
    if let Some(after) = after {
        payments = payments.filter(payment::Column::Id.lt(after));
    }
    let ids = payments.ids(db, 0, limit).await?;
    let shown = fields(payment::Entity::find().filter(payment::Column::Id.is_in(ids)));
    shown.order_by_desc(payment::Column::Id).into_model::<Shown>().all(db).await
}

fn fields(payments: Select<payment::Entity>) -> Select<payment::Entity> {
    use payment::Column as C;
    let of_till: RelationDef =
        payment::Entity::belongs_to(till_payment::Entity).from(C::Id).to(till_payment::Column::PaymentId).into();
    payments
        .select_only()
        .columns([C::Id, C::PaymentMethod, C::CurrencyId, C::PaidPrice, C::ExternalId])
        .column_as(till_payment::Column::TransactionId, "kept")
        .join(JoinType::LeftJoin, of_till)
}
