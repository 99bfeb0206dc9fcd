//! Operators' commands on an installation.

use std::process::{Command, Output};

use payments::jobs::DeployDiamond;
use queue::NewMessage;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::world::World;

/// A command that knows where the instance is and who asks.
pub(crate) fn operator(world: &World, arguments: &[&str]) -> Command {
    let integration = &world.bootstrap["integration"];
    let mut command = world.command();
    command
        .env("QUITTANCE_URL", &world.base_url)
        .env("QUITTANCE_API_KEY", integration["api_key"].as_str().unwrap())
        .env("QUITTANCE_API_SECRET", integration["secret_key"].as_str().unwrap())
        .args(arguments);
    command
}

/// Runs it to its end.
pub(crate) fn operate(world: &World, arguments: &[&str]) -> Output {
    operator(world, arguments).output().unwrap()
}

/// What it printed; it has to have succeeded.
pub(crate) fn stdout(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What it complained of; it has to have failed.
pub(crate) fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{}{text}", String::from_utf8_lossy(&output.stdout));
    text
}

/// Asks for deployments of diamonds that nobody knows: each is given up at once.
pub(crate) async fn deploy_unknown(world: &World, diamonds: usize) -> Vec<entities::DiamondId> {
    let ids: Vec<_> = (0..diamonds).map(|_| entities::DiamondId::new()).collect();
    let messages = ids.iter().map(|id| NewMessage::of(&DeployDiamond::new(*id, None)));
    let db = world.database().await;
    let mut tx = db.begin().await.unwrap();
    tx.enqueue(messages.collect()).await.unwrap();
    tx.commit().await.unwrap();
    ids
}

/// Makes them known, in this status.
pub(crate) async fn make_known(world: &World, ids: &[entities::DiamondId], status: entities::DiamondStatus) {
    let db = world.database().await;
    let wallet = entities::wallet::Entity::find().one(&*db).await.unwrap().unwrap();
    // The one that is no chain is out of use.
    let live = entities::network::Column::DeletedAt.is_null();
    let network = entities::network::Entity::find().filter(live).one(&*db).await.unwrap().unwrap();
    let row = entities::diamond::Entity::find().one(&*db).await.unwrap().unwrap();
    let tx = db.begin().await.unwrap();
    for id in ids {
        let wallet = entities::wallet::Model { id: entities::WalletId::new(), ..wallet.clone() };
        let mut row = entities::diamond::Model { id: *id, wallet_id: wallet.id, network_id: network.id, ..row.clone() };
        row.status = status;
        if status == entities::DiamondStatus::Started {
            row.address = None;
        }
        entities::wallet::Entity::insert(wallet.into_active_model()).exec_without_returning(&*tx).await.unwrap();
        entities::diamond::Entity::insert(row.into_active_model()).exec_without_returning(&*tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}
