//! One test a job.

use alloy::primitives::{Address, B256, U256};
use chain::{Evidence, Fact, HeldReturn};
use entities::{DiamondId, PaymentId, PaymentStatus, diamond};
use fixtures::{TestDatabase, on_both};
use payments::jobs::{CancelDeal, DeployDiamond, ExpirePayment, OpenDeal, ReleaseDeal};
use queue::NewMessage;
use sea_orm::{ActiveValue::Set, EntityTrait};

use crate::Worker;

fn evidence() -> Evidence {
    Evidence {
        hash: Some(B256::repeat_byte(1)),
        block_number: 7,
        block_hash: B256::repeat_byte(2),
        block_time: entities::now(),
    }
}

pub(crate) fn opened(id: PaymentId) -> Fact {
    Fact::DealOpened { subject_id: id.0, deal_id: U256::from(7), evidence: evidence() }
}

pub(crate) fn deposited(id: PaymentId) -> Fact {
    Fact::DepositFinal { subject_id: id.0, payer: Address::ZERO, amount: U256::from(1), evidence: evidence() }
}

pub(crate) fn operation(kind: &str, status: &str) -> (String, String) {
    (kind.to_owned(), status.to_owned())
}

on_both!(open_deal_requests_one_deal, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.accept("one").await;
    worker.run().await;
    for _ in 0..2 {
        worker.deliver(NewMessage::of(&OpenDeal { payment_id: id })).await;
    }
    assert_eq!(worker.operations().await, [operation("open", "pending")]);
    let payment = worker.payment(id).await;
    assert_eq!(payment.status, PaymentStatus::Pending);
    assert!(payment.sending_since.is_some() && payment.diamond_address.is_some());
});

on_both!(open_deal_waits_for_a_diamond_and_leaves_the_canceled_alone, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    diamond::Entity::delete_many().exec(&**worker.db()).await.unwrap();
    let id = worker.accept("one").await;
    worker.run().await;
    assert!(worker.operations().await.is_empty());
    worker.cancel(id).await;
    worker.deliver(NewMessage::of(&OpenDeal { payment_id: id })).await;
    assert!(worker.operations().await.is_empty());
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Canceled);
});

on_both!(cancel_deal_takes_back_what_was_not_sent, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.accept("one").await;
    worker.run().await;
    worker.cancel(id).await;
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Canceling);
    worker.run().await;
    worker.deliver(NewMessage::of(&CancelDeal { payment_id: id })).await;
    assert_eq!(worker.operations().await, [operation("open", "withdrawn")]);
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Canceled);
});

on_both!(cancel_deal_closes_an_open_deal_once, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.accept("one").await;
    worker.run().await;
    worker.record_facts(vec![opened(id)]).await;
    worker.cancel(id).await;
    worker.run().await;
    worker.deliver(NewMessage::of(&CancelDeal { payment_id: id })).await;
    assert_eq!(worker.operations().await, [operation("open", "pending"), operation("cancel", "pending")]);
    let canceled = Fact::Canceled { subject_id: id.0, returned: U256::ZERO, held: None, evidence: evidence() };
    for _ in 0..2 {
        worker.record_facts(vec![canceled.clone()]).await;
    }
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Canceled);
});

on_both!(a_deposit_that_its_payer_refuses_is_not_returned, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    for (name, token) in [("token", Address::repeat_byte(7)), ("coin", Address::ZERO)] {
        let id = worker.accept(name).await;
        worker.run().await;
        worker.record_facts(vec![opened(id), deposited(id)]).await;
        worker.cancel(id).await;
        let held = HeldReturn { payer: Address::repeat_byte(9), token };
        let returned = U256::from(10_500_000);
        worker
            .record_facts(vec![Fact::Canceled { subject_id: id.0, returned, held: Some(held), evidence: evidence() }])
            .await;
        let payment = worker.payment(id).await;
        assert_eq!(payment.status, PaymentStatus::Canceled, "{name}: the payer has nothing back");
        assert_eq!(payment.return_held_for, Some(held.payer.to_checksum(None)), "{name}");
        let token_address = (!token.is_zero()).then(|| token.to_checksum(None));
        assert_eq!((payment.return_held_token, payment.return_withdrawn_at), (token_address, None), "{name}");
        let taken = || Fact::HeldReturnTaken {
            subject_id: id.0,
            payer: held.payer,
            token,
            amount: returned,
            evidence: evidence(),
        };
        worker.record_facts(vec![taken(), taken()]).await;
        let payment = worker.payment(id).await;
        assert!(payment.status == PaymentStatus::Canceled && payment.return_withdrawn_at.is_some(), "{name}");
    }
});

on_both!(release_deal_releases_once, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.accept("one").await;
    worker.run().await;
    worker.record_facts(vec![opened(id), deposited(id)]).await;
    worker.deliver(NewMessage::of(&ReleaseDeal { payment_id: id })).await;
    assert_eq!(worker.operations().await.len(), 1, "nobody asked for a release");
    worker.release(id).await;
    worker.run().await;
    worker.deliver(NewMessage::of(&ReleaseDeal { payment_id: id })).await;
    assert_eq!(worker.operations().await[1..], [operation("release", "pending")]);
});

on_both!(expire_payment_waits_for_the_chain, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let id = worker.accept("one").await;
    worker.run().await;
    worker.record_facts(vec![opened(id)]).await;
    worker.deliver(NewMessage::of(&ExpirePayment { payment_id: id })).await;
    assert_eq!(worker.payment(id).await.status, PaymentStatus::Open, "the chain was not read that far");
});

on_both!(deploy_diamond_requests_one_deployment, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let mut row: diamond::ActiveModel = diamond::Entity::find().one(&**worker.db()).await.unwrap().unwrap().into();
    row.status = Set(entities::DiamondStatus::Started);
    row.address = Set(None);
    let id = diamond::Entity::update(row).exec(&**worker.db()).await.unwrap().id;
    for _ in 0..2 {
        worker.deliver(NewMessage::of(&DeployDiamond::new(id, None))).await;
    }
    assert_eq!(worker.operations().await, [operation("deploy", "pending")]);
    let at = Address::repeat_byte(3);
    worker.record_facts(vec![Fact::Deployed { subject_id: id.0, diamond: at, evidence: evidence() }]).await;
    let stored = diamond::Entity::find_by_id(id).one(&**worker.db()).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.address), (entities::DiamondStatus::Deployed, Some(at.to_checksum(None))));
});

on_both!(deploy_diamond_gives_up_on_what_does_not_exist, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    worker.deliver(NewMessage::of(&DeployDiamond::new(DiamondId::new(), None))).await;
    assert_eq!(worker.dead_letters().await, ["unknown_diamond"]);
});
