//! What each job says it would do, against what it then does.

use std::sync::Arc;

use entities::{DiamondId, DiamondStatus, PaymentId, diamond, payment_log};
use fixtures::{TestDatabase, on_both};
use payments::jobs::{
    AnnounceEvents, AskInvoice, CancelDeal, CheckSession, DeployDiamond, ExpirePayment, OpenDeal, OpenSession,
    RecoverWebhooks, ReleaseDeal, WatchInvoice,
};
use queue::{
    Foreseer, Outlook, Payload,
    dead_letters::{Filter, LetterState},
    redrive,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement, Value, prelude::Uuid,
};

use crate::{
    Worker,
    jobs::{deposited, opened},
    sessions::Shop,
};

/// A message that died, whatever its job would say of it.
pub(crate) async fn letter<P: Payload>(worker: &Worker, payload: &P) {
    let sql = "INSERT INTO dead_letters (id, outbox_id, message_id, queue, kind, origin, body, body_encoding, headers, \
        attempts, error_code, error_message, fingerprint, first_at, last_at, replay_no, state, state_at) \
        VALUES ($1, $2, $3, $4, $5, 'job', $6, 'text', '{}', 1, 'specimen', '', '', $7, $7, 0, 'dead', $7)";
    let values: Vec<Value> = vec![
        Uuid::now_v7().into(),
        Uuid::now_v7().into(),
        Uuid::now_v7().into(),
        P::QUEUE.into(),
        P::TYPE.into(),
        serde_json::to_string(payload).unwrap().into(),
        entities::now().into(),
    ];
    let statement = Statement::from_sql_and_values(worker.db().get_database_backend(), sql, values);
    worker.db().execute_raw(statement).await.unwrap();
}

fn foreseer(worker: &Worker) -> Foreseer {
    worker::jobs::registry().foreseer(Arc::new(crate::context(worker.db())))
}

/// What a dry run says of the only letter there is; the letter then goes.
async fn foreseen<P: Payload>(worker: &Worker, payload: P) -> (Outlook, String) {
    letter(worker, &payload).await;
    let filter = Filter { state: Some(LetterState::Dead), ..Filter::default() };
    let plan = redrive::plan(worker.db(), &filter, None, &foreseer(worker)).await.unwrap();
    worker.db().execute_unprepared("DELETE FROM dead_letters").await.unwrap();
    assert_eq!(plan.examined, 1);
    (plan.outlooks[0].outlook, plan.outlooks[0].reason.clone())
}

async fn assert_foreseen<P: Payload>(worker: &Worker, payload: P, outlook: Outlook, part: &str) {
    let (found, reason) = foreseen(worker, payload).await;
    assert!(found == outlook && reason.contains(part), "{}: {found:?} {reason}, not {outlook:?} {part}", P::TYPE);
}

async fn set_operation(worker: &Worker, status: &str) {
    let sql = format!("UPDATE chain_operations SET status = '{status}'");
    worker.db().execute_unprepared(&sql).await.unwrap();
}

use Outlook::{AlreadyDone, WouldFailAgain, WouldResume};

on_both!(an_opening_is_foreseen, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let payment_id = worker.accept("one").await;
    assert_foreseen(&worker, OpenDeal { payment_id }, WouldResume, "never asked for").await;
    assert!(worker.operations().await.is_empty(), "a look changes nothing");
    worker.run().await;
    assert_foreseen(&worker, OpenDeal { payment_id }, AlreadyDone, "on its way").await;
    set_operation(&worker, "failed").await;
    assert_foreseen(&worker, OpenDeal { payment_id }, WouldResume, "failed on the chain").await;
    worker.deliver(queue::NewMessage::of(&OpenDeal { payment_id })).await;
    assert_eq!(worker.operations().await[0].1, "pending", "and so it is");
    worker.record_facts(vec![opened(payment_id)]).await;
    assert_foreseen(&worker, OpenDeal { payment_id }, AlreadyDone, "the payment is open").await;
    let nobody = OpenDeal { payment_id: PaymentId::new() };
    assert_foreseen(&worker, nobody, AlreadyDone, "no such payment").await;
});

