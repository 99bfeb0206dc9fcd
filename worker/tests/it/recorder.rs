//! What the chain tells, as it stands in a payment and its log.

use alloy::primitives::{Address, B256, U256};
use chain::{AttemptKind, DealEvent, Evidence, Fact, Inquiry, Kind, MinedIn, SignedAttempt, Testimony};
use entities::{PaymentId, PaymentStatus, payment_log};
use fixtures::{TestDatabase, on_both};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};
use serde_json::{Value, json};

use crate::Worker;

fn evidence(number: u8) -> Evidence {
    Evidence {
        hash: Some(B256::repeat_byte(number)),
        block_number: number.into(),
        block_hash: B256::repeat_byte(number),
        block_time: entities::now(),
    }
}

fn opened(id: PaymentId, block: u8) -> Fact {
    Fact::DealOpened { subject_id: id.0, deal_id: U256::from(7), evidence: evidence(block) }
}

fn deposited(id: PaymentId, block: u8) -> Fact {
    let (payer, amount) = (Address::ZERO, U256::from(1));
    Fact::DepositSeen { subject_id: id.0, payer, amount, evidence: evidence(block) }
}

fn gone(id: PaymentId, block: u8) -> Fact {
    let (payer, amount) = (Address::ZERO, U256::from(1));
    Fact::DepositGone { subject_id: id.0, payer, amount, evidence: evidence(block) }
}

fn paid(id: PaymentId, block: u8) -> Fact {
    let (payer, amount) = (Address::ZERO, U256::from(1));
    Fact::DepositFinal { subject_id: id.0, payer, amount, evidence: evidence(block) }
}

fn broken(id: PaymentId, lost: DealEvent, block: u8) -> Fact {
    Fact::FinalityBroken { subject_id: id.0, lost, evidence: evidence(block) }
}

fn unknown(id: PaymentId, kind: Kind) -> Fact {
    let attempt = SignedAttempt {
        nonce: 3,
        kind: AttemptKind::Call,
        hash: B256::repeat_byte(5),
        signed_at: entities::now(),
        broadcast_at: Some(entities::now()),
        provider: Some("one".to_owned()),
        answer: Some("no answer: nothing within 10 ms".to_owned()),
        max_fee_per_gas: 8,
        max_priority_fee_per_gas: 1,
    };
    let mined = MinedIn { block_number: 9, block_hash: B256::repeat_byte(9), success: true };
    let says = |provider: &str, receipt| Testimony {
        provider: provider.to_owned(),
        block_number: Ok(12),
        nonce: Ok(3),
        receipts: vec![receipt],
        deal: Some(Ok("none".to_owned())),
    };
    let inquiry = Inquiry {
        since: entities::now(),
        signer: Address::repeat_byte(1),
        diamond: Some(Address::repeat_byte(2)),
        reference: Some(chain::reference(id.0)),
        attempts: vec![attempt],
        testimonies: vec![
            says("one", Ok(None)),
            says("two", Ok(Some(mined))),
            says("three", Err("HTTP 503".to_owned())),
        ],
    };
    Fact::OutcomeUnknown { subject_id: id.0, kind, inquiry: Box::new(inquiry) }
}

impl Worker {
    /// The whole log, in order: number, type and data.
    async fn log(&self, id: PaymentId) -> Vec<(Option<i32>, String, Value)> {
        let rows = payment_log::Entity::find()
            .filter(payment_log::Column::PaymentId.eq(id))
            .order_by_asc(payment_log::Column::Id)
            .all(&**self.db())
            .await
            .unwrap();
        rows.into_iter().map(|row| (row.sequence, row.event_type, row.data)).collect()
    }

    /// The data of the only row of a type.
    async fn logged(&self, id: PaymentId, event_type: &str) -> (Option<i32>, Value) {
        let rows: Vec<_> = self.log(id).await.into_iter().filter(|(_, event, _)| event == event_type).collect();
        assert_eq!(rows.len(), 1, "{event_type}: {rows:#?}");
        (rows[0].0, rows[0].2.clone())
    }

    async fn status(&self, id: PaymentId) -> PaymentStatus {
        self.payment(id).await.status
    }
}

