//! Dead letters belong to somebody, go when their effect is there, and hold the safety net back once they are discarded.

use std::{marker::PhantomData, sync::Arc};

use chrono::TimeDelta;
use entities::{PaymentId, payment_log};
use fixtures::{TestDatabase, on_both};
use payments::jobs::{
    self, AnnounceEvents, AskInvoice, CancelDeal, CheckSession, DeployDiamond, ExpirePayment, OpenDeal, OpenSession,
    RecoverWebhooks, ReleaseDeal, SendPayout, SendRefund, SyncAccount, WatchInvoice,
};
use queue::{
    BrokerConfig, Delivery, Job, JobError, JobResult, Payload, Registry, Runner,
    dead_letters::{self, Act, DeadLetter, Filter, LetterState},
};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, prelude::*};
use worker::Context;

use crate::{
    Worker,
    foresight::letter,
    jobs::{deposited, opened},
    sessions::Shop,
    twice::work_for,
};

const OPERATOR: Act<'static> = Act { actor: "user:test", reason: "a test" };

/// At once, whatever the clock says.
const NOW: TimeDelta = TimeDelta::seconds(-1);

/// Gives up every message of this kind.
struct Bury<P>(PhantomData<fn() -> P>);

impl<P: Payload> Job<()> for Bury<P> {
    type Payload = P;

    async fn run((): &(), _: Delivery<P>) -> JobResult {
        Err(JobError::DeadLetter { code: "buried", message: "by a test".to_owned() })
    }
}

fn undertaker(worker: &Worker) -> Runner<()> {
    let registry = Registry::new()
        .register::<Bury<OpenDeal>>()
        .register::<Bury<CancelDeal>>()
        .register::<Bury<ReleaseDeal>>()
        .register::<Bury<ExpirePayment>>()
        .register::<Bury<AskInvoice>>()
        .register::<Bury<WatchInvoice>>()
        .register::<Bury<OpenSession>>()
        .register::<Bury<CheckSession>>()
        .register::<Bury<DeployDiamond>>()
        .register::<Bury<SendRefund>>()
        .register::<Bury<SendPayout>>()
        .register::<Bury<SyncAccount>>()
        .register::<Bury<AnnounceEvents>>()
        .register::<Bury<RecoverWebhooks>>();
    assert_eq!(registry.queues().len(), jobs::QUEUES.len(), "a kind of message is missing here");
    let broker = queue::broker::open(&BrokerConfig::default(), worker.db()).unwrap();
    Runner::new(worker.db().clone(), broker, registry, Arc::new(()))
}

async fn letters(worker: &Worker) -> Vec<DeadLetter> {
    dead_letters::list(worker.db(), &Filter::default(), Default::default()).await.unwrap()
}

async fn only_letter(worker: &Worker) -> DeadLetter {
    let mut letters = letters(worker).await;
    assert_eq!(letters.len(), 1);
    letters.remove(0)
}

async fn discard(worker: &Worker, id: Uuid) {
    let mut tx = worker.db().begin().await.unwrap();
    dead_letters::discard(&mut tx, id, OPERATOR).await.unwrap();
    tx.commit().await.unwrap();
}

async fn restore(worker: &Worker, id: Uuid) {
    let mut tx = worker.db().begin().await.unwrap();
    dead_letters::restore(&mut tx, id, OPERATOR).await.unwrap();
    tx.commit().await.unwrap();
}

on_both!(every_letter_belongs_to_somebody, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let worker = &shop.worker;
    let undertaker = undertaker(worker);
    for queue in jobs::QUEUES {
        // Bodies as earlier versions wrote them: without what the row is of.
        let message = work_for(&shop, queue).await.unwrap();
        worker.lose_messages().await;
        let mut tx = worker.db().begin().await.unwrap();
        tx.enqueue(vec![message]).await.unwrap();
        tx.commit().await.unwrap();
        undertaker.run_due().await.unwrap();
    }
    let found = letters(worker).await;
    assert_eq!(found.len(), jobs::QUEUES.len());
    assert_eq!(worker::assign_letters(&shop.context()).await.unwrap(), found.len());
    for letter in letters(worker).await {
        let node_only = [DeployDiamond::TYPE, SendPayout::TYPE, SyncAccount::TYPE, RecoverWebhooks::TYPE];
        assert_eq!(letter.node_id, Some(worker.merchant.node_id.0), "{}", letter.kind);
        assert_eq!(letter.payment_id.is_none(), node_only.contains(&letter.kind.as_str()), "{}", letter.kind);
        assert_eq!(letter.subject_id.is_none(), letter.kind == AnnounceEvents::TYPE, "{}", letter.kind);
    }
    assert_eq!(worker::assign_letters(&shop.context()).await.unwrap(), 0, "once");
});

