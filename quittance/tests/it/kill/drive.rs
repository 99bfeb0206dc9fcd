//! What a merchant, a payer and an operator do while a process of ours dies, and what they do again when nobody answered.

use std::{
    path::PathBuf,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::primitives::{B256, keccak256};
use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    DiamondId, DiamondStatus, PaymentId, PaymentStatus, WalletId, diamond, idempotency_key, network, now, wallet,
};
use futures_util::future::join_all;
use lapin::{BasicProperties, Connection, ConnectionProperties, options::BasicPublishOptions};
use payments::jobs::{DeployDiamond, OpenDeal};
use queue::{Database, NewMessage, dead_letters, redrive};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, Statement, prelude::*};
use serde_json::{Value, json};

use super::{
    audit::{self, Book},
    points::Drive,
};
use crate::{
    consumers::{
        consumer::{Consumer, Mood},
        subscribe,
    },
    merchant::{Merchant, Payer},
    world::World,
};

/// Payments of one row.
const SOME: usize = 3;

/// Everybody outside.
pub(crate) struct Outside {
    pub(crate) merchant: Merchant,
    pub(crate) payer: Payer,
    pub(crate) db: Database,
    /// Wants every event, those for operators too.
    pub(crate) consumer: Consumer,
    /// Where uploaded files are.
    pub(super) files: PathBuf,
    /// Who signs in at the till.
    pub(super) admin: Value,
    endpoint: String,
    prefix: Option<String>,
    expires_at: DateTime<Utc>,
    /// Requests for payments, repetitions included.
    pub(crate) attempts: AtomicU64,
    book: Mutex<Book>,
    /// Payments that are open, and some that are paid, for the rows that need such.
    open: Mutex<Vec<String>>,
    paid: Mutex<Vec<String>>,
}

/// What a row works with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) external_ids: Vec<String>,
    letter: Option<Uuid>,
    diamond: Option<DiamondId>,
}

