//! Asks every endpoint the same questions about the same operations.

use std::collections::HashMap;

use alloy::primitives::{Address, B256, U64};
use serde::de::DeserializeOwned;
use serde_json::json;
use uuid::Uuid;

use super::Overdue;
use crate::{
    abi::{DealState, Terms},
    agent::Context,
    inquiry::{MinedIn, Said, SignedAttempt, Testimony},
    rpc::{Answer, Call, Fault, Provider, Receipt, decode},
};

/// Deals in one call.
const DEALS: usize = 100;

/// What there is to ask, each thing once.
#[derive(Default)]
struct Questions {
    signers: Vec<Address>,
    hashes: Vec<B256>,
    /// Diamond and references.
    deals: Vec<(Address, Vec<B256>)>,
}

/// What an endpoint said to them.
struct Answers {
    provider: String,
    block_number: Said<u64>,
    nonces: HashMap<Address, Said<u64>>,
    receipts: HashMap<B256, Said<Option<MinedIn>>>,
    deals: HashMap<(Address, B256), Said<String>>,
}

/// For each operation what each endpoint says.
pub(super) async fn everybody(
    context: &Context,
    overdue: &[Overdue],
    attempts: &HashMap<Uuid, Vec<SignedAttempt>>,
) -> Vec<Vec<Testimony>> {
    let questions = Questions::about(overdue, attempts);
    let mut all = Vec::new();
    for provider in context.rpc.configured() {
        all.push(questions.put_to(context, provider).await);
    }
    let none = Vec::new();
    overdue
        .iter()
        .map(|row| {
            let attempts = row.send_id.and_then(|id| attempts.get(&id)).unwrap_or(&none);
            all.iter().map(|answers| answers.about(row, attempts)).collect()
        })
        .collect()
}

impl Questions {
    fn about(overdue: &[Overdue], attempts: &HashMap<Uuid, Vec<SignedAttempt>>) -> Self {
        let mut signers: Vec<Address> = overdue.iter().map(|row| row.signer.0).collect();
        signers.sort_unstable();
        signers.dedup();
        let hashes = attempts.values().flatten().map(|attempt| attempt.hash).collect();
        let mut by_diamond: HashMap<Address, Vec<B256>> = HashMap::new();
        for row in overdue {
            if let (Some(diamond), Some(reference)) = (row.diamond, row.reference) {
                by_diamond.entry(diamond.0).or_default().push(reference.0);
            }
        }
        let mut deals = Vec::new();
        for (diamond, mut refs) in by_diamond {
            refs.sort_unstable();
            refs.dedup();
            deals.extend(refs.chunks(DEALS).map(|refs| (diamond, refs.to_vec())));
        }
        Self { signers, hashes, deals }
    }

    async fn put_to(&self, context: &Context, provider: &Provider) -> Answers {
        let mut calls = vec![Call::new("eth_blockNumber", json!([]))];
        calls.extend(self.signers.iter().map(|signer| Call::new("eth_getTransactionCount", json!([signer, "latest"]))));
        calls.extend(self.hashes.iter().map(|hash| Call::new("eth_getTransactionReceipt", json!([hash]))));
        let mut interfaces = Vec::with_capacity(self.deals.len());
        for (diamond, refs) in &self.deals {
            let interface = context.interface(provider, *diamond).await.map_err(|error| error.to_string());
            let interface = interface.and_then(|interface| interface.ok_or_else(no_diamond));
            if let Ok(interface) = &interface {
                calls.extend(interface.deals_of(*diamond, refs.clone(), None));
            }
            interfaces.push(interface);
        }
        let mut answers = provider.call_all(calls).await.into_iter();
        let mut next = || answers.next().unwrap_or_else(|| Err(Fault::Lost("no answer".to_owned())));
        let block_number = said::<U64>(next()).map(|number| number.to());
        let nonces = self.signers.iter().map(|signer| (*signer, said::<U64>(next()).map(|count| count.to()))).collect();
        let receipts = self.hashes.iter().map(|hash| (*hash, mined(*hash, next()))).collect();
        let mut deals = HashMap::new();
        for ((diamond, refs), interface) in self.deals.iter().zip(interfaces) {
            // Its state is what is asked for here, whatever the terms.
            let terms: Vec<_> = refs.iter().map(|r#ref| Terms { r#ref: *r#ref, ..Terms::default() }).collect();
            let found = interface.and_then(|interface| {
                let answers: Vec<_> = (0..interface.answers(refs.len())).map(|_| next()).collect();
                let answers = answers.into_iter().collect::<Result<Vec<_>, _>>().map_err(|fault| fault.to_string())?;
                interface.decode_deals(answers, &terms).map_err(|error| error.to_string())
            });
            for (index, reference) in refs.iter().enumerate() {
                let state = found.as_ref().map(|deals| label(deals[index].state).to_owned()).map_err(Clone::clone);
                deals.insert((*diamond, *reference), state);
            }
        }
        Answers { provider: provider.label().to_owned(), block_number, nonces, receipts, deals }
    }
}

impl Answers {
    fn about(&self, row: &Overdue, attempts: &[SignedAttempt]) -> Testimony {
        let unasked = || Err("not asked".to_owned());
        let place = row.diamond.zip(row.reference);
        Testimony {
            provider: self.provider.clone(),
            block_number: self.block_number.clone(),
            nonce: self.nonces.get(&row.signer.0).cloned().unwrap_or_else(unasked),
            receipts: attempts
                .iter()
                .map(|attempt| self.receipts.get(&attempt.hash).cloned().unwrap_or_else(|| Err("not asked".to_owned())))
                .collect(),
            deal: place.map(|(diamond, reference)| {
                self.deals.get(&(diamond.0, reference.0)).cloned().unwrap_or_else(|| Err("not asked".to_owned()))
            }),
        }
    }
}

fn no_diamond() -> String {
    "the contract is no diamond of an edition we know".to_owned()
}

fn said<T: DeserializeOwned>(answer: Answer) -> Said<T> {
    let value = answer.map_err(|fault| fault.to_string())?;
    decode(value).map_err(|error| error.to_string())
}

fn mined(hash: B256, answer: Answer) -> Said<Option<MinedIn>> {
    let receipt: Option<Receipt> = said(answer)?;
    match receipt {
        Some(receipt) if receipt.transaction_hash != hash => Err("the receipt of another transaction".to_owned()),
        Some(receipt) => Ok(Some(MinedIn {
            block_number: receipt.block_number(),
            block_hash: receipt.block_hash,
            success: receipt.success(),
        })),
        None => Ok(None),
    }
}

fn label(state: DealState) -> &'static str {
    match state {
        DealState::None => "none",
        DealState::Open => "open",
        DealState::Deposited => "deposited",
        DealState::Released => "released",
        DealState::Canceled => "canceled",
        DealState::__Invalid => "invalid",
    }
}
