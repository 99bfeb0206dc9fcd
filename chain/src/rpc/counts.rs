//! How many transactions of a signer a node has.

use alloy::primitives::{Address, U64};
use serde_json::json;

use super::{Call, Fault, Provider, decode};
use crate::{
    classify::{Class, classify},
    error::Error,
};

/// What a node counts of a signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// In blocks.
    pub(crate) mined: u64,
    /// With those of its pool that could be mined next. `None`: the node does not tell.
    pub(crate) pooled: Option<u64>,
}

impl Counts {
    pub(crate) async fn at(provider: &Provider, signer: Address) -> Result<Self, Error> {
        const METHOD: &str = "eth_getTransactionCount";

        let call = |tag| Call::new(METHOD, json!([signer, tag]));
        let mut answers = provider.call_all(vec![call("latest"), call("pending")]).await.into_iter();
        let mut answer = || answers.next().unwrap_or_else(|| Err(Fault::Lost("no answer".to_owned())));
        let mined: U64 = decode(answer().map_err(|fault| provider.error(METHOD, &fault))?)?;
        let pooled = match answer() {
            Ok(count) => decode::<U64>(count).ok(),
            // Its own word, after it has answered the same question about its blocks: it has no such tag.
            Err(fault @ Fault::Node { .. }) if !matches!(classify(&fault), Class::Throttled(_)) => None,
            Err(fault) => return Err(provider.error(METHOD, &fault)),
        };
        Ok(Self { mined: mined.to(), pooled: pooled.map(|count| count.to()) })
    }
}
