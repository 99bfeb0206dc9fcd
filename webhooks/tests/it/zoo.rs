//! Every bad receiver that we could think of, and what is noted about each.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use entities::{DeliveryStatus, WebhookEndpointId, webhook_attempt};
use fixtures::{TestDatabase, on_both};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::net::TcpListener;
use webhooks::{Config, Lookup};

use crate::{
    receiver::{Receiver, Reply},
    rig::{Rig, config, until},
};

/// The deadline of an attempt here.
const DEADLINE: Duration = Duration::from_millis(1_500);

const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// A receiver that speaks TLS with a certificate that nobody has vouched for.
async fn self_signed() -> (u16, tokio::task::JoinHandle<()>) {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("self_signed.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("self_signed.key.pem")).unwrap();
    let config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = acceptor.accept(stream).await;
        }
    });
    (port, task)
}

/// The first attempt.
async fn first_attempt(rig: &Rig, id: WebhookEndpointId) -> webhook_attempt::Model {
    let delivery = rig.delivery(id).await;
    rig.attempts(delivery.id).await.remove(0)
}

on_both!(each_is_noted_for_what_it_is, async |database: TestDatabase| {
    let deadline = u64::try_from(DEADLINE.as_millis()).unwrap();
    // Nothing is tried twice.
    let rig = Rig::with(database, Config { timeout_ms: deadline, schedule_s: vec![3_600], ..config() }).await;
    let slowly = Duration::from_millis(100);
    let with = |head: &[u8], rest: &[u8]| [head, rest].concat();
    let redirect =
        |status: &str| format!("HTTP/1.1 {status} x\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n");
    let beasts = [
        ("slow headers", Reply::Drip(Vec::new(), with(OK, &[b'x'; 999]), slowly), (None, Some("timeout"))),
        (
            "slow body",
            Reply::Drip(with(OK, b"content-length: 999\r\n\r\n"), vec![b'x'; 999], slowly),
            (Some(200), Some("timeout")),
        ),
        ("swallows", Reply::Swallow, (None, Some("timeout"))),
        ("too late", Reply::After(DEADLINE * 2, Box::new(Reply::Status(200))), (None, Some("timeout"))),
        ("reset", Reply::Reset, (None, Some("connection_reset"))),
        ("no HTTP", Reply::Raw(b"220 mail.example ESMTP\r\n".to_vec()), (None, Some("exchange"))),
        ("short body", Reply::Raw(with(OK, b"content-length: 9\r\n\r\nx")), (Some(200), Some("exchange"))),
        ("301 to metadata", Reply::Raw(redirect("301").into_bytes()), (Some(301), None)),
        ("307 to metadata", Reply::Raw(redirect("307").into_bytes()), (Some(307), None)),
        ("404", Reply::Status(404), (Some(404), None)),
    ];
    let mut expected = Vec::new();
    let mut receivers = Vec::new();
    for (name, reply, outcome) in beasts {
        let receiver = Receiver::always(reply).await;
        expected.push((name, rig.endpoint(&receiver.url()).await, outcome));
        receivers.push(receiver);
    }
    let (port, tls) = self_signed().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for (name, url, code) in [
        ("invalid TLS", format!("https://127.0.0.1:{port}/"), "tls"),
        ("nobody there", format!("http://127.0.0.1:{closed}/"), "connection_refused"),
        ("metadata", "http://169.254.169.254/latest/meta-data/".to_owned(), "refused_url"),
        ("a disguise", "http://[::ffff:10.0.0.1]/".to_owned(), "refused_url"),
        ("no such name", "http://nobody.invalid/".to_owned(), "unknown_name"),
    ] {
        expected.push((name, rig.endpoint(&url).await, (None, Some(code))));
    }
    let process = rig.start();
    rig.announce(&rig.events(1)).await;
    for (name, id, (status, code)) in expected {
        until(name, async || rig.delivery(id).await.attempts == 1).await;
        let attempt = first_attempt(&rig, id).await;
        assert_eq!((attempt.status, attempt.error_code.as_deref()), (status, code), "{name}: {attempt:?}");
        let delivery = rig.delivery(id).await;
        assert_eq!(delivery.status, DeliveryStatus::Pending, "{name}");
        assert!(delivery.last_error.is_some() && attempt.duration_ms < 9_000, "{name}: {attempt:?}");
    }
    assert!(receivers.iter().all(|receiver| receiver.count() == 1));
    process.stop().await;
    tls.abort();
});

