//! Files that nobody means well, many at once: whoever asks for something else does not notice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{World, merchant::http};

/// Files that are under way at any time.
const AT_ONCE: usize = 64;

const PROBES: usize = 50;

/// What the kubelet of a cluster, and any other prober, can count on.
const PROMISED: Duration = Duration::from_millis(100);

/// The dearest picture that may be sent, in a form; it is read to its end and then refused, so that none is kept.
fn form() -> Vec<u8> {
    let references = "url(#a)".repeat(((1 << 20) - 64) / 7);
    let picture = format!("<svg><style>{references}url(x)</style></svg>");
    let head = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.svg\"\r\n\r\n";
    format!("{head}{picture}\r\n--edge--\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_while_the_worst_pictures_are_read() {
    let settings = [("QUITTANCE_RECEIPTS__UPLOADS_PER_MINUTE", "1000000")];
    let world = World::embedded_with(&settings).await;
    let (form, read, stop) = (Arc::new(form()), Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let mut senders = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (form, read, stop) = (Arc::clone(&form), Arc::clone(&read), stop.clone());
        let url = format!("{}/api/upload", world.base_url);
        senders.spawn(async move {
            while !stop.is_cancelled() {
                let request = http().post(&url).header("content-type", "multipart/form-data; boundary=edge");
                let Ok(answer) = request.body(form.to_vec()).send().await else { continue };
                let status = answer.status().as_u16();
                assert!([400, 429, 503].contains(&status), "{status}");
                read.fetch_add(usize::from(status == 400), Ordering::Relaxed);
            }
        });
    }
    while read.load(Ordering::Relaxed) < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // What else the machine does may spoil a window; reading on the runtime would spoil every one.
    let (mut windows, mut held, until) = (Vec::new(), false, Instant::now() + Duration::from_secs(180));
    while !(held && read.load(Ordering::Relaxed) > 10) && Instant::now() < until {
        let before = read.load(Ordering::Relaxed);
        let url = format!("{}/health/live", world.base_url);
        let p95 = tokio::task::spawn_blocking(move || p95_of_probes(&url)).await.unwrap();
        let meanwhile = read.load(Ordering::Relaxed) - before;
        windows.push((p95, meanwhile));
        held |= p95 < PROMISED && meanwhile > 0;
    }
    stop.cancel();
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
    println!("p95 of {PROBES} probes and pictures that were read meanwhile: {windows:?}");
    assert!(read.load(Ordering::Relaxed) > 10, "too few pictures were read: {windows:?}");
    assert!(held, "no window of probes was answered within {PROMISED:?} while pictures were read: {windows:?}");
}

/// Probes from a runtime of their own, which the senders of pictures do not share.
fn p95_of_probes(url: &str) -> Duration {
    let probes = async {
        let (client, mut waits) = (http(), Vec::with_capacity(PROBES));
        while waits.len() < PROBES {
            let sent = Instant::now();
            let answer = client.get(url).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            waits.push(sent.elapsed());
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        waits
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut waits = runtime.block_on(probes);
    waits.sort_unstable();
    waits[PROBES * 95 / 100]
}