on_both!(an_opening_without_a_diamond_is_foreseen, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    diamond::Entity::delete_many().exec(&**worker.db()).await.unwrap();
    let payment_id = worker.accept("one").await;
    assert_foreseen(&worker, OpenDeal { payment_id }, WouldResume, "wait for the wallet's diamond").await;
});

on_both!(what_a_job_stumbles_over_is_foreseen, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let payment_id = worker.accept("one").await;
    let healthy = worker.accept("two").await;
    worker.db().execute_unprepared("UPDATE wallets SET address = 'no address'").await.unwrap();
    assert_foreseen(&worker, OpenDeal { payment_id }, WouldFailAgain, "is no address").await;
    let gone = OpenDeal { payment_id: PaymentId::new() };
    for payload in [OpenDeal { payment_id }, gone, OpenDeal { payment_id: healthy }] {
        letter(&worker, &payload).await;
    }
    let filter = Filter { state: Some(LetterState::Dead), ..Filter::default() };
    let plan = redrive::plan(worker.db(), &filter, None, &foreseer(&worker)).await.unwrap();
    let counts: Vec<_> = plan.outlooks.iter().map(|count| (count.outlook, count.letters)).collect();
    assert_eq!(counts, [(WouldFailAgain, 2), (AlreadyDone, 1)], "each is judged by itself");
});

on_both!(a_closing_is_foreseen, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let payment_id = worker.accept("one").await;
    worker.run().await;
    assert_foreseen(&worker, CancelDeal { payment_id }, AlreadyDone, "the payment is pending").await;
    worker.cancel(payment_id).await;
    assert_foreseen(&worker, CancelDeal { payment_id }, WouldResume, "nothing was sent").await;
    worker.db().execute_unprepared("UPDATE chain_operations SET sends = 1").await.unwrap();
    assert_foreseen(&worker, CancelDeal { payment_id }, AlreadyDone, "too late").await;
    worker.record_facts(vec![opened(payment_id)]).await;
    let foresight = foreseen(&worker, CancelDeal { payment_id }).await;
    worker.run().await;
    assert_eq!(foresight.0, WouldResume, "{foresight:?}");
    assert_foreseen(&worker, CancelDeal { payment_id }, AlreadyDone, "on its way").await;
});

on_both!(a_release_is_foreseen, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let payment_id = worker.accept("one").await;
    worker.run().await;
    worker.record_facts(vec![opened(payment_id), deposited(payment_id)]).await;
    assert_foreseen(&worker, ReleaseDeal { payment_id }, AlreadyDone, "nobody has asked").await;
    worker.release(payment_id).await;
    assert_foreseen(&worker, ReleaseDeal { payment_id }, WouldResume, "never asked for").await;
    worker.run().await;
    assert_foreseen(&worker, ReleaseDeal { payment_id }, AlreadyDone, "on its way").await;
    let lost = "UPDATE payments SET diamond_address = NULL";
    worker.db().execute_unprepared(lost).await.unwrap();
    assert_foreseen(&worker, ReleaseDeal { payment_id }, WouldFailAgain, "has a diamond").await;
});

on_both!(an_expiry_is_foreseen, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let payment_id = worker.accept("one").await;
    worker.run().await;
    assert_foreseen(&worker, ExpirePayment { payment_id }, AlreadyDone, "the payment is pending").await;
    worker.record_facts(vec![opened(payment_id)]).await;
    assert_foreseen(&worker, ExpirePayment { payment_id }, WouldResume, "wait until the chain is read").await;
    worker.read_until(entities::now() + chrono::TimeDelta::hours(2)).await;
    assert_foreseen(&worker, ExpirePayment { payment_id }, WouldResume, "would expire").await;
});