on_both!(transitions_of_several_payments_belong_to_their_node, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    for number in 0..2 {
        worker.accept(&format!("order-{number}")).await;
    }
    let created = payment_log::Entity::find().filter(payment_log::Column::Sequence.eq(1)).all(&**worker.db());
    let log_ids = created.await.unwrap().iter().map(|row| row.id).collect();
    letter(&worker, &AnnounceEvents::new(log_ids, None)).await;
    worker::assign_letters(&crate::context(worker.db())).await.unwrap();
    let letter = only_letter(&worker).await;
    assert_eq!((letter.payment_id, letter.node_id), (None, Some(worker.merchant.node_id.0)));
});

on_both!(a_letter_names_its_payment_the_moment_it_dies, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let worker = &shop.worker;
    let payment_id = shop.open("session", "10").await;
    worker.lose_messages().await;
    let session_id = shop.begin(payment_id).await.unwrap();
    undertaker(worker).run_due().await.unwrap();
    let of_payment = Filter { payment_id: Some(payment_id.0), ..Filter::default() };
    let found = dead_letters::list(worker.db(), &of_payment, Default::default()).await.unwrap();
    let session = found.iter().find(|letter| letter.kind == OpenSession::TYPE).unwrap();
    assert_eq!(session.subject_id, Some(session_id.0));
    assert_eq!(session.node_id, Some(worker.merchant.node_id.0));
});

on_both!(a_letter_whose_effect_is_there_resolves_itself, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let context = crate::context(worker.db());
    let payment_id = worker.accept("one").await;
    letter(&worker, &OpenDeal { payment_id }).await;
    assert_eq!(worker::resolve_letters(&context, NOW).await.unwrap(), 0, "it was not looked at yet");
    worker::assign_letters(&context).await.unwrap();
    assert_eq!(worker::resolve_letters(&context, TimeDelta::minutes(5)).await.unwrap(), 0, "nor for long enough");
    assert_eq!(worker::resolve_letters(&context, NOW).await.unwrap(), 0, "the deal was never asked for");
    // The safety net does what the message was to do.
    worker.lose_messages().await;
    assert_eq!(worker::take_up_stragglers(&context, TimeDelta::zero()).await, 1);
    assert_eq!(worker::resolve_letters(&context, NOW).await.unwrap(), 1);
    let resolved = only_letter(&worker).await;
    assert_eq!((resolved.state, resolved.state_by), (LetterState::Resolved, None));
    assert!(resolved.state_reason.unwrap().contains("on its way"));
});

on_both!(a_letter_that_somebody_acted_on_does_not_resolve_itself, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let context = crate::context(worker.db());
    letter(&worker, &OpenDeal { payment_id: PaymentId::new() }).await;
    worker::assign_letters(&context).await.unwrap();
    discard(&worker, only_letter(&worker).await.id).await;
    assert_eq!(worker::resolve_letters(&context, NOW).await.unwrap(), 0);
    assert_eq!(only_letter(&worker).await.state, LetterState::Discarded);
});

/// Discards the only letter, sees the safety net leave its step alone, and take it up once the letter is restored.
async fn assert_barred(worker: &Worker, context: &Context, take_up: impl AsyncFn() -> usize) {
    worker.lose_messages().await;
    worker::assign_letters(context).await.unwrap();
    let id = only_letter(worker).await.id;
    discard(worker, id).await;
    assert_eq!(take_up().await, 0, "what is discarded is left alone");
    restore(worker, id).await;
    assert_eq!(take_up().await, 1, "and is not any more");
    worker.db().execute_unprepared("DELETE FROM dead_letters").await.unwrap();
    worker.lose_messages().await;
}

