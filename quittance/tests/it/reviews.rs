//! An operator's way: a payment whose final deposit is gone is found, understood and decided on at the command line.

use std::{process::Output, time::Duration};

use serde_json::{Value, json};

use crate::{
    in_both_worlds,
    merchant::{Merchant, Payer, http},
    operator::{operate, stdout},
    world::World,
};

async fn rpc(world: &World, method: &str, params: Value) -> Value {
    let url = world.playground()["rpc_url"].as_str().unwrap();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer: Value = http().post(url).json(&body).send().await.unwrap().json().await.unwrap();
    assert!(answer["error"].is_null(), "{method}: {answer}");
    answer["result"].clone()
}

/// Drops the blocks back to the one with this payment's deposit, and what was in them.
async fn lose_the_deposit(world: &World, merchant: &Merchant, id: &str) {
    let log = merchant.get(&format!("/api/v1/payments/{id}/logs?per_page=100")).await;
    let paid = log["items"].as_array().unwrap().iter().find(|row| row["event_type"] == "payment.paid").unwrap();
    let block = paid["data"]["block_number"].as_u64().unwrap();
    let head = rpc(world, "eth_blockNumber", json!([])).await;
    let head = u64::from_str_radix(head.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    // One more: a block may be mined in between.
    rpc(world, "anvil_reorg", json!([head - block + 2, []])).await;
}

fn payments(world: &World, arguments: &[&str]) -> Output {
    operate(world, &[&["payments"], arguments].concat())
}

in_both_worlds!(a_broken_payment_is_found_understood_and_decided_on, async |world: World| {
    let (merchant, payer) = (Merchant::of(&world).await, Payer::of(&world));
    assert!(stdout(&payments(&world, &["list", "--needs-review"])).contains("None."));
    let ids = [merchant.create(&merchant.body("broken")).await["id"].as_str().unwrap().to_owned()];
    let id = ids[0].as_str();
    merchant.reach(&world, &ids, "open").await;
    // Blocks between the deal and its deposit: only the latter is to be lost.
    tokio::time::sleep(Duration::from_secs(4)).await;
    payer.deposit(&[&merchant.get(&format!("/api/v1/payments/{id}")).await]).await;
    merchant.reach(&world, &ids, "paid").await;
    lose_the_deposit(&world, &merchant, id).await;
    merchant.reach(&world, &ids, "needs_review").await;

    assert!(stdout(&payments(&world, &["list", "--needs-review"])).contains(id));
    let review = stdout(&payments(&world, &["review", id]));
    for part in ["was paid before", "DealDeposited", "nobody has paid", "--as open", "--as canceling"] {
        assert!(review.contains(part), "{part} is missing in\n{review}");
    }
    let parsed: Value = serde_json::from_str(&stdout(&payments(&world, &["review", id, "--json"]))).unwrap();
    assert_eq!((&parsed["shown"], &parsed["lost"]), (&json!("deal_open"), &json!("DealDeposited")));

    let wrong = payments(&world, &["resolve", id, "--as", "completed", "--reason", "the payee says so"]);
    let complaint = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && complaint.contains("open or canceling, not completed"), "{complaint}");
    for _ in 0..2 {
        stdout(&payments(&world, &["resolve", id, "--as", "canceling", "--reason", "the payer has left"]));
    }
    // The verdict is carried out on the chain.
    merchant.reach(&world, &ids, "canceled").await;
    let payment = merchant.get(&format!("/api/v1/payments/{id}")).await;
    assert!(payment["cancel_transaction_hash"].is_string(), "{payment}");
    let wanted = ["created", "open", "submitted", "paid", "reverted", "needs_review", "canceling", "canceled"];
    assert_eq!(merchant.transitions(id).await, wanted.map(|event| format!("payment.{event}")));
});

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_instance_needs_no_credentials_and_says_what_is_missing_elsewhere() {
    let world = World::embedded().await;
    let listed = world.command().args(["payments", "list", "--status", "pending"]).output().unwrap();
    assert_eq!(stdout(&listed).trim(), "None.");
    let elsewhere = tempfile::tempdir().unwrap();
    let lost = crate::process::quittance(elsewhere.path(), &[]).args(["payments", "list"]).output().unwrap();
    let complaint = String::from_utf8_lossy(&lost.stderr).into_owned();
    assert!(!lost.status.success() && complaint.contains("QUITTANCE_API_KEY"), "{complaint}");
    // The first start's credentials are not sent to a place that somebody names.
    let other = world.command().args(["payments", "list", "--url", "http://127.0.0.1:9"]).output().unwrap();
    let complaint = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && complaint.contains("goes together"), "{complaint}");
    let help = world.command().args(["payments", "resolve", "--help"]).output().unwrap();
    assert!(stdout(&help).contains("quittance payments resolve 0197"), "the help teaches with an example");
}
