//! What a client may take of the server: sizes, time, connections. Over real sockets, byte by byte.

mod raw;

use std::time::{Duration, Instant};

use raw::{DEADLINE, Served};

const LIVE: &str = "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
const SIGN_IN: &str = "POST /api/v1/auth/authenticate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";

/// A pause that is short against every limit of these tests.
const PAUSE: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread")]
async fn slow_headers_are_answered_408() {
    let served = Served::with(|http| http.header_timeout_ms = 400).await;
    let mut client = served.connect().await;
    client.send("GET /health/live HTTP/1.1\r\nx-slow: ").await;
    client.answer_while_dripping(b's', PAUSE).await.expect("an answer").problem(408, "request_timeout");
    assert!(client.ends().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_a_connection_has_time_for_its_headers() {
    let served = Served::with(|http| http.header_timeout_ms = 1_500).await;
    let mut client = served.connect().await;
    let started = Instant::now();
    // Together they take longer than one may.
    while started.elapsed() < Duration::from_secs(3) {
        client.send(&LIVE[..30]).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        client.send(&LIVE[30..]).await;
        assert_eq!(client.answer().await.expect("an answer").status, 200);
    }
    client.send(&LIVE[..30]).await;
    client.answer().await.expect("an answer").problem(408, "request_timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_is_answered_408() {
    let served = Served::with(|http| http.body_timeout_ms = 400).await;
    let mut client = served.connect().await;
    client.send(format!("{SIGN_IN}content-length: 100000\r\n\r\n{{")).await;
    client.answer_while_dripping(b' ', PAUSE).await.expect("an answer").problem(408, "request_timeout");
    assert!(client.ends().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_closed_without_a_word() {
    let served = Served::with(|http| (http.idle_timeout_s, http.header_timeout_ms) = (1, 100)).await;
    let (mut fresh, mut used) = (served.connect().await, served.connect().await);
    used.send(LIVE).await;
    assert_eq!(used.answer().await.unwrap().status, 200);
    // Longer than headers may take: between requests another patience holds.
    tokio::time::sleep(Duration::from_millis(400)).await;
    used.send(LIVE).await;
    assert_eq!(used.answer().await.expect("it is still open").status, 200);
    assert!(fresh.ends().await && used.ends().await);
    assert_eq!((fresh.pending(), used.pending()), (0, 0), "nobody asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_of_its_answer_is_cut() {
    const REQUESTS: usize = 200;
    let served = Served::with(|http| http.write_timeout_ms = 400).await;
    let mut client = served.connect().await;
    let document = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    client.send(document.repeat(REQUESTS)).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut taken = 0;
    while client.answer().await.is_some() {
        taken += 1;
    }
    assert!(taken < REQUESTS, "all {REQUESTS} answers of {} bytes fit into the sockets' buffers", client.pending());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_is_answered_413() {
    let served = Served::with(|http| http.body_limit_bytes = 100_000).await;
    let mut client = served.connect().await;
    client.send(format!("{SIGN_IN}transfer-encoding: chunked\r\n\r\n")).await;
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    client.send(chunk.repeat(30)).await;
    client.answer().await.expect("an answer").problem(413, "payload_too_large");
    assert!(client.ends().await, "what else is coming, nobody reads");

    // Extensions of chunks are no way around it.
    let mut client = served.connect().await;
    client.send(format!("{SIGN_IN}transfer-encoding: chunked\r\n\r\n1;{}", "x".repeat(100_000))).await;
    client.answer().await.expect("an answer").problem(400, "malformed_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_headers_have_limits() {
    let served = Served::with(|_| {}).await;
    let exchange = async |request: String| {
        let mut client = served.connect().await;
        client.send(request).await;
        client.answer().await.expect("an answer")
    };
    let header = |name: &str, size: usize| format!("{name}: {}\r\n", "x".repeat(size));
    let get = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");

    let long = |length: usize| format!("/health/live?q={}", "x".repeat(length));
    assert_eq!(exchange(get(&long(8_000), "")).await.status, 200);
    exchange(get(&long(8_200), "")).await.problem(414, "uri_too_long");
    assert_eq!(exchange(get("/health/live", &header("x-large", 16_000))).await.status, 200);
    exchange(get("/health/live", &header("x-large", 17_000))).await.problem(431, "headers_too_large");
    let many = |count: usize| (0..count).map(|number| header(&format!("x-{number}"), 1)).collect::<String>();
    assert_eq!(exchange(get("/health/live", &many(99))).await.status, 200);
    exchange(get("/health/live", &many(101))).await.problem(431, "headers_too_large");

    // What is far beyond the limits, or no HTTP at all, does not get as far as to a problem.
    assert_eq!(exchange(get("/health/live", &many(300))).await.status, 431);
    assert_eq!(exchange(get("/health/live", &header("x-large", 200_000))).await.status, 431);
    assert_eq!(exchange(get(&long(60_000), "")).await.status, 431);
    for nonsense in ["\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/1.1\r\nbad header\r\n\r\n"] {
        assert_eq!(exchange(nonsense.to_owned()).await.status, 400, "{nonsense:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_so_many_connections_and_no_more() {
    let served = Served::with(|http| http.connections_per_address = 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = served.connect().await;
        client.send(LIVE).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
        held.push(client);
    }
    let mut refused = served.connect().await;
    let answer = refused.answer().await.expect("an answer before any request");
    answer.problem(503, "unavailable");
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    assert!(refused.ends().await);

    held[0].send(LIVE).await;
    assert_eq!(held[0].answer().await.unwrap().status, 200, "whoever is in stays in");
    held.clear();
    let until = Instant::now() + DEADLINE;
    loop {
        let mut client = served.connect().await;
        client.send(LIVE).await;
        if client.answer().await.is_some_and(|answer| answer.status == 200) {
            break;
        }
        assert!(Instant::now() < until, "places come back");
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_count_as_many_and_are_answered_in_order() {
    const SENT: usize = 2_000;
    let served = Served::with(|http| http.rate_per_address = 50).await;
    let mut client = served.connect().await;
    let requests: String = (0..SENT)
        .map(|number| format!("GET /n{number} HTTP/1.1\r\nhost: x\r\nx-request-id: n{number}\r\n\r\n"))
        .collect();
    let (mut limited, mut others) = (0, 0);
    client.send_meanwhile(requests);
    for number in 0..SENT {
        let answer = client.answer().await.expect("every request is answered");
        assert!(answer.head.contains(&format!("x-request-id: n{number}\r\n")), "{}", answer.head);
        if answer.status == 429 { limited += 1 } else { others += 1 }
    }
    assert!(limited > SENT / 2, "{limited} of {SENT} were over the limit, {others} were not");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_delay_nobody() {
    let served = Served::with(|_| {}).await;
    let mut slow = Vec::new();
    for number in 0..400 {
        let mut client = served.connect().await;
        // Half of them are slow with their headers, half with their body; all stay for the whole test.
        let start =
            if number % 2 == 0 { LIVE[..20].to_owned() } else { format!("{SIGN_IN}content-length: 9\r\n\r\n{{") };
        client.send(start).await;
        slow.push(client);
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..100 {
        let started = Instant::now();
        let mut client = served.connect().await;
        client.send(LIVE).await;
        assert_eq!(client.answer().await.expect("an answer").status, 200);
        slowest = slowest.max(started.elapsed());
    }
    // They have ten seconds and more; whoever had to wait for one of them would wait as long.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_waits_for_requests_but_not_for_ever() {
    let served = Served::with(|http| http.shutdown_timeout_s = 1).await;
    let (mut idle, mut slow) = (served.connect().await, served.connect().await);
    for client in [&mut idle, &mut slow] {
        client.send(LIVE).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    slow.send(format!("{SIGN_IN}content-length: 9\r\n\r\n{{")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(served.stop);
    assert!(idle.ends().await, "nothing is under way there");
    let stopped = tokio::time::timeout(DEADLINE, served.server).await.expect("it stops");
    stopped.unwrap().unwrap();
    assert!(slow.ends().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_one_host() {
    let served = Served::with(|_| {}).await;
    for (head, is_right) in [
        ("GET /health/live HTTP/1.1\r\n", false),
        ("GET /health/live HTTP/1.1\r\nhost: a\r\nhost: b\r\n", false),
        ("GET /health/live HTTP/1.1\r\nhost: a\r\nHost: a\r\n", false),
        ("GET /health/live HTTP/1.1\r\nhost: a\r\n", true),
        ("GET /health/live HTTP/1.0\r\n", true),
    ] {
        let mut client = served.connect().await;
        client.send(format!("{head}\r\n")).await;
        let answer = client.answer().await.expect("an answer");
        if is_right {
            assert_eq!(answer.status, 200, "{head}");
        } else {
            answer.problem(400, "malformed_request");
            assert!(client.ends().await, "{head}");
        }
    }
}
