//! Development and production: what does not start, what `doctor` tells, and what is shown and kept how.

mod table;

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use crate::{process::quittance, world::World};

/// A command with settings of its own, `QUITTANCE_` left out of their names.
fn with(folder: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Command {
    let environment: Vec<(String, String)> =
        settings.iter().map(|(name, value)| (format!("QUITTANCE_{name}"), (*value).to_owned())).collect();
    let mut command = quittance(folder, &environment);
    command.args(arguments);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Starts and has to fail within ten seconds; what it complains of.
fn refusal(settings: &[(&str, &str)], arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    let inner = with(folder.path(), settings, arguments);
    command.arg("10").arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let Output { status, stderr, .. } = command.output().unwrap();
    assert_eq!(status.code(), Some(1), "{settings:?} starts, or does not end: {}", text(&stderr));
    text(&stderr)
}

#[test]
fn what_is_unsafe_does_not_start() {
    let stripe =
        [("GATEWAYS__STRIPE__SECRET_KEY", "sk_live_abcdef"), ("GATEWAYS__STRIPE__WEBHOOK_SECRET", "whsec_abcdef")];
    let here = ["--listen", "127.0.0.1:0"];
    for role in [&["dev"][..], &["api"], &["worker"], &[]] {
        let complaint = refusal(&stripe, &[&here[..], role].concat());
        assert!(complaint.contains("gateways.sandbox.enabled"), "{role:?}: {complaint}");
        assert!(complaint.contains("a live key of Stripe") && !complaint.contains("sk_live"), "{complaint}");
    }
    let complaint = refusal(&[], &["--listen", "0.0.0.0:0"]);
    assert!(complaint.contains("a public listen address") && complaint.contains("devchain.enabled"), "{complaint}");
    let decided =
        [("BASE_URL", "https://pay.example"), ("GATEWAYS__SANDBOX__ENABLED", "false"), ("DEVCHAIN__ENABLED", "false")];
    let complaint = refusal(&decided, &here);
    assert!(complaint.contains("http.trusted_proxies") && complaint.contains("X-Forwarded-For"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_shown_once_and_kept_for_the_owner_alone() {
    let mut world = World::embedded().await;
    let first = std::fs::read_to_string(world.data_dir().join("0.out")).unwrap();
    let (pin, secret) = (world.bootstrap["admin"]["pin"].clone(), world.bootstrap["integration"]["secret_key"].clone());
    let shown = |text: &str| [&pin, &secret].map(|kept| text.contains(kept.as_str().unwrap()));
    assert_eq!(shown(&first), [true, true], "{first}");
    assert!(first.contains("development: no real money"), "{first}");
    assert!(world.processes[0].terminate().success());
    world.processes.clear();
    world.start_embedded().await;
    let both = std::fs::read_to_string(world.data_dir().join("0.out")).unwrap();
    let second = &both[first.len()..];
    assert_eq!(shown(second), [false, false], "{second}");
    assert!(second.contains("bootstrap.json"), "{second}");
    for file in ["bootstrap.json", "secrets.json", "quittance.db", "quittance.db-wal", "quittance.db-shm"] {
        assert_eq!(mode(&world.data_dir().join(file)), 0o600, "{file}");
    }
    for folder in ["keystore", "devchain"] {
        let folder = world.data_dir().join(folder);
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for file in std::fs::read_dir(&folder).unwrap() {
            assert_eq!(mode(&file.unwrap().path()) & 0o077, 0, "{}", folder.display());
        }
    }
}

#[test]
fn a_folder_of_any_name_made_by_anybody_is_a_data_folder_and_private() {
    let place = tempfile::tempdir().unwrap();
    for name in ["what?", "%41", "a#b", "plain"] {
        let folder = place.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        let migrated = with(&folder, &[], &["migrate"]).output().unwrap();
        assert!(migrated.status.success(), "{name}: {}", text(&migrated.stderr));
        assert_eq!((mode(&folder), mode(&folder.join("quittance.db"))), (0o700, 0o600), "{name}");
    }
    let names: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
    assert_eq!(names.len(), 4, "nothing was made beside them: {names:?}");
}

#[test]
fn what_may_not_be_read_or_written_is_named() {
    let place = tempfile::tempdir().unwrap();
    let taken = place.path().join("taken");
    std::fs::write(&taken, "").unwrap();
    let printed = with(&taken, &[], &["migrate"]).output().unwrap();
    assert!(text(&printed.stderr).contains(&taken.display().to_string()), "{}", text(&printed.stderr));
    let folder = place.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    let keystore = ("KEYSTORE__DIR", taken.to_str().unwrap());
    let printed = with(&folder, &[keystore], &["worker"]).output().unwrap();
    assert!(text(&printed.stderr).contains(&taken.display().to_string()), "{}", text(&printed.stderr));
}

#[test]
fn first_starts_side_by_side_on_one_folder_all_succeed() {
    for round in 0..6 {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("data");
        let started: Vec<_> = (0..8)
            .map(|_| {
                let mut command = with(&folder, &[], &["migrate"]);
                command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for process in started {
            let ended = process.wait_with_output().unwrap();
            assert!(ended.status.success(), "round {round}: {}", text(&ended.stderr));
        }
    }
}

#[test]
fn what_kubernetes_writes_into_the_environment_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = [
        ("PORT", "tcp://10.0.0.1:9154"),
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "9154"),
        ("PORT_9154_TCP", "tcp://10.0.0.1:9154"),
        ("PORT_9154_TCP_ADDR", "10.0.0.1"),
        ("COLOUR", "blue"),
        ("KEYSTORE__PASSWORD", "20261129"),
    ];
    let printed = with(folder.path(), &service, &["migrate"]).output().unwrap();
    let log = text(&printed.stderr);
    assert!(printed.status.success(), "{log}");
    assert!(log.contains("QUITTANCE_COLOUR") && !log.contains("QUITTANCE_PORT") && !log.contains("20261129"), "{log}");
    let printed = with(folder.path(), &[("DATABASE_URL", "postgres://s3cret")], &["migrate"]).output().unwrap();
    let complaint = text(&printed.stderr);
    assert!(!printed.status.success() && complaint.contains("QUITTANCE_DATABASE__URL is"), "{complaint}");
    assert!(!complaint.contains("s3cret"), "{complaint}");
}

#[test]
fn help_shows_no_secret_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = [("API_KEY", "s3cret-key"), ("API_SECRET", "s3cret-secret"), ("WEBHOOK_SECRET", "s3cret-hook")];
    for command in [&["queues", "--help"][..], &["dead-letters", "list", "--help"], &["webhooks", "listen", "--help"]] {
        let printed = with(folder.path(), &secrets, command).output().unwrap();
        assert!(printed.status.success() && !text(&printed.stdout).contains("s3cret"), "{command:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_queried_on_request_alone_and_its_url_is_not_shown() {
    let place = tempfile::tempdir().unwrap();
    let url = "http://127.0.0.1:1/v3/s3cret?key=s3cret";
    let printed = with(place.path(), &[], &["bootstrap", "--rpc-url", url]).output().unwrap();
    let complaint = text(&printed.stderr);
    assert!(!printed.status.success() && complaint.contains("127.0.0.1:1"), "{complaint}");
    assert!(!complaint.contains("s3cret"), "{complaint}");

    let world = World::embedded().await;
    let node = world.bootstrap["devchain"]["rpc_url"].as_str().unwrap();
    let folder = place.path().join("another");
    let made = with(&folder, &[], &["bootstrap", "--json", "--rpc-url", node]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert!(made["network_id"].is_string(), "{made}");
    assert_eq!((&made["testnet"], &made["currencies"]), (&serde_json::Value::Null, &serde_json::json!({})), "{made}");
}

#[test]
fn an_installation_whose_secrets_cannot_be_shown_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let printed = with(folder.path(), &[], &["bootstrap", "--json", "--no-network"]).stdout(full).output().unwrap();
    assert!(
        !printed.status.success() && text(&printed.stderr).contains("nothing was made"),
        "{}",
        text(&printed.stderr)
    );
    let again = with(folder.path(), &[], &["bootstrap", "--json", "--no-network"]).output().unwrap();
    assert!(again.status.success(), "{}", text(&again.stderr));
}
