//! A shop with an active account, and sales that were paid.

use entities::{
    Amount, GatewaySessionStatus, PaymentId, RefundStatus, gateway_session, order, payment, payout, refund,
};
use fixtures::Merchant;
use payments::{
    Actor, Observation, RequestError, intents, ledger, payouts,
    refunds::{self, NewRefund},
    sellers::{self, AccountReport, Details},
};
use queue::{Database, Transaction};
use rust_decimal::Decimal;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QueryFilter, prelude::*};
use serde_json::json;

pub(crate) struct Shop {
    pub(crate) db: Database,
    pub(crate) merchant: Merchant,
}

pub(crate) struct Sale {
    pub(crate) order: order::Model,
    pub(crate) payment: PaymentId,
    pub(crate) session: gateway_session::Model,
}

pub(crate) fn euros(cents: i64) -> Amount {
    Amount(Decimal::new(cents, 2))
}

pub(crate) fn new_refund(order_id: i64, amount: Option<i64>) -> NewRefund {
    NewRefund { order_id, amount, reason: Some("returned".to_owned()), request_id: None }
}

impl Shop {
    /// With an account that may take payments and be paid out.
    pub(crate) async fn open(db: &Database) -> Self {
        let merchant = Merchant::insert(db, 1).await;
        let details: Details = serde_json::from_value(json!({
            "business_name": "Olive", "first_name": "Ana", "last_name": "Reis", "email": "ana@olive.example",
            "dob": "1990-05-17", "address": "Rua 1", "city": "Porto", "postal_code": "4000-001", "country": "PT",
            "nif": "123456789",
        }))
        .unwrap();
        let node_id = merchant.node_id;
        let mut tx = db.begin().await.unwrap();
        let submitted =
            sellers::submit_details(&mut tx, node_id, &details, "PT50000201231234567890154".to_owned()).await.unwrap();
        let active = AccountReport {
            account_id: "acct_1".to_owned(),
            charges_enabled: true,
            payouts_enabled: true,
            requirements_due: Vec::new(),
        };
        let after = sellers::record_report(&tx, node_id, Some(submitted.told_at), active).await.unwrap().unwrap();
        assert_eq!((after.iban, after.details), (None, json!({ "business_name": "Olive" })), "nothing is kept");
        tx.commit().await.unwrap();
        Self { db: db.clone(), merchant }
    }

    pub(crate) async fn order(&self, cents: i64) -> order::Model {
        let tx = self.db.begin().await.unwrap();
        let order = self.order_in(&tx, cents).await;
        tx.commit().await.unwrap();
        order
    }

    async fn order_in(&self, tx: &Transaction, cents: i64) -> order::Model {
        let new = payments::orders::NewOrder {
            node_id: self.merchant.node_id,
            user_id: None,
            currency: "EUR".to_owned(),
            total: euros(cents).0,
            total_bs: euros(cents).0,
            exchange_rate: None,
            items: json!([]),
        };
        payments::orders::place(tx, new).await.unwrap()
    }

    /// An order whose card payment is captured.
    pub(crate) async fn sale(&self, cents: i64, fee: i64) -> Sale {
        let mut tx = self.db.begin().await.unwrap();
        let sale = self.sale_in(&mut tx, cents, fee).await;
        tx.commit().await.unwrap();
        sale
    }

    pub(crate) async fn sale_in(&self, tx: &mut Transaction, cents: i64, fee: i64) -> Sale {
        let order = self.order_in(tx, cents).await;
        let intent = intents::request(tx, order.number, &Actor::payer().into()).await.unwrap();
        let mut row = intent.into_active_model();
        row.fee = Set(Some(euros(fee)));
        row.status = Set(GatewaySessionStatus::Captured);
        let session = row.update(&**tx).await.unwrap();
        let captured = Observation::DepositFinal { data: json!({}) };
        let captured = payments::Observed::new(session.payment_id, captured, Actor::worker("test"));
        payments::record(tx, vec![captured]).await.unwrap();
        assert!(ledger::capture_posted(tx, &session, euros(cents)).await.unwrap());
        Sale { order, payment: session.payment_id, session }
    }

    pub(crate) async fn refund_of(&self, number: i64, amount: Option<i64>) -> Result<refund::Model, RequestError> {
        let mut tx = self.db.begin().await.unwrap();
        let refund = refunds::request(&mut tx, &self.merchant.caller(), new_refund(number, amount)).await?;
        tx.commit().await.unwrap();
        Ok(refund)
    }

    pub(crate) async fn refund(&self, sale: &Sale, amount: Option<i64>) -> Result<refund::Model, RequestError> {
        self.refund_of(sale.order.number, amount).await
    }

    /// Refunds of these payments that have no end yet.
    pub(crate) async fn refunds_of(&self, tx: &Transaction, payments: &[payment::Model]) -> Vec<refund::Model> {
        use refund::Column as C;
        let of_payments = refund::Entity::find().filter(C::PaymentId.is_in(payments.iter().map(|payment| payment.id)));
        let open = of_payments.filter(C::Status.is_in([RefundStatus::Asked, RefundStatus::Sent]));
        open.all(&**tx).await.unwrap()
    }

    pub(crate) async fn pay_out(&self, amount: i64) -> Result<payout::Model, RequestError> {
        let mut tx = self.db.begin().await.unwrap();
        let payout = payouts::request(&mut tx, self.merchant.node_id, "EUR", amount).await?;
        tx.commit().await.unwrap();
        Ok(payout)
    }

    pub(crate) async fn reverse(&self, sale: &Sale, total: i64) {
        let tx = self.db.begin().await.unwrap();
        ledger::reversal_posted(&tx, &sale.session, euros(total)).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Available, and on its way.
    pub(crate) async fn balance(&self) -> (i64, i64) {
        let balance = ledger::balance(&*self.db, self.merchant.node_id, "EUR").await.unwrap();
        balance.map_or((0, 0), |balance| (balance.available, balance.in_transit))
    }

    pub(crate) async fn order_status(&self, sale: &Sale) -> String {
        let order = order::Entity::find().filter(order::Column::Id.eq(sale.order.id)).one(&*self.db).await;
        order.unwrap().unwrap().status
    }

    pub(crate) async fn clean(&self) -> ledger::Check {
        let check = ledger::check(&self.db).await.unwrap();
        assert!(check.is_clean(), "{check:?}");
        check
    }
}
