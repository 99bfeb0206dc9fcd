//! One order, all rails on which it may be paid, and what truly became of the money on each.

use std::collections::BTreeSet;

use entities::{
    Amount, GatewaySessionId, GatewaySessionKind, GatewaySessionStatus, OrderId, PaymentId, PaymentMethod,
    PaymentStatus, ReceiptMethod, capture, gateway_session, order, payment, payment_log,
};
use payments::{
    Acceptor, Actor, Observation, Observed, Outcome, RequestError, intents, ledger,
    receipts::{self, NewReceipt, ReceiptVerdict},
    sessions::{self, GatewayReport, GatewayStatus, NewSession},
};
use queue::Transaction;
use rust_decimal::Decimal;
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};
use serde_json::json;

use super::super::ledger::seller::{Shop, euros};

/// The order's total, cents.
pub(crate) const TOTAL: i64 = 2_550;

/// One order and what its rails truly hold; the rest is in the database.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) order: order::Model,
    /// A deal of the same order.
    pub(crate) deal: PaymentId,
    /// A card payment of the same order, through the shop's own gateway.
    pub(crate) checkout: PaymentId,
    /// Sessions that have the payer's money.
    pub(crate) captured: BTreeSet<GatewaySessionId>,
    /// Sessions whose money went back, or was taken back by the payer's bank.
    pub(crate) returned: BTreeSet<GatewaySessionId>,
    /// Sessions whose money the payer's bank has taken back for now.
    pub(crate) disputed: BTreeSet<GatewaySessionId>,
    /// Whether the deal holds a deposit, and whether the chain has closed it.
    pub(crate) deposited: bool,
    pub(crate) deal_closed: bool,
    /// Whether the bank has the transfer, as whoever looked has said last, and whether an operator has sent it back.
    pub(crate) transferred: bool,
    pub(crate) sent_back: BTreeSet<PaymentId>,
}

impl World {
    /// An order of the shop with a deal and a card payment that wait for a payer.
    pub(crate) async fn of(shop: &Shop, acceptor: &Acceptor, name: &str) -> Self {
        let order = shop.order(TOTAL).await;
        let mut ids = Vec::new();
        for (rail, method) in [("deal", PaymentMethod::Web3), ("checkout", PaymentMethod::CreditCard)] {
            let mut new = shop.merchant.payment(&format!("{name} {rail}"));
            (new.order_id, new.payment_method) = (Some(order.id), method);
            ids.push(acceptor.accept(&shop.merchant.caller(), new).await.unwrap().payment.id);
        }
        Self {
            order,
            deal: ids[0],
            checkout: ids[1],
            captured: BTreeSet::new(),
            returned: BTreeSet::new(),
            disputed: BTreeSet::new(),
            deposited: false,
            deal_closed: false,
            transferred: false,
            sent_back: BTreeSet::new(),
        }
    }

    pub(crate) async fn observe(&self, tx: &mut Transaction, id: PaymentId, what: Observation) -> Outcome {
        let observed = vec![Observed::new(id, what, Actor::worker("test"))];
        payments::record(tx, observed).await.unwrap()[0]
    }

    /// Each report is of another transfer.
    pub(crate) async fn report(&self, tx: &mut Transaction) -> Result<(), RequestError> {
        let reference = uuid::Uuid::now_v7().to_string();
        receipts::report(tx, NewReceipt { reference, ..receipt(self.order.id) }).await.map(drop)
    }

    /// The back office looks at the bank and says what is there.
    pub(crate) async fn decide(
        &mut self,
        shop: &Shop,
        tx: &mut Transaction,
        confirmed: bool,
    ) -> Result<(), RequestError> {
        let order_id = self.order.id;
        let verdict = ReceiptVerdict { order_id, submission_id: None, confirmed, reason: None, request_id: None };
        receipts::decide(tx, &shop.merchant.caller(), verdict).await?;
        self.transferred = confirmed;
        Ok(())
    }

    /// Takes in which of the sellers' sessions have nothing left of what they had captured.
    pub(crate) async fn refunded(&mut self, tx: &Transaction) {
        let ids = self.payments(tx).await.into_iter().map(|payment| payment.id);
        let captures = capture::Entity::find().filter(capture::Column::PaymentId.is_in(ids)).all(&**tx).await.unwrap();
        let empty = captures.into_iter().filter(|capture| capture.refunded + capture.reversed >= capture.captured);
        self.returned.extend(empty.map(|capture| capture.session_id));
    }

    pub(crate) async fn request_intent(&self, tx: &mut Transaction) -> Result<GatewaySessionId, String> {
        let intent = intents::request(tx, self.order.number, &Actor::payer().into()).await;
        intent.map(|session| session.id).map_err(|error| error.to_string())
    }

    pub(crate) async fn choose_gateway(&self, tx: &mut Transaction) -> Result<GatewaySessionId, String> {
        let new = NewSession {
            payment_id: self.checkout,
            source: "PYP".to_owned(),
            kind: GatewaySessionKind::Checkout,
            payment_method: PaymentMethod::CreditCard,
            account: None,
            fee: None,
            requested_by: Actor::payer().into(),
        };
        sessions::begin(tx, new).await.map(|session| session.id).map_err(|error| error.to_string())
    }