on_both!(an_answer_is_read_to_a_bound_and_kept_as_text, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let endless = Receiver::always(Reply::Endless([OK, b"\r\n", &[0, 0xff, b'a'].repeat(20_000)].concat())).await;
    let brief = Receiver::always(Reply::Raw([OK, b"content-length: 4\r\n\r\nfi\0e"].concat())).await;
    let (one, other) = (rig.endpoint(&endless.url()).await, rig.endpoint(&brief.url()).await);
    let process = rig.start();
    rig.announce(&rig.events(1)).await;
    rig.until_delivered(one, 1).await;
    rig.until_delivered(other, 1).await;
    process.stop().await;
    let kept = first_attempt(&rig, one).await.response.unwrap();
    assert!(kept.len() <= 16 * 1_024 && kept.len() > 16 * 1_000 && !kept.contains('\0'), "{} bytes", kept.len());
    assert_eq!(first_attempt(&rig, other).await.response.as_deref(), Some("fi\u{fffd}e"));
});

on_both!(a_name_that_turns_private_is_refused_when_it_is_dialled, async |database: TestDatabase| {
    // Two are allowed here, as if they were public; the third is not.
    let allowed = vec!["127.0.0.2/32".parse().unwrap(), "127.0.0.1/32".parse().unwrap()];
    let rig = Rig::with(database, Config { allowed_networks: allowed, schedule_s: vec![0; 9], ..config() }).await;
    let closing = [OK, b"connection: close\r\ncontent-length: 0\r\n\r\n"].concat();
    let receiver = Receiver::always(Reply::Raw(closing)).await;
    let looked_up = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looked_up);
    let lookup: Lookup = Arc::new(move |name| {
        assert_eq!(name, "rebinding.example");
        let address = if count.fetch_add(1, Ordering::SeqCst) == 0 { "127.0.0.1" } else { "127.0.0.9" };
        let address: IpAddr = address.parse().unwrap();
        Box::pin(async move { Ok(vec![address]) })
    });
    let id = rig.endpoint(&format!("http://rebinding.example:{}/", receiver.address.port())).await;
    let process = rig.start_with(lookup);
    rig.announce(&rig.events(1)).await;
    rig.until_delivered(id, 1).await;
    rig.announce(&rig.events(1)).await;
    until("given up", async || rig.count(id, DeliveryStatus::Failed).await == 1).await;
    process.stop().await;
    assert_eq!(receiver.count(), 1, "the second look-up led nowhere");
    assert_eq!(looked_up.load(Ordering::SeqCst), 11, "once for each connection");
    let refused = rig.deliveries(id).await.remove(1);
    let attempt = rig.attempts(refused.id).await.remove(0);
    assert_eq!((attempt.status, attempt.error_code.as_deref()), (None, Some("refused_address")));
    assert!(!attempt.error_message.unwrap().contains("127.0.0.9"), "what the name leads to inside is not told");
});

on_both!(a_mixed_answer_leads_only_to_what_is_allowed, async |database: TestDatabase| {
    let rig = Rig::with(database, Config { allowed_networks: vec!["127.0.0.1/32".parse().unwrap()], ..config() }).await;
    let receiver = Receiver::always(Reply::Status(200)).await;
    let addresses: Vec<IpAddr> = ["169.254.169.254", "127.0.0.1", "::1"].map(|one| one.parse().unwrap()).to_vec();
    let lookup: Lookup = Arc::new(move |_| {
        let addresses = addresses.clone();
        Box::pin(async move { Ok(addresses) })
    });
    let id = rig.endpoint(&format!("http://mixed.example:{}/", receiver.address.port())).await;
    let process = rig.start_with(lookup);
    rig.announce(&rig.events(1)).await;
    rig.until_delivered(id, 1).await;
    process.stop().await;
    let delivered = first_attempt(&rig, id).await;
    assert_eq!((delivered.number, delivered.address), (1, Some(receiver.address.to_string())));
});
