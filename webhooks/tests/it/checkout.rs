//! The format `checkout.v1`: whom it is for, what it says and how it is signed.

use std::collections::HashMap;

use entities::{
    EventId, PaymentId, PaymentMethod, RedirectMode, WebhookEndpointId, WebhookFormat, payment_log, webhook_endpoint,
};
use fixtures::{TestDatabase, on_both};
use hmac::{Hmac, Mac};
use payments::{
    Acceptor, AtGateway, Observation, Observed, RequestedBy,
    checkout::{self, Choice, FormattedEvent, NewCheckout},
    commands,
};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sha2::Sha256;
use webhooks::{Outgoing, send_test, wake};

use crate::{
    receiver::{Receiver, Reply},
    rig::{Rig, event},
};

fn requested_by(rig: &Rig) -> RequestedBy {
    rig.merchant.caller().in_request(None)
}

/// A payment that a checkout has taken.
async fn take(rig: &Rig, client_id: Option<&str>) -> PaymentId {
    let new = NewCheckout {
        total: "15000".parse().unwrap(),
        currency: "KMF".to_owned(),
        payment_method: PaymentMethod::CreditCard,
        purchase: json!({ "total": { "value": "15000", "currency": "KMF" } }),
        redirect_mode: RedirectMode::Hosted,
        locale: None,
        channels: None,
        terminal_id: None,
        payer: None,
        client_id: client_id.map(str::to_owned),
        client_note: None,
        source: None,
        cancel_url: None,
        success_url: None,
    };
    let mut tx = rig.db().begin().await.unwrap();
    let payment = checkout::create(&mut tx, rig.merchant.node_id, new, requested_by(rig)).await.unwrap();
    tx.commit().await.unwrap();
    payment.id
}

async fn see(rig: &Rig, id: PaymentId, what: Observation) {
    let mut tx = rig.db().begin().await.unwrap();
    payments::record(&mut tx, vec![Observed::new(id, what, requested_by(rig).actor)]).await.unwrap();
    tx.commit().await.unwrap();
}

/// Chosen and captured.
async fn pay(rig: &Rig, id: PaymentId) {
    let choice = Choice { source: "STR".to_owned(), payment_method: PaymentMethod::CreditCard, phone: None };
    let mut tx = rig.db().begin().await.unwrap();
    checkout::submit(&mut tx, id, choice, requested_by(rig)).await.unwrap();
    tx.commit().await.unwrap();
    let kind = entities::GatewaySessionKind::Checkout;
    see(rig, id, Observation::Gateway(AtGateway::Captured { kind, data: json!({}) })).await;
}

/// The payment's events as they are announced.
async fn events(rig: &Rig, id: PaymentId) -> Vec<Outgoing> {
    let rows = payment_log::Entity::find()
        .filter(payment_log::Column::PaymentId.eq(id))
        .filter(payment_log::Column::Sequence.is_not_null())
        .order_by_asc(payment_log::Column::Sequence)
        .all(&**rig.db())
        .await
        .unwrap();
    let mut formatted: HashMap<EventId, FormattedEvent> = checkout::format_events(&**rig.db(), &rows).await.unwrap();
    let outgoing = |row: &payment_log::Model| Outgoing {
        id: EventId(row.id.0),
        name: row.event_type.clone(),
        others: formatted.remove(&EventId(row.id.0)).into_iter().collect(),
        ..event(rig.merchant.node_id, Some(id), 0)
    };
    rows.iter().map(outgoing).collect()
}

async fn endpoint(rig: &Rig, receiver: &Receiver, list: &[&str]) -> WebhookEndpointId {
    let change = |row: &mut webhook_endpoint::Model| {
        (row.format, row.events) = (WebhookFormat::CheckoutV1, json!(list));
    };
    rig.endpoint_as(&receiver.url(), change).await
}

