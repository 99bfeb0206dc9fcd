//! Commands that are not the main job.

use std::{
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use sea_orm::EntityTrait;

use crate::{
    in_both_worlds,
    merchant::Merchant,
    operator::{complaint, deploy_unknown, make_known, operate, stdout},
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_default_keeps_its_secrets_to_itself_and_stops_on_a_signal() {
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
    let printed = std::fs::read_to_string(world.data_dir().join("0.out")).unwrap();
    let start = printed.find("curl -s").expect("a curl is printed");
    let curl = &printed[start..start + printed[start..].find("\n\n").expect("it ends")];
    let pasted = std::process::Command::new("bash").arg("-c").arg(curl).output().unwrap();
    let payment: serde_json::Value = serde_json::from_slice(&pasted.stdout).unwrap();
    assert_eq!(payment["status"], "pending", "{payment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_a_healthy_installation_healthy() {
    for world in [World::embedded().await, World::engine().await] {
        let ended = world.command().arg("doctor").env("RUST_LOG", "warn").output().unwrap();
        let (text, complaints) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success(), "{text}{complaints}");
        assert_eq!(complaints, "", "what is healthy leaves nothing to complain of");
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
    let diamond_id = deploy_unknown(&world, 1).await[0];
    let until = Instant::now() + Duration::from_secs(120);
    let listed = loop {
        let listed = stdout(&operate(&world, &["dead-letters", "list"]));
        if listed.contains("unknown_diamond") {
            break listed;
        }
        assert!(Instant::now() < until, "{listed}\n{}", world.logs());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let id = listed.split_whitespace().next().unwrap();
    let shown = stdout(&operate(&world, &["dead-letters", "show", id]));
    assert!(shown.contains(&diamond_id.to_string()) && shown.contains("would end the same way"), "{shown}");

    make_known(&world, &[diamond_id], entities::DiamondStatus::Started).await;
    let shown = stdout(&operate(&world, &["dead-letters", "show", id]));
    assert!(shown.contains("would go on"), "{shown}");
    let redrive = ["dead-letters", "redrive", id, "--reason", "the diamond is known now", "--yes"];
    let redriven = stdout(&operate(&world, &redrive));
    assert!(redriven.contains("1 of 1 replayed, 1 resolved"), "{redriven}");
    assert!(complaint(&operate(&world, &redrive)).contains("is resolved"), "a letter is replayed once");
    let db = world.database().await;
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
fn every_mistake_in_the_configuration_is_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("QUITTANCE_DATABASE__URL".to_owned(), "mysql://x".to_owned()),
        ("QUITTANCE_BROKER__URL".to_owned(), "redis://x".to_owned()),
    ];
    let ended = crate::process::quittance(folder.path(), &environment).arg("doctor").output().unwrap();
    let complaint = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success());
    assert!(complaint.contains("database.url") && complaint.contains("broker.url"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let vigil = crate::vigil::Vigil::default();
    let url = |start: &str| {
        let password = format!("password-{}", uuid::Uuid::now_v7());
        vigil.keep(&password);
        format!("{start}://someone:{password}@127.0.0.1:1/name")
    };
    let log = ("QUITTANCE_LOG__FILTER".to_owned(), "debug".to_owned());
    let broker = ("QUITTANCE_BROKER__URL".to_owned(), url("amqp"));
    let database = ("QUITTANCE_DATABASE__URL".to_owned(), url("postgres"));
    let rounds = [vec![log.clone(), broker.clone()], vec![log, broker, database]];
    for (round, environment) in rounds.into_iter().enumerate() {
        let log = folder.path().join(format!("{round}.log"));
        let mut command = crate::process::quittance(folder.path(), &environment);
        command.args(["api", "--listen", "127.0.0.1:0"]);
        let process = crate::process::Process::start(command, &log);
        let until = Instant::now() + Duration::from_secs(120);
        // The second time the database is not there, and the broker is not even tried.
        let complaints = ["RabbitMQ", "the database does not answer"];
        while !std::fs::read_to_string(&log).is_ok_and(|log| complaints.iter().any(|word| log.contains(word))) {
            assert!(Instant::now() < until, "nothing is complained of");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(process);
        let ended = crate::process::quittance(folder.path(), &environment).arg("doctor").output().unwrap();
        assert_eq!(vigil.found_in_file(&log), Vec::<String>::new());
        for text in [ended.stdout, ended.stderr] {
            assert_eq!(vigil.found_in(&String::from_utf8_lossy(&text)), Vec::<String>::new());
        }
    }
}

#[test]
fn completions_and_man_pages_are_made_of_the_commands_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = crate::process::quittance(folder.path(), &[]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        assert!(script.contains("dead-letters") && script.contains("needs-review"), "{shell}");
    }
    let script = folder.path().join("completions.bash");
    std::fs::write(&script, run(&["completions", "bash"])).unwrap();
    let checked = std::process::Command::new("bash").arg("-n").arg(&script).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert!(run(&["man"]).contains("letters(1)"));
    let pages = folder.path().join("man1");
    run(&["man", "--write", pages.to_str().unwrap()]);
    for page in ["quittance.1", "quittance-payments-list.1"] {
        assert!(pages.join(page).exists(), "{page}");
    }
}

#[test]
fn no_help_shows_what_the_environment_holds() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["QUITTANCE_URL", "QUITTANCE_API_KEY", "QUITTANCE_API_SECRET", "QUITTANCE_WEBHOOK_SECRET"] {
        let environment = [(name.to_owned(), "https://admin:sesame@pay.example".to_owned())];
        for command in [&["payments", "list"][..], &["dead-letters"], &["webhooks", "listen"]] {
            let mut help = crate::process::quittance(folder.path(), &environment);
            let help = help.args(command).arg("--help").output().unwrap();
            assert!(!String::from_utf8_lossy(&help.stdout).contains("sesame"), "{name} in the help of {command:?}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_named_by_its_path() {
    for (file, arguments) in [
        ("secrets.json", &["migrate"][..]),
        ("bootstrap.json", &["payments", "list"]),
        ("quittance.db", &["doctor"]),
        ("keystore", &["doctor"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        // A file where a folder should be, and folders where files should be: root, too, fails to read those.
        if file == "keystore" {
            let migrated = crate::process::quittance(folder.path(), &[]).arg("migrate").status().unwrap();
            assert!(migrated.success());
            std::fs::write(&path, "").unwrap();
        } else {
            std::fs::create_dir(&path).unwrap();
        }
        let output = crate::process::quittance(folder.path(), &[]).args(arguments).output().unwrap();
        let ended = [output.stdout, output.stderr].concat();
        let ended = String::from_utf8_lossy(&ended);
        assert!(!output.status.success(), "{ended}");
        assert!(ended.contains(path.to_str().unwrap()), "{file}: {ended}");
    }
}

#[test]
fn the_sample_configuration_is_complete_and_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../quittance.sample.toml");
    let ended = crate::process::quittance(folder.path(), &[]).args(["--config", sample, "migrate"]).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
