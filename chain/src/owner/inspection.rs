//! Looking at a diamond before its owner acts, and trying the act without sending it.

use std::time::Duration;

use alloy::{
    primitives::{Address, B256, Bytes},
    sol_types::SolCall,
};
use serde_json::json;

use crate::{
    abi::{self, owner::Ownership},
    classify::{Class, classify},
    edition::{self, Edition},
    error::Error,
    network::Network,
    rpc::{Call, Fault, Provider, Rpc, decode},
};

/// How long an endpoint may take: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who rules a diamond, as it says itself at the latest block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiamondReport {
    /// Which contract it is.
    pub edition: Edition,
    /// Whom it belongs to.
    pub owner: Address,
    /// Who may become its owner.
    pub pending_owner: Option<Announced<Address>>,
    /// The hash of the cut that is announced.
    pub pending_cut: Option<Announced<B256>>,
    /// Seconds between an announcement and the act; zero in the first edition.
    pub delay_s: u64,
    /// Of the accounts that were asked for, in their order: whether each is an operator.
    pub operators: Vec<(Address, bool)>,
}

/// What may happen from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced<T> {
    /// What is announced.
    pub what: T,
    /// From when it may happen, seconds since 1970.
    pub from: u64,
}

/// Why a call reverts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The name of the contract's error, or `reverted`.
    pub code: String,
    /// The same with the error's values.
    pub message: String,
}

/// Looks at a diamond. `None`: the address holds none of an edition that we know.
///
/// # Errors
/// When no endpoint of the network answers.
pub async fn inspect_diamond(
    network: &Network,
    diamond: Address,
    accounts: &[Address],
) -> Result<Option<DiamondReport>, Error> {
    first_answer(network, async |provider| inspect_at(provider, diamond, accounts).await).await
}

/// Tries a call from an account at the latest block, without sending it. `None`: it succeeds.
///
/// # Errors
/// When no endpoint of the network answers.
pub async fn try_call(
    network: &Network,
    from: Address,
    diamond: Address,
    data: &Bytes,
) -> Result<Option<Refusal>, Error> {
    let call = Call::new("eth_call", json!([{"from": from, "to": diamond, "input": data}, "latest"]));
    first_answer(network, async |provider| {
        let answer = provider.call_all(vec![call.clone()]).await.pop();
        match answer.unwrap_or_else(|| Err(Fault::Lost("no answer".to_owned()))) {
            Ok(_) => Ok(None),
            Err(fault) => match classify(&fault) {
                Class::Reverted(data) => {
                    let abi::Reason { code, message } = abi::reason(&data.unwrap_or_default());
                    Ok(Some(Refusal { code, message }))
                }
                _ => Err(provider.error("eth_call", &fault)),
            },
        }
    })
    .await
}

/// What the first endpoint says that says something, in the configured order.
async fn first_answer<T>(network: &Network, question: impl AsyncFn(&Provider) -> Result<T, Error>) -> Result<T, Error> {
    let rpc = Rpc::new(network, PATIENCE)?;
    let mut last = None;
    for provider in rpc.configured() {
        match question(provider).await {
            Ok(answer) => return Ok(answer),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::Rpc(format!("network {} has no endpoint", network.id))))
}

async fn inspect_at(
    provider: &Provider,
    diamond: Address,
    accounts: &[Address],
) -> Result<Option<DiamondReport>, Error> {
    let mut answers = provider.call_all(edition::questions(diamond).to_vec()).await.into_iter();
    let mut next = || answers.next().unwrap_or_else(|| Err(Fault::Lost("no answer".to_owned())));
    let Some(edition) = edition::of_answers(provider, next(), next())? else { return Ok(None) };
    let owner = read(provider, diamond, Ownership::ownerCall {}).await?;
    let mut operators = Vec::with_capacity(accounts.len());
    for account in accounts {
        let may = read(provider, diamond, Ownership::isOperatorCall { account: *account }).await?;
        operators.push((*account, may));
    }
    let mut report = DiamondReport { edition, owner, pending_owner: None, pending_cut: None, delay_s: 0, operators };
    if edition == Edition::Second {
        let offer = read(provider, diamond, Ownership::pendingOwnerCall {}).await?;
        let cut = read(provider, diamond, Ownership::pendingCutCall {}).await?;
        report.delay_s = read(provider, diamond, Ownership::delayCall {}).await?;
        report.pending_owner =
            (!offer.account.is_zero()).then_some(Announced { what: offer.account, from: offer.from });
        report.pending_cut = (!cut.cut.is_zero()).then_some(Announced { what: cut.cut, from: cut.from });
    }
    Ok(Some(report))
}

async fn read<C: SolCall>(provider: &Provider, diamond: Address, call: C) -> Result<C::Return, Error> {
    let input = Bytes::from(call.abi_encode());
    let answer = provider.read(Call::new("eth_call", json!([{"to": diamond, "input": input}, "latest"]))).await?;
    let answer: Bytes = decode(answer)?;
    C::abi_decode_returns(&answer).map_err(|error| Error::Rpc(format!("{}: {error}", C::SIGNATURE)))
}
