//! Asks the chain for a wallet's diamond.

use anyhow::Context as _;
use chain::{Kind, Request};
use entities::{DiamondStatus, diamond, wallet};
use payments::jobs;
use queue::{Delivery, Job, JobResult};
use sea_orm::EntityTrait;

use crate::Context;

/// See the module. The chain takes one deployment for a diamond's id.
pub struct DeployDiamond;

impl Job<Context> for DeployDiamond {
    type Payload = jobs::DeployDiamond;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        Ok(deploy(context, &delivery.payload).await?)
    }
}

async fn deploy(context: &Context, payload: &jobs::DeployDiamond) -> anyhow::Result<()> {
    let tx = context.db.begin().await?;
    let found = diamond::Entity::find_by_id(payload.diamond_id).one(&*tx).await?;
    let diamond = found.with_context(|| format!("there is no diamond {}", payload.diamond_id))?;
    if diamond.status != DiamondStatus::Started {
        return Ok(());
    }
    let wallet = wallet::Entity::find_by_id(diamond.wallet_id).one(&*tx).await?.context("the wallet is gone")?;
    let request = Request {
        subject_id: diamond.id.0,
        kind: Kind::Deploy,
        network_id: diamond.network_id.0,
        signer: wallet.address.parse().context("the wallet's address")?,
        diamond: None,
        terms: None,
    };
    chain::request(&tx, &[request]).await?;
    tx.commit().await?;
    context.wake([diamond.network_id]);
    Ok(())
}
