//! Invoices of the Lightning network, with a node that answers as phoenixd documents and breaks on command.

use std::time::Duration;

use chrono::TimeDelta;
use entities::{InvoiceStatus, PaymentId, PaymentStatus, lightning_invoice, now, payment_log};
use fixtures::{Fault, LightningNode, TestDatabase, on_both};
use gateways::{Phoenixd, PhoenixdConfig};
use payments::{
    jobs::{AskInvoice, WatchInvoice},
    lightning::{self, NewInvoice},
    rates::Trusted,
};
use queue::{Delivery, Job, JobError, NewMessage};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};

use crate::Worker;

/// A client of the node of a test.
pub(crate) fn client(base_url: &str) -> Phoenixd {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = PhoenixdConfig {
        base_url: base_url.to_owned(),
        password: LightningNode::PASSWORD.into(),
        webhook_secret: LightningNode::WEBHOOK_SECRET.into(),
        timeout_ms: 2_000,
        ..PhoenixdConfig::default()
    };
    Phoenixd::new(&config).unwrap()
}

/// The currency of 0.00012500 BTC.
const BITCOIN: &str = "00000000-0000-7000-8000-0000c0000b7c";

impl Worker {
    /// A payment of 12,500 satoshis, whose invoice nobody has asked the node for yet.
    pub(crate) async fn invoice(&self) -> PaymentId {
        let new = NewInvoice {
            amount: "0.000125".parse().unwrap(),
            currency_id: BITCOIN.to_owned(),
            ticket_id: None,
            expiry: TimeDelta::hours(1),
            trusted: Trusted { age_max: TimeDelta::hours(1), samples: false },
        };
        let mut tx = self.db().begin().await.unwrap();
        let id = lightning::open(&mut tx, &self.merchant.caller(), new, None).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn invoice_row(&self, id: PaymentId) -> lightning_invoice::Model {
        lightning::read(&**self.db(), id).await.unwrap().unwrap()
    }

    async fn statuses(&self, id: PaymentId) -> (PaymentStatus, InvoiceStatus) {
        (self.payment(id).await.status, self.invoice_row(id).await.status)
    }

    async fn request_invoice(&self, payment_id: PaymentId) {
        // What else is due meanwhile on a slow machine is not what is tried.
        self.lose_messages().await;
        self.deliver(NewMessage::of(&AskInvoice { payment_id })).await;
    }

    /// Has it asked for while the node is broken: no retry follows, which might come before the test has looked.
    pub(crate) async fn request_in_vain(&self, payment_id: PaymentId, fault: Fault) {
        self.lose_messages().await;
        self.node.break_next(fault);
        let context = crate::context(self.db()).with_lightning(Some(client(&self.node.base_url)));
        let outcome = worker::jobs::AskInvoice::run(&context, Delivery::of(AskInvoice { payment_id })).await;
        assert!(matches!(outcome, Err(JobError::Retry(_))), "{fault:?}: {outcome:?}");
    }

    async fn watch(&self, payment_id: PaymentId) {
        // What else is due meanwhile on a slow machine is not what is tried.
        self.lose_messages().await;
        self.deliver(NewMessage::of(&WatchInvoice { payment_id })).await;
    }

    /// What the callback route does with a callback of the node's.
    async fn call_back(&self, reference: Option<PaymentId>, hash: &str) -> bool {
        let mut tx = self.db().begin().await.unwrap();
        let known = lightning::receive_callback(&mut tx, reference.map(|id| id.0), Some(hash)).await.unwrap();
        tx.commit().await.unwrap();
        self.run().await;
        known
    }

    /// Sets the end of the invoice's time.
    async fn expires(&self, id: PaymentId, from_now: TimeDelta) {
        lightning_invoice::Entity::update_many()
            .col_expr(lightning_invoice::Column::ExpiresAt, Expr::value(now() + from_now))
            .filter(lightning_invoice::Column::PaymentId.eq(id))
            .exec(&**self.db())
            .await
            .unwrap();
    }

    async fn transitions(&self, id: PaymentId) -> Vec<String> {
        let rows = payment_log::Entity::find()
            .filter(payment_log::Column::PaymentId.eq(id))
            .filter(payment_log::Column::Sequence.is_not_null())
            .order_by_asc(payment_log::Column::Sequence);
        rows.all(&**self.db()).await.unwrap().into_iter().map(|row| row.event_type).collect()
    }
}

const PAID: [&str; 5] = ["payment.created", "payment.open", "payment.submitted", "payment.paid", "payment.completed"];

on_both!(an_invoice_is_made_once_and_settled_once, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.invoice().await;
    assert_eq!(worker.statuses(id).await, (PaymentStatus::Open, InvoiceStatus::Asked));
    worker.run().await;
    worker.request_invoice(id).await;
    let there = worker.node.invoices();
    assert_eq!(there.len(), 1);
    assert_eq!((there[0].amount_sat, &there[0].external_id), (12_500, &id.to_string()));
    assert!((3_590..=3_600).contains(&there[0].expiry_s));
    let row = worker.invoice_row(id).await;
    assert_eq!((row.status, row.payment_hash.as_ref()), (InvoiceStatus::Open, Some(&there[0].payment_hash)));
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Open, "asking is not paying");
    worker.node.pay();
    for _ in 0..3 {
        assert!(worker.call_back(Some(id), &there[0].payment_hash).await);
        assert_eq!(worker.statuses(id).await, (PaymentStatus::Completed, InvoiceStatus::Settled));
    }
    assert_eq!(worker.transitions(id).await, PAID);
    assert_eq!(worker.invoice_row(id).await.received_sat, Some(12_500));
    assert!(worker.dead_letters().await.is_empty() && worker.operations().await.is_empty());
});