fn signed(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

on_both!(it_sends_how_checkouts_end_and_signs_that_as_the_contract_says, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(200)).await;
    let id = endpoint(&rig, &receiver, &["*"]).await;
    let (paid, canceled) = (take(&rig, Some("order-1")).await, take(&rig, None).await);
    pay(&rig, paid).await;
    see(&rig, canceled, Observation::CancelRequested).await;
    let process = rig.start();
    let told: Vec<Outgoing> = [events(&rig, paid).await, events(&rig, canceled).await].concat();
    assert!(told.len() > 2, "most events are none of this format");
    rig.announce(&told).await;
    rig.announce(&told).await;
    rig.until_delivered(id, 2).await;
    process.stop().await;
    let received = receiver.all();
    assert_eq!(received.len(), 2, "once each, and nothing else");
    let secret = rig.secrets().shown(id, 1).expose_secret().to_owned();
    let node = rig.merchant.node_id;
    for request in received {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let data = &body["data"];
        let text = if data["id"] == json!(paid) {
            assert_eq!((&body["topic"], &data["status"]), (&json!("payment.completed"), &json!("completed")));
            assert_eq!(data["total"], json!({ "value": "15000", "currency": "KMF" }));
            assert_eq!((&data["captured"], &data["clientId"]), (&json!(true), &json!("order-1")));
            assert_eq!(data["source"], "STR");
            let submitted_at = data["submittedAt"].as_str().unwrap();
            format!("{paid},{node},order-1,15000,KMF,{submitted_at},completed")
        } else {
            assert_eq!((&body["topic"], &data["status"]), (&json!("payment.canceled"), &json!("canceled")));
            assert_eq!(data["captured"], false);
            assert_eq!(data.as_object().unwrap().len(), 4, "what has no value is left out: {body}");
            format!("{canceled},{node},,15000,KMF,,canceled")
        };
        assert_eq!(request.header("kartapay-signature"), signed(&secret, &text));
        let standard = standardwebhooks::Webhook::new(&secret).unwrap();
        let headers = request.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        standard.verify(request.body.as_bytes(), &headers.collect::<reqwest::header::HeaderMap>()).unwrap();
    }
});

on_both!(it_is_chosen_by_topic_and_never_sends_events_of_other_contracts, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(200)).await;
    let only_failed = endpoint(&rig, &receiver, &["payment.failed"]).await;
    let only_canceled = endpoint(&rig, &receiver, &["payment.canceled"]).await;
    let (deal, late) = {
        let acceptor = Acceptor::start(rig.db().clone());
        let caller = rig.merchant.caller();
        (acceptor.accept(&caller, rig.merchant.payment("deal")).await.unwrap().payment.id, take(&rig, None).await)
    };
    commands::cancel(rig.db(), &rig.merchant.caller(), deal, None).await.unwrap();
    see(&rig, late, Observation::Expired).await;
    rig.announce(&[events(&rig, deal).await, events(&rig, late).await].concat()).await;
    assert_eq!(rig.deliveries(only_failed).await.len(), 0);
    let delivery = rig.delivery(only_canceled).await;
    assert_eq!((delivery.payment_id, delivery.event_type.as_str()), (Some(late), "payment.expired"));
    assert_eq!(delivery.format, WebhookFormat::CheckoutV1);
});

on_both!(a_failed_delivery_is_sent_again_unchanged, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::start(|_, before| Reply::Status(if before == 0 { 500 } else { 200 })).await;
    let id = endpoint(&rig, &receiver, &["*"]).await;
    let payment = take(&rig, Some("order-1")).await;
    see(&rig, payment, Observation::CancelRequested).await;
    let process = rig.start();
    rig.announce(&events(&rig, payment).await).await;
    rig.until_delivered(id, 1).await;
    process.stop().await;
    let received = receiver.all();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(received[0].header("kartapay-signature"), received[1].header("kartapay-signature"));
});

on_both!(an_endpoint_of_this_format_can_be_tested, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(200)).await;
    let id = endpoint(&rig, &receiver, &["payment.completed"]).await;
    let row = rig.row(id).await;
    let tx = rig.db().begin().await.unwrap();
    send_test(&tx, &row).await.unwrap();
    tx.commit().await.unwrap();
    let process = rig.start();
    wake(rig.db(), &webhooks::Waiting([id].into())).await.unwrap();
    rig.waker.wake();
    rig.until_delivered(id, 1).await;
    process.stop().await;
    let received = receiver.all();
    let body: Value = serde_json::from_str(&received[0].body).unwrap();
    assert_eq!(body, json!({ "topic": "webhook.test", "data": {} }));
    let secret = rig.secrets().shown(id, 1).expose_secret().to_owned();
    assert_eq!(received[0].header("kartapay-signature"), signed(&secret, ",,,,,,"));
});
