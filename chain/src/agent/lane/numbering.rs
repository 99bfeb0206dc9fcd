//! Ids for deals that are about to be opened: they count up per diamond, and are taken in the transaction that records the
//! send.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::Address;
use queue::Transaction;
use sea_orm::{QueryFilter, entity::prelude::*};
use uuid::Uuid;

use super::{
    Lane,
    collect::{Batch, Item},
};
use crate::{
    error::Error,
    interface::Interface,
    operation::Kind,
    table::{Place, diamond, update_from},
};

/// An id that a deal is about to have.
pub(super) struct Numbered {
    diamond: Address,
    subject_id: Uuid,
    deal_id: i64,
}

/// The ids of what is to be sent, where we give them. One that was in a transaction before keeps its id and
/// is not among them.
pub(super) fn ids(ready: &[(Batch, u64)]) -> Vec<Numbered> {
    let takes_ids = |batch: &Batch| batch.interface.as_ref().is_some_and(Interface::takes_ids);
    let batches = ready.iter().filter(|(batch, _)| batch.kind == Kind::Open && takes_ids(batch));
    let numbered = |batch: &Batch, item: &Item| {
        let (diamond, deal_id) = (batch.diamond?, item.allocated_id.filter(|_| item.is_numbered_anew)?);
        Some(Numbered { diamond, subject_id: item.subject_id, deal_id })
    };
    batches.flat_map(|(batch, _)| batch.items.iter().filter_map(move |item| numbered(batch, item))).collect()
}

impl Lane {
    /// Proposes ids to deals that have none, above those that are taken. They are theirs when [`take`] says so.
    pub(super) async fn number(&self, items: &mut [Item]) -> Result<(), Error> {
        let is_new = |item: &Item| item.kind == Kind::Open && item.allocated_id.is_none();
        let places: BTreeSet<Place> =
            items.iter().filter(|item| is_new(item)).filter_map(|item| item.diamond).collect();
        if places.is_empty() {
            return Ok(());
        }
        let rows = diamond::Entity::find()
            .filter(diamond::Column::NetworkId.eq(self.context.network.id))
            .filter(diamond::Column::Diamond.is_in(places))
            .all(&*self.context.db)
            .await?;
        let mut last: BTreeMap<Place, i64> = rows.into_iter().map(|row| (row.diamond, row.last_deal_id)).collect();
        for item in items.iter_mut().filter(|item| is_new(item)) {
            let Some(last) = item.diamond.and_then(|place| last.get_mut(&place)) else { continue };
            *last += 1;
            (item.allocated_id, item.is_numbered_anew) = (Some(*last), true);
        }
        Ok(())
    }

    /// Takes the ids. `false`: one of them was taken in the meantime, by another lane or as the chain has shown.
    pub(super) async fn take(&self, tx: &Transaction, numbered: &[Numbered]) -> Result<bool, Error> {
        let mut ranges: BTreeMap<Address, (i64, i64)> = BTreeMap::new();
        for Numbered { diamond, deal_id, .. } in numbered {
            let (lowest, highest) = ranges.entry(*diamond).or_insert((*deal_id, *deal_id));
            (*lowest, *highest) = ((*lowest).min(*deal_id), (*highest).max(*deal_id));
        }
        for (diamond, (lowest, highest)) in ranges {
            let moved = diamond::Entity::update_many()
                .col_expr(diamond::Column::LastDealId, Expr::value(highest))
                .filter(diamond::Column::NetworkId.eq(self.context.network.id))
                .filter(diamond::Column::Diamond.eq(Place(diamond)))
                .filter(diamond::Column::LastDealId.lt(lowest))
                .exec(&**tx)
                .await?;
            if moved.rows_affected == 0 {
                return Ok(false);
            }
        }
        let rows = numbered.iter().map(|it| vec![it.subject_id.into(), it.deal_id.into()]);
        update_from(
            tx,
            "UPDATE chain_deals SET allocated_id = v.column2",
            "WHERE chain_deals.subject_id = v.column1",
            rows.collect(),
        )
        .await?;
        fail::fail_point!("lane.ids_taken");
        Ok(true)
    }
}
