//! Processes whose output goes nowhere: a full disk, a pipe that nobody reads.

use std::{
    fs::File,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{merchant::http, process::quittance, world::free_port};

/// What the output of a process goes to.
#[derive(Clone, Copy, Debug)]
enum Output {
    FullDisk,
    ClosedPipe,
}

/// A process that ends with the test.
struct Silent(Child);

impl Silent {
    fn start(mut command: Command, output: Output) -> Self {
        let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
        match output {
            Output::FullDisk => command.stdout(full()).stderr(full()),
            Output::ClosedPipe => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
        };
        let mut child = command.spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        Self(child)
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn works_in_silence(output: Output) {
    let folder = tempfile::tempdir().unwrap();
    let base_url = format!("http://127.0.0.1:{}", free_port());
    let mut command = quittance(folder.path(), &[("QUITTANCE_LOG__FILTER".to_owned(), "debug".to_owned())]);
    command.args(["--listen", base_url.trim_start_matches("http://")]);
    let mut process = Silent::start(command, output);

    let until = Instant::now() + Duration::from_secs(120);
    while !http().get(format!("{base_url}/health/ready")).send().await.is_ok_and(|answer| answer.status() == 200) {
        assert!(process.0.try_wait().unwrap().is_none(), "{output:?}: it has ended");
        assert!(Instant::now() < until, "{output:?}: it is never ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let first: Value = serde_json::from_slice(&std::fs::read(folder.path().join("bootstrap.json")).unwrap()).unwrap();
    let sign_in = http().post(format!("{base_url}/api/v1/auth/authenticate")).json(&first["integration"]);
    let signed_in: Value = sign_in.send().await.unwrap().json().await.unwrap();
    let payment = json!({
        "external_id": "silent", "node_id": first["node_id"], "network_id": first["network_id"],
        "currency_id": first["currencies"]["USDT"], "price": 10.5, "paid_price": 10.5, "payment_method": "web3",
        "payment_group": "product", "payment_address": first["devchain"]["payer"]["address"],
        "expires_at": chrono::Utc::now() + chrono::TimeDelta::hours(1),
    });
    let request = http().post(format!("{base_url}/api/v1/payments")).json(&payment);
    let created = request.bearer_auth(signed_in["access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(created.status(), 201, "{output:?}");
    assert_eq!(created.headers()["quittance-mode"], "development");

    let asked = Command::new("kill").arg(process.0.id().to_string()).status().unwrap();
    assert!(asked.success());
    let until = Instant::now() + Duration::from_secs(120);
    let status = loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < until, "{output:?}: it does not stop");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(status.success(), "{output:?}: {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_fails_nothing() {
    works_in_silence(Output::FullDisk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_nobody_reads_fails_nothing() {
    works_in_silence(Output::ClosedPipe).await;
}
