use std::sync::Arc;

use gateways::{Config, Gateways, MobileMoneyConfig, OperatorConfig, PayPalConfig, Source};
use uuid::Uuid;

use crate::{fake::closed_port, operator, paypal_server};

#[tokio::test]
async fn payers_are_offered_what_serves_their_shops_node_or_one_above_it() {
    let nowhere = closed_port().await;
    let [root, shop, other] = [(); 3].map(|()| Uuid::now_v7());
    let mut gateways = Gateways::default();
    gateways.insert(Source::PayPal, paypal_server::gateway_at(&nowhere), Vec::new());
    gateways.insert(Source::Holo, operator::gateway_at(Source::Holo, &nowhere), vec![shop]);
    gateways.insert(Source::HuriMoney, operator::gateway_at(Source::HuriMoney, &nowhere), vec![other, root]);
    assert_eq!(gateways.offered(&[shop, root]), [Source::PayPal, Source::Holo, Source::HuriMoney]);
    assert_eq!(gateways.offered(&[root]), [Source::PayPal, Source::HuriMoney]);
    assert_eq!(gateways.offered(&[Uuid::now_v7()]), [Source::PayPal]);
    assert!(gateways.get(Source::Stripe).is_none() && gateways.processor().is_none());

    // A clone shares the gateways, and what is added to one is not in the other.
    let mut copy = gateways.clone();
    copy.insert(Source::MvolaComoros, operator::gateway_at(Source::MvolaComoros, &nowhere), Vec::new());
    assert!(Arc::ptr_eq(copy.get(Source::PayPal).unwrap(), gateways.get(Source::PayPal).unwrap()));
    assert!(copy.get(Source::MvolaComoros).is_some() && gateways.get(Source::MvolaComoros).is_none());
}

#[tokio::test]
async fn gateways_are_those_that_have_settings() {
    closed_port().await;
    assert!(Gateways::new(&Config::default()).unwrap().offered(&[]).is_empty());
    let shop = Uuid::now_v7();
    let operator = Some(OperatorConfig { nodes: vec![shop], ..OperatorConfig::default() });
    let mobile_money = MobileMoneyConfig {
        mvola_mg: operator.clone(),
        mvola_km: operator.clone(),
        holo: operator.clone(),
        huri: operator,
    };
    let config = Config { paypal: Some(PayPalConfig::default()), mobile_money, ..Config::default() };
    let gateways = Gateways::new(&config).unwrap();
    assert_eq!(gateways.offered(&[]), [Source::PayPal]);
    let all = &Source::ALL[1..];
    assert_eq!(gateways.offered(&[shop]), all);
}