on_both!(an_unknown_opening_is_reviewed_with_its_evidence, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.accept("one").await;
    worker.run().await;
    worker.record_facts(vec![unknown(id, Kind::Open)]).await;
    assert_eq!(worker.status(id).await, PaymentStatus::NeedsReview);
    let (sequence, data) = worker.logged(id, "payment.needs_review").await;
    assert_eq!((sequence, &data["from"], &data["operation"]), (Some(2), &json!("pending"), &json!("open")));
    assert_eq!(data["attempts"][0]["nonce"], json!(3));
    assert_eq!(data["attempts"][0]["fees"]["max_fee_per_gas_wei"], json!("8"));
    assert_eq!(data["attempts"][0]["answer"], json!("no answer: nothing within 10 ms"));
    let providers = data["providers"].as_array().unwrap();
    assert_eq!(providers[0]["receipts"][0]["mined"], Value::Null);
    assert_eq!(providers[1]["receipts"][0]["mined"]["block_number"], json!(9));
    assert_eq!(providers[2]["receipts"][0]["error"], json!("HTTP 503"));
    assert_eq!(providers[0]["deal"]["answer"], json!("none"));

    // What comes later is kept for whoever decides, and decides nothing by itself.
    worker.record_facts(vec![opened(id, 9), deposited(id, 10), paid(id, 10)]).await;
    let payment = worker.payment(id).await;
    assert_eq!((payment.status, payment.deal_id.as_deref()), (PaymentStatus::NeedsReview, Some("7")));
    let later: Vec<_> = worker.log(id).await.into_iter().map(|(_, event, _)| event).collect();
    assert_eq!(later[later.len() - 3..], ["deal.opened", "deposit.seen", "deposit.final"]);
});

on_both!(an_unknown_cancel_is_reviewed, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.accept("one").await;
    worker.run().await;
    worker.record_facts(vec![opened(id, 1)]).await;
    worker.cancel(id).await;
    worker.run().await;
    worker.record_facts(vec![unknown(id, Kind::Cancel)]).await;
    assert_eq!(worker.status(id).await, PaymentStatus::NeedsReview);
    assert_eq!(worker.logged(id, "payment.needs_review").await.1["operation"], json!("cancel"));
});

on_both!(an_unknown_release_leaves_the_payment_paid_and_says_so, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.accept("one").await;
    worker.run().await;
    worker.record_facts(vec![opened(id, 1), paid(id, 2)]).await;
    worker.release(id).await;
    worker.run().await;
    worker.record_facts(vec![unknown(id, Kind::Release)]).await;
    assert_eq!(worker.status(id).await, PaymentStatus::Paid);
    let (sequence, data) = worker.logged(id, "release.unknown").await;
    assert_eq!((sequence, &data["operation"]), (None, &json!("release")));
    worker.record_facts(vec![Fact::Released { subject_id: id.0, amount: U256::from(1), evidence: evidence(3) }]).await;
    assert_eq!(worker.status(id).await, PaymentStatus::Completed);
});

on_both!(a_deposit_that_is_lost_again_takes_the_payment_back, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.accept("one").await;
    worker.run().await;
    worker.record_facts(vec![opened(id, 1), deposited(id, 2)]).await;
    assert_eq!(worker.status(id).await, PaymentStatus::Submitted);
    worker.record_facts(vec![gone(id, 2)]).await;
    assert_eq!(worker.status(id).await, PaymentStatus::Open);
    let (sequence, data) = worker.logged(id, "payment.reverted").await;
    assert_eq!((sequence, &data["lost"], &data["block_number"]), (Some(4), &json!("DealDeposited"), &json!(2)));
    worker.record_facts(vec![deposited(id, 3), paid(id, 3)]).await;
    assert_eq!(worker.status(id).await, PaymentStatus::Paid);
});

on_both!(finality_that_breaks_is_a_reversal_and_is_reviewed, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.accept("one").await;
    worker.run().await;
    worker.record_facts(vec![opened(id, 1), paid(id, 2)]).await;
    worker.record_facts(vec![broken(id, DealEvent::Created, 1), broken(id, DealEvent::Deposited, 2)]).await;
    assert_eq!(worker.status(id).await, PaymentStatus::NeedsReview);
    let log = worker.log(id).await;
    let reverted: Vec<_> = log.iter().filter(|(_, event, _)| event == "payment.reverted").collect();
    let lost: Vec<_> = reverted.iter().map(|(_, _, data)| data["lost"].clone()).collect();
    assert_eq!(lost, [json!("DealCreated"), json!("DealDeposited")], "each loss is an event: {log:#?}");
    let numbers: Vec<_> = log.iter().filter_map(|(sequence, ..)| *sequence).collect();
    let expected: Vec<i32> = (1..=i32::try_from(numbers.len()).unwrap()).collect();
    assert_eq!(numbers, expected, "numbered without gaps");
    assert_eq!(worker.payment(id).await.sequence, *expected.last().unwrap());
    // The deal comes back: that is told, too, and a person decides.
    worker.record_facts(vec![opened(id, 5)]).await;
    assert_eq!(worker.log(id).await.last().unwrap().1, "deal.opened");
    assert_eq!(worker.status(id).await, PaymentStatus::NeedsReview);
});
