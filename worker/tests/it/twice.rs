//! Every job runs twice: what is delivered again must leave every table as it was. A job that is missing here fails the
//! test.

use alloy::primitives::{Address, B256, U256};
use chain::{Evidence, Fact};
use entities::{PaymentId, PayoutStatus, diamond, payment_log, payout};
use fixtures::{TestDatabase, on_both};
use payments::jobs::{
    self, AnnounceEvents, AskInvoice, CancelDeal, CheckSession, DeployDiamond, ExpirePayment, OpenDeal, OpenSession,
    RecoverWebhooks, ReleaseDeal, SendPayout, SendRefund, SyncAccount, WatchInvoice,
};
use queue::{NewMessage, Payload};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, Statement, prelude::*};

use crate::{Worker, sessions::Shop};

pub(crate) fn evidence() -> Evidence {
    let (hash, block_hash) = (Some(B256::repeat_byte(1)), B256::repeat_byte(2));
    Evidence { hash, block_number: 7, block_hash, block_time: entities::now() }
}

async fn opened(worker: &Worker, name: &str) -> PaymentId {
    let id = worker.accept(name).await;
    worker.run().await;
    worker
        .record_facts(vec![Fact::DealOpened { subject_id: id.0, deal_id: U256::from(7), evidence: evidence() }])
        .await;
    id
}

/// Brings something about on which the job of this queue has work to do, and returns its message.
pub(crate) async fn work_for(shop: &Shop, queue: &str) -> Option<NewMessage> {
    let worker = &shop.worker;
    Some(match queue {
        OpenDeal::QUEUE => NewMessage::of(&OpenDeal { payment_id: worker.accept("open").await }),
        CancelDeal::QUEUE => {
            let payment_id = opened(worker, "cancel").await;
            worker.cancel(payment_id).await;
            NewMessage::of(&CancelDeal { payment_id })
        }
        ReleaseDeal::QUEUE => {
            let payment_id = opened(worker, "release").await;
            let (payer, amount) = (Address::ZERO, U256::from(1));
            worker
                .record_facts(vec![Fact::DepositFinal {
                    subject_id: payment_id.0,
                    payer,
                    amount,
                    evidence: evidence(),
                }])
                .await;
            worker.release(payment_id).await;
            NewMessage::of(&ReleaseDeal { payment_id })
        }
        ExpirePayment::QUEUE => {
            let payment_id = opened(worker, "expire").await;
            worker.read_until(entities::now() + chrono::TimeDelta::hours(2)).await;
            NewMessage::of(&ExpirePayment { payment_id })
        }
        DeployDiamond::QUEUE => {
            let row = diamond::Entity::find().one(&**worker.db()).await.unwrap().unwrap();
            let mut row: diamond::ActiveModel = row.into();
            (row.status, row.address) = (Set(entities::DiamondStatus::Started), Set(None));
            let diamond_id = diamond::Entity::update(row).exec(&**worker.db()).await.unwrap().id;
            NewMessage::of(&DeployDiamond::new(diamond_id, None))
        }
        AnnounceEvents::QUEUE => {
            worker.endpoint(worker.merchant.node_id, &["payment.*"]).await;
            let id = worker.accept("announce").await;
            // What the payment itself has sent is not what is tried here.
            worker.lose_messages().await;
            let log = payment_log::Entity::find().filter(payment_log::Column::PaymentId.eq(id));
            let created = log.filter(payment_log::Column::Sequence.eq(1)).one(&**worker.db()).await.unwrap().unwrap();
            NewMessage::of(&AnnounceEvents::new(vec![created.id], None))
        }
        RecoverWebhooks::QUEUE => {
            let endpoint = worker.endpoint(worker.merchant.node_id, &["payment.*"]).await.id;
            worker.accept("recover").await;
            worker.run().await;
            let recovery_id = worker.recovery(endpoint, false).await;
            NewMessage::of(&RecoverWebhooks::new(recovery_id, None))
        }
        _ => return off_chain(shop, queue).await,
    })
}

