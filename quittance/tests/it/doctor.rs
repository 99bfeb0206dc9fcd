//! What `quittance doctor` finds out by asking.

use std::process::Output;

use sea_orm::ConnectionTrait;

use crate::world::World;

async fn doctor(world: &World, settings: &[(&str, &str)]) -> (bool, String) {
    let mut command = world.command();
    command.arg("doctor").envs(settings.iter().copied());
    let Output { status, stdout, .. } = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (status.success(), String::from_utf8_lossy(&stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_compares_tokens_with_their_contracts_and_opens_every_key() {
    let world = World::embedded().await;
    let (well, printed) = doctor(&world, &[]).await;
    assert!(well && printed.contains("agree with their contracts") && printed.contains("which all open"), "{printed}");

    world
        .database()
        .await
        .execute_unprepared("UPDATE currencies SET decimals = 2 WHERE symbol = 'USDT'")
        .await
        .unwrap();
    let (well, printed) = doctor(&world, &[]).await;
    assert!(!well && printed.contains("BAD   network"), "{printed}");
    assert!(printed.contains("USDT") && printed.contains("has 6 decimals and not 2"), "{printed}");

    let (well, printed) = doctor(&world, &[("QUITTANCE_KEYSTORE__PASSWORD", "another-password")]).await;
    assert!(!well && printed.contains("BAD   keystore") && printed.contains("does not open"), "{printed}");
}
