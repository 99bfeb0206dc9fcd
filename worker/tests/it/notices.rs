//! What operators are told of by themselves.

use entities::{wallet, webhook_delivery};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::jobs::{DeployDiamond, OpenDeal};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, Statement};

use crate::{Worker, foresight::letter};

impl Worker {
    /// Twice, as processes beside each other do.
    async fn notify_operators(&self) {
        let context = crate::context(self.db());
        for _ in 0..2 {
            worker::notify_operators(&context).await.unwrap();
        }
    }

    async fn write(&self, sql: &str, values: Vec<sea_orm::Value>) {
        let backend = self.db().get_database_backend();
        self.db().execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.unwrap();
    }
}

fn names(owed: &[webhook_delivery::Model]) -> Vec<&str> {
    owed.iter().map(|delivery| delivery.event_type.as_str()).collect()
}

on_both!(a_letter_is_announced_once_where_its_payment_is, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let stranger = Merchant::insert(worker.db(), 2).await;
    let own = worker.endpoint(worker.merchant.node_id, &["dead_letter.*"]).await.id;
    let others = worker.endpoint(stranger.node_id, &["dead_letter.*"]).await.id;
    let shop = worker.endpoint(worker.merchant.node_id, &["*"]).await.id;
    for id in [own, others] {
        worker.set_endpoint(id, |row| row.operators = Set(true)).await;
    }
    worker.notify_operators().await;
    let payment_id = worker.accept("one").await;
    letter(&worker, &OpenDeal { payment_id }).await;
    worker.write("UPDATE dead_letters SET payment_id = $1", vec![payment_id.0.into()]).await;
    worker.notify_operators().await;
    let owed = worker.owed(own).await;
    assert_eq!((names(&owed), owed[0].payment_id), (vec!["dead_letter.created"], Some(payment_id)));
    assert!(worker.owed(others).await.is_empty(), "another's node does not hear of it");
    assert!(worker.owed(shop).await.is_empty(), "nor does whoever may not");
    letter(&worker, &DeployDiamond::new(entities::DiamondId::new(), None)).await;
    worker.notify_operators().await;
    let announced = worker.owed(own).await.len() + worker.owed(others).await.len();
    assert_eq!(announced, 2, "what is about no payment is told at one of the nodes at the top, once");
});

on_both!(a_letter_about_a_payment_that_is_not_there_is_announced_without_it, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let own = worker.endpoint(worker.merchant.node_id, &["dead_letter.*"]).await.id;
    worker.set_endpoint(own, |row| row.operators = Set(true)).await;
    worker.notify_operators().await;
    let payment_id = entities::PaymentId::new();
    letter(&worker, &OpenDeal { payment_id }).await;
    worker.write("UPDATE dead_letters SET payment_id = $1", vec![payment_id.0.into()]).await;
    worker.notify_operators().await;
    let owed = worker.owed(own).await;
    assert_eq!((names(&owed), owed[0].payment_id), (vec!["dead_letter.created"], None), "no log could trace it");
});

on_both!(a_signer_without_funds_is_announced_once_a_pause, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let operator = worker.endpoint(worker.merchant.node_id, &["signer.*"]).await.id;
    worker.set_endpoint(operator, |row| row.operators = Set(true)).await;
    let signer = wallet::Entity::find().one(&**worker.db()).await.unwrap().unwrap().address;
    let lane = "INSERT INTO chain_lanes (network_id, signer, balance, paused_reason, paused_at, \"window\", updated_at) \
                VALUES ($1, $2, '7', 'insufficient_funds', $3, 1, $3)";
    worker.write(lane, vec![worker.merchant.network_id.0.into(), signer.into(), entities::now().into()]).await;
    worker.notify_operators().await;
    assert_eq!(names(&worker.owed(operator).await), ["signer.low_balance"]);
    let later = entities::now() + chrono::TimeDelta::minutes(1);
    worker.write("UPDATE chain_lanes SET paused_at = $1", vec![later.into()]).await;
    worker.notify_operators().await;
    assert_eq!(worker.owed(operator).await.len(), 2, "a second pause is told too");
});

on_both!(a_signer_without_funds_is_announced_to_the_node_whose_key_it_is, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    // Another tenant names the key in a wallet of its own, as it could before keys had owners.
    let stranger = fixtures::Merchant::insert(worker.db(), 7).await;
    let own = worker.endpoint(worker.merchant.node_id, &["signer.*"]).await.id;
    let theirs = worker.endpoint(stranger.node_id, &["signer.*"]).await.id;
    for endpoint in [own, theirs] {
        worker.set_endpoint(endpoint, |row| row.operators = Set(true)).await;
    }
    let wallets = wallet::Entity::find().all(&**worker.db()).await.unwrap();
    assert_eq!((wallets.len(), &wallets[0].address), (2, &wallets[1].address));
    let lane = "INSERT INTO chain_lanes (network_id, signer, balance, paused_reason, paused_at, \"window\", updated_at) \
                VALUES ($1, $2, '7', 'insufficient_funds', $3, 1, $3)";
    let signer = wallets[0].address.clone();
    worker.write(lane, vec![worker.merchant.network_id.0.into(), signer.into(), entities::now().into()]).await;
    worker.notify_operators().await;
    assert_eq!(names(&worker.owed(own).await), ["signer.low_balance"]);
    assert!(worker.owed(theirs).await.is_empty());
});

on_both!(a_blocked_sign_in_is_announced_once_a_block_and_never_in_a_storm, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let operator = worker.endpoint(worker.merchant.node_id, &["sign_in.*"]).await.id;
    worker.set_endpoint(operator, |row| row.operators = Set(true)).await;
    let row = "INSERT INTO sign_in_counts (subject, failures, blocks, blocked_until, account, node_id, updated_at) \
               VALUES ($1, 0, 1, $2, $3, $4, $5)";
    let (now, node_id) = (entities::now(), Some(worker.merchant.node_id.0));
    let later = now + chrono::TimeDelta::minutes(1);
    let insert = async |subject: String, until: chrono::DateTime<chrono::Utc>, account: Option<&str>| {
        let node_id = node_id.filter(|_| account.is_some());
        let values = vec![subject.into(), until.into(), account.into(), node_id.into(), now.into()];
        worker.write(row, values).await;
    };
    insert("account:a".to_owned(), later, Some("user:ada")).await;
    insert("account:b".to_owned(), later, None).await;
    insert("address:203.0.113.7".to_owned(), now - chrono::TimeDelta::seconds(1), None).await;
    worker.notify_operators().await;
    let owed = worker.owed(operator).await;
    assert_eq!(names(&owed), ["sign_in.blocked"], "neither who does not exist nor what is over");
    worker
        .write("UPDATE sign_in_counts SET blocked_until = $1", vec![(later + chrono::TimeDelta::hours(1)).into()])
        .await;
    worker.notify_operators().await;
    assert_eq!(worker.owed(operator).await.len(), 3, "the next block of the account, and that of the address");
    for last in 0..100 {
        insert(format!("address:198.51.100.{last}"), later, None).await;
    }
    worker.notify_operators().await;
    assert!(worker.owed(operator).await.len() <= 3 + 2 * 20, "{}", worker.owed(operator).await.len());
});
