//! Finds out which sends are mined, whether they stay so, and which will never be.

use std::{collections::HashMap, time::Instant};

use alloy::primitives::{Address, B256, U64};
use serde_json::json;

use super::{AttemptStatus, Lane, Mined, Send};
use crate::{
    agent::Tip,
    error::Error,
    rpc::{Call, Counts, Provider, Receipt, decode},
};

/// What a look at the chain told.
#[derive(Default)]
pub(super) struct Findings {
    /// Sends that were not known to be mined, or elsewhere.
    pub(super) mined: Vec<(uuid::Uuid, Mined)>,
    /// Sends that were mined and are not any more.
    pub(super) lost: Vec<uuid::Uuid>,
    /// Sends whose nonce a stranger's transaction took for good.
    pub(super) displaced: Vec<uuid::Uuid>,
}

impl Lane {
    pub(super) async fn track(&mut self, tip: Tip) -> Result<(), Error> {
        if self.sends.is_empty() {
            return Ok(());
        }
        let provider = self.context.rpc.preferred();
        let counts = Counts::at(&provider, self.signer).await?;
        let used = counts.mined;
        self.miss(counts);
        self.watch_for_gaps(used, tip)?;
        let asked: Vec<&Send> = self
            .sends
            .iter()
            .filter(|send| match send.mined {
                None => send.nonce < used,
                Some(mined) => mined.number <= tip.final_number,
            })
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let found = receipts(&provider, &asked).await?;
        let mut findings = Findings::default();
        let mut missing = Vec::new();
        for (send, found) in asked.iter().zip(found) {
            match found {
                Some(mined) if send.mined != Some(mined) => findings.mined.push((send.id, mined)),
                Some(_) => {}
                None if send.mined.is_some() => findings.lost.push(send.id),
                None => missing.push(send.id),
            }
        }
        self.search(tip, &missing, &mut findings).await?;
        for send in &mut self.sends {
            let is_missing = missing.contains(&send.id);
            send.missing_since = if is_missing { send.missing_since.or(Some(tip.number)) } else { None };
        }
        self.settle(tip, findings).await
    }

    /// A used nonce without a receipt of ours: for a while that is a node that has not caught up. When the
    /// confirmations have passed and no endpoint knows any of our transactions, it was a stranger's. Only an endpoint
    /// counts that has those blocks and says itself that the nonce is used; two of them, where there are two.
    async fn search(&self, tip: Tip, missing: &[uuid::Uuid], findings: &mut Findings) -> Result<(), Error> {
        let confirmations = u64::from(self.context.network.confirmations.max(1));
        let overdue = |send: &&Send| {
            missing.contains(&send.id) && send.missing_since.is_some_and(|since| since + confirmations <= tip.number)
        };
        let overdue: Vec<&Send> = self.sends.iter().filter(overdue).collect();
        if overdue.is_empty() {
            return Ok(());
        }
        let providers = self.context.rpc.ranked();
        let mut denials: HashMap<uuid::Uuid, usize> = overdue.iter().map(|send| (send.id, 0)).collect();
        for provider in &providers {
            // Asked for first: a receipt that comes later than these is no older.
            let Ok(reached) = reached(provider, self.signer).await else { continue };
            let Ok(found) = receipts(provider, &overdue).await else { continue };
            for (send, mined) in overdue.iter().zip(found) {
                let due = send.missing_since.map_or(u64::MAX, |since| since + confirmations);
                match mined {
                    Some(mined) if denials.remove(&send.id).is_some() => findings.mined.push((send.id, mined)),
                    None if reached.head >= due && reached.used > send.nonce => {
                        denials.entry(send.id).and_modify(|count| *count += 1);
                    }
                    Some(_) | None => {}
                }
            }
        }
        let enough = providers.len().min(2);
        findings.displaced = denials.into_iter().filter(|(_, count)| *count >= enough).map(|(id, _)| id).collect();
        Ok(())
    }

    /// Forgets that a send was mined; its bytes are due again.
    pub(super) fn unmined_again(&mut self, id: uuid::Uuid) {
        if let Some(send) = self.send_mut(id) {
            send.mined = None;
            for attempt in &mut send.attempts {
                attempt.status = AttemptStatus::Open;
                attempt.due = Instant::now();
            }
        }
    }
}

/// How far an endpoint is, and how many transactions of the signer it has in blocks.
struct Reached {
    head: u64,
    used: u64,
}

async fn reached(provider: &Provider, signer: Address) -> Result<Reached, Error> {
    let calls =
        vec![Call::new("eth_blockNumber", json!([])), Call::new("eth_getTransactionCount", json!([signer, "latest"]))];
    let answers = provider.read_all(calls).await?.into_iter().map(decode::<U64>).collect::<Result<Vec<_>, _>>()?;
    match answers[..] {
        [head, used] => Ok(Reached { head: head.to(), used: used.to() }),
        _ => Err(Error::Rpc(format!("{} answers incompletely", provider.label()))),
    }
}

/// For each send the receipt of whichever of its attempts is mined.
async fn receipts(provider: &Provider, sends: &[&Send]) -> Result<Vec<Option<Mined>>, Error> {
    let hashes: Vec<(usize, B256)> = sends
        .iter()
        .enumerate()
        .flat_map(|(index, send)| send.attempts.iter().map(move |attempt| (index, attempt.hash)))
        .collect();
    let calls = hashes.iter().map(|(_, hash)| Call::new("eth_getTransactionReceipt", json!([hash]))).collect();
    let mut found = vec![None; sends.len()];
    for ((index, hash), answer) in hashes.iter().zip(provider.read_all(calls).await?) {
        let receipt: Option<Receipt> = decode(answer)?;
        if let Some(receipt) = receipt.filter(|receipt| receipt.transaction_hash == *hash) {
            found[*index] = Some(Mined {
                attempt: *hash,
                number: receipt.block_number(),
                block: receipt.block_hash,
                success: receipt.success(),
            });
        }
    }
    Ok(found)
}