/// The same for what no chain knows of.
async fn off_chain(shop: &Shop, queue: &str) -> Option<NewMessage> {
    let worker = &shop.worker;
    Some(match queue {
        OpenSession::QUEUE => {
            let id = shop.open("session", "10").await;
            NewMessage::of(&OpenSession::new(shop.begin(id).await.unwrap(), None))
        }
        CheckSession::QUEUE => {
            let payment_id = shop.open("check", "10").await;
            let session_id = shop.begin(payment_id).await.unwrap();
            worker.run().await;
            shop.act(session_id, "approve").await;
            worker.lose_messages().await;
            NewMessage::of(&CheckSession::new(payment_id, None))
        }
        AskInvoice::QUEUE => {
            // Made, but the answer was lost; and paid since.
            let payment_id = worker.invoice().await;
            worker.request_in_vain(payment_id, fixtures::Fault::AnswerLost).await;
            worker.node.pay();
            NewMessage::of(&AskInvoice { payment_id })
        }
        WatchInvoice::QUEUE => {
            let payment_id = worker.invoice().await;
            worker.run().await;
            worker.lose_messages().await;
            worker.node.pay();
            NewMessage::of(&WatchInvoice { payment_id })
        }
        SendRefund::QUEUE => {
            shop.sell("refund").await;
            NewMessage::of(&SendRefund::new(shop.request_refund(1_000).await, None))
        }
        SendPayout::QUEUE => {
            // The processor has it, and the bank not yet; the wait for the next look is random, and may be over at once.
            let payout_id = loop {
                let requested = shop.request_payout(100).await;
                worker.run().await;
                worker.lose_messages().await;
                let payout = payout::Entity::find_by_id(requested).one(&**worker.db()).await.unwrap().unwrap();
                if payout.status == PayoutStatus::Sent {
                    break requested;
                }
            };
            NewMessage::of(&SendPayout::new(payout_id, None))
        }
        SyncAccount::QUEUE => {
            shop.submit_seller("Olive & Thyme").await;
            worker.lose_messages().await;
            NewMessage::of(&SyncAccount { node_id: worker.merchant.node_id })
        }
        _ => return None,
    })
}

/// Every row that a job may write, as text. The outbox too: a second run must not ask for anything again.
async fn everything(worker: &Worker) -> Vec<String> {
    let mut rows = Vec::new();
    for (table, key, columns) in [
        ("payments", "id", "status || sequence || resends || coalesce(deal_id, '')"),
        ("payment_logs", "id", "event_type"),
        ("lightning_invoices", "payment_id", "status || coalesce(payment_hash, '')"),
        ("diamonds", "id", "status"),
        ("chain_operations", "id", "kind || status || sends"),
        ("chain_deals", "subject_id", "state"),
        ("webhook_deliveries", "id", "event_type || status || attempts"),
        ("webhook_bodies", "event_id", "body"),
        ("gateway_sessions", "id", "status || coalesce(gateway_id, '') || captured"),
        ("sandbox_objects", "id", "kind"),
        ("connected_accounts", "node_id", "status || coalesce(account_id, '')"),
        ("refunds", "id", "status || looks"),
        ("payouts", "id", "status || looks"),
        ("ledger_entries", "id", "kind"),
        ("seller_balances", "node_id", "available || ' ' || in_transit"),
        ("webhook_recoveries", "id", "status || examined || recovered"),
        ("outbox", "id", "kind"),
        ("dead_letters", "id", "kind"),
    ] {
        let backend = worker.db().get_database_backend();
        // Ids are bytes on SQLite.
        let key = if backend == DatabaseBackend::Sqlite { format!("hex({key})") } else { format!("{key}::text") };
        let sql = format!("SELECT {key} || ' ' || {columns} AS shown FROM {table} ORDER BY 1");
        for row in worker.db().query_all_raw(Statement::from_string(backend, sql)).await.unwrap() {
            rows.push(format!("{table} {}", row.try_get::<String>("", "shown").unwrap()));
        }
    }
    rows
}

on_both!(every_job_may_run_twice, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let worker = &shop.worker;
    for queue in jobs::QUEUES {
        let message = work_for(&shop, queue).await.unwrap_or_else(|| panic!("{queue} is not run twice by this test"));
        let idle = everything(worker).await;
        worker.deliver(message.clone()).await;
        let once = everything(worker).await;
        assert_ne!(idle, once, "{queue}: the job had something to do");
        for _ in 0..2 {
            worker.deliver(message.clone()).await;
            assert_eq!(everything(worker).await, once, "{queue}: a second run changes nothing");
        }
    }
});
