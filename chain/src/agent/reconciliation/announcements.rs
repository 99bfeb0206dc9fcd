//! What owners of diamonds have announced, kept for payers to see. The contract is asked and no event awaited, so that what a
//! reorganisation undoes, or nobody saw, is put right by the next round.

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolCall,
};
use chrono::{DateTime, Utc};
use sea_orm::{QueryFilter, entity::prelude::*};
use serde_json::json;

use crate::{
    abi::owner::Ownership,
    agent::Context,
    classify::{Class, classify},
    edition::Edition,
    error::Error,
    rpc::{Answer, Call, Fault, Provider, decode},
    table::{Hash, Place, diamond},
};

/// Diamonds asked in one request.
const REQUEST: usize = 50;
/// The end of the year 9999: what a contract puts off further than people write dates is not told more precisely.
const LAST_SECOND: i64 = 253_402_300_799;

/// Asks every diamond that can announce something.
pub(super) async fn record(context: &Context) -> Result<(), Error> {
    let diamonds = diamond::Entity::find()
        .filter(diamond::Column::NetworkId.eq(context.network.id))
        .filter(diamond::Column::Edition.eq(Edition::Second))
        .all(&*context.db)
        .await?;
    let provider = context.rpc.preferred();
    for diamonds in diamonds.chunks(REQUEST) {
        let calls = diamonds.iter().flat_map(|row| {
            [call(row.diamond.0, &Ownership::pendingOwnerCall {}), call(row.diamond.0, &Ownership::pendingCutCall {})]
        });
        let mut answers = provider.call_all(calls.collect()).await.into_iter();
        let mut next = || answers.next().unwrap_or_else(|| Err(Fault::Lost("no answer".to_owned())));
        for row in diamonds {
            let offer = read::<Ownership::pendingOwnerCall>(&provider, next())?;
            let offer = offer.filter(|offer| !offer.account.is_zero());
            let cut = read::<Ownership::pendingCutCall>(&provider, next())?.filter(|cut| !cut.cut.is_zero());
            let found = diamond::Model {
                pending_owner: offer.as_ref().map(|offer| Place(offer.account)),
                pending_owner_from: offer.map(|offer| time(offer.from)),
                pending_cut: cut.as_ref().map(|cut| Hash(cut.cut)),
                pending_cut_from: cut.map(|cut| time(cut.from)),
                ..row.clone()
            };
            if found != *row {
                store(context, found).await?;
            }
        }
    }
    Ok(())
}

async fn store(context: &Context, found: diamond::Model) -> Result<(), Error> {
    let tx = context.begin().await?;
    diamond::Entity::update_many()
        .col_expr(diamond::Column::PendingOwner, Expr::value(found.pending_owner))
        .col_expr(diamond::Column::PendingOwnerFrom, Expr::value(found.pending_owner_from))
        .col_expr(diamond::Column::PendingCut, Expr::value(found.pending_cut))
        .col_expr(diamond::Column::PendingCutFrom, Expr::value(found.pending_cut_from))
        .filter(diamond::Column::NetworkId.eq(found.network_id))
        .filter(diamond::Column::Diamond.eq(found.diamond))
        .exec(&*tx)
        .await?;
    Ok(tx.commit().await?)
}

fn call<C: SolCall>(diamond: Address, call: &C) -> Call {
    let input = Bytes::from(call.abi_encode());
    Call::new("eth_call", json!([{"to": diamond, "input": input}, "latest"]))
}

/// `None` where the contract has the function no more: a last cut may have taken it out.
fn read<C: SolCall>(provider: &Provider, answer: Answer) -> Result<Option<C::Return>, Error> {
    match answer {
        Ok(answer) => {
            let read = C::abi_decode_returns(&decode::<Bytes>(answer)?);
            Ok(Some(read.map_err(|error| Error::Rpc(format!("{}: {error}", C::SIGNATURE)))?))
        }
        Err(fault) if matches!(classify(&fault), Class::Reverted(_)) => Ok(None),
        Err(fault) => Err(provider.error(C::SIGNATURE, &fault)),
    }
}

fn time(seconds: u64) -> DateTime<Utc> {
    let seconds = i64::try_from(seconds).unwrap_or(LAST_SECOND).min(LAST_SECOND);
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::UNIX_EPOCH)
}
