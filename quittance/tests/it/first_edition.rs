//! An installation whose diamond was deployed by the last release, before the second edition.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, U256};
use entities::{diamond, wallet};
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};

use crate::{
    client::pay_in_a_browser,
    diamonds::{Scene, send},
    in_both_worlds,
    life::demo_passes,
    merchant::{Merchant, http},
    world::World,
};

/// What the last release has left behind.
struct Old {
    signer: Address,
    diamond: Address,
}

/// Puts a diamond of the first edition, deployed by the signer as the last release did, in the place of the bootstrap's.
async fn with_an_old_diamond(scene: &Scene) -> Old {
    let db = scene.world.database().await;
    let signer = wallet::Entity::find().one(&*db).await.unwrap().unwrap().address.parse().unwrap();
    let diamond = scene.signer(signer).await.deploy_first_diamond().await.unwrap();
    let tx = db.begin().await.unwrap();
    let address = Set(Some(diamond.to_checksum(None)));
    let row = diamond::ActiveModel { address, owner: Set(None), ..Default::default() };
    diamond::Entity::update_many().set(row).exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    Old { signer, diamond }
}

/// A new payment with an open deal, and what its payer's browser is given.
pub(crate) async fn opened(world: &World, merchant: &Merchant, name: &str) -> (String, Value) {
    let payment = merchant.create(&merchant.body(name)).await;
    let id = payment["id"].as_str().unwrap().to_owned();
    merchant.reach(world, std::slice::from_ref(&id), "open").await;
    let url = format!("{}/api/v1/widget/payments/{id}", world.base_url);
    let answer = http().get(url).bearer_auth(payment["access_token"].as_str().unwrap()).send().await.unwrap();
    (id, answer.json().await.unwrap())
}

/// That the payment is paid there, by as many arguments as that edition takes.
fn assert_is_paid_at(widget: &Value, diamond: Address, arguments: usize) {
    assert_eq!(widget["diamond_address"].as_str().unwrap().parse::<Address>().unwrap(), diamond, "{widget}");
    assert_eq!(widget["contract"]["arguments"].as_array().unwrap().len(), arguments, "{widget}");
}

in_both_worlds!(the_demo_passes_on_a_diamond_of_the_last_release, async |world: World| {
    let scene = Scene::of(world).await;
    let old = with_an_old_diamond(&scene).await;
    demo_passes(&scene.world, &["deals"]).await;
    let (_, widget) = opened(&scene.world, &Merchant::of(&scene.world).await, "there").await;
    assert_is_paid_at(&widget, old.diamond, 1);
    assert!(widget["deal_id"].is_null(), "its ids are hashes: {widget}");
});

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_pays_in_a_real_browser_on_a_diamond_of_the_last_release() {
    let scene = Scene::of(World::embedded().await).await;
    let old = with_an_old_diamond(&scene).await;
    pay_in_a_browser(&scene.world, "browser-first", false).await;
    let (_, widget) = opened(&scene.world, &Merchant::of(&scene.world).await, "there").await;
    assert_is_paid_at(&widget, old.diamond, 1);
}

// As docs/operations.md tells it: the old diamond gets a cold owner, new payments a new one, and what is open is carried on.
in_both_worlds!(an_installation_moves_from_an_old_diamond_to_a_new_one, async |world: World| {
    let scene = Scene::of(world).await;
    let (world, old) = (&scene.world, with_an_old_diamond(&scene).await);
    let merchant = Merchant::of(world).await;
    let (before, widget) = opened(world, &merchant, "before").await;
    assert_is_paid_at(&widget, old.diamond, 1);

    let (hot, cold) = (scene.signer(old.signer).await, scene.account().await.address().to_checksum(None));
    let operator = old.signer.to_checksum(None);
    for act in [["add-operator", operator.as_str()], ["transfer-ownership", &cold]] {
        send(&hot, &scene.prepared(old.diamond, &act)).await.expect("the hot key is the owner");
    }
    assert_eq!(scene.prepared(old.diamond, &["remove-operator", &operator])["from"], cold);

    let new = json!({
        "node_id": world.bootstrap["node_id"], "chain_id": world.bootstrap["chain_id"], "name": "second edition",
        "address": operator,
    });
    let (status, new) = merchant.try_post("/api/v1/wallets", &new, None).await.unwrap();
    assert_eq!(status, 201, "{new}");
    let path = format!("/api/v1/wallets/{}", new["id"].as_str().unwrap());
    let deploy = json!({
        "node_id": world.bootstrap["node_id"], "network_id": world.bootstrap["network_id"], "owner": cold,
    });
    let (status, answer) = merchant.try_post(&format!("{path}/deploy"), &deploy, None).await.unwrap();
    assert_eq!((status, &answer["owner"]), (201, &json!(cold)), "{answer}");
    let until = Instant::now() + Duration::from_secs(60);
    let deployed = loop {
        let diamond = merchant.get(&path).await["diamonds"][0].clone();
        if diamond["status"] == "deployed" {
            break diamond;
        }
        assert!(Instant::now() < until && diamond["status"] == "started", "{diamond}\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(deployed["owner"], cold);
    let diamond: Address = deployed["address"].as_str().unwrap().parse().unwrap();
    assert_eq!(scene.prepared(diamond, &["remove-operator", &operator])["from"], cold);
    let first = format!("/api/v1/wallets/{}", world.bootstrap["wallet_id"].as_str().unwrap());
    assert_eq!(merchant.delete(&first).await, 204);

    let (_, after) = opened(world, &merchant, "after").await;
    assert_is_paid_at(&after, diamond, 6);
    let [token, deal_id] =
        [&widget["token_address"], &widget["contract"]["arguments"][0]].map(|text| text.as_str().unwrap());
    let amount: U256 = widget["amount"].as_str().unwrap().parse().unwrap();
    let paid = scene.payer.deposit_in_first(old.diamond, token.parse().unwrap(), deal_id.parse().unwrap(), amount);
    paid.await.expect("the old diamond takes it");
    merchant.reach(world, std::slice::from_ref(&before), "paid").await;
    assert_eq!(merchant.post(&format!("/api/v1/payments/{before}/release")).await.0, 202);
    merchant.reach(world, &[before], "completed").await;
});
