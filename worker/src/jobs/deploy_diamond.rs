//! Asks the chain for a wallet's diamond.

use std::collections::HashMap;

use anyhow::Context as _;
use chain::{Kind, Request};
use entities::{DiamondId, DiamondStatus, Unscoped as _, WalletId, diamond, wallet};
use payments::jobs;
use queue::{Delivery, Foresight, Job, JobError, JobResult};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};

use super::foresee_request;
use crate::Context;

/// The chain takes one deployment for a diamond's id.
pub struct DeployDiamond;

impl Job<Context> for DeployDiamond {
    type Payload = jobs::DeployDiamond;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        deploy(context, &delivery.payload).await
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        let ids = || deliveries.iter().map(|delivery| delivery.payload.diamond_id);
        let found = diamond::Entity::find().filter(diamond::Column::Id.is_in(ids())).all(&*context.db).await?;
        let diamonds: HashMap<DiamondId, diamond::Model> = found.into_iter().map(|row| (row.id, row)).collect();
        let wallet_ids = diamonds.values().map(|diamond| diamond.wallet_id);
        let found = wallet::Entity::find().filter(wallet::Column::Id.is_in(wallet_ids)).all(&*context.db).await?;
        let wallets: HashMap<WalletId, wallet::Model> = found.into_iter().map(|row| (row.id, row)).collect();
        let statuses = chain::operation_statuses(&*context.db, ids().map(|id| id.0), Kind::Deploy).await?;
        let foresee = |id: DiamondId| {
            let Some(diamond) = diamonds.get(&id) else {
                return Foresight::would_fail_again("there is no such diamond");
            };
            if !is_requested(diamond) {
                return Foresight::already_done(format!("the diamond is {}", diamond.status));
            }
            match request(diamond, wallets.get(&diamond.wallet_id)) {
                Ok(_) => foresee_request(statuses.get(&id.0), "the deployment was never asked for and would be"),
                Err(error) => Foresight::would_fail_again(error.to_string()),
            }
        };
        Ok(ids().map(foresee).collect())
    }
}

fn is_requested(diamond: &diamond::Model) -> bool {
    diamond.status == DiamondStatus::Started
}

fn request(diamond: &diamond::Model, wallet: Option<&wallet::Model>) -> anyhow::Result<Request> {
    Ok(Request {
        subject_id: diamond.id.0,
        kind: Kind::Deploy,
        network_id: diamond.network_id.0,
        signer: wallet.context("the wallet is gone")?.address.parse().context("the wallet's address")?,
        diamond: None,
        terms: None,
        owner: diamond.owner.as_deref().map(str::parse).transpose().context("the diamond's owner")?,
    })
}

async fn deploy(context: &Context, payload: &jobs::DeployDiamond) -> JobResult {
    let tx = context.db.begin().await?;
    let found = diamond::Entity::find_unscoped(payload.diamond_id).one(&*tx).await?;
    let Some(diamond) = found else {
        let message = format!("there is no diamond {}", payload.diamond_id);
        return Err(JobError::DeadLetter { code: "unknown_diamond", message });
    };
    if !is_requested(&diamond) {
        return Ok(());
    }
    let wallet = wallet::Entity::find_unscoped(diamond.wallet_id).one(&*tx).await?;
    let request = request(&diamond, wallet.as_ref())?;
    chain::request(&tx, &[request]).await.context("asking for the deployment")?;
    tx.commit().await?;
    context.wake([diamond.network_id]);
    Ok(())
}
