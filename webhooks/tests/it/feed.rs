//! The feed: who goes on behind the last event that was seen misses none.

use std::time::Duration;

use chrono::TimeDelta;
use entities::{EventId, event, now, webhook_body};
use fixtures::{TestDatabase, on_both};
use queue::Database;
use sea_orm::{EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, prelude::*};
use webhooks::fan_out;

use crate::rig::Rig;

const WRITERS: usize = 8;
const EACH: usize = 12;

async fn behind(db: &Database, position: i64) -> Vec<event::Model> {
    let rows = event::Entity::find().filter(event::Column::Position.gt(position));
    rows.order_by_asc(event::Column::Position).all(&**db).await.unwrap()
}

on_both!(a_reader_that_goes_on_misses_nothing_that_commits_late, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (db, batches) = (rig.db().clone(), (0..EACH).map(|place| rig.events(1 + (writer + place) % 3)));
        let batches: Vec<_> = batches.collect();
        writers.push(tokio::spawn(async move {
            for (place, events) in batches.iter().enumerate() {
                let mut tx = db.begin().await.unwrap();
                let _ = fan_out(&mut tx, events).await.unwrap();
                // Some commits come long after their statements.
                tokio::time::sleep(Duration::from_millis((writer * 7 + place * 3) as u64 % 11)).await;
                tx.commit().await.unwrap();
            }
            batches.concat().iter().map(|event| event.id).collect::<Vec<EventId>>()
        }));
    }
    let wanted: usize = (0..WRITERS).flat_map(|writer| (0..EACH).map(move |place| 1 + (writer + place) % 3)).sum();
    let (mut seen, mut position) = (Vec::new(), 0);
    while seen.len() < wanted {
        let rows = behind(rig.db(), position).await;
        position = rows.last().map_or(position, |row| row.position);
        let finished = writers.iter().all(tokio::task::JoinHandle::is_finished);
        assert!(!finished || !rows.is_empty(), "{} of {wanted} were seen", seen.len());
        seen.extend(rows.into_iter().map(|row| row.id));
    }
    let mut written = Vec::new();
    for writer in writers {
        let ids = writer.await.unwrap();
        let places: Vec<_> = ids.iter().map(|id| seen.iter().position(|other| other == id).unwrap()).collect();
        assert!(places.is_sorted(), "what one commits after the other is read after it");
        written.extend(ids);
    }
    assert_eq!((seen.len(), written.len()), (wanted, wanted), "none came twice");
});

on_both!(an_event_that_is_fanned_out_again_stands_once, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let events = rig.events(3);
    rig.announce(&events).await;
    rig.announce(&events).await;
    let rows = behind(rig.db(), 0).await;
    assert_eq!(
        rows.iter().map(|row| row.id).collect::<Vec<_>>(),
        events.iter().map(|event| event.id).collect::<Vec<_>>()
    );
    let body = webhook_body::Entity::find().filter(webhook_body::Column::EventId.eq(events[0].id));
    assert_eq!(body.one(&**rig.db()).await.unwrap().unwrap().body, events[0].body, "although nobody is subscribed");
});

on_both!(old_events_go_with_their_bodies, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let events = rig.events(2);
    rig.announce(&events).await;
    let long_ago = now() - TimeDelta::days(100);
    let tx = rig.db().begin().await.unwrap();
    let aged = webhook_body::Entity::update_many().col_expr(webhook_body::Column::CreatedAt, Expr::value(long_ago));
    aged.exec(&*tx).await.unwrap();
    event::Entity::update_many()
        .col_expr(event::Column::CreatedAt, Expr::value(long_ago))
        .filter(event::Column::Id.eq(events[0].id))
        .exec(&*tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    webhooks::forget_before(rig.db(), now() - TimeDelta::days(90)).await.unwrap();
    let left: Vec<EventId> = behind(rig.db(), 0).await.iter().map(|row| row.id).collect();
    assert_eq!(left, [events[1].id]);
    assert_eq!(
        webhook_body::Entity::find().count(&**rig.db()).await.unwrap(),
        1,
        "the body of what the feed still has"
    );
});
