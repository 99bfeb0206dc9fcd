//! How a diamond is spoken to: as an edition of ours, or as the configuration says of somebody else's.

use std::sync::Arc;

use alloy::{
    primitives::{Address, B256, Bytes},
    sol_types::SolCall,
};
use serde_json::{Value, json};

use crate::{
    abi::{self, Deals, Terms, second},
    dialect::Dialect,
    edition::Edition,
    error::Error,
    rpc::{Call, decode, quantity},
};

/// Which functions and events a diamond has.
#[derive(Clone, Debug)]
pub(crate) enum Interface {
    Edition(Edition),
    Dialect(Arc<Dialect>),
}

impl Interface {
    pub(crate) fn is_of(&self, edition: Edition) -> bool {
        matches!(self, Self::Edition(own) if *own == edition)
    }

    /// Whether deals have the ids that we give them.
    pub(crate) fn takes_ids(&self) -> bool {
        match self {
            Self::Edition(edition) => *edition == Edition::Second,
            Self::Dialect(dialect) => dialect.takes_ids(),
        }
    }

    /// How many answers [`Interface::decode_deals`] takes for so many refs.
    pub(crate) fn answers(&self, refs: usize) -> usize {
        match self {
            Self::Edition(_) => 1,
            Self::Dialect(_) => refs,
        }
    }

    /// The calls that tell the deals of these refs as the contract has them, at a block or at the latest.
    pub(crate) fn deals_of(&self, diamond: Address, refs: Vec<B256>, block: Option<u64>) -> Vec<Call> {
        let inputs: Vec<Bytes> = match self {
            Self::Edition(Edition::First) => vec![Deals::dealsOfCall { refs }.abi_encode().into()],
            Self::Edition(Edition::Second) => vec![second::Deals::statusesOfCall { refs }.abi_encode().into()],
            Self::Dialect(dialect) => refs.into_iter().map(|reference| dialect.status_of(reference)).collect(),
        };
        let block = block.map_or_else(|| "latest".to_owned(), quantity);
        let call = |input: Bytes| Call::new("eth_call", json!([{"to": diamond, "input": input}, block]));
        inputs.into_iter().map(call).collect()
    }

    /// Reads the answers to [`Interface::deals_of`]; anything but one deal for each ref is no answer. `terms` are those that were
    /// asked for: the second edition tells only whether a deal has them.
    pub(crate) fn decode_deals(&self, answers: Vec<Value>, terms: &[Terms]) -> Result<Vec<abi::Deal>, Error> {
        let answers = answers.into_iter().map(decode::<Bytes>).collect::<Result<Vec<_>, _>>()?;
        let unreadable = |error: alloy::sol_types::Error| Error::Rpc(format!("deals: {error}"));
        let only = || answers.first().ok_or_else(|| Error::Rpc("deals: no answer".to_owned()));
        let deals = match self {
            Self::Edition(Edition::First) => Deals::dealsOfCall::abi_decode_returns(only()?).map_err(unreadable)?,
            Self::Edition(Edition::Second) => {
                let statuses = second::Deals::statusesOfCall::abi_decode_returns(only()?).map_err(unreadable)?;
                statuses.iter().zip(terms).map(|(status, terms)| abi::Deal::of_status(status, terms)).collect()
            }
            Self::Dialect(dialect) => {
                let deals = answers.iter().zip(terms).map(|(answer, terms)| dialect.deal_of(answer, terms));
                deals.collect::<Option<Vec<_>>>().ok_or_else(|| {
                    Error::Rpc("deals: an answer does not hold what chain.dialects says of `status`".to_owned())
                })?
            }
        };
        let (found, count) = (deals.len(), terms.len());
        if found == count { Ok(deals) } else { Err(Error::Rpc(format!("deals: {found} of {count}"))) }
    }
}
