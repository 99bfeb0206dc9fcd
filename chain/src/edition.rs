//! Which contract stands at a diamond's address. Both editions stay in use.

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolCall,
};
use sea_orm::entity::prelude::*;
use serde_json::json;

use crate::{
    abi::{Deals, second},
    classify::{Class, classify},
    error::Error,
    rpc::{Answer, Call, Provider, decode},
};

/// An edition of the diamond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Edition {
    /// It stores a deal's terms and makes its id of the reference. None is deployed any more.
    #[sea_orm(string_value = "first")]
    First,
    /// It stores a commitment to the terms, which are presented with every call, and is given the ids.
    #[sea_orm(string_value = "second")]
    Second,
}

/// What a new diamond is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Whom it belongs to; no key of it is needed here.
    pub owner: Address,
    /// Who may open, release and cancel deals.
    pub operators: Vec<Address>,
    /// Seconds between an announcement of the owner's and the act.
    pub delay_s: u64,
}

/// The calls of a diamond's loupe that tell its edition; [`told`] reads their answers.
pub(crate) fn questions(diamond: Address) -> [Call; 2] {
    let selectors = [second::Deals::createDealCall::SELECTOR, Deals::createDealCall::SELECTOR];
    selectors.map(|selector| {
        let input = Bytes::from(second::Deals::facetAddressCall { _functionSelector: selector.into() }.abi_encode());
        Call::new("eth_call", json!([{"to": diamond, "input": input}, "latest"]))
    })
}

/// The edition that answers one of these functions. `None`: neither, so that it is no diamond that we know.
///
/// # Errors
/// When the endpoint gives no answer.
pub(crate) fn of_answers(provider: &Provider, second: Answer, first: Answer) -> Result<Option<Edition>, Error> {
    for (answer, edition) in [(second, Edition::Second), (first, Edition::First)] {
        let facet = match answer {
            Ok(answer) => decode::<Bytes>(answer)?,
            // A contract without a loupe.
            Err(fault) if matches!(classify(&fault), Class::Reverted(_)) => continue,
            Err(fault) => return Err(provider.error("facetAddress", &fault)),
        };
        if second::Deals::facetAddressCall::abi_decode_returns(&facet).is_ok_and(|facet| !facet.is_zero()) {
            return Ok(Some(edition));
        }
    }
    Ok(None)
}
