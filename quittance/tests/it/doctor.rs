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
    let (well, told) = doctor(&world, &[]).await;
    assert!(well && told.contains("agree with their contracts") && told.contains("which all open"), "{told}");

    world
        .database()
        .await
        .execute_unprepared("UPDATE currencies SET decimals = 2 WHERE symbol = 'USDT'")
        .await
        .unwrap();
    let (well, told) = doctor(&world, &[]).await;
    assert!(!well && told.contains("BAD   network"), "{told}");
    assert!(told.contains("USDT") && told.contains("has 6 decimals and not 2"), "{told}");

    let (well, told) = doctor(&world, &[("QUITTANCE_KEYSTORE__PASSWORD", "another-password")]).await;
    assert!(!well && told.contains("BAD   keystore") && told.contains("does not open"), "{told}");
}
