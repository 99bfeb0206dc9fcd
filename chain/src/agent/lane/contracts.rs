//! What a batch needs to know of its diamond before it can be tried.

use std::collections::BTreeSet;

use alloy::primitives::Address;
use serde_json::json;

use super::{
    Lane,
    examine::{Examined, Trial, no_contract, refused},
};
use crate::{
    error::Error,
    rpc::{Call, Fault, Provider},
};

impl Lane {
    /// Gives each trial the interface of its diamond. Those at an address where no diamond stands fail by that.
    pub(super) async fn learn(
        &self,
        provider: &Provider,
        trials: &mut Vec<Trial>,
        examined: &mut Examined,
    ) -> Result<(), Error> {
        let diamonds: BTreeSet<Address> = trials.iter().filter_map(|trial| trial.batch.diamond).collect();
        for diamond in diamonds {
            let interface = match self.context.interface(provider, diamond).await? {
                Some(interface) => Some(interface),
                None if self.has_code(provider, diamond).await? => None,
                None => {
                    let gone = trials.extract_if(.., |trial| trial.batch.diamond == Some(diamond));
                    let items = gone.flat_map(|trial| trial.batch.items);
                    examined.failures.extend(items.map(|item| no_contract(&item, diamond)));
                    continue;
                }
            };
            for trial in trials.iter_mut().filter(|trial| trial.batch.diamond == Some(diamond)) {
                trial.batch.interface.clone_from(&interface);
            }
        }
        let is_strange = |trial: &mut Trial| trial.batch.diamond.is_some() && trial.batch.interface.is_none();
        let strange = trials.extract_if(.., is_strange).flat_map(|trial| trial.batch.items);
        examined
            .failures
            .extend(strange.map(|item| refused(&item, "the contract is no diamond of an edition we know")));
        *trials = std::mem::take(trials).into_iter().flat_map(|trial| trial.split_for_contract(examined)).collect();
        Ok(())
    }

    async fn has_code(&self, provider: &Provider, diamond: Address) -> Result<bool, Error> {
        let calls = vec![Call::new("eth_getCode", json!([diamond, "latest"]))];
        let answer = provider.call_all(calls).await.pop().unwrap_or_else(|| Err(Fault::Lost("no answer".to_owned())));
        let code = answer.map_err(|fault| provider.error("eth_getCode", &fault))?;
        Ok(code.as_str().is_some_and(|code| code.len() > 2))
    }
}