on_both!(a_callback_alone_moves_nothing, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.invoice().await;
    worker.run().await;
    let hash = worker.node.invoices()[0].payment_hash.clone();
    assert!(worker.call_back(None, &hash).await, "by its hash alone");
    assert_eq!(worker.statuses(id).await, (PaymentStatus::Open, InvoiceStatus::Open), "the node says otherwise");
    assert!(!worker.call_back(None, &"f".repeat(64)).await, "somebody else's");
    assert!(!worker.call_back(Some(PaymentId::new()), &"f".repeat(64)).await);
});

on_both!(a_lost_answer_leads_to_one_invoice, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    for (made, fault) in [Fault::AnswerLost, Fault::FailsAfter, Fault::Slow(Duration::from_secs(5))].iter().enumerate()
    {
        let id = worker.invoice().await;
        worker.request_in_vain(id, *fault).await;
        assert_eq!(worker.statuses(id).await, (PaymentStatus::Open, InvoiceStatus::Sent), "{fault:?}");
        worker.request_invoice(id).await;
        worker.request_invoice(id).await;
        assert_eq!(worker.node.invoices().len(), made + 1, "{fault:?}");
        let row = worker.invoice_row(id).await;
        assert_eq!(row.status, InvoiceStatus::Open);
        assert_eq!(row.payment_hash.as_ref(), Some(&worker.node.invoices()[made].payment_hash));
    }
});

on_both!(an_invoice_is_requested_again_of_a_node_that_fails, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.invoice().await;
    worker.request_in_vain(id, Fault::Fails).await;
    // This look fails as well: that the node does not have it is not known then.
    worker.request_in_vain(id, Fault::Fails).await;
    assert!(worker.node.invoices().is_empty());
    worker.request_invoice(id).await;
    assert_eq!((worker.node.invoices().len(), worker.statuses(id).await.1), (1, InvoiceStatus::Open));
});

on_both!(a_callback_comes_before_we_know_the_hash, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.invoice().await;
    worker.request_in_vain(id, Fault::AnswerLost).await;
    worker.node.pay();
    let hash = worker.node.invoices()[0].payment_hash.clone();
    assert!(!worker.call_back(None, &hash).await, "nobody knows this hash yet");
    assert!(worker.call_back(Some(id), &hash).await);
    assert_eq!(worker.statuses(id).await, (PaymentStatus::Completed, InvoiceStatus::Settled));
    assert_eq!(worker.invoice_row(id).await.payment_hash, Some(hash));
    assert_eq!(worker.transitions(id).await, PAID);
});

on_both!(a_callback_never_comes, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.invoice().await;
    worker.run().await;
    worker.watch(id).await;
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Open);
    worker.node.break_next(Fault::Fails);
    worker.watch(id).await;
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Open, "a node that fails says nothing");
    worker.node.pay();
    worker.watch(id).await;
    assert_eq!(worker.statuses(id).await, (PaymentStatus::Completed, InvoiceStatus::Settled));
    assert!(worker.dead_letters().await.is_empty());
});

