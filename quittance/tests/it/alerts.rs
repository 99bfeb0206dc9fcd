//! What breaks raises its alert, seen by a Prometheus that scrapes the processes; and what works raises none.

use std::collections::BTreeSet;

use fixtures::{Backend, PrivateRabbit, TestDatabase};
use lapin::{BasicProperties, Connection, ConnectionProperties, options::BasicPublishOptions};
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    merchant::{Merchant, http},
    prometheus::Prometheus,
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fires_where_all_is_well() {
    let world = World::embedded().await;
    let merchant = Merchant::of(&world).await;
    let prometheus = Prometheus::watching(&[&world.base_url]).await;
    let ids = merchant.create_many("well", 3).await;
    merchant.reach(&world, &ids, "open").await;
    assert_eq!(prometheus.firing().await, BTreeSet::new());
}

/// What nobody can read comes into a queue of ours.
async fn publish_poison(rabbit: &PrivateRabbit, queue: &str) {
    let connection = Connection::connect(&rabbit.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    channel.basic_publish("".into(), queue.into(), options, b"poison", properties).await.unwrap();
    connection.close(200, "bye".into()).await.unwrap();
}

/// A payer chooses a gateway on the page of a checkout.
async fn choose_gateway(merchant: &Merchant) {
    let order = json!({
        "purchase": { "total": { "value": "2500", "currency": "KMF" } },
        "cancelUrl": "https://shop.example/canceled",
        "successUrl": "https://shop.example/thanks",
    });
    let (status, created) = merchant.try_post("/v1/payments", &order, None).await.unwrap();
    assert!(status == 200 || status == 201, "{status} {created}");
    let page_url = created["data"]["billing"]["submitUrl"].as_str().unwrap();
    let page = http().get(page_url).send().await.unwrap().text().await.unwrap();
    let (_, rest) = page.split_once(r#"name="token" value=""#).unwrap();
    let form = format!("source=STR&token={}", rest.split('"').next().unwrap());
    let request = http().post(format!("{page_url}/submit")).header("content-type", "application/x-www-form-urlencoded");
    // Whatever the payer is shown meanwhile.
    drop(request.body(form).send().await);
}

/// All in one installation, as the alerts are about different things. From its start a worker has another password than the
/// key files, which shows as soon as there is something to sign, and the gateway is at an address where nobody is, which
/// shows as soon as somebody chooses it.
#[tokio::test(flavor = "multi_thread")]
async fn each_breakdown_raises_its_alert() {
    let rabbit = PrivateRabbit::shared().await;
    let _turn = rabbit.turn().await;
    let settings = [
        ("QUITTANCE_GATEWAYS__SANDBOX__ENABLED", "true"),
        ("QUITTANCE_GATEWAYS__SANDBOX__BASE_URL", "http://127.0.0.1:1"),
    ];
    let mut world = World::on(TestDatabase::new(Backend::Postgres).await, rabbit.url(), &settings).await;
    world.start_api(&[]).await;
    let worker = world.start_worker(&[("QUITTANCE_KEYSTORE__PASSWORD", "another")]).await;
    let merchant = Merchant::of(&world).await;
    let prometheus = Prometheus::watching(&[&world.base_url, &worker]).await;
    let not_yet = async |alerts: &[&str]| {
        let firing = prometheus.firing().await;
        assert!(alerts.iter().all(|alert| !firing.contains(*alert)), "{firing:?}");
    };

    not_yet(&["KeysUnopened"]).await;
    merchant.create_many("unsigned", 1).await;
    prometheus.fires(&world, "KeysUnopened").await;

    not_yet(&["NetworkUnread", "JobsFail", "DeadLetters", "GatewayAway"]).await;
    // It hangs: it takes connections and answers nothing. That shows after half a minute, in which others break.
    world.node().signal("STOP");
    world.database().await.execute_unprepared("UPDATE wallets SET address = 'no address'").await.unwrap();
    merchant.create_many("damaged", 5).await;
    publish_poison(&rabbit, &world.rabbit_name("open_deal.v1")).await;
    tokio::join!(choose_gateway(&merchant), choose_gateway(&merchant));
    for alert in ["JobsFail", "DeadLetters", "GatewayAway", "NetworkUnread"] {
        prometheus.fires(&world, alert).await;
    }

    not_yet(&["BrokerAway"]).await;
    rabbit.kill();
    prometheus.fires(&world, "BrokerAway").await;
}
