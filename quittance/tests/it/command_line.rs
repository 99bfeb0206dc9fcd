//! Commands that are not the main job.

use std::{
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use payments::jobs::DeployDiamond;
use queue::NewMessage;
use sea_orm::{EntityTrait, IntoActiveModel};

use crate::{in_both_worlds, merchant::Merchant, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_default_keeps_its_secrets_to_itself_and_stops_when_asked() {
    let mut world = World::embedded().await;
    for file in ["bootstrap.json", "secrets.json"] {
        let mode = std::fs::metadata(world.data_dir().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let first = world.bootstrap.clone();
    assert!(world.processes[0].terminate().success());
    world.processes.clear();
    world.start_embedded().await;
    assert_eq!(world.bootstrap["integration"], first["integration"], "the second start goes on");
    Merchant::of(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_curl_that_is_printed_makes_the_first_payment() {
    let world = World::embedded().await;
    let printed = std::fs::read_to_string(world.data_dir().join("0.log")).unwrap();
    let start = printed.find("curl -s").expect("a curl is printed");
    let curl = &printed[start..start + printed[start..].find("\n\n").expect("it ends")];
    let pasted = std::process::Command::new("bash").arg("-c").arg(curl).output().unwrap();
    let payment: serde_json::Value = serde_json::from_slice(&pasted.stdout).unwrap();
    assert_eq!(payment["status"], "pending", "{payment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_a_healthy_installation_healthy() {
    for world in [World::embedded().await, World::engine().await] {
        let told = world.command().arg("doctor").output().unwrap();
        let text = String::from_utf8_lossy(&told.stdout);
        assert!(told.status.success(), "{text}{}", String::from_utf8_lossy(&told.stderr));
        for part in ["database", "schema", "broker", "node", "diamonds", "keystore"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_bootstrapped_once() {
    let world = World::engine().await;
    let again = world.command().args(["bootstrap", "--json", "--no-network"]).output().unwrap();
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("bootstrapped before"));
}

// A deployment that nobody knows is given up; once its diamond exists, its replay deploys it.
in_both_worlds!(a_dead_letter_is_found_understood_and_replayed_once, async |world: World| {
    let db = world.database().await;
    let diamond_id = entities::DiamondId::new();
    let mut tx = db.begin().await.unwrap();
    tx.enqueue(vec![NewMessage::of(&DeployDiamond { diamond_id })]).await.unwrap();
    tx.commit().await.unwrap();
    let run = |arguments: &[&str]| {
        let told = world.command().arg("dead-letters").args(arguments).output().unwrap();
        (told.status.success(), String::from_utf8_lossy(&told.stdout).into_owned())
    };
    let until = Instant::now() + Duration::from_secs(30);
    let listed = loop {
        let (_, listed) = run(&["list"]);
        if listed.contains("unknown_diamond") {
            break listed;
        }
        assert!(Instant::now() < until, "{listed}\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let id = listed.split_whitespace().next().unwrap();
    assert!(run(&["show", id]).1.contains(&diamond_id.to_string()));

    let mut wallet = entities::wallet::Entity::find().one(&*db).await.unwrap().unwrap();
    let network = entities::network::Entity::find().one(&*db).await.unwrap().unwrap();
    let mut row = entities::diamond::Entity::find().one(&*db).await.unwrap().unwrap();
    wallet.id = entities::WalletId::new();
    row = entities::diamond::Model { id: diamond_id, wallet_id: wallet.id, network_id: network.id, ..row };
    (row.status, row.address) = (entities::DiamondStatus::Started, None);
    entities::wallet::Entity::insert(wallet.into_active_model()).exec_without_returning(&*db).await.unwrap();
    entities::diamond::Entity::insert(row.into_active_model()).exec_without_returning(&*db).await.unwrap();
    assert!(run(&["replay", id]).0);
    assert!(!run(&["replay", id]).0, "a letter is replayed once");
    let until = Instant::now() + Duration::from_secs(40);
    loop {
        let found = entities::diamond::Entity::find_by_id(diamond_id).one(&*db).await.unwrap().unwrap();
        if found.status == entities::DiamondStatus::Deployed {
            break;
        }
        assert!(Instant::now() < until, "{found:?}\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
});

#[test]
fn every_mistake_in_the_configuration_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("QUITTANCE_DATABASE__URL".to_owned(), "mysql://x".to_owned()),
        ("QUITTANCE_BROKER__URL".to_owned(), "redis://x".to_owned()),
    ];
    let told = crate::process::quittance(folder.path(), &environment).arg("doctor").output().unwrap();
    let complaint = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(!told.status.success());
    assert!(complaint.contains("database.url") && complaint.contains("broker.url"), "{complaint}");
}

#[test]
fn the_sample_configuration_is_complete_and_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../quittance.sample.toml");
    let told = crate::process::quittance(folder.path(), &[]).args(["--config", sample, "migrate"]).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}
