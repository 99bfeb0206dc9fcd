//! Processes that die, and those that go on.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use entities::DeliveryStatus;
use fixtures::{TestDatabase, on_both};
use queue::Database;
use webhooks::{Config, Lanes, fan_out};

use crate::{
    receiver::{Receiver, Reply},
    rig::{Rig, config, until},
};

on_both!(another_process_goes_on_where_one_has_died, async |database: TestDatabase| {
    let rig = Rig::with(database, Config { lease_ms: 2_000, ..config() }).await;
    let late = Reply::After(Duration::from_secs(4), Box::new(Reply::Status(200)));
    let receiver = Receiver::start(move |_, before| if before == 0 { late.clone() } else { Reply::Status(200) }).await;
    let id = rig.endpoint(&receiver.url()).await;
    rig.announce(&rig.events(1)).await;
    // A runtime of its own, with its connections: dropped in the middle of a request, nothing of it is left.
    let (config, of_database) = (rig.config.clone(), rig.database.config.clone());
    let (died, dies) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let db = runtime.block_on(Database::connect(&of_database)).unwrap().0;
        runtime
            .spawn(Lanes::new(db, config, webhooks::Waker::default()).run(tokio_util::sync::CancellationToken::new()));
        runtime.block_on(dies).unwrap();
        runtime.shutdown_background();
    });
    until("the first is sending", async || receiver.count() == 1).await;
    died.send(()).unwrap();
    thread.join().unwrap();
    assert!(rig.row(id).await.lane_owner.is_some(), "it had no time to give the endpoint up");
    let process = rig.start();
    rig.until_delivered(id, 1).await;
    process.stop().await;
    let received = receiver.all();
    assert_eq!(received.len(), 2);
    assert_eq!((received[0].id(), &received[0].body), (received[1].id(), &received[1].body));
    assert_eq!(rig.delivery(id).await.attempts, 1, "what nobody wrote down does not count");
});

on_both!(two_processes_never_share_an_endpoint, async |database: TestDatabase| {
    let rig = Rig::with(database, Config { in_flight_max: 3, ..config() }).await;
    let receiver = Receiver::always(Reply::After(Duration::from_millis(20), Box::new(Reply::Status(200)))).await;
    let id = rig.endpoint(&receiver.url()).await;
    let processes = [rig.start(), rig.start()];
    for _ in 0..10 {
        rig.announce(&rig.events(10)).await;
    }
    rig.until_delivered(id, 100).await;
    for process in processes {
        process.stop().await;
    }
    assert_eq!(receiver.count(), 100, "each once");
    assert!(receiver.busiest.load(Ordering::SeqCst) <= 3, "the bound is the endpoint's");
});

on_both!(stopping_finishes_what_is_in_flight_and_gives_the_endpoint_up, async |database: TestDatabase| {
    let rig = Rig::with(database, Config { in_flight_max: 2, ..config() }).await;
    let receiver = Receiver::always(Reply::After(Duration::from_millis(700), Box::new(Reply::Status(200)))).await;
    let id = rig.endpoint(&receiver.url()).await;
    let process = rig.start();
    rig.announce(&rig.events(50)).await;
    until("two are in flight", async || receiver.count() == 2).await;
    process.stop().await;
    let row = rig.row(id).await;
    assert!(row.lane_owner.is_none() && row.due_at.is_some(), "another may go on at once");
    let delivered = rig.count(id, DeliveryStatus::Delivered).await;
    assert_eq!(delivered, receiver.count(), "what was sent is written down");
    assert!(delivered < 50);
});

on_both!(what_nobody_was_woken_for_is_found, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(200)).await;
    let id = rig.endpoint(&receiver.url()).await;
    // The process died between its commit and the waking.
    let mut tx = rig.db().begin().await.unwrap();
    let waiting = fan_out(&mut tx, &rig.events(1)).await.unwrap();
    tx.commit().await.unwrap();
    drop(waiting);
    let process = rig.start();
    rig.until_delivered(id, 1).await;
    process.stop().await;
});

on_both!(nothing_is_missed_while_a_lane_closes, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(200)).await;
    let id = rig.endpoint(&receiver.url()).await;
    let process = rig.start();
    // One by one, each in the moment in which the lane finds nothing more. The sweep comes only after half a minute.
    let start = Instant::now();
    for sent in 1..=40 {
        rig.announce(&rig.events(1)).await;
        until("taken", async || receiver.count() >= sent).await;
    }
    rig.until_delivered(id, 40).await;
    assert!(start.elapsed() < Duration::from_secs(29), "only the sweep found some of them");
    process.stop().await;
});
