//! What the repository offers to clients works against a running instance: a client generated from the committed
//! document, the ready-made scripts, and the pages in a real browser.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::World;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A folder of this test in target/, where a second run finds what the first has installed.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn copy(files: &[&str], to: &Path) {
    for file in files {
        let from = Path::new(REPOSITORY).join(file);
        std::fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
    }
}

/// What the installation's owner has in hand.
fn bootstrap_of(world: &World) -> String {
    let file = world.data_dir().join("bootstrap.json");
    let mut bootstrap = world.bootstrap.clone();
    // `quittance bootstrap` cannot know under which address its clients will reach the API.
    bootstrap["base_url"] = world.base_url.clone().into();
    std::fs::write(&file, bootstrap.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Runs it in the folder and returns what it prints.
async fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments);
    let what = format!("{program} {}", arguments.join(" "));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{what}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{what}\n{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}

async fn install(folder: &Path) {
    run(folder, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).await;
}

async fn a_generated_client_makes_the_first_payment(world: World) {
    let openapi = folder("openapi");
    let client = folder("openapi/client");
    copy(&["openapi/quittance.json"], &openapi);
    let files = ["package.json", "package-lock.json", "tsconfig.json", "first-payment.ts"];
    copy(&files.map(|file| format!("openapi/client/{file}")).each_ref().map(String::as_str), &client);
    install(&client).await;
    run(&client, "npm", &["run", "generate"]).await;
    run(&client, "npm", &["run", "build"]).await;
    let printed = run(&client, "npm", &["start", "--", &bootstrap_of(&world)]).await;
    assert!(printed.contains(" is open\n"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn generated() {
    a_generated_client_makes_the_first_payment(World::embedded().await).await;
}

async fn ready_made_scripts_make_the_first_payment(world: World) {
    let (examples, bootstrap) = (Path::new(REPOSITORY).join("openapi/examples"), bootstrap_of(&world));
    for (program, script) in [("bash", "first-payment.sh"), ("python3", "first_payment.py")] {
        let printed = run(&examples, program, &[script, &bootstrap]).await;
        assert!(printed.contains(" is open\n"), "{script}: {printed}");
    }
}

crate::in_both_worlds!(scripts, ready_made_scripts_make_the_first_payment);

/// Plays the payer in a browser, with screenshots in a folder of this name; `announced`: the contract's owner has announced a
/// change.
pub(crate) async fn pay_in_a_browser(world: &World, name: &str, announced: bool) {
    let browser = folder(name);
    let files = ["package.json", "package-lock.json", "payer.mjs"];
    copy(&files.map(|file| format!("quittance/tests/browser/{file}")).each_ref().map(String::as_str), &browser);
    install(&browser).await;
    let announced = if announced { "ANNOUNCED=yes" } else { "ANNOUNCED=" };
    let arguments = [announced, "node", "payer.mjs", &bootstrap_of(world), browser.to_str().unwrap()];
    run(&browser, "env", &arguments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_pays_in_a_real_browser() {
    pay_in_a_browser(&World::embedded().await, "browser", false).await;
}