on_both!(money_that_comes_after_the_expiry_is_reviewed, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.invoice().await;
    worker.run().await;
    worker.expires(id, TimeDelta::seconds(-10)).await;
    worker.watch(id).await;
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Open, "what was on its way may still arrive");
    worker.expires(id, TimeDelta::seconds(-60)).await;
    worker.node.break_next(Fault::Fails);
    worker.watch(id).await;
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Open, "nobody knows");
    for _ in 0..2 {
        worker.watch(id).await;
        assert_eq!(worker.statuses(id).await, (PaymentStatus::Expired, InvoiceStatus::Expired));
    }
    worker.node.pay();
    for _ in 0..2 {
        worker.call_back(Some(id), &worker.node.invoices()[0].payment_hash).await;
        assert_eq!(worker.statuses(id).await, (PaymentStatus::NeedsReview, InvoiceStatus::Settled));
    }
    assert_eq!(
        worker.transitions(id).await,
        ["payment.created", "payment.open", "payment.expired", "payment.needs_review"]
    );
});

on_both!(an_invoice_that_was_given_up_unseen_is_found, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.invoice().await;
    worker.expires(id, TimeDelta::seconds(-60)).await;
    worker.run().await;
    assert_eq!(worker.statuses(id).await, (PaymentStatus::Expired, InvoiceStatus::Expired), "there is no time left");
    assert!(worker.node.invoices().is_empty());

    let id = worker.invoice().await;
    worker.request_in_vain(id, Fault::AnswerLost).await;
    worker.expires(id, TimeDelta::seconds(-60)).await;
    worker.request_invoice(id).await;
    assert_eq!(worker.statuses(id).await, (PaymentStatus::Expired, InvoiceStatus::Expired));
    worker.node.pay();
    worker.call_back(Some(id), &worker.node.invoices()[0].payment_hash).await;
    assert_eq!(worker.statuses(id).await, (PaymentStatus::NeedsReview, InvoiceStatus::Settled));
});

on_both!(what_is_paid_after_a_cancel_is_reviewed, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.invoice().await;
    worker.run().await;
    worker.cancel(id).await;
    assert_eq!(worker.statuses(id).await, (PaymentStatus::Canceled, InvoiceStatus::Open));
    worker.node.pay();
    worker.watch(id).await;
    assert_eq!(worker.statuses(id).await, (PaymentStatus::NeedsReview, InvoiceStatus::Settled));
});

on_both!(a_refused_invoice_ends_its_payment, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.invoice().await;
    worker.node.break_next(Fault::Refuses);
    worker.run().await;
    worker.request_invoice(id).await;
    assert_eq!(worker.statuses(id).await, (PaymentStatus::Canceled, InvoiceStatus::Refused));
    assert_eq!(worker.payment(id).await.failure_code.as_deref(), Some("http_400"));
    assert!(worker.node.invoices().is_empty());
});

on_both!(invoices_whose_messages_got_lost_are_taken_up, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.invoice().await;
    worker.lose_messages().await;
    let context = crate::context(worker.db());
    let take_up = async |patience| {
        let taken = worker::poll_straggling_invoices(&context, patience).await.unwrap();
        worker.run().await;
        taken
    };
    assert_eq!(take_up(TimeDelta::minutes(10)).await, 0, "its message may still come");
    assert_eq!(take_up(TimeDelta::zero()).await, 1);
    assert_eq!(worker.statuses(id).await.1, InvoiceStatus::Open);
    worker.lose_messages().await;
    worker.node.pay();
    assert_eq!(take_up(TimeDelta::zero()).await, 1);
    assert_eq!(worker.statuses(id).await, (PaymentStatus::Completed, InvoiceStatus::Settled));
    assert_eq!(take_up(TimeDelta::zero()).await, 0, "it is at its end");
});

on_both!(an_invoice_that_is_tried_in_vain_has_one_message, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.invoice().await;
    worker.request_in_vain(id, Fault::Fails).await;
    let long_ago = lightning_invoice::Entity::update_many()
        .col_expr(lightning_invoice::Column::UpdatedAt, Expr::value(now() - TimeDelta::minutes(11)));
    long_ago.exec(&**worker.db()).await.unwrap();
    worker.request_in_vain(id, Fault::Fails).await;
    let context = crate::context(worker.db());
    let taken = worker::poll_straggling_invoices(&context, TimeDelta::minutes(10)).await.unwrap();
    assert_eq!(taken, 0, "its retry waits");
});

on_both!(the_clock_alone_expires_no_invoice, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.invoice().await;
    worker.run().await;
    let context = crate::context(worker.db());
    // Seen from a day after its time.
    worker::take_up_stragglers(&context, TimeDelta::days(-1)).await;
    worker.deliver(NewMessage::of(&payments::jobs::ExpirePayment { payment_id: id })).await;
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Open);
});
