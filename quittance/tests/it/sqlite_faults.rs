//! The embedded default's file is written by somebody else too.

use std::time::Duration;

use crate::{merchant::Merchant, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_somebody_else_writes_to_is_waited_for() {
    let mut world = World::embedded().await;
    world.processes[0].terminate();
    world.processes.clear();
    world.environment.push(("QUITTANCE_DATABASE__ACQUIRE_TIMEOUT_MS".to_owned(), "2000".to_owned()));
    world.start_embedded().await;
    let merchant = Merchant::of(&world).await;
    let db = world.database().await;

    let hold = db.begin().await.unwrap();
    let (waited, ()) = tokio::join!(merchant.attempt("waits"), async {
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        drop(hold);
    });
    assert_eq!(waited.status, 201, "{waited:?}\n{}", world.logs());
    assert!(waited.took > Duration::from_millis(800), "{:?}", waited.took);

    // Longer than it waits. Reading goes on meanwhile.
    let hold = db.begin().await.unwrap();
    let printed = merchant.attempt("too-long").await;
    assert!(printed.says_unavailable() && printed.took < Duration::from_secs(15), "{printed:?}\n{}", world.logs());
    let id = waited.body["id"].as_str().unwrap();
    assert_eq!(merchant.get(&format!("/api/v1/payments/{id}")).await["external_id"], "waits");
    let (status, answer) = merchant.post(&format!("/api/v1/payments/{id}/cancel")).await;
    assert_eq!((status, answer["code"].as_str()), (503, Some("unavailable")), "{answer}\n{}", world.logs());
    drop(hold);
    let again = merchant.attempt("too-long").await;
    assert!([201, 409].contains(&again.status), "{again:?}");
    merchant.reach(&world, &[id.to_owned()], "open").await;
}
