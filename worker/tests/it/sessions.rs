//! Payments at gateways, against the sandbox as our API serves it: what it remembers is what really happened there.

use std::sync::Arc;

use chrono::TimeDelta;
use entities::{
    GatewaySessionId, GatewaySessionKind, GatewaySessionStatus, PaymentId, PaymentMethod, PaymentStatus,
    gateway_session, now, payment, sandbox_object,
};
use fixtures::{TestDatabase, on_both};
use futures_util::future::join_all;
use gateways::{Gateways, Sandbox, SandboxConfig, SandboxProcessor, Source};
use payments::{
    Acceptor, Actor, AtGateway, CheckoutLinks, Observation, Observed, commands,
    jobs::{CheckSession, OpenSession},
    sessions::{self, NewSession, SessionError},
};
use queue::NewMessage;
use rust_decimal::Decimal;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use worker::Context;

use crate::Worker;

const SECRET: &str = "a secret of tests, 32 bytes long";

/// A worker, and the sandbox that it speaks with.
pub(crate) struct Shop {
    pub(crate) worker: Worker,
    pub(crate) http: reqwest::Client,
    pub(crate) base_url: String,
    server: AbortOnDropHandle<std::io::Result<()>>,
    context: Context,
}

impl Shop {
    pub(crate) async fn on(database: TestDatabase) -> Self {
        // Another one may have done so already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let secret = SecretString::from(SECRET);
        let links = CheckoutLinks::new(&base_url, &secret);
        let config = SandboxConfig { enabled: Some(true), base_url: base_url.clone(), secret: secret.clone() };
        let mut gateways = Gateways::default();
        for source in [Source::Stripe, Source::MvolaMadagascar] {
            gateways.insert(source, Arc::new(Sandbox::new(&config, source).unwrap()), Vec::new());
        }
        gateways.set_processor(Arc::new(SandboxProcessor::new(&config).unwrap()));
        let context = Context::new(database.db.clone(), gateways.clone(), links.clone());
        let auth = api::AuthConfig {
            jwt_secret: secret.clone(),
            access_token_secret: secret.clone(),
            ..api::AuthConfig::default()
        };
        let state = api::State::new(api::Parts {
            database: database.db.clone(),
            acceptor: Acceptor::start(database.db.clone()),
            config: api::Config { auth, ..api::Config::default() },
            webhooks: webhooks::Config::default(),
            gateways,
            checkout_links: links,
            sandbox: Some(secret),
            health: Vec::new(),
            foreseer: worker::jobs::registry().foreseer(Arc::new(context.clone())),
            depth: None,
            chain: None,
            metrics: Arc::new(String::new),
        });
        let routes = api::routes(state.clone());
        let serve = api::serve(state, routes, listener, CancellationToken::new());
        let server = AbortOnDropHandle::new(tokio::spawn(serve));
        let worker = Worker::with(database, context.clone()).await;
        Self { worker, http: reqwest::Client::new(), base_url, server, context }
    }

    /// What its jobs work with.
    pub(crate) fn context(&self) -> Context {
        self.context.clone()
    }

    /// A payment that waits for its payer.
    pub(crate) async fn open(&self, external_id: &str, price: &str) -> PaymentId {
        let worker = &self.worker;
        let mut new = worker.merchant.payment(external_id);
        new.payment_method = PaymentMethod::CreditCard;
        let price: Decimal = price.parse().unwrap();
        (new.price, new.paid_price) = (price, price);
        let acceptor = Acceptor::start(worker.db().clone());
        let id = acceptor.accept(&worker.merchant.caller(), new).await.unwrap().payment.id;
        self.see(id, AtGateway::Payable).await;
        assert_eq!(worker.payment(id).await.status, PaymentStatus::Open);
        id
    }

