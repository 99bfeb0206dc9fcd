//! Whom a message is about, from its body and from what the database knows, also of bodies of earlier versions.

use std::collections::BTreeSet;

use entities::{
    DiamondId, NodeId, PaymentId, PaymentLogId, PayoutId, RecoveryStatus, RefundId, WebhookRecoveryId, diamond, node,
    now, payment_log, webhook_endpoint, webhook_recovery,
};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    jobs::{
        self, AnnounceEvents, DeployDiamond, OpenDeal, OpenSession, QUEUES, RecoverWebhooks, SendPayout, SendRefund,
    },
    subjects::complete,
};
use queue::{Database, Payload, Subject};
use sea_orm::{EntityTrait, IntoActiveModel, QueryFilter, prelude::*};
use serde_json::{Value, json};

use super::{accepted_by, ledger::seller::Shop};

/// The subject of a body as earlier versions wrote it: with its first field alone.
async fn found<P: Payload>(db: &Database, payload: &P) -> Subject {
    let whole = json!(payload);
    let first = ["refund_id", "payout_id", "session_id", "diamond_id", "recovery_id", "log_ids", "payment_id"];
    let first = first.into_iter().find(|name| whole.get(*name).is_some()).unwrap();
    let body = json!({ first: whole[first] }).to_string();
    complete(&**db, P::TYPE, &body, Subject::default()).await.unwrap()
}

#[test]
fn every_body_says_what_it_is_about_and_can_be_read_without_what_later_versions_added() {
    let (id, of) = (Uuid::now_v7(), Uuid::now_v7());
    let (row, payment) = (Subject::row(id), Subject::row(id).of_payment(id));
    for (kind, field, later, subject) in [
        ("open_deal", "payment_id", None, payment),
        ("cancel_deal", "payment_id", None, payment),
        ("release_deal", "payment_id", None, payment),
        ("expire_payment", "payment_id", None, payment),
        ("ask_invoice", "payment_id", None, payment),
        ("watch_invoice", "payment_id", None, payment),
        ("open_session", "session_id", Some("payment_id"), row.of_payment(of)),
        ("check_session", "payment_id", Some("session_id"), payment),
        ("deploy_diamond", "diamond_id", Some("node_id"), row.of_node(of)),
        ("send_refund", "refund_id", Some("payment_id"), row.of_payment(of)),
        ("send_payout", "payout_id", Some("node_id"), row.of_node(of)),
        ("sync_account", "node_id", None, row.of_node(id)),
        ("recover_webhooks", "recovery_id", Some("node_id"), row.of_node(of)),
    ] {
        let earlier = json!({ field: id });
        let mut body = earlier.clone();
        if let Some(later) = later {
            body[later] = json!(of);
        }
        assert_eq!(jobs::subject(kind, &body.to_string()), subject, "{kind}");
        let lacks = later.is_some() && kind != "check_session";
        assert_eq!(jobs::subject(kind, &earlier.to_string()), if lacks { row } else { subject }, "{kind}");
        assert_eq!(jobs::subject(kind, "{}"), Subject::default(), "{kind} that cannot be read");
        assert!(QUEUES.contains(&format!("{kind}.v1").as_str()) && jobs::once_discarded(kind).is_some(), "{kind}");
    }
    let events = json!({ "log_ids": [id], "payment_id": of }).to_string();
    assert_eq!(jobs::subject("announce_events", &events), Subject::default().of_payment(of), "there are several rows");
    assert_eq!((jobs::subject("other", &events), jobs::once_discarded("other")), (Subject::default(), None));
    assert_eq!(QUEUES.iter().collect::<BTreeSet<_>>().len(), 14, "each kind has a queue of its own");
}

