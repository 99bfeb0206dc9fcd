//! Input that nobody means well: generated from the document, against a running instance.

use std::{path::Path, process::Command};

use crate::World;

/// Requests come faster than from any client, and all from one.
const UNLIMITED: [(&str, &str); 6] = [
    ("QUITTANCE_HTTP__RATE_PER_CALLER", "1000000"),
    ("QUITTANCE_HTTP__RATE_PER_ADDRESS", "1000000"),
    ("QUITTANCE_STRANGERS__PER_ADDRESS", "100000000"),
    ("QUITTANCE_STRANGERS__PER_SITE", "100000000"),
    ("QUITTANCE_STRANGERS__PER_SUBJECT", "100000000"),
    ("QUITTANCE_STRANGERS__IN_ALL", "100000000"),
];

/// Runs schemathesis over the served document with every check, and fails with its report. The seed is fixed; how far
/// it comes depends on the time that it has.
async fn attack(world: World) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let bootstrap = world.data_dir().join("hostile.json");
    let mut known = world.bootstrap.clone();
    known["base_url"] = world.base_url.clone().into();
    std::fs::write(&bootstrap, known.to_string()).unwrap();
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let mut command = Command::new(setting("QUITTANCE_TEST_SCHEMATHESIS", "schemathesis"));
    // It leaves a cache where it is started.
    command.current_dir(world.data_dir()).env("PYTHONPATH", &folder).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("QUITTANCE_BOOTSTRAP", &bootstrap).arg("--config-file").arg(folder.join("schemathesis.toml"));
    command.args(["run", &format!("{}/openapi.json", world.base_url)]);
    command.args(["--no-color", "--seed", &setting("QUITTANCE_TEST_HOSTILE_SEED", "1")]);
    command.args(["--max-examples", &setting("QUITTANCE_TEST_HOSTILE_EXAMPLES", "5")]);
    command.args(["--max-time", &setting("QUITTANCE_TEST_HOSTILE_SECONDS", "120")]);
    let printed = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let printed = printed.unwrap_or_else(|error| panic!("scripts/test installs schemathesis: {error}"));
    let text = String::from_utf8_lossy(&printed.stdout);
    assert!(printed.status.success(), "{text}{}", String::from_utf8_lossy(&printed.stderr));
    let generated =
        text.split_whitespace().zip(text.split_whitespace().skip(1)).find(|(_, word)| *word == "generated,");
    let generated: u32 = generated.and_then(|(count, _)| count.parse().ok()).unwrap_or(0);
    assert!(generated > 300, "only {generated} requests: {text}");
    world.wait_until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_requests_find_no_gap_on_the_embedded_default() {
    attack(World::embedded_with(&UNLIMITED).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_requests_find_no_gap_on_the_real_engine() {
    // Without a card processor much is answered 503 before it is read.
    let settings = [UNLIMITED.as_slice(), &[("QUITTANCE_GATEWAYS__SANDBOX__ENABLED", "true")]].concat();
    attack(World::engine_with(&settings, 2).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_log_is_found() {
    let world = World::embedded().await;
    assert_eq!(world.betrayals(), Vec::<String>::new());
    let (log, secret) =
        (world.data_dir().join("told.log"), world.bootstrap["integration"]["secret_key"].as_str().unwrap());
    std::fs::write(&log, format!("INFO signed in with {secret}\n")).unwrap();
    assert_eq!(world.betrayals().len(), 1);
    std::fs::remove_file(log).unwrap();
}