impl Outside {
    pub(crate) async fn of(world: &World) -> Self {
        let (merchant, consumer) = (Merchant::of(world).await, Consumer::start(Mood::Healthy).await);
        let endpoint = subscribe(&merchant, world, &consumer, "*").await;
        Self {
            merchant,
            consumer,
            endpoint,
            payer: Payer::of(world),
            db: world.database().await,
            files: world.data_dir().join("uploads"),
            admin: world.bootstrap["admin"].clone(),
            prefix: world.broker_prefix().map(str::to_owned),
            expires_at: Utc::now() + TimeDelta::hours(2),
            attempts: AtomicU64::default(),
            book: Mutex::default(),
            open: Mutex::default(),
            paid: Mutex::default(),
        }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    pub(crate) fn want(&self, external_ids: &[String], status: PaymentStatus) {
        self.book().wanted.extend(external_ids.iter().map(|id| (id.clone(), status)));
    }

    /// Makes the payments that rows will take.
    pub(crate) async fn stock(&self, open: usize, paid: usize) {
        let external_ids: Vec<String> = (0..open + paid).map(|number| format!("stock-{number}")).collect();
        join_all(external_ids.iter().map(|id| self.create(id, None))).await;
        self.settled(Duration::from_secs(180)).await.unwrap();
        let (to_pay, to_keep) = external_ids.split_at(paid);
        self.want(to_pay, PaymentStatus::Paid);
        self.deposit(to_pay).await;
        self.settled(Duration::from_secs(180)).await.unwrap();
        self.open.lock().unwrap().extend_from_slice(to_keep);
        self.paid.lock().unwrap().extend_from_slice(to_pay);
    }

    fn take(stock: &Mutex<Vec<String>>, count: usize) -> Vec<String> {
        let mut stock = stock.lock().unwrap();
        let from = stock.len().checked_sub(count).expect("the stock is large enough for all rows");
        stock.split_off(from)
    }

    /// Waits until nothing is under way.
    pub(crate) async fn settled(&self, within: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + within;
        loop {
            let book = self.book().clone();
            match audit::under_way(&self.db, &book).await {
                None => return Ok(()),
                Some(what) if Instant::now() > until => anyhow::bail!("not at rest after {within:?}: {what}"),
                Some(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Asks once for a payment. `true`: it is there, as far as an answer tells.
    pub(crate) async fn create(&self, external_id: &str, key: Option<&str>) -> bool {
        let mut body = self.merchant.body(external_id);
        // A repetition under the same key has to be the same request.
        body["expires_at"] = json!(self.expires_at);
        self.create_body(external_id, &body, key).await
    }

    pub(super) async fn create_body(&self, external_id: &str, body: &Value, key: Option<&str>) -> bool {
        self.book().wanted.entry(external_id.to_owned()).or_insert(PaymentStatus::Open);
        self.attempts.fetch_add(1, Ordering::Relaxed);
        match self.merchant.try_post("/api/v1/payments", body, key).await {
            Ok((201, payment)) => {
                let id = PaymentId(payment["id"].as_str().unwrap().parse().unwrap());
                self.book().promised.insert(external_id.to_owned(), id);
                true
            }
            Ok((409, problem)) if problem["code"] == "idempotency_in_flight" => {
                self.let_the_claim_run_out().await;
                false
            }
            Ok((409, _)) => true,
            Ok((503, _)) | Err(_) => false,
            Ok((status, problem)) => panic!("{external_id}: {status} {problem}"),
        }
    }

    /// Whoever held the idempotency key has died; a minute later it may be taken over.
    pub(super) async fn let_the_claim_run_out(&self) {
        let tx = self.db.begin().await.unwrap();
        let past = now() - TimeDelta::seconds(1);
        idempotency_key::Entity::update_many()
            .col_expr(idempotency_key::Column::LockedUntil, Expr::value(past))
            .filter(idempotency_key::Column::ResponseStatus.is_null())
            .exec(&*tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn command(&self, verb: &str, external_id: &str, key: Option<&str>) -> bool {
        let rows = audit::by_external_id(&self.db, &[external_id.to_owned()]).await;
        let path = format!("/api/v1/payments/{}/{verb}", rows[0].id);
        match self.merchant.try_post(&path, &json!({}), key).await {
            Ok((200..=299, _)) => true,
            Ok((409, problem)) if problem["code"] == "idempotency_in_flight" => {
                self.let_the_claim_run_out().await;
                false
            }
            Ok((503, _)) | Err(_) => false,
            Ok((status, problem)) => panic!("{verb} {external_id}: {status} {problem}"),
        }
    }

    /// Deposits where the contract has no deposit yet.
    pub(crate) async fn deposit(&self, external_ids: &[String]) -> bool {
        let rows = audit::by_external_id(&self.db, external_ids).await;
        let references: Vec<B256> = rows.iter().map(|row| keccak256(row.id.0.as_bytes())).collect();
        let Ok(states) = self.payer.deal_states(&references).await else { return false };
        let open = rows.iter().zip(&states).filter(|(_, state)| **state == 1);
        let deals: Vec<_> = open.filter_map(|(row, _)| self.payer.terms_of(row)).collect();
        if deals.is_empty() {
            return true;
        }
        // Whether it was taken is seen on the contract, the next time.
        let _ = self.payer.try_deposit(&deals).await;
        false
    }

    async fn enqueue(&self, message: NewMessage, claims: i32) {
        let mut tx = self.db.begin().await.unwrap();
        let ids = tx.enqueue(vec![message]).await.unwrap();
        let sql = "UPDATE outbox SET claims = $1 WHERE message_id = $2";
        let values = [claims.into(), ids[0].into()];
        tx.execute_raw(Statement::from_sql_and_values(self.db.get_database_backend(), sql, values)).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn publish_rubbish(&self, exchange: &str, key: &str, name: &str) {
        let prefix = self.prefix.as_deref().unwrap();
        let connection = Connection::connect(&fixtures::amqp_url(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let (exchange, key) = (exchange.replace("{}", prefix), key.replace("{}", prefix));
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish(exchange.into(), key.into(), options, name.as_bytes(), properties).await;
        drop(sent.unwrap());
        let _ = connection.close(200, "bye".into()).await;
    }

    /// What has to be there before the process is told where to die.
    pub(crate) async fn prepare(&self, drive: Drive, name: &str) -> Prepared {
        let named = |count| (0..count).map(|number| format!("{name}-{number}")).collect();
        let mut prepared = Prepared::default();
        match drive {
            Drive::Create => prepared.external_ids = named(SOME),
            Drive::CreateWithKey => prepared.external_ids = named(1),
            Drive::Cancel => prepared.external_ids = Self::take(&self.open, 2),
            Drive::CancelWithKey => prepared.external_ids = Self::take(&self.open, 1),
            Drive::Deposit => prepared.external_ids = Self::take(&self.open, 2),
            Drive::Release => prepared.external_ids = Self::take(&self.paid, 2),
            Drive::Expire => prepared.external_ids = vec![self.short_lived(name).await],
            Drive::Retry => prepared.diamond = Some(self.broken_diamond().await),
            Drive::Replay | Drive::Redrive => prepared.letter = Some(self.letter().await),
            Drive::Reorganise => prepared.external_ids = vec![self.unconfirmed(name).await],
            Drive::TakeAway => self.leave_files().await,
            Drive::GiveBack => prepared.external_ids = self.paid_twice(name).await,
            Drive::Sweep => prepared.external_ids = self.open.lock().unwrap()[..1].to_vec(),
            Drive::GiveUp
            | Drive::Unreadable
            | Drive::BrokerGivesUp
            | Drive::Bump
            | Drive::Recover
            | Drive::Invoice
            | Drive::Sell
            | Drive::Upload
            | Drive::SignIn
            | Drive::Wait
            | Drive::Start => {}
        }
        prepared
    }

    /// A payment that is open and will not be for long.
    async fn short_lived(&self, name: &str) -> String {
        let mut body = self.merchant.body(name);
        body["expires_at"] = json!(Utc::now() + TimeDelta::seconds(20));
        assert!(self.create_body(name, &body, None).await);
        let until = Instant::now() + Duration::from_secs(20);
        while audit::by_external_id(&self.db, &[name.to_owned()]).await[0].status != PaymentStatus::Open {
            assert!(Instant::now() < until, "{name} is not open before it expires");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.want(&[name.to_owned()], PaymentStatus::Expired);
        name.to_owned()
    }

    /// A diamond whose deployment fails until somebody says that it is not wanted any more.
    async fn broken_diamond(&self) -> DiamondId {
        let deployed = diamond::Entity::find().one(&*self.db).await.unwrap().unwrap();
        let healthy = wallet::Entity::find_by_id(deployed.wallet_id).one(&*self.db).await.unwrap().unwrap();
        let (wallet_id, id) = (WalletId::new(), DiamondId::new());
        let broken = wallet::Model { id: wallet_id, address: "no address".to_owned(), ..healthy };
        broken.into_active_model().reset_all().insert(&*self.db).await.unwrap();
        let started = diamond::Model { id, wallet_id, status: DiamondStatus::Started, address: None, ..deployed };
        started.into_active_model().reset_all().insert(&*self.db).await.unwrap();
        id
    }

    /// A dead letter.
    async fn letter(&self) -> Uuid {
        self.book().letters += 1;
        self.enqueue(NewMessage::of(&DeployDiamond::new(DiamondId::new(), None)), 0).await;
        self.settled(Duration::from_secs(90)).await.unwrap();
        let page = dead_letters::Page { limit: 1, ..Default::default() };
        dead_letters::list(&self.db, &dead_letters::Filter::default(), page).await.unwrap()[0].id
    }

    /// A payment whose opening is in a block that may still be replaced.
    async fn unconfirmed(&self, name: &str) -> String {
        self.confirmations(6).await;
        assert!(self.create(name, None).await);
        let rows = audit::by_external_id(&self.db, &[name.to_owned()]).await;
        let until = Instant::now() + Duration::from_secs(90);
        while !audit::mined_not_final(&self.db, rows[0].id.0).await {
            assert!(Instant::now() < until, "{name} is not mined");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        name.to_owned()
    }

    /// Agents look for changes of their networks every two seconds.
    async fn confirmations(&self, confirmations: i32) {
        let tx = self.db.begin().await.unwrap();
        network::Entity::update_many()
            .col_expr(network::Column::Confirmations, Expr::value(confirmations))
            .exec(&*tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        tokio::time::sleep(Duration::from_millis(3_500)).await;
    }

    /// Does it, and does it again where it takes several tries, for as long as the process lives.
    pub(crate) async fn act(&self, drive: Drive, prepared: &Prepared, name: &str, alive: impl Fn() -> bool) {
        let ids = &prepared.external_ids;
        match drive {
            Drive::Create => drop(join_all(ids.iter().map(|id| self.create(id, None))).await),
            Drive::CreateWithKey => drop(self.create(&ids[0], Some(&ids[0])).await),
            Drive::Cancel => {
                self.want(ids, PaymentStatus::Canceled);
                join_all(ids.iter().map(|id| self.command("cancel", id, None))).await;
            }
            Drive::CancelWithKey => {
                self.want(ids, PaymentStatus::Canceled);
                self.command("cancel", &ids[0], Some(name)).await;
            }
            Drive::Release => {
                self.want(ids, PaymentStatus::Completed);
                join_all(ids.iter().map(|id| self.command("release", id, None))).await;
            }
            Drive::Deposit => {
                self.want(ids, PaymentStatus::Paid);
                self.deposit(ids).await;
            }
            Drive::Retry => {
                self.enqueue(NewMessage::of(&DeployDiamond::new(prepared.diamond.unwrap(), None)), 0).await;
            }
            Drive::GiveUp => {
                self.book().letters += 1;
                self.enqueue(NewMessage::of(&DeployDiamond::new(DiamondId::new(), None)), 0).await;
            }
            Drive::Unreadable => self.unreadable(name).await,
            Drive::BrokerGivesUp => {
                self.book().letters += 1;
                self.publish_rubbish("{}.dead", "", name).await;
            }
            Drive::Sweep => self.sweep(&ids[0], alive).await,
            Drive::Bump => self.outpay(name, alive).await,
            Drive::Reorganise => self.payer.reorganise(2).await,
            Drive::Redrive => self.redrive(prepared.letter.unwrap()).await,
            Drive::Recover => drop(self.recover().await),
            Drive::Invoice => drop(self.invoice(name).await),
            Drive::Sell => drop(self.sell(name).await),
            Drive::GiveBack => drop(self.give_back(&ids[0]).await),
            Drive::Upload => drop(self.upload().await),
            Drive::SignIn => drop(self.sign_in().await),
            Drive::TakeAway | Drive::Expire | Drive::Wait | Drive::Start | Drive::Replay => {}
        }
    }

    /// Has all events of the last hour sent once more.
    async fn recover(&self) -> bool {
        let path = format!("/api/v1/webhooks/{}/recover", self.endpoint);
        let body = json!({ "since": now() - TimeDelta::hours(1), "only_failed": false });
        match self.merchant.try_post(&path, &body, None).await {
            Ok((202 | 409, _)) => true,
            Ok((503, _)) | Err(_) => false,
            Ok((status, problem)) => panic!("recover: {status} {problem}"),
        }
    }

    /// A run over this letter alone, whose diamond is by now deployed: its job has nothing left to do.
    async fn redrive(&self, letter: Uuid) {
        let dead = dead_letters::show(&self.db, letter).await.unwrap().unwrap();
        let body: DeployDiamond = serde_json::from_str(&dead.body).unwrap();
        let deployed = diamond::Entity::find().one(&*self.db).await.unwrap().unwrap();
        let wallet = wallet::Entity::find_by_id(deployed.wallet_id).one(&*self.db).await.unwrap().unwrap();
        let wallet_id = WalletId::new();
        wallet::Model { id: wallet_id, ..wallet }.into_active_model().reset_all().insert(&*self.db).await.unwrap();
        let late = diamond::Model { id: body.diamond_id, wallet_id, status: DiamondStatus::Deployed, ..deployed };
        late.into_active_model().reset_all().insert(&*self.db).await.unwrap();
        let filter = dead_letters::Filter { message_id: Some(dead.message_id), ..Default::default() };
        let mut tx = self.db.begin().await.unwrap();
        redrive::create(&mut tx, redrive::NewRun::new(filter, "test", "a kill")).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn unreadable(&self, name: &str) {
        self.book().letters += 1;
        match self.prefix {
            Some(_) => self.publish_rubbish("", "{}.open_deal.v1", name).await,
            // Embedded, it is what has ended its process again and again.
            None => self.enqueue(NewMessage::of(&OpenDeal { payment_id: PaymentId::new() }), 20).await,
        }
    }

    /// Several processes sweep; at some time it is the one that is to die.
    async fn sweep(&self, external_id: &str, alive: impl Fn() -> bool) {
        let payment_id = audit::by_external_id(&self.db, &[external_id.to_owned()]).await[0].id;
        let until = Instant::now() + Duration::from_secs(60);
        while alive() && Instant::now() < until {
            self.enqueue(NewMessage::of(&OpenDeal { payment_id }), 0).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Some transaction just misses a block and waits for long enough for its fees to be raised.
    async fn outpay(&self, name: &str, alive: impl Fn() -> bool) {
        for number in 0..20 {
            self.create(&format!("{name}-{number}"), None).await;
            for _ in 0..15 {
                if !alive() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// What a client does that has got no answer: the same again, until there is one.
    pub(crate) async fn finish(&self, drive: Drive, prepared: &Prepared, name: &str) -> anyhow::Result<()> {
        let until = Instant::now() + Duration::from_secs(180);
        while !self.answered(drive, prepared, name).await {
            anyhow::ensure!(Instant::now() < until, "no answer to {drive:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    async fn answered(&self, drive: Drive, prepared: &Prepared, name: &str) -> bool {
        let all = |answers: Vec<bool>| answers.iter().all(|answered| *answered);
        let ids = &prepared.external_ids;
        match drive {
            Drive::Create => {
                let open: Vec<_> = ids.iter().filter(|id| !self.book().promised.contains_key(*id)).collect();
                all(join_all(open.iter().map(|id| self.create(id, None))).await)
            }
            Drive::CreateWithKey => self.create(&ids[0], Some(&ids[0])).await,
            Drive::Bump => {
                let asked = self.book().wanted.keys().filter(|id| id.starts_with(name)).cloned().collect::<Vec<_>>();
                let open: Vec<_> = asked.iter().filter(|id| !self.book().promised.contains_key(*id)).collect();
                all(join_all(open.iter().map(|id| self.create(id, None))).await)
            }
            Drive::Cancel => all(join_all(ids.iter().map(|id| self.command("cancel", id, None))).await),
            Drive::CancelWithKey => self.command("cancel", &ids[0], Some(name)).await,
            Drive::Release => all(join_all(ids.iter().map(|id| self.command("release", id, None))).await),
            Drive::Deposit => self.deposit(ids).await,
            Drive::Retry => {
                self.watch_the_tries().await;
                diamond::Entity::update_many()
                    .col_expr(diamond::Column::Status, Expr::value(DiamondStatus::Failed))
                    .filter(diamond::Column::Id.eq(prepared.diamond.unwrap()))
                    .exec(&*self.db)
                    .await
                    .unwrap();
                true
            }
            Drive::Reorganise => {
                self.confirmations(1).await;
                true
            }
            Drive::Recover => self.recover().await,
            Drive::Invoice => self.invoice(name).await,
            Drive::Sell => self.sell(name).await,
            Drive::GiveBack => self.give_back(&ids[0]).await,
            Drive::Upload => self.upload_and_find().await,
            Drive::TakeAway => self.files_are_gone().await,
            Drive::SignIn => self.sign_in().await,
            Drive::Expire
            | Drive::GiveUp
            | Drive::Unreadable
            | Drive::BrokerGivesUp
            | Drive::Replay
            | Drive::Redrive
            | Drive::Sweep
            | Drive::Wait
            | Drive::Start => true,
        }
    }

    /// What failed before the kill and is delivered again fails again: its next try is still one.
    async fn watch_the_tries(&self) {
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            assert!(!audit::tried_twice(&self.db).await, "one failure has two next tries");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The letter that this row replays.
    pub(crate) fn letter_of(prepared: &Prepared) -> String {
        prepared.letter.unwrap().to_string()
    }
}
