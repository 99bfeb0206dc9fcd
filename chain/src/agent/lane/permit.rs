//! What the signer's policy holds back: operations that it does not allow wait with the reason, and a transaction is recorded only
//! under the policy that it was decided by.

use std::time::{Duration, Instant};

use alloy::primitives::Address;
use chrono::Utc;
use queue::Transaction;
use sea_orm::{Condition, QueryFilter, QuerySelect, entity::prelude::*};

use super::{
    Lane, budget,
    collect::{Batch, Item},
    pause,
};
use crate::{
    error::Error,
    fees::Fees,
    policy::Policy,
    signing_error::SigningError,
    table::{Place, operation, signer, update_from},
    transaction::Draft,
    violation::Violation,
};

/// How long what the contract does not allow is left alone.
const ANEW_AFTER: Duration = Duration::from_secs(5);
/// Held back because the contract does not let this signer act.
pub(super) const NOT_OPERATOR: &str = "not_operator";

/// Every word that may stand in `chain_operations.held_back_by`.
pub(in crate::agent) fn words() -> impl Iterator<Item = &'static str> {
    Violation::ALL.into_iter().map(Violation::word).chain([NOT_OPERATOR])
}

impl Lane {
    /// Reads the policy anew. What an older one held back is decided again.
    pub(super) async fn read_policy(&mut self) -> Result<(), Error> {
        let policy = Policy::read(&*self.context.db, self.signer).await?;
        let changed = policy.revision != self.policy.revision;
        self.policy = policy;
        if changed { self.let_go(None).await } else { Ok(()) }
    }

    /// Whether the policy is still the one that was decided by. Until the transaction ends nobody changes it.
    pub(super) async fn confirm_policy(&self, tx: &Transaction) -> Result<bool, Error> {
        let revision: Option<i64> = signer::Entity::find()
            .select_only()
            .column(signer::Column::Revision)
            .filter(signer::Column::Address.eq(Place(self.signer)))
            .lock_shared()
            .into_tuple()
            .one(&**tx)
            .await?;
        Ok(revision.unwrap_or(0) == self.policy.revision)
    }

    /// The highest fee per gas, of the installation's cap and the signer's own.
    pub(super) fn fee_cap(&self) -> Option<u64> {
        [self.context.config.fee_cap_wei, self.policy.fee_cap_wei].into_iter().flatten().min()
    }

    /// Takes out what the policy does not allow and says so in its rows.
    pub(super) async fn hold_back_refused(&mut self, items: &mut Vec<Item>) -> Result<(), Error> {
        let refusal = |item: &Item| self.policy.permits(item.kind, item.diamond.map(|diamond| diamond.0)).err();
        let refused: Vec<(Item, Violation)> = items
            .extract_if(.., |item| refusal(item).is_some())
            .filter_map(|item| Some((item.clone(), refusal(&item)?)))
            .collect();
        self.hold_back(refused.iter().map(|(item, refusal)| (item, refusal.word()))).await
    }