    async fn see(&self, id: PaymentId, what: AtGateway) {
        let mut tx = self.worker.db().begin().await.unwrap();
        let observed = Observed::new(id, Observation::Gateway(what), Actor::payer());
        payments::record(&mut tx, vec![observed]).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn begin(&self, id: PaymentId) -> Result<GatewaySessionId, SessionError> {
        let mut tx = self.worker.db().begin().await.unwrap();
        let new = NewSession {
            payment_id: id,
            source: Source::Stripe.code().to_owned(),
            kind: GatewaySessionKind::Checkout,
            payment_method: PaymentMethod::CreditCard,
            account: None,
            fee: None,
            requested_by: Actor::payer().into(),
        };
        let session = sessions::begin(&mut tx, new).await?;
        tx.commit().await.unwrap();
        Ok(session.id)
    }

    /// Runs a message of the session by itself; what it asks for later stays in the outbox.
    async fn run(&self, id: GatewaySessionId) {
        self.worker.deliver(NewMessage::of(&OpenSession::new(id, None))).await;
    }

    async fn check(&self, payment_id: PaymentId) {
        self.worker.deliver(NewMessage::of(&CheckSession::new(payment_id, None))).await;
    }

    pub(crate) async fn session(&self, id: GatewaySessionId) -> gateway_session::Model {
        sessions::find(&**self.worker.db(), id).await.unwrap().unwrap()
    }

    /// What the payer does on the sandbox's page.
    pub(crate) async fn act(&self, id: GatewaySessionId, act: &str) {
        let page = self.session(id).await.approve_url.unwrap();
        assert!(page.starts_with(&self.base_url), "{page}");
        let shown = self.http.get(&page).send().await.unwrap();
        assert_eq!(shown.status(), 200);
        let no_redirects = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let done = no_redirects.post(format!("{page}/{act}")).send().await.unwrap();
        assert_eq!(done.status(), 303);
    }

    /// The payments that the gateway has.
    async fn at_gateway(&self) -> usize {
        let payments = sandbox_object::Entity::find().filter(sandbox_object::Column::Kind.eq("payment"));
        payments.all(&**self.worker.db()).await.unwrap().len()
    }

    pub(crate) async fn status(&self, id: PaymentId) -> PaymentStatus {
        self.worker.payment(id).await.status
    }

    async fn expire(&self, id: PaymentId) {
        payment::Entity::update_many()
            .col_expr(payment::Column::ExpiresAt, Expr::value(now() - TimeDelta::seconds(1)))
            .filter(payment::Column::Id.eq(id))
            .exec(&**self.worker.db())
            .await
            .unwrap();
    }
}

on_both!(a_payment_is_opened_paid_and_completed, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let id = shop.open("one", "10.50").await;
    let session_id = shop.begin(id).await.unwrap();
    assert_eq!(shop.status(id).await, PaymentStatus::Submitted);
    shop.worker.run().await;
    let session = shop.session(session_id).await;
    assert_eq!(session.status, GatewaySessionStatus::Ready);
    assert!(session.gateway_id.is_some() && session.leased_until.is_none());
    shop.act(session_id, "approve").await;
    shop.worker.run().await;
    assert_eq!(shop.status(id).await, PaymentStatus::Completed, "the gateway was looked at, because it has called");
    let session = shop.session(session_id).await;
    assert_eq!(session.status, GatewaySessionStatus::Captured);
    assert_eq!(session.captured.0, "10.50".parse().unwrap());
    assert!(session.approved_at.is_some());
    for _ in 0..2 {
        shop.run(session_id).await;
        shop.check(id).await;
        assert_eq!(shop.worker.payment(id).await.sequence, 5, "created, open, submitted, paid, completed; and no more");
    }
    assert_eq!(shop.at_gateway().await, 1);
    drop(shop.server);
});

on_both!(of_a_hundred_at_once_one_is_opened, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let id = shop.open("one", "10").await;
    let begun = join_all((0..100).map(|_| shop.begin(id))).await;
    assert_eq!(begun.iter().filter(|begun| begun.is_ok()).count(), 1);
    let refused = begun.iter().filter(|begun| matches!(begun, Err(SessionError::Live(_)))).count();
    assert_eq!(refused, 99);
    shop.worker.run().await;
    assert_eq!(shop.at_gateway().await, 1, "one payment at the gateway");
});

on_both!(a_lost_answer_is_looked_up_and_not_requested_again, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    // The sandbox carries it out and answers too late.
    let id = shop.open("late", "7.000014").await;
    let session_id = shop.begin(id).await.unwrap();
    let started_at = std::time::Instant::now();
    shop.worker.run().await;
    assert!(started_at.elapsed().as_secs() >= 3, "nobody waits for the answer any longer");
    assert_eq!(shop.at_gateway().await, 1);
    shop.run(session_id).await;
    assert_eq!(shop.session(session_id).await.status, GatewaySessionStatus::Ready, "it was found there");
    assert_eq!(shop.at_gateway().await, 1, "and not opened once more");
});

on_both!(what_a_gateway_declines_has_failed, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let id = shop.open("declined", "5.000013").await;
    let session_id = shop.begin(id).await.unwrap();
    shop.worker.run().await;
    let payment = shop.worker.payment(id).await;
    assert_eq!(payment.status, PaymentStatus::Failed);
    assert_eq!(payment.failure_code.as_deref(), Some("declined"));
    assert_eq!(shop.session(session_id).await.status, GatewaySessionStatus::Failed);
    assert!(matches!(shop.begin(id).await, Err(SessionError::NotPayable(PaymentStatus::Failed))));
});

on_both!(a_payer_who_declines_has_failed, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let id = shop.open("one", "10").await;
    let session_id = shop.begin(id).await.unwrap();
    shop.worker.run().await;
    shop.act(session_id, "decline").await;
    shop.worker.run().await;
    let payment = shop.worker.payment(id).await;
    assert_eq!((payment.status, payment.failure_code.as_deref()), (PaymentStatus::Failed, Some("payer_declined")));
});

on_both!(a_cancel_closes_it_at_the_gateway, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let id = shop.open("one", "10").await;
    let session_id = shop.begin(id).await.unwrap();
    shop.worker.run().await;
    commands::cancel(shop.worker.db(), &shop.worker.merchant.caller(), id, None).await.unwrap();
    assert_eq!(shop.status(id).await, PaymentStatus::Canceling, "the payer could still pay");
    shop.worker.run().await;
    assert_eq!(shop.status(id).await, PaymentStatus::Canceled);
    assert_eq!(shop.session(session_id).await.status, GatewaySessionStatus::Closed);
    shop.act(session_id, "approve").await;
    shop.worker.run().await;
    assert_eq!(shop.status(id).await, PaymentStatus::Canceled, "nobody can pay what is closed");
});

