//! An operator's way with keys: they are listed, stopped all at once, go on, and one takes over from another.

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    signers::local::PrivateKeySigner,
};
use chain::Account;
use serde_json::Value;

use crate::{
    in_both_worlds,
    merchant::{Merchant, Payer},
    operator::{operate, stdout},
    world::World,
};

fn signers(world: &World, arguments: &[&str]) -> String {
    stdout(&operate(world, &[&["signers"], arguments].concat()))
}

fn listed(world: &World) -> Value {
    let signers: Value = serde_json::from_str(&signers(world, &["list", "--json"])).unwrap();
    signers["items"].clone()
}

in_both_worlds!(the_red_button_stops_every_signature_until_it_is_taken_back, async |world: World| {
    let merchant = Merchant::of(&world).await;
    let address = listed(&world)[0]["address"].as_str().unwrap().to_owned();
    assert!(signers(&world, &["list"]).contains(&format!("{address}  first")));
    assert_eq!(signers(&world, &["pause", "--all", "--reason", "the host was broken into"]).trim(), "Signers: 1");
    let ids = merchant.create_many("stopped", 3).await;
    // A deal takes a second or two where it may be opened.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    for payment in merchant.all().await.values() {
        assert_eq!((&payment["status"], &payment["open_transaction_hash"]), (&"pending".into(), &Value::Null));
    }
    let shown = signers(&world, &["list"]);
    assert!(shown.contains("PAUSED since") && shown.contains("the host was broken into"), "{shown}");
    assert!(shown.contains("waits: paused"), "{shown}");
    let audit = stdout(&operate(&world, &["audit", "--action", "signers.pause"]));
    assert!(audit.contains("by integration") && audit.contains("the host was broken into"), "{audit}");
    assert_eq!(signers(&world, &["resume", "--all", "--reason", "the host was broken into"]).trim(), "Signers: 1");
    merchant.reach(&world, &ids, "open").await;
});

/// Whoever rules the playground's diamond, which is its first signer.
async fn owner(world: &World, address: Address) -> Account {
    let key = crate::kill::keys::keystore(world).signer(address).await.unwrap();
    let url = world.playground()["rpc_url"].as_str().unwrap().to_owned();
    Account::connect(url.into(), key).await.unwrap()
}

in_both_worlds!(another_key_takes_over_as_soon_as_the_contract_lets_it, async |world: World| {
    let merchant = Merchant::of(&world).await;
    let first = merchant.create_many("first", 1).await;
    merchant.reach(&world, &first, "open").await;
    let old = listed(&world)[0].clone();
    let (node, old) = (old["node_id"].as_str().unwrap().to_owned(), old["address"].as_str().unwrap().to_owned());
    let new: Value =
        serde_json::from_str(&signers(&world, &["generate", "--node", &node, "--name", "second", "--json"])).unwrap();
    let new = new["address"].as_str().unwrap().to_owned();
    let url = world.playground()["rpc_url"].as_str().unwrap().to_owned();
    let payer: PrivateKeySigner = world.playground()["payer"]["private_key"].as_str().unwrap().parse().unwrap();
    let payer = Account::connect(url.into(), payer).await.unwrap();
    payer.transfer(new.parse().unwrap(), U256::from(10).pow(U256::from(18))).await.unwrap();
    assert!(signers(&world, &["rotate", &old, "--to", &new]).contains(&new));

    // The diamond does not know the new key yet, and the old one goes on.
    let before = merchant.create_many("before", 2).await;
    merchant.reach(&world, &before, "open").await;
    assert_eq!(Payer::of(&world).transactions_of(new.parse().unwrap()).await, 0);
    let diamond: Address = world.playground()["diamond_address"].as_str().unwrap().parse().unwrap();
    let selector = &keccak256("setOperator(address,bool)")[..4];
    let operator: Address = new.parse().unwrap();
    let input = [selector, operator.into_word().as_slice(), B256::with_last_byte(1).as_slice()].concat();
    owner(&world, old.parse().unwrap()).await.call(diamond, U256::ZERO, Bytes::from(input)).await.unwrap();
    signers(&world, &["pause", &old, "--reason", "has nothing left to do"]);
    let after = merchant.create_many("after", 2).await;
    merchant.reach(&world, &after, "open").await;
    assert!(Payer::of(&world).transactions_of(operator).await > 0, "the new key has signed");
    // Nothing of before was lost by it.
    for id in before.iter().chain(&after) {
        assert_eq!(merchant.get(&format!("/api/v1/payments/{id}")).await["status"], "open");
    }
});
