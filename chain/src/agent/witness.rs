//! Before something counts as final, the network's other endpoints are asked whether they have it too.
//!
//! One endpoint tells what happens on a network. A single one that lies, or is led astray, could make a payment look
//! paid. So whatever is about to become final is compared with the contract's own state, in the same block, at another
//! endpoint. Silence does not count: a second endpoint is configured for the time when the first is away.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256};
use serde_json::Value;

use super::{Context, settlement::Observation};
use crate::{
    abi::{self, DealState, Terms},
    error::Error,
    operation::reference,
    rpc::{Answer, Call, Header, Provider, decode},
    table::log::{self, Event},
};

/// Deals in one call.
const CALL: usize = 200;

/// Something about a deal that one endpoint tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    diamond: Address,
    /// Of the deal, as they were asked for.
    terms: Terms,
    event: Event,
    /// Of the deal; a canceled one may have returned nothing.
    amount: Option<U256>,
}

impl Claim {
    pub(super) fn of_log(row: &log::Model, terms: Option<Terms>) -> Self {
        let terms = terms.unwrap_or_else(|| Terms { r#ref: reference(row.subject_id), ..Terms::default() });
        Self::new(row.diamond.0, terms, row.event, row.amount.0)
    }

    pub(super) fn of_observation(diamond: Address, terms: Terms, observation: &Observation) -> Self {
        Self::new(diamond, terms, observation.event, observation.amount)
    }

    fn new(diamond: Address, terms: Terms, event: Event, amount: U256) -> Self {
        let amount = (event != Event::Canceled).then_some(amount);
        Self { diamond, terms, event, amount }
    }

    /// Whether the contract's state of the deal, later events included, bears it out.
    fn agrees(&self, deal: &abi::Deal) -> bool {
        let happened = match self.event {
            Event::Created => deal.state != DealState::None,
            Event::Deposited => !deal.payer.is_zero(),
            Event::Released => deal.state == DealState::Released,
            Event::Canceled => deal.state == DealState::Canceled,
        };
        happened && self.amount.is_none_or(|amount| amount == deal.amount)
    }
}

/// What another endpoint says.
enum Testimony {
    Agrees,
    Contradicts(String),
    Silent,
}

/// Asks the other endpoints whether the claims hold in this block, whose number and hash `source` gave; one that agrees
/// is enough.
///
/// # Errors
/// [`Error::Contradiction`] when none agrees and one contradicts.
pub(super) async fn confirm(
    context: &Context,
    source: &Provider,
    block: (u64, Option<B256>),
    claims: &[Claim],
) -> Result<(), Error> {
    if claims.is_empty() {
        return Ok(());
    }
    let mut contradiction = None;
    for other in context.rpc.ranked().iter().filter(|other| other.label() != source.label()) {
        match query(context, other, block, claims).await {
            Testimony::Agrees => {
                if let Some(contradiction) = contradiction {
                    tracing::error!(network = %context.network.id, "endpoints disagree, outvoted: {contradiction}");
                }
                return Ok(());
            }
            Testimony::Contradicts(what) => contradiction = Some(what),
            Testimony::Silent => {}
        }
    }
    match contradiction {
        None => Ok(()),
        Some(what) => {
            metrics::counter!("quittance_chain_contradictions_total").increment(1);
            Err(Error::Contradiction(what))
        }
    }
}

async fn query(
    context: &Context,
    other: &Provider,
    (number, hash): (u64, Option<B256>),
    claims: &[Claim],
) -> Testimony {
    if other.health().unreachable() {
        return Testimony::Silent;
    }
    let mut by_diamond: BTreeMap<Address, Vec<&Claim>> = BTreeMap::new();
    for claim in claims {
        by_diamond.entry(claim.diamond).or_default().push(claim);
    }
    let chunks: Vec<(Address, &[&Claim])> =
        by_diamond.iter().flat_map(|(diamond, claims)| claims.chunks(CALL).map(|chunk| (*diamond, chunk))).collect();
    let mut calls = vec![Call::block(number)];
    let mut interfaces = Vec::with_capacity(chunks.len());
    for (diamond, claims) in &chunks {
        let Ok(Some(interface)) = context.interface(other, *diamond).await else { return Testimony::Silent };
        let refs = claims.iter().map(|claim| claim.terms.r#ref).collect();
        calls.extend(interface.deals_of(*diamond, refs, Some(number)));
        interfaces.push(interface);
    }
    let mut answers = other.call_all(calls).await.into_iter();
    let Some(block) = header(answers.next()) else { return Testimony::Silent };
    if let Some(hash) = hash.filter(|hash| *hash != block.hash) {
        let what = format!("{} has block {number} with hash {} instead of {hash}", other.label(), block.hash);
        return Testimony::Contradicts(what);
    }
    for ((_, claims), interface) in chunks.iter().zip(interfaces) {
        let answers: Result<Vec<Value>, _> = answers.by_ref().take(interface.answers(claims.len())).collect();
        let terms: Vec<_> = claims.iter().map(|claim| claim.terms.clone()).collect();
        let Some(deals) = answers.ok().and_then(|answers| interface.decode_deals(answers, &terms).ok()) else {
            // A node that keeps no old states, for one.
            return Testimony::Silent;
        };
        if let Some((claim, deal)) = claims.iter().zip(&deals).find(|(claim, deal)| !claim.agrees(deal)) {
            let (event, state) = (claim.event.contract_name(), deal.state);
            let reference = claim.terms.r#ref;
            return Testimony::Contradicts(format!(
                "{} does not bear out {event} of {reference} in block {number}: there the deal is {state:?}",
                other.label()
            ));
        }
    }
    Testimony::Agrees
}

fn header(answer: Option<Answer>) -> Option<Header> {
    answer.and_then(Result::ok).filter(|value| *value != Value::Null).and_then(|value| decode(value).ok())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;

    use super::*;

    fn deal(state: DealState, paid: bool) -> abi::Deal {
        let payer = if paid { Address::repeat_byte(1) } else { Address::ZERO };
        let (payee, token, amount) = (Address::repeat_byte(2), Address::ZERO, U256::from(105));
        abi::Deal { id: U256::from(7), r#ref: B256::ZERO, payee, token, amount, expiresAt: 0, state, payer }
    }

    fn claim(event: Event, amount: u64) -> Claim {
        Claim::new(Address::ZERO, Terms::default(), event, U256::from(amount))
    }

    #[test]
    fn a_claim_stands_while_what_came_later_does_not_contradict_it() {
        for (state, paid, agreed) in [
            (DealState::None, false, vec![]),
            (DealState::Open, false, vec![Event::Created]),
            (DealState::Deposited, true, vec![Event::Created, Event::Deposited]),
            (DealState::Released, true, vec![Event::Created, Event::Deposited, Event::Released]),
            (DealState::Canceled, false, vec![Event::Created, Event::Canceled]),
            (DealState::Canceled, true, vec![Event::Created, Event::Deposited, Event::Canceled]),
        ] {
            let deal = deal(state, paid);
            for event in [Event::Created, Event::Deposited, Event::Released, Event::Canceled] {
                assert_eq!(claim(event, 105).agrees(&deal), agreed.contains(&event), "{event:?}: {deal:?}");
            }
        }
    }

    #[test]
    fn another_amount_contradicts_all_but_a_closing() {
        let (paid, closed) = (deal(DealState::Released, true), deal(DealState::Canceled, true));
        for event in [Event::Created, Event::Deposited, Event::Released] {
            assert!(!claim(event, 104).agrees(&paid), "{event:?}");
        }
        assert!(claim(Event::Canceled, 0).agrees(&closed), "there may have been nothing to return");
    }
}
