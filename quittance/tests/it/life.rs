//! The main job, end to end.

use serde_json::{Value, json};

use crate::{
    in_both_worlds,
    load::wait_until_down,
    merchant::{Merchant, Payer, assert_one_deal_each},
    operator::{operate, stdout},
    world::World,
};

in_both_worlds!(the_demo_passes, async |world: World| demo_passes(&world, &[]).await);

/// Plays these sections of the demo, all without any.
pub(crate) async fn demo_passes(world: &World, sections: &[&str]) {
    let file = world.data_dir().join("first.json");
    std::fs::write(&file, world.bootstrap.to_string()).unwrap();
    let mut demo = world.command();
    demo.arg("demo").args(sections).args(["--base-url", &world.base_url, "--bootstrap"]).arg(&file);
    let played = tokio::task::spawn_blocking(move || demo.output().unwrap()).await.unwrap();
    let (printed, complaint) = (String::from_utf8_lossy(&played.stdout), String::from_utf8_lossy(&played.stderr));
    assert!(played.status.success(), "{printed}{complaint}\n{}", world.logs());
    assert!(printed.contains("All as it should be"), "{printed}");
}

in_both_worlds!(two_hundred_payments_at_once_end_as_they_should, async |world: World| {
    let (merchant, payer) = (Merchant::of(&world).await, Payer::of(&world));
    let ids = merchant.create_many("order", 200).await;
    merchant.reach(&world, &ids, "open").await;
    assert_one_deal_each(&payer, &ids).await;

    let all = merchant.all().await;
    let (paid, canceled) = (&ids[..100], &ids[100..150]);
    let deals: Vec<_> = paid.iter().map(|id| &all[id]).collect();
    payer.deposit(&deals).await;
    for id in canceled {
        let (status, answer) = merchant.post(&format!("/api/v1/payments/{id}/cancel")).await;
        assert_eq!((status, answer["status"].as_str()), (202, Some("accepted")));
    }
    merchant.reach(&world, paid, "paid").await;
    merchant.reach(&world, canceled, "canceled").await;
    merchant.reach(&world, &ids[150..], "open").await;

    let life = |events: &[&str]| events.iter().map(|event| format!("payment.{event}")).collect::<Vec<_>>();
    for id in paid {
        assert_eq!(merchant.transitions(id).await, life(&["created", "open", "submitted", "paid"]));
    }
    for id in canceled {
        assert_eq!(merchant.transitions(id).await, life(&["created", "open", "canceling", "canceled"]));
    }
});

in_both_worlds!(a_payment_that_nobody_pays_expires_and_its_deal_is_closed, async |world: World| {
    let merchant = Merchant::of(&world).await;
    let mut body = merchant.body("late");
    body["expires_at"] = serde_json::json!(chrono::Utc::now() + chrono::TimeDelta::seconds(20));
    let payment = merchant.create(&body).await;
    let ids = [payment["id"].as_str().unwrap().to_owned()];
    merchant.reach(&world, &ids, "open").await;
    merchant.reach(&world, &ids, "expired").await;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while merchant.get(&format!("/api/v1/payments/{}", ids[0])).await["cancel_transaction_hash"].is_null() {
        assert!(std::time::Instant::now() < until, "the deal is not closed on chain\n{}", world.logs());
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let announced = merchant.transitions(&ids[0]).await;
    assert_eq!(announced, ["payment.created", "payment.open", "payment.expired"]);

    // The feed has the same in the same order, and goes on behind any of them.
    let events = |arguments: &[&str]| -> Vec<Value> {
        let printed = stdout(&operate(&world, &[&["events", "--type", "payment.*", "--json"], arguments].concat()));
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    while events(&[]).len() < announced.len() {
        assert!(std::time::Instant::now() < until, "the feed lacks events\n{}", world.logs());
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let fed = events(&[]);
    assert_eq!(fed.iter().map(|event| event["type"].as_str().unwrap()).collect::<Vec<_>>(), announced);
    assert_eq!(events(&["--after", fed[0]["id"].as_str().unwrap()]), fed[1..]);
    let lines = stdout(&operate(&world, &["events", "--newest", "1"]));
    assert!(lines.contains("payment.expired") && lines.contains(&ids[0]), "{lines}");
});

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_cannot_be_read_is_reported_and_holds_nobody_up() {
    let world = World::embedded().await;
    let merchant = Merchant::of(&world).await;
    let network = json!({
        "chain_id": world.bootstrap["chain_id"], "network_id": 4_711, "name": "elsewhere",
        "rpc_urls": ["http://127.0.0.1:1/some-key"],
    });
    let (status, answer) = merchant.try_post("/api/v1/networks", &network, None).await.unwrap();
    assert_eq!(status, 201, "{answer}");
    wait_until_down(&world, &world.base_url, "chain", "network elsewhere could not be read yet").await;
    let ids = merchant.create_many("order", 3).await;
    merchant.reach(&world, &ids, "open").await;
}