on_both!(what_is_discarded_is_left_alone_by_the_safety_net, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let context = crate::context(worker.db());
    let steps = async || worker::take_up_stragglers(&context, NOW).await;

    let payment_id = worker.accept("open").await;
    letter(&worker, &OpenDeal { payment_id }).await;
    assert_barred(&worker, &context, steps).await;
    worker.record_facts(vec![opened(payment_id), deposited(payment_id)]).await;
    worker.release(payment_id).await;
    letter(&worker, &ReleaseDeal { payment_id }).await;
    assert_barred(&worker, &context, steps).await;

    let canceled = worker.accept("cancel").await;
    worker.run().await;
    worker.record_facts(vec![opened(canceled)]).await;
    worker.cancel(canceled).await;
    letter(&worker, &CancelDeal { payment_id: canceled }).await;
    assert_barred(&worker, &context, steps).await;

    let invoiced = worker.invoice().await;
    letter(&worker, &AskInvoice { payment_id: invoiced }).await;
    let invoices = async || worker::poll_straggling_invoices(&context, NOW).await.unwrap();
    assert_barred(&worker, &context, invoices).await;

    let endpoint = worker.endpoint(worker.merchant.node_id, &["payment.*"]).await.id;
    let recovery_id = worker.recovery(endpoint, false).await;
    letter(&worker, &RecoverWebhooks::new(recovery_id, None)).await;
    let recoveries = async || worker::recover_stragglers(&context, NOW).await.unwrap();
    assert_barred(&worker, &context, recoveries).await;
});

on_both!(what_is_discarded_at_a_gateway_is_left_alone_too, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let (worker, context) = (&shop.worker, shop.context());
    let settle = async || worker::settle_stragglers(&context, NOW).await.unwrap();
    shop.submit_seller("Olive & Thyme").await;
    letter(worker, &SyncAccount { node_id: worker.merchant.node_id }).await;
    assert_barred(worker, &context, settle).await;
    shop.sell("Olive & Thyme").await;
    let refund_id = shop.request_refund(1_000).await;
    letter(worker, &SendRefund::new(refund_id, None)).await;
    assert_barred(worker, &context, settle).await;
    let id = shop.open("session", "10").await;
    let session_id = shop.begin(id).await.unwrap();
    letter(worker, &OpenSession::new(session_id, None)).await;
    let poll = async || worker::poll_straggling_sessions(&context, NOW).await.unwrap();
    assert_barred(worker, &context, poll).await;
});

on_both!(a_discard_does_not_bind_what_happens_later, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let context = crate::context(worker.db());
    let payment_id = worker.accept("one").await;
    worker.lose_messages().await;
    letter(&worker, &OpenDeal { payment_id }).await;
    worker::assign_letters(&context).await.unwrap();
    discard(&worker, only_letter(&worker).await.id).await;
    assert_eq!(worker::take_up_stragglers(&context, NOW).await, 0);
    let mut payment: entities::payment::ActiveModel = worker.payment(payment_id).await.into();
    payment.updated_at = sea_orm::ActiveValue::Set(entities::now());
    entities::payment::Entity::update(payment).exec(&**worker.db()).await.unwrap();
    assert_eq!(worker::take_up_stragglers(&context, NOW).await, 1, "something new has happened to the payment");
});

on_both!(discarded_announcements_are_made_all_the_same, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let context = crate::context(worker.db());
    worker.accept("one").await;
    worker.lose_messages().await;
    let created = payment_log::Entity::find().filter(payment_log::Column::Sequence.eq(1)).one(&**worker.db());
    letter(&worker, &AnnounceEvents::new(vec![created.await.unwrap().unwrap().id], None)).await;
    worker::assign_letters(&context).await.unwrap();
    discard(&worker, only_letter(&worker).await.id).await;
    assert_eq!(worker::announce_stragglers(&context, NOW).await.unwrap(), 1, "as the discard said");
    assert!(jobs::once_discarded(AnnounceEvents::TYPE).unwrap().contains("all the same"));
});