on_both!(a_cancel_that_comes_after_the_money_ends_with_the_money, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let id = shop.open("one", "10").await;
    let session_id = shop.begin(id).await.unwrap();
    shop.worker.run().await;
    shop.act(session_id, "approve").await;
    commands::cancel(shop.worker.db(), &shop.worker.merchant.caller(), id, None).await.unwrap();
    shop.worker.run().await;
    assert_eq!(shop.status(id).await, PaymentStatus::Completed, "what is true at the gateway");
});

on_both!(a_cancel_before_anything_was_requested_of_the_gateway_requests_nothing, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let id = shop.open("one", "10").await;
    let session_id = shop.begin(id).await.unwrap();
    commands::cancel(shop.worker.db(), &shop.worker.merchant.caller(), id, None).await.unwrap();
    shop.worker.run().await;
    assert_eq!(shop.status(id).await, PaymentStatus::Canceled);
    assert_eq!(shop.session(session_id).await.status, GatewaySessionStatus::Closed);
    assert_eq!(shop.at_gateway().await, 0);
});

on_both!(what_nobody_pays_in_time_is_closed_there_and_expires, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let id = shop.open("one", "10").await;
    let session_id = shop.begin(id).await.unwrap();
    shop.worker.run().await;
    shop.act(session_id, "timeout").await;
    shop.expire(id).await;
    shop.run(session_id).await;
    assert_eq!(shop.session(session_id).await.status, GatewaySessionStatus::Closed);
    shop.worker.deliver(NewMessage::of(&payments::jobs::ExpirePayment { payment_id: id })).await;
    assert_eq!(shop.status(id).await, PaymentStatus::Expired);
});

on_both!(a_closed_one_may_be_paid_elsewhere_while_there_is_time, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let id = shop.open("one", "10").await;
    shop.begin(id).await.unwrap();
    shop.worker.run().await;
    shop.see(id, AtGateway::Closed { data: serde_json::json!({}) }).await;
    assert_eq!(shop.status(id).await, PaymentStatus::Open, "the payer has another try");
});

on_both!(a_bank_that_takes_the_money_back_is_an_event_and_reviewed, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let id = shop.open("one", "10").await;
    let session_id = shop.begin(id).await.unwrap();
    shop.worker.run().await;
    shop.act(session_id, "approve").await;
    shop.worker.run().await;
    shop.act(session_id, "reverse").await;
    shop.worker.run().await;
    let payment = shop.worker.payment(id).await;
    assert_eq!((payment.status, payment.sequence), (PaymentStatus::NeedsReview, 7), "reverted, then for review");
    shop.check(id).await;
    assert_eq!(shop.worker.payment(id).await.sequence, 7, "told once");
});

on_both!(nothing_was_requested_of_a_gateway_that_cannot_be_reached, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let id = shop.open("one", "10").await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let config =
        SandboxConfig { enabled: Some(true), base_url: format!("http://{closed}"), secret: SecretString::from(SECRET) };
    let mut gateways = Gateways::default();
    gateways.insert(Source::Stripe, Arc::new(Sandbox::new(&config, Source::Stripe).unwrap()), Vec::new());
    let links = CheckoutLinks::new(&shop.base_url, &SecretString::from(SECRET));
    let context = Context::new(shop.worker.db().clone(), gateways, links);
    let session_id = shop.begin(id).await.unwrap();
    let registry = worker::jobs::registry();
    let broker = queue::broker::open(&queue::BrokerConfig::default(), shop.worker.db()).unwrap();
    let runner = queue::Runner::new(shop.worker.db().clone(), broker, registry, Arc::new(context));
    runner.run_due().await.unwrap();
    assert_eq!(shop.session(session_id).await.status, GatewaySessionStatus::Asked, "nothing has left us");
    assert_eq!(shop.status(id).await, PaymentStatus::Submitted);
    shop.run(session_id).await;
    assert_eq!(shop.session(session_id).await.status, GatewaySessionStatus::Ready, "when it is there again");
});

on_both!(a_lost_message_loses_no_session, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    let id = shop.open("one", "10").await;
    let session_id = shop.begin(id).await.unwrap();
    shop.worker.lose_messages().await;
    let links = CheckoutLinks::new(&shop.base_url, &SecretString::from(SECRET));
    let context = Context::new(shop.worker.db().clone(), Gateways::default(), links);
    assert_eq!(worker::poll_straggling_sessions(&context, TimeDelta::hours(1)).await.unwrap(), 0, "it is young");
    assert_eq!(worker::poll_straggling_sessions(&context, TimeDelta::zero()).await.unwrap(), 1);
    shop.worker.run().await;
    assert_eq!(shop.session(session_id).await.status, GatewaySessionStatus::Ready);
});
