//! What a process says when there is nothing new to say.

use std::time::{Duration, Instant};

use crate::{
    merchant::http,
    process::{Process, quittance},
    world::free_port,
};

/// Lines of a log that is read to its end.
fn lines(log: &std::path::Path) -> Vec<String> {
    std::fs::read_to_string(log).unwrap_or_default().lines().map(str::to_owned).collect()
}

async fn ready(base_url: &str, log: &std::path::Path) {
    let until = Instant::now() + Duration::from_secs(60);
    while !http().get(format!("{base_url}/health/live")).send().await.is_ok_and(|answer| answer.status() == 200) {
        assert!(Instant::now() < until, "{:?}", lines(log));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stays_away_is_logged_in_a_few_lines() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("worker.log");
    let broker = ("QUITTANCE_BROKER__URL".to_owned(), "amqp://guest:guest@127.0.0.1:1/%2f".to_owned());
    let health = format!("127.0.0.1:{}", free_port());
    let mut command = quittance(folder.path(), &[broker]);
    command.args(["worker", "--listen-health", &health]);
    let _worker = Process::start(command, &log);
    ready(&format!("http://{health}"), &log).await;
    let before = lines(&log).len();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let logged = lines(&log);
    assert!(logged.iter().any(|line| line.contains("no connection to RabbitMQ")), "{logged:#?}");
    assert!(logged.len() - before <= 5, "{:#?}", &logged[before..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn being_watched_leaves_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("api.log");
    let base_url = format!("http://127.0.0.1:{}", free_port());
    let mut command = quittance(folder.path(), &[]);
    command.args(["dev", "--listen", base_url.trim_start_matches("http://")]);
    let _process = Process::start(command, &log);
    ready(&base_url, &log).await;
    let timed = |path: &'static str| {
        let log = log.clone();
        move || lines(&log).iter().filter(|line| line.contains("elapsed_us") && line.contains(path)).count()
    };
    for path in ["/health/live", "/health/ready", "/metrics"] {
        http().get(format!("{base_url}{path}")).send().await.unwrap();
        assert_eq!(timed(path)(), 0, "{path}");
    }
    http().get(format!("{base_url}/openapi.json")).send().await.unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while timed("/openapi.json")() == 0 {
        assert!(Instant::now() < until, "other requests are still logged: {:#?}", lines(&log));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
