//! Rows for unit tests, as they are before anything has happened to them.

use chrono::TimeDelta;
use entities::{
    Amount, CurrencyId, GatewaySessionId, GatewaySessionKind, GatewaySessionStatus, NetworkId, NodeId, OrderId,
    PaymentId, PaymentMethod, PaymentStatus, capture, gateway_session, now, order, payment,
};
use rust_decimal::Decimal;
use serde_json::json;

use crate::{observation::Subject, row::NewRow};

/// Ten and a half, payable for an hour.
pub(crate) fn payment(payment_method: PaymentMethod, status: PaymentStatus) -> payment::Model {
    let row = NewRow {
        node_id: NodeId::new(),
        external_id: "one".to_owned(),
        chain_id: entities::ChainId::new(),
        network_id: NetworkId::new(),
        currency_id: CurrencyId::new(),
        amount: Amount(Decimal::new(105, 1)),
        payment_method,
        payment_address: "somebody".to_owned(),
    };
    payment::Model { status, expires_at: now() + TimeDelta::hours(1), ..row.build() }
}

/// Such a payment, to which nothing was done yet.
pub(crate) fn subject(payment_method: PaymentMethod, status: PaymentStatus) -> Subject {
    Subject::new(payment(payment_method, status), now())
}

/// Of ten and a half, which nobody has paid.
pub(crate) fn order() -> order::Model {
    order::Model {
        id: OrderId::new(),
        number: 1 << 40,
        order_number: "ABCDEF".to_owned(),
        node_id: NodeId::new(),
        user_id: None,
        currency_id: CurrencyId::new(),
        payment_id: None,
        card_payment_id: None,
        paid_by: None,
        status: "PENDING".to_owned(),
        total: Amount(Decimal::new(105, 1)),
        total_bs: None,
        exchange_rate: None,
        items: json!([]),
        created_at: now(),
        updated_at: now(),
    }
}

/// Of a checkout, which holds no money.
pub(crate) fn session(payment_id: PaymentId, status: GatewaySessionStatus) -> gateway_session::Model {
    let nothing = Amount(Decimal::ZERO);
    gateway_session::Model {
        id: GatewaySessionId::new(),
        payment_id,
        source: "STR".to_owned(),
        kind: GatewaySessionKind::Checkout,
        status,
        gateway_id: None,
        charge_id: None,
        approve_url: None,
        client_secret: None,
        account: None,
        fee: None,
        captured: nothing,
        refunded: nothing,
        reversed: nothing,
        failure_code: None,
        failure_message: None,
        looks: 0,
        follower: None,
        leased_until: None,
        approved_at: None,
        created_at: now(),
        updated_at: now(),
    }
}

/// Of so many cents, of which the platform keeps some.
pub(crate) fn capture(captured: i64, fee: i64) -> capture::Model {
    capture::Model {
        session_id: GatewaySessionId::new(),
        payment_id: PaymentId::new(),
        node_id: NodeId::new(),
        currency: "EUR".to_owned(),
        captured,
        fee,
        fee_reserved: 0,
        refund_reserved: 0,
        refunded: 0,
        reversed: 0,
        reversals: 0,
        created_at: now(),
        updated_at: now(),
    }
}
