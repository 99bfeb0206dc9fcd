//! An endpoint that is down is left alone, and found when it is back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use entities::DeliveryStatus;
use fixtures::{TestDatabase, on_both};
use webhooks::Config;

use crate::{
    receiver::{Receiver, Reply},
    rig::{Rig, config, until},
};

on_both!(it_opens_probes_and_closes, async |database: TestDatabase| {
    let open = Config { breaker_open_ms: 1_500, breaker_open_max_ms: 1_500, ..config() };
    let rig = Rig::with(database, Config { schedule_s: vec![600; 3], ..open }).await;
    let up = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&up);
    let receiver =
        Receiver::start(move |_, _| Reply::Status(if answers.load(Ordering::SeqCst) { 200 } else { 500 })).await;
    let id = rig.endpoint(&receiver.url()).await;
    let process = rig.start();
    rig.announce(&rig.events(60)).await;
    until("the breaker is open", async || rig.row(id).await.breaker_step > 0).await;
    rig.until_free(id).await;
    // What was in flight when it opened came as well, and perhaps a probe.
    let sent = receiver.count();
    assert!((10..=22).contains(&sent), "{sent} requests");
    let untouched = rig.deliveries(id).await.iter().filter(|delivery| delivery.attempts == 0).count();
    assert!(untouched >= 60 - receiver.count(), "what was not sent does not count as tried");
    until("it stays open", async || rig.row(id).await.breaker_step >= 2).await;
    let received = receiver.all();
    let (last, before) = (&received[received.len() - 1], &received[received.len() - 2]);
    assert!(last.at - before.at >= Duration::from_millis(1_000), "one probe at a time");
    up.store(true, Ordering::SeqCst);
    // Those that were not tried go out; the others have their pause of ten minutes.
    until("the rest is delivered", async || {
        let all = rig.deliveries(id).await;
        all.iter().all(|delivery| delivery.status == DeliveryStatus::Delivered || delivery.attempts > 0)
    })
    .await;
    until("the breaker is closed", async || rig.row(id).await.breaker_step == 0).await;
    process.stop().await;
    let row = rig.row(id).await;
    assert_eq!((row.breaker_until, row.failures), (None, 0));
    assert!(rig.count(id, DeliveryStatus::Delivered).await >= 30);
});