on_both!(a_deployment_is_foreseen, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let row = diamond::Entity::find().one(&**worker.db()).await.unwrap().unwrap();
    let diamond_id = row.id;
    assert_foreseen(&worker, DeployDiamond::new(diamond_id, None), AlreadyDone, "the diamond is deployed").await;
    let nobody = DeployDiamond::new(DiamondId::new(), None);
    assert_foreseen(&worker, nobody, WouldFailAgain, "no such diamond").await;
    let mut row: diamond::ActiveModel = row.into();
    (row.status, row.address) = (Set(DiamondStatus::Started), Set(None));
    diamond::Entity::update(row).exec(&**worker.db()).await.unwrap();
    assert_foreseen(&worker, DeployDiamond::new(diamond_id, None), WouldResume, "never asked for").await;
    worker.deliver(queue::NewMessage::of(&DeployDiamond::new(diamond_id, None))).await;
    assert_foreseen(&worker, DeployDiamond::new(diamond_id, None), AlreadyDone, "on its way").await;
});

on_both!(an_announcement_is_foreseen, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let payment_id = worker.accept("one").await;
    let rows = payment_log::Entity::find()
        .filter(payment_log::Column::PaymentId.eq(payment_id))
        .filter(payment_log::Column::Sequence.is_not_null());
    let log_ids = || async { rows.clone().all(&**worker.db()).await.unwrap().iter().map(|row| row.id).collect() };
    assert_foreseen(&worker, AnnounceEvents::new(log_ids().await, None), WouldResume, "nobody was told of").await;
    worker.run().await;
    assert_foreseen(&worker, AnnounceEvents::new(log_ids().await, None), AlreadyDone, "were told").await;
});

on_both!(a_recovery_is_foreseen, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let endpoint = worker.endpoint(worker.merchant.node_id, &["*"]).await.id;
    let recovery_id = worker.recovery(endpoint, true).await;
    assert_foreseen(&worker, RecoverWebhooks::new(recovery_id, None), WouldResume, "go on where it stands").await;
    worker.deliver(queue::NewMessage::of(&RecoverWebhooks::new(recovery_id, None))).await;
    assert_foreseen(&worker, RecoverWebhooks::new(recovery_id, None), AlreadyDone, "at its end").await;
});

on_both!(polls_of_gateways_are_foreseen, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let worker = &shop.worker;
    let payment_id = shop.open("one", "10").await;
    assert_foreseen(worker, CheckSession::new(payment_id, None), AlreadyDone, "never opened at a gateway").await;
    let session_id = shop.begin(payment_id).await.unwrap();
    assert_foreseen(worker, OpenSession::new(session_id, None), WouldResume, "never asked").await;
    assert_foreseen(worker, CheckSession::new(payment_id, None), WouldResume, "which is asked at its gateway").await;
    worker.run().await;
    assert_foreseen(worker, OpenSession::new(session_id, None), WouldResume, "looked at, at its gateway").await;
    shop.act(session_id, "approve").await;
    worker.run().await;
    assert_foreseen(worker, OpenSession::new(session_id, None), AlreadyDone, "captured at its gateway").await;
    let nobody = OpenSession::new(entities::GatewaySessionId::new(), None);
    assert_foreseen(worker, nobody, AlreadyDone, "no such session").await;
});

on_both!(an_invoice_is_foreseen, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let payment_id = worker.invoice().await;
    assert_foreseen(&worker, AskInvoice { payment_id }, WouldResume, "never asked").await;
    worker.request_in_vain(payment_id, fixtures::Fault::AnswerLost).await;
    assert_foreseen(&worker, AskInvoice { payment_id }, WouldResume, "looked for").await;
    worker.deliver(queue::NewMessage::of(&AskInvoice { payment_id })).await;
    assert_foreseen(&worker, WatchInvoice { payment_id }, WouldResume, "whether the invoice is paid").await;
    worker.node.pay();
    worker.deliver(queue::NewMessage::of(&WatchInvoice { payment_id })).await;
    assert_foreseen(&worker, AskInvoice { payment_id }, AlreadyDone, "the invoice is settled").await;
    assert_foreseen(&worker, AskInvoice { payment_id: PaymentId::new() }, WouldFailAgain, "no invoice").await;
});
