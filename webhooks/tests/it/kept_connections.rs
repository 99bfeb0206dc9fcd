//! Connections that are kept from one request to the next, and closed by the endpoint in between.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use entities::DeliveryStatus;
use fixtures::{TestDatabase, on_both};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use webhooks::Config;

use crate::{
    receiver::{Receiver, Reply},
    rig::{Rig, config, until},
};

/// Answers the first request of each connection, and closes it in the moment in which the second one comes.
async fn second_request_closes(mut stream: TcpStream, seen: Arc<AtomicUsize>) {
    let mut bytes = [0; 16_384];
    for answers in [true, false] {
        let Ok(1..) = stream.read(&mut bytes).await else { return };
        seen.fetch_add(1, Ordering::SeqCst);
        if answers {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    }
}

on_both!(a_kept_connection_that_the_endpoint_closes_costs_no_attempt, async |database: TestDatabase| {
    let rig = Rig::with(database, Config { schedule_s: vec![3_600], ..config() }).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let seen_there = Arc::clone(&seen);
    let receiver = tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            tokio::spawn(second_request_closes(stream, Arc::clone(&seen_there)));
        }
    });
    let id = rig.endpoint(&format!("http://{address}/hook")).await;
    let process = rig.start();
    for count in 1..=6 {
        rig.announce(&rig.events(1)).await;
        rig.until_delivered(id, count).await;
        rig.until_free(id).await;
    }
    process.stop().await;
    receiver.abort();
    let deliveries = rig.deliveries(id).await;
    let attempts: Vec<i32> = deliveries.iter().map(|delivery| delivery.attempts).collect();
    assert_eq!(attempts, [1; 6]);
    assert!(seen.load(Ordering::SeqCst) > 6, "none of them was sent twice");
    assert_eq!(rig.row(id).await.failures, 0);
});

on_both!(a_new_connection_that_is_closed_is_a_failure, async |database: TestDatabase| {
    let rig = Rig::with(database, Config { schedule_s: vec![3_600], ..config() }).await;
    let receiver = Receiver::always(Reply::Reset).await;
    let id = rig.endpoint(&receiver.url()).await;
    let process = rig.start();
    rig.announce(&rig.events(1)).await;
    until("an attempt", async || rig.delivery(id).await.attempts == 1).await;
    process.stop().await;
    assert_eq!((receiver.count(), rig.delivery(id).await.status), (1, DeliveryStatus::Pending));
});