    /// Leaves operations where they are until their reason is gone.
    pub(super) async fn hold_back<'a>(
        &mut self,
        items: impl Iterator<Item = (&'a Item, &'static str)>,
    ) -> Result<(), Error> {
        let own = Place(self.signer);
        let rows: Vec<Vec<sea_orm::Value>> =
            items.map(|(item, word)| vec![item.id.into(), word.into(), Utc::now().into(), own.into()]).collect();
        if rows.is_empty() {
            return Ok(());
        }
        tracing::warn!(signer = %self.signer, count = rows.len(), word = ?rows[0][1], "chain lane holds operations back");
        self.holds_back = true;
        self.report();
        let tx = self.context.begin().await?;
        update_from(
            &tx,
            "UPDATE chain_operations SET held_back_by = v.column2, updated_at = v.column3",
            "WHERE chain_operations.id = v.column1 AND chain_operations.signer = v.column4 \
             AND chain_operations.status = 'pending'",
            rows,
        )
        .await?;
        Ok(tx.commit().await?)
    }

    /// Gives what was held back, all of it or what the contract did not allow on a diamond, another try.
    pub(super) async fn let_go(&mut self, not_operator_of: Option<Address>) -> Result<(), Error> {
        let held = Condition::all()
            .add(operation::Column::NetworkId.eq(self.context.network.id))
            .add(operation::Column::Signer.eq(Place(self.signer)))
            .add(operation::Column::Status.eq(operation::Status::Pending))
            .add(operation::Column::HeldBackBy.is_not_null());
        let mut freed = operation::Entity::update_many()
            .col_expr(operation::Column::HeldBackBy, Expr::value(Option::<String>::None))
            .filter(held.clone());
        if let Some(diamond) = not_operator_of {
            freed = freed.filter(operation::Column::HeldBackBy.eq(NOT_OPERATOR));
            freed = freed.filter(operation::Column::Diamond.eq(Place(diamond)));
        }
        let tx = self.context.begin().await?;
        let freed = freed.exec(&*tx).await?.rows_affected;
        let left = operation::Entity::find().filter(held).limit(1).one(&*tx).await?;
        tx.commit().await?;
        if freed > 0 {
            tracing::info!(signer = %self.signer, freed, "chain lane decides anew about what it held back");
        }
        self.holds_back = left.is_some();
        self.report();
        Ok(())
    }

    /// The word of the limit that a dearer attempt would break.
    pub(super) fn over_budget(&mut self, draft: &Draft, before: u128) -> Option<&'static str> {
        let more = budget::cost(draft.gas_limit, draft.fees.max_fee.saturating_sub(before));
        self.budget.broken_by(&self.policy, 0, more)
    }

    /// Gives what the contract did not allow another try where its owner has made the signer an operator.
    pub(super) async fn try_held_back_anew(&mut self) -> Result<(), Error> {
        if !self.holds_back || self.asked_anew_at.elapsed() < ANEW_AFTER {
            return Ok(());
        }
        self.asked_anew_at = Instant::now();
        let diamonds: Vec<Option<Place>> = operation::Entity::find()
            .select_only()
            .column(operation::Column::Diamond)
            .distinct()
            .filter(operation::Column::NetworkId.eq(self.context.network.id))
            .filter(operation::Column::Signer.eq(Place(self.signer)))
            .filter(operation::Column::Status.eq(operation::Status::Pending))
            .filter(operation::Column::HeldBackBy.eq(NOT_OPERATOR))
            .into_tuple()
            .all(&*self.context.db)
            .await?;
        for diamond in diamonds.into_iter().flatten() {
            if self.may_act_on(diamond.0).await {
                self.let_go(Some(diamond.0)).await?;
            }
        }
        Ok(())
    }

    /// Keeps the batches that the budget of the day allows; the word of a limit if there are none.
    pub(super) fn keep_to_budget(&mut self, ready: &mut Vec<(Batch, u64)>, fees: Fees) -> Option<&'static str> {
        let (mut gas, mut broken) = (0_u64, None);
        ready.retain(|(_, limit)| {
            let with = gas.saturating_add(*limit);
            let word = self.budget.broken_by(&self.policy, with, budget::cost(with, fees.max_fee));
            broken = broken.or(word);
            if word.is_none() {
                gas = with;
            }
            word.is_none()
        });
        broken.filter(|_| ready.is_empty())
    }

    /// A lane whose transaction was not signed waits until there is a signature to be had.
    pub(super) async fn unless_unsigned(&mut self, outcome: Result<(), Error>) -> Result<(), Error> {
        let word = match &outcome {
            Err(Error::Signing(error)) => match error {
                SigningError::Keystore(_) => pause::KEY_LOCKED,
                SigningError::Unreachable { .. } => pause::UNREACHABLE,
                SigningError::Refused { .. } | SigningError::Wrong { .. } | SigningError::NotBuilt(_) => pause::REFUSED,
            },
            Err(Error::NotAllowed(Violation::Paused)) => pause::PAUSED,
            Err(Error::NotAllowed(_)) => pause::POLICY,
            _ => return outcome,
        };
        if let Err(error) = outcome {
            tracing::warn!(signer = %self.signer, "chain lane could not sign: {error}");
        }
        self.pause(Some(word)).await
    }
}