on_both!(a_row_leads_to_its_payment_and_that_to_its_node, async |database: TestDatabase| {
    let shop = Shop::open(&database.db).await;
    let (db, node_id) = (&shop.db, shop.merchant.node_id);
    let sale = shop.sale(10_000, 0).await;
    let (refund, payout) = (shop.refund(&sale, Some(10)).await.unwrap(), shop.pay_out(100).await.unwrap());
    let diamond = diamond::Entity::find().one(&**db).await.unwrap().unwrap();
    let endpoint = fixtures::endpoint(node_id, &["*"]);
    webhook_endpoint::Entity::insert(endpoint.clone().into_active_model()).exec_without_returning(&**db).await.unwrap();
    let recovery = recovery(db, endpoint.id).await;
    let payment = |id: Uuid| Subject::row(id).of_payment(sale.payment.0).of_node(node_id.0);
    assert_eq!(found(db, &OpenDeal { payment_id: sale.payment }).await, payment(sale.payment.0));
    assert_eq!(found(db, &SendRefund::new(refund.id, None)).await, payment(refund.id.0));
    assert_eq!(found(db, &OpenSession::new(sale.session.id, None)).await, payment(sale.session.id.0));
    let of_node = |id: Uuid| Subject::row(id).of_node(node_id.0);
    assert_eq!(found(db, &SendPayout::new(payout.id, None)).await, of_node(payout.id.0));
    assert_eq!(found(db, &DeployDiamond::new(diamond.id, None)).await, of_node(diamond.id.0));
    assert_eq!(found(db, &RecoverWebhooks::new(recovery, None)).await, of_node(recovery.0));
    for (subject, id) in [
        (found(db, &SendRefund::new(RefundId(recovery.0), None)).await, recovery.0),
        (found(db, &SendPayout::new(PayoutId(recovery.0), None)).await, recovery.0),
        (found(db, &DeployDiamond::new(DiamondId(recovery.0), None)).await, recovery.0),
    ] {
        assert_eq!(subject, Subject::row(id), "what the database does not know stays unknown");
    }
    // What is known of a message stays: it may have been about more than its body says.
    let (known, other) = (Subject::default().of_node(Uuid::now_v7()), NodeId::new());
    let body = json!({ "payout_id": payout.id, "node_id": other }).to_string();
    let completed = complete(&**db, SendPayout::TYPE, &body, known).await.unwrap();
    assert_eq!(completed, Subject::row(payout.id.0).of_node(known.node_id));
});

async fn recovery(db: &Database, endpoint_id: entities::WebhookEndpointId) -> WebhookRecoveryId {
    let row = webhook_recovery::Model {
        id: WebhookRecoveryId::new(),
        endpoint_id,
        since: now(),
        until: now(),
        only_failed: false,
        status: RecoveryStatus::Running,
        cursor: None,
        examined: 0,
        recovered: 0,
        error: None,
        actor_type: entities::ActorType::System,
        actor_id: None,
        created_at: now(),
        updated_at: now(),
        finished_at: None,
    };
    webhook_recovery::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**db).await.unwrap();
    row.id
}

async fn events_of(db: &Database, payments: &[PaymentId]) -> Vec<PaymentLogId> {
    let rows = payment_log::Entity::find().filter(payment_log::Column::PaymentId.is_in(payments.iter().copied()));
    rows.all(&**db).await.unwrap().into_iter().map(|row| row.id).collect()
}

on_both!(events_of_several_payments_belong_to_who_reaches_them_all, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let root = node::Entity::find_by_id(merchant.node_id).one(&**db).await.unwrap().unwrap();
    let mut branches = Vec::new();
    for (path, number) in [("1.3", 3), ("1.3.6", 6), ("1.3.7", 7), ("1.30", 30)] {
        let branch = node::Model { id: NodeId::new(), path: path.to_owned(), number, ..root.clone() };
        node::Entity::insert(branch.clone().into_active_model()).exec_without_returning(&**db).await.unwrap();
        branches.push(Merchant { node_id: branch.id, path: branch.path, ..merchant.clone() });
    }
    let mut payments = Vec::new();
    for name in ["one", "two"] {
        for branch in &branches[1..] {
            payments.push(accepted_by(db, branch, name).await.id);
        }
    }
    let stranger = Merchant::insert(db, 2).await;
    payments.push(accepted_by(db, &stranger, "one").await.id);
    let of = async |ids: &[usize]| {
        let ids: Vec<PaymentId> = ids.iter().map(|index| payments[*index]).collect();
        found(db, &AnnounceEvents::new(events_of(db, &ids).await, None)).await
    };
    let node = |index: usize| Subject::default().of_node(branches[index].node_id.0);
    assert_eq!(of(&[0]).await, node(1).of_payment(payments[0].0));
    assert_eq!(of(&[0, 3]).await, node(1), "two payments of one node");
    assert_eq!(of(&[0, 1]).await, node(0), "the node above both");
    assert_eq!(of(&[0, 2]).await, Subject::default().of_node(root.id.0), "1.30 is not below 1.3");
    assert_eq!(of(&[0, 6]).await, Subject::default(), "nobody but those who reach everything");
    let gone: Value = json!({ "log_ids": [PaymentLogId::new()] });
    let unknown = complete(&**db, AnnounceEvents::TYPE, &gone.to_string(), Subject::default()).await.unwrap();
    assert_eq!(unknown, Subject::default());
});
