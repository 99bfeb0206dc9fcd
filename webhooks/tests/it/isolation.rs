//! One bad endpoint among fifty.

use std::time::{Duration, Instant};

use entities::DeliveryStatus;
use fixtures::{TestDatabase, on_both};
use sea_orm::{EntityTrait, PaginatorTrait, QueryFilter, prelude::*};

use crate::{
    receiver::{Receiver, Reply},
    rig::{Rig, until},
};

on_both!(it_delays_none_of_the_others, async |database: TestDatabase| {
    use entities::webhook_delivery::{Column, Entity};
    let rig = Rig::on(database).await;
    let (good, bad) = (Receiver::always(Reply::Status(200)).await, Receiver::always(Reply::Swallow).await);
    let swallowed = rig.endpoint(&bad.url()).await;
    for _ in 0..49 {
        rig.endpoint(&good.url()).await;
    }
    let process = rig.start();
    let start = Instant::now();
    rig.announce(&rig.events(20)).await;
    until("the others have all of theirs", async || {
        let delivered = Entity::find().filter(Column::Status.eq(DeliveryStatus::Delivered));
        delivered.count(&**rig.db()).await.unwrap() == 49 * 20
    })
    .await;
    let took = start.elapsed();
    println!("49 endpoints had 20 events each after {} ms", took.as_millis());
    assert_eq!(good.count(), 49 * 20, "each once");
    assert_eq!(rig.count(swallowed, DeliveryStatus::Delivered).await, 0);
    // A request that is swallowed takes ten seconds here, and twenty of them wait.
    assert!(took < Duration::from_secs(9), "{took:?}");
    process.stop().await;
});
