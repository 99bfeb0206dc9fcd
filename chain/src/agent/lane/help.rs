//! Takes over what another signer's lane cannot send, or does not come to, where the contract lets this signer act too.

use std::time::{Duration, Instant};

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolCall,
};
use chrono::{TimeDelta, Utc};
use sea_orm::{QueryFilter, QuerySelect, entity::prelude::*};
use serde_json::json;

use super::{
    Lane,
    collect::{self, Item},
};
use crate::{
    abi::Deals,
    edition::Edition,
    error::Error,
    interface::Interface,
    rpc::{Call, decode},
    table::{Place, lane, signer},
};

/// How long the contract's word about who may act is believed.
const BELIEVED: Duration = Duration::from_secs(5);
/// How long an operation is its own signer's alone.
const LATE: TimeDelta = TimeDelta::seconds(2);
/// Pause between two searches for something to help with, when there was nothing.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long one that another was faster than leaves others alone, at least.
const BEATEN: Duration = Duration::from_secs(2);
/// How long a lane that was held up itself leaves others alone.
pub(super) const OWN_TROUBLE: Duration = Duration::from_secs(30);

impl Lane {
    /// Pending operations of other signers that wait and that this one may carry out, at most so many: the signers of a diamond
    /// share one backlog. Whoever writes an operation into a transaction first has it: see [`Lane::write`].
    pub(super) async fn others_pending(&mut self, limit: usize) -> Result<Vec<Item>, Error> {
        if limit == 0 || self.paused.is_some() || Instant::now() < self.helps_from {
            return Ok(Vec::new());
        }
        self.find_helped().await?;
        let (helped, since) = (self.helped.clone(), Utc::now() - LATE);
        let mut taken = Vec::new();
        for diamond in collect::diamonds_waiting(&self.context, &helped, since).await? {
            if taken.len() < limit && self.may_act_on(diamond).await {
                let items = collect::waiting_at_others(&self.context, &helped, diamond, since, limit - taken.len());
                taken.extend(items.await?);
            }
        }
        taken.retain(|item| self.policy.permits(item.kind, item.diamond.map(|diamond| diamond.0)).is_ok());
        if taken.is_empty() {
            self.helps_from = Instant::now() + AGAIN_AFTER;
        } else {
            tracing::info!(signer = %self.signer, count = taken.len(), "chain lane takes over operations of another");
        }
        Ok(taken)
    }

    /// Whoever was slower at one operation is, with luck, not at the next.
    pub(super) fn leave_others_alone(&mut self) {
        self.helps_from = Instant::now() + BEATEN + BEATEN.mul_f64(rand::random());
    }

    /// Signers of the same node, whose gas it is anyway, and the installation's own, which help everybody and are helped by those
    /// whose work they took. Nobody else's: a diamond's owner may name any address an operator.
    async fn find_helped(&mut self) -> Result<(), Error> {
        if self.helped_at.is_some_and(|at| at.elapsed() < BELIEVED) {
            return Ok(());
        }
        let extra = &self.context.config.signers;
        let is_extra = extra.contains(&self.signer);
        let owner_of = |rows: &[(Place, Uuid)], signer: Address| {
            rows.iter().find(|(address, _)| address.0 == signer).map(|(_, node_id)| *node_id)
        };
        let lanes: Vec<Place> = lane::Entity::find()
            .select_only()
            .column(lane::Column::Signer)
            .filter(lane::Column::NetworkId.eq(self.context.network.id))
            .into_tuple()
            .all(&*self.context.db)
            .await?;
        let owners: Vec<(Place, Uuid)> = signer::Entity::find()
            .select_only()
            .columns([signer::Column::Address, signer::Column::NodeId])
            .filter(signer::Column::Address.is_in(lanes.iter().copied()))
            .into_tuple()
            .all(&*self.context.db)
            .await?;
        let own = owner_of(&owners, self.signer);
        let others = lanes.into_iter().map(|lane| lane.0).filter(|other| *other != self.signer);
        let helped = others.filter(|other| {
            let same_node = own.is_some() && owner_of(&owners, *other) == own;
            is_extra || extra.contains(other) || same_node
        });
        (self.helped, self.helped_at) = (helped.collect(), Some(Instant::now()));
        Ok(())
    }

    /// What the contract says; no answer is no permission.
    pub(super) async fn may_act_on(&mut self, diamond: Address) -> bool {
        if let Some((may, since)) = self.allowed.get(&diamond)
            && since.elapsed() < BELIEVED
        {
            return *may;
        }
        let may = self.query_permission(diamond).await.unwrap_or(false);
        self.allowed.insert(diamond, (may, Instant::now()));
        may
    }

    async fn query_permission(&self, diamond: Address) -> Result<bool, Error> {
        let call =
            |input: Vec<u8>| Call::new("eth_call", json!([{"to": diamond, "input": Bytes::from(input)}, "latest"]));
        let provider = self.context.rpc.preferred();
        let interface = self.context.interface(&provider, diamond).await?;
        if let Some(Interface::Dialect(dialect)) = interface {
            let Some(input) = dialect.permission_of(self.signer) else { return Ok(false) };
            let answer: Bytes = decode(provider.read(call(input.to_vec())).await?)?;
            return Ok(answer.len() == 32 && answer.iter().any(|byte| *byte != 0));
        }
        let calls = vec![
            call(Deals::isOperatorCall { account: self.signer }.abi_encode()),
            call(Deals::ownerCall {}.abi_encode()),
        ];
        let answers = provider.read_all(calls).await?;
        let answers = answers.into_iter().map(decode::<Bytes>).collect::<Result<Vec<_>, _>>()?;
        let [operator, owner] = &answers[..] else { return Ok(false) };
        let operator = Deals::isOperatorCall::abi_decode_returns(operator).unwrap_or(false);
        let owner = Deals::ownerCall::abi_decode_returns(owner).is_ok_and(|owner| owner == self.signer);
        // In the second edition an owner operates nothing.
        let owners_operate = interface.is_some_and(|interface| interface.is_of(Edition::First));
        Ok(operator || owner && owners_operate)
    }
}