    /// The gateway tells of a session: it is asked by nobody else, so this is all that is known of it.
    pub(crate) async fn gateway_reports(&mut self, tx: &mut Transaction, id: GatewaySessionId, status: GatewayStatus) {
        let session = sessions::find(&**tx, id).await.unwrap().unwrap();
        if status == GatewayStatus::Captured {
            self.captured.insert(id);
        }
        // What this contract's payments cost differs by their currency.
        let of = payment::Entity::find_by_id(session.payment_id).one(&**tx).await.unwrap().unwrap();
        let has = if self.captured.contains(&id) { of.paid_price.0 } else { Decimal::ZERO };
        let back = if self.returned.contains(&id) { has } else { Decimal::ZERO };
        let reversed = if self.disputed.contains(&id) { has - back } else { Decimal::ZERO };
        let status = if self.captured.contains(&id) { GatewayStatus::Captured } else { status };
        let gateway_id = Some(format!("gw_{id}"));
        let report = GatewayReport {
            gateway_id,
            captured: has,
            refunded: back,
            reversed,
            ..GatewayReport::without_money(status)
        };
        ledger::settle(tx, id, report, Actor::worker("test")).await.unwrap();
    }

    pub(crate) async fn payments(&self, tx: &Transaction) -> Vec<payment::Model> {
        let of_order = payment::Entity::find().filter(payment::Column::OrderId.eq(self.order.id));
        of_order.order_by_asc(payment::Column::Id).all(&**tx).await.unwrap()
    }

    pub(crate) async fn sessions(&self, tx: &Transaction) -> Vec<gateway_session::Model> {
        use gateway_session::Column as C;
        let payments = self.payments(tx).await.into_iter().map(|payment| payment.id);
        let of_order = gateway_session::Entity::find().filter(C::PaymentId.is_in(payments));
        of_order.order_by_asc(C::Id).all(&**tx).await.unwrap()
    }

    pub(crate) async fn stored(&self, tx: &Transaction) -> order::Model {
        order::Entity::find().filter(order::Column::Id.eq(self.order.id)).one(&**tx).await.unwrap().unwrap()
    }

    /// What has to hold whatever came before: the order is paid by one payment at most, it is paid as soon as one has its
    /// money, and no money that is there is lost.
    pub(crate) async fn holds(&self, tx: &Transaction, after: &str) {
        let (order, payments) = (self.stored(tx).await, self.payments(tx).await);
        let has_it = |payment: &&payment::Model| {
            matches!(payment.status, PaymentStatus::Paid | PaymentStatus::Completed) && payment.duplicate_of.is_none()
        };
        let paid: Vec<&payment::Model> = payments.iter().filter(has_it).collect();
        assert!(paid.len() <= 1, "{after}: paid twice: {paid:?}");
        if let Some(paid) = paid.first() {
            assert_eq!(order.paid_by, Some(paid.id), "{after}");
            assert!(["CONFIRMED", "REFUND_PENDING"].contains(&order.status.as_str()), "{after}: {}", order.status);
        }
        for payment in &payments {
            if self.money_at(tx, payment).await && !is_kept(payment.status) {
                let log = payment_log::Entity::find().filter(payment_log::Column::PaymentId.eq(payment.id));
                let log = log.order_by_asc(payment_log::Column::Id).all(&**tx).await.unwrap();
                let log: Vec<_> =
                    log.iter().map(|row| format!("{} {} {}", row.event_type, row.message, row.data)).collect();
                panic!("{after}: money is lost: {payment:?}\n{}", log.join("\n"));
            }
        }
    }

    /// Whether the rail of the payment truly holds the payer's money.
    async fn money_at(&self, tx: &Transaction, payment: &payment::Model) -> bool {
        if self.sent_back.contains(&payment.id) {
            return false;
        }
        if payment.id == self.deal {
            return self.deposited && !self.deal_closed;
        }
        if payment.payment_method == PaymentMethod::BankTransfer {
            return self.transferred;
        }
        let sessions = self.sessions(tx).await;
        let holding = sessions.iter().filter(|session| session.payment_id == payment.id);
        let holding = holding.filter(|session| {
            let id = &session.id;
            self.captured.contains(id) && !self.returned.contains(id) && !self.disputed.contains(id)
        });
        let holding: Vec<_> = holding.map(|session| session.status).collect();
        assert!(holding.len() <= 1, "two captures of one payment: {holding:?}");
        assert!(holding.iter().all(|status| *status == GatewaySessionStatus::Captured));
        !holding.is_empty()
    }
}

/// Whether the payer's money is still told of in this state.
const fn is_kept(status: PaymentStatus) -> bool {
    use PaymentStatus::{Canceling, Completed, NeedsReview, Paid};
    matches!(status, Paid | Completed | NeedsReview | Canceling)
}

pub(crate) fn receipt(order_id: OrderId) -> NewReceipt {
    NewReceipt {
        order_id,
        method: ReceiptMethod::Transferencia,
        amount_reported: euros(TOTAL).0,
        reference: "004211".to_owned(),
        origin_bank: None,
        payer_name: None,
        receipt_url: None,
        requested_by: Actor::payer().into(),
    }
}

/// What a deposit is told with.
pub(crate) fn deposit() -> serde_json::Value {
    json!({ "payer": "0xb", "amount": Amount(Decimal::new(105, 1)).to_string() })
}
