//! The ids that deals have on the chain, whoever opened them: none of them is given again.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use queue::Transaction;
use sea_orm::{QueryFilter, entity::prelude::*};

use crate::{
    abi::{DealChange, Event, second::DEAL_ID_MAX},
    agent::Context,
    error::Error,
    rpc::Log,
    table::{Place, diamond},
};

/// Counts on from the highest id in these logs. Ids of the first edition are hashes, which do not fit.
pub(super) async fn count(context: &Context, tx: &Transaction, logs: &[Log]) -> Result<(), Error> {
    let mut highest: BTreeMap<Address, i64> = BTreeMap::new();
    for log in logs {
        let Some(Event::Deal(DealChange { deal_id, opened: Some(_), .. })) = context.dialects.decode(log) else {
            continue;
        };
        if deal_id > U256::from(DEAL_ID_MAX) {
            continue;
        }
        let id = i64::try_from(deal_id).unwrap_or(0);
        highest.entry(log.address).and_modify(|highest| *highest = (*highest).max(id)).or_insert(id);
    }
    for (address, id) in highest {
        diamond::Entity::update_many()
            .col_expr(diamond::Column::LastDealId, Expr::value(id))
            .filter(diamond::Column::NetworkId.eq(context.network.id))
            .filter(diamond::Column::Diamond.eq(Place(address)))
            .filter(diamond::Column::LastDealId.lt(id))
            .exec(&**tx)
            .await?;
    }
    Ok(())
}
