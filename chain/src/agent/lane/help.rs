//! Takes over what another signer's lane has no funds or no key to send, where the contract lets this signer act too.

use std::time::{Duration, Instant};

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolCall,
};
use sea_orm::{QueryFilter, entity::prelude::*};
use serde_json::json;

use super::{
    Lane,
    collect::{self, Item},
    pause,
};
use crate::{
    abi::Deals,
    edition::Edition,
    error::Error,
    operation::Kind,
    rpc::{Call, decode},
    table::{Place, lane},
};

/// How long the contract's word about who may act is believed.
const BELIEVED: Duration = Duration::from_secs(5);
/// How long a lane that was held up itself leaves others alone.
pub(super) const OWN_TROUBLE: Duration = Duration::from_secs(30);

impl Lane {
    /// Pending operations of lanes that are held up and that this signer may carry out, at most so many. Whoever writes
    /// an operation into a transaction first has it: see [`Lane::write`].
    pub(super) async fn others_pending(&mut self, limit: usize) -> Result<Vec<Item>, Error> {
        let extra = self.context.config.signers.clone();
        if limit == 0 || extra.is_empty() || self.paused.is_some() || Instant::now() < self.helps_from {
            return Ok(Vec::new());
        }
        let held_up = lane::Entity::find()
            .filter(lane::Column::NetworkId.eq(self.context.network.id))
            .filter(lane::Column::Signer.ne(Place(self.signer)))
            .filter(lane::Column::PausedReason.is_in([pause::FUNDS, pause::NO_KEY, pause::KEY_LOCKED]))
            .all(&*self.context.db)
            .await?;
        let mut taken = Vec::new();
        for other in held_up {
            // The extra signers help everybody, and are helped by those whose work they took.
            if !extra.contains(&self.signer) && !extra.contains(&other.signer.0) {
                continue;
            }
            let pending = collect::pending(&self.context, other.signer.0, limit - taken.len()).await?;
            for item in pending {
                // A deployment makes a diamond that belongs to its signer.
                let Some(diamond) = item.diamond.filter(|_| item.kind != Kind::Deploy) else { continue };
                if self.may_act_on(diamond.0).await {
                    taken.push(item);
                }
            }
        }
        if !taken.is_empty() {
            tracing::info!(signer = %self.signer, count = taken.len(), "chain lane takes over operations of another");
        }
        Ok(taken)
    }

    /// What the contract says; no answer is no permission.
    async fn may_act_on(&mut self, diamond: Address) -> bool {
        if let Some((may, since)) = self.allowed.get(&diamond)
            && since.elapsed() < BELIEVED
        {
            return *may;
        }
        let may = self.ask_permission(diamond).await.unwrap_or(false);
        self.allowed.insert(diamond, (may, Instant::now()));
        may
    }

    async fn ask_permission(&self, diamond: Address) -> Result<bool, Error> {
        let call =
            |input: Vec<u8>| Call::new("eth_call", json!([{"to": diamond, "input": Bytes::from(input)}, "latest"]));
        let calls = vec![
            call(Deals::isOperatorCall { account: self.signer }.abi_encode()),
            call(Deals::ownerCall {}.abi_encode()),
        ];
        let provider = self.context.rpc.preferred();
        let answers = provider.read_all(calls).await?;
        let answers = answers.into_iter().map(decode::<Bytes>).collect::<Result<Vec<_>, _>>()?;
        let [operator, owner] = &answers[..] else { return Ok(false) };
        let operator = Deals::isOperatorCall::abi_decode_returns(operator).unwrap_or(false);
        let owner = Deals::ownerCall::abi_decode_returns(owner).is_ok_and(|owner| owner == self.signer);
        // In the second edition an owner operates nothing.
        let owners_operate = self.context.edition(&provider, diamond).await? == Some(Edition::First);
        Ok(operator || owner && owners_operate)
    }
}
