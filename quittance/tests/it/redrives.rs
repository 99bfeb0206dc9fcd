//! What died of one cause is found, judged and replayed at the command line, also when the process is killed in the middle.

use std::{
    fs::File,
    process::Stdio,
    time::{Duration, Instant},
};

use payments::jobs::{CancelDeal, ExpirePayment, OpenDeal, ReleaseDeal};
use queue::{
    Database, Payload,
    dead_letters::{self, Filter, LetterState, Page},
};
use sea_orm::{ConnectionTrait, Statement, prelude::Uuid};
use serde_json::{Value, json};

use crate::{
    in_both_worlds,
    operator::{complaint, deploy_unknown, make_known, operate, operator, stdout},
    world::World,
};

const LETTERS: usize = 30;

/// Waits until a command prints this.
async fn until_shown(world: &World, arguments: &[&str], part: &str) -> String {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let listed = stdout(&operate(world, arguments));
        if listed.contains(part) {
            return listed;
        }
        assert!(Instant::now() < until, "{part} is not told:\n{listed}\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_survives_the_death_of_its_process() {
    let mut world = World::embedded().await;
    let diamonds = deploy_unknown(&world, LETTERS).await;
    let groups = until_shown(&world, &["dead-letters", "groups"], "30 letters.").await;
    assert!(groups.contains("unknown_diamond") && groups.contains("deploy_diamond.v1"), "{groups}");
    let redrive = ["dead-letters", "redrive", "--code", "unknown_diamond", "--reason", "the diamonds are known now"];
    let dry_run = stdout(&operate(&world, &[&redrive[..], &["--dry-run"]].concat()));
    assert!(dry_run.contains("30 dead letters match, 30 would be replayed"), "{dry_run}");
    assert!(dry_run.contains("30  would fail again"), "{dry_run}");
    let nobody = complaint(&operate(&world, &redrive));
    assert!(nobody.contains("pass --yes"), "{nobody}");
    make_known(&world, &diamonds, entities::DiamondStatus::Deployed).await;
    let dry_run = stdout(&operate(&world, &[&redrive[..], &["--dry-run"]].concat()));
    assert!(dry_run.contains("30  already done"), "{dry_run}");

    let printed = world.data_dir().join("redrive.out");
    let (out, err) = (File::create(&printed).unwrap(), File::create(world.data_dir().join("redrive.err")).unwrap());
    let mut command = operator(&world, &[&redrive[..], &["--yes", "--rate", "5", "--canary", "2"]].concat());
    let mut client = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
    let read = || std::fs::read_to_string(&printed).unwrap();
    let until = Instant::now() + Duration::from_secs(120);
    while !read().contains("running ") {
        assert!(Instant::now() < until, "the canary does not pass: {}\n{}", read(), world.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.processes[0].kill();
    world.start_again(0);
    world.recovered().await;
    let until = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = client.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < until, "it does not end: {}\n{}", read(), world.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let shown_all = read();
    assert!(
        status.success(),
        "{shown_all}\n{}",
        std::fs::read_to_string(world.data_dir().join("redrive.err")).unwrap()
    );
    assert!(shown_all.contains("30 of 30 replayed, 30 resolved, 0 died again"), "{shown_all}");
    let all = Page { after: None, limit: 500 };
    let letters = dead_letters::list(&world.database().await, &Filter::default(), all).await.unwrap();
    assert_eq!(letters.len(), LETTERS, "none died a second time");
    assert!(letters.iter().all(|letter| letter.state == LetterState::Resolved), "{letters:?}");

    let runs = stdout(&operate(&world, &["redrives", "list", "--state", "done"]));
    assert!(runs.contains("30 resolved") && runs.contains("the diamonds are known now"), "{runs}");
    let ended =
        complaint(&operate(&world, &["redrives", "pause", runs.split(' ').next().unwrap(), "--reason", "too late"]));
    assert!(ended.contains("409"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_discarded_restored_exported_and_edited() {
    let world = World::embedded_with(&[("QUITTANCE_OPERATIONS__EDIT_DEAD_LETTERS", "true")]).await;
    let diamonds = deploy_unknown(&world, 3).await;
    until_shown(&world, &["dead-letters", "groups"], "3 letters.").await;
    let nothing = complaint(&operate(&world, &["dead-letters", "discard", "--reason", "a try"]));
    assert!(nothing.contains("--all"), "{nothing}");
    let discard = ["dead-letters", "discard", "--queue", "deploy_diamond.v1", "--reason", "nobody wants them"];
    assert_eq!(stdout(&operate(&world, &discard)).trim(), "3 letters");
    assert_eq!(stdout(&operate(&world, &["dead-letters", "list"])).trim(), "No dead letters.");
    stdout(&operate(&world, &["dead-letters", "restore", "--queue", "deploy_diamond.v1", "--reason", "somebody does"]));
    let file = world.data_dir().join("letters.ndjson");
    let export = ["dead-letters", "export", "--state", "dead", "--to", file.to_str().unwrap()];
    stdout(&operate(&world, &export));
    assert!(complaint(&operate(&world, &export)).contains("--to"), "an export overwrites nothing");
    let lines = std::fs::read_to_string(&file).unwrap();
    let letters: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(letters.len(), 3);
    assert!(letters.iter().all(|letter| letter["body"].as_str().unwrap().contains("diamond_id")), "{lines}");

    let body = format!(r#"{{"diamond_id":"{}"}}"#, diamonds[0]);
    let id = letters.iter().find(|letter| letter["body"] != body).unwrap()["id"].as_str().unwrap();
    let edit = ["dead-letters", "edit", id, "--body", &body, "--reason", "it named another diamond"];
    let edited = stdout(&operate(&world, &edit));
    assert!(edited.contains("/diamond_id") && edited.contains(&diamonds[0].to_string()), "{edited}");
    assert!(complaint(&operate(&world, &edit)).contains("is replaced"));
    let shown = stdout(&operate(&world, &["dead-letters", "show", id]));
    assert!(shown.contains("is replaced since") && shown.contains("it named another diamond"), "{shown}");

    let queues = until_shown(&world, &["queues"], "open_deal.v1").await;
    let deployments = queues.lines().find(|line| line.starts_with("deploy_diamond.v1")).unwrap();
    assert_eq!(deployments.split_whitespace().last(), Some("3"), "two and the edited one are dead\n{queues}");
    let json: Value = serde_json::from_str(&stdout(&operate(&world, &["queues", "--json"]))).unwrap();
    assert!(json["items"].as_array().unwrap().iter().any(|queue| queue["workers"] == 1), "{json}");
    let help = stdout(&operate(&world, &["dead-letters", "redrive", "--help"]));
    assert!(help.contains("--dry-run") && help.contains("Ctrl-C leaves the run going"), "{help}");
}

const MANY: usize = 10_000;

/// Letters of four kinds, about payments that nobody knows: their jobs have nothing to do.
async fn insert_many(world: &World) {
    let db = world.database().await;
    let kinds = [
        (OpenDeal::QUEUE, OpenDeal::TYPE),
        (CancelDeal::QUEUE, CancelDeal::TYPE),
        (ReleaseDeal::QUEUE, ReleaseDeal::TYPE),
        (ExpirePayment::QUEUE, ExpirePayment::TYPE),
    ];
    let numbers: Vec<usize> = (0..MANY).collect();
    let tx = db.begin().await.unwrap();
    for chunk in numbers.chunks(1_000) {
        let (mut rows, mut values): (Vec<String>, Vec<sea_orm::Value>) = (Vec::new(), Vec::new());
        for number in chunk {
            let ((queue, kind), payment_id) = (kinds[number % kinds.len()], Uuid::now_v7());
            let first = values.len();
            let place = |number: usize| format!("${}", first + number);
            let body = json!({ "payment_id": payment_id }).to_string();
            rows.push(format!(
                "({}, {}, {}, {}, {}, 'job', {}, 'text', '{{}}', 1, 'specimen', '', 'specimen', {}, {}, {}, 0, 'dead', {})",
                place(1), place(2), place(3), place(4), place(5), place(6), place(7), place(8), place(8), place(8)
            ));
            values.extend([Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()].map(sea_orm::Value::from));
            values.extend([queue.into(), kind.into(), body.into(), payment_id.into(), entities::now().into()]);
        }
        let sql = format!(
            "INSERT INTO dead_letters (id, outbox_id, message_id, queue, kind, origin, body, body_encoding, headers, \
             attempts, error_code, error_message, fingerprint, payment_id, first_at, last_at, replay_no, state, state_at) \
             VALUES {}",
            rows.join(", ")
        );
        tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn count(db: &Database, condition: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM dead_letters WHERE {condition}");
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

in_both_worlds!(ten_thousand_letters_are_replayed_once_each_through_kills, async |mut world: World| {
    insert_many(&world).await;
    let db = world.database().await;
    let printed = world.data_dir().join("redrive.out");
    let redrive = ["dead-letters", "redrive", "--code", "specimen", "--all", "--reason", "they are of no account"];
    let pace = ["--yes", "--rate", "2000", "--canary", "5"];
    let mut command = operator(&world, &[&redrive[..], &pace[..]].concat());
    let out = File::create(&printed).unwrap();
    let mut client = command.stdin(Stdio::null()).stderr(out.try_clone().unwrap()).stdout(out).spawn().unwrap();
    let read = || std::fs::read_to_string(&printed).unwrap();
    let until = Instant::now() + Duration::from_secs(300);
    for part in [MANY / 8, MANY / 2] {
        while count(&db, "replayed_as IS NOT NULL").await < i64::try_from(part).unwrap() {
            assert!(Instant::now() < until, "it does not get on: {}\n{}", read(), world.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world.kill_workers();
        assert!(count(&db, "replayed_as IS NULL").await > 0, "killed in the middle");
        world.recovered().await;
    }
    let status = loop {
        if let Some(status) = client.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < until, "it does not end: {}\n{}", read(), world.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(status.success(), "{}\n{}", read(), world.logs());
    assert!(read().contains("10000 of 10000 replayed, 10000 resolved, 0 died again"), "{}", read());
    assert_eq!(count(&db, "state = 'resolved'").await, 10_000);
    assert_eq!(count(&db, "state <> 'resolved'").await, 0, "none died a second time");
    let shared = "replayed_as IN (SELECT replayed_as FROM dead_letters GROUP BY replayed_as HAVING COUNT(*) > 1)";
    assert_eq!(count(&db, shared).await, 0, "each has a replay of its own");
});
