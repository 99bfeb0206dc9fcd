//! The diamonds' logs of single blocks.

use alloy::primitives::{Address, B256};
use serde_json::json;

use crate::{
    error::Error,
    rpc::{Call, Fault, Header, Log, Provider, decode, quantity},
};

/// Which logs are read.
pub(super) struct Filter {
    pub(super) diamonds: Vec<Address>,
    /// One of which each begins with.
    pub(super) topics: Vec<B256>,
}

/// By the blocks' hashes, which a node that does not have a block cannot answer with an empty list; from nodes that do not
/// know that question by number, and then each with its block's header, so that it is the block that was meant.
pub(super) async fn of_blocks(provider: &Provider, of: &Filter, blocks: &[Header]) -> Result<Vec<Log>, Error> {
    if of.diamonds.is_empty() {
        return Ok(Vec::new());
    }
    if provider.gives_logs_by_hash() {
        if let Some(logs) = by_hash(provider, of, blocks).await? {
            return Ok(logs);
        }
        let logs = by_number(provider, of, blocks).await?;
        provider.refuses_logs_by_hash();
        return Ok(logs);
    }
    by_number(provider, of, blocks).await
}

/// `None`: the endpoint does not know the question.
async fn by_hash(provider: &Provider, of: &Filter, blocks: &[Header]) -> Result<Option<Vec<Log>>, Error> {
    let filter = |block: &Header| json!([{"blockHash": block.hash, "address": of.diamonds, "topics": [of.topics]}]);
    let calls = blocks.iter().map(|block| Call::new("eth_getLogs", filter(block))).collect();
    let mut all = Vec::new();
    for (block, answer) in blocks.iter().zip(provider.call_all(calls).await) {
        match answer {
            Ok(answer) => all.extend(checked(provider, block, decode(answer)?)?),
            Err(fault) if refuses_the_question(&fault) => return Ok(None),
            Err(fault) => return Err(provider.error("eth_getLogs", &fault)),
        }
    }
    Ok(Some(all))
}

async fn by_number(provider: &Provider, of: &Filter, blocks: &[Header]) -> Result<Vec<Log>, Error> {
    let calls = blocks.iter().flat_map(|block| {
        let number = quantity(block.number());
        let filter = json!([{"fromBlock": number, "toBlock": number, "address": of.diamonds, "topics": [of.topics]}]);
        [Call::new("eth_getLogs", filter), Call::block(block.number())]
    });
    let mut answers = provider.read_all(calls.collect()).await?.into_iter();
    let mut all = Vec::new();
    for block in blocks {
        let logs = decode(answers.next().unwrap_or_default())?;
        let there: Option<Header> = decode(answers.next().unwrap_or_default())?;
        if there.is_none_or(|there| there.hash != block.hash) {
            return Err(Error::Rpc(format!("{} has another block {} by now", provider.label(), block.number())));
        }
        all.extend(checked(provider, block, logs)?);
    }
    Ok(all)
}

fn checked(provider: &Provider, block: &Header, logs: Vec<Log>) -> Result<Vec<Log>, Error> {
    if logs.iter().any(|log| log.block_hash != block.hash) {
        return Err(Error::Rpc(format!("{} answers with logs of another block", provider.label())));
    }
    Ok(logs)
}

/// That a block is not there is another answer, after which nothing of it may be believed.
fn refuses_the_question(fault: &Fault) -> bool {
    match fault {
        Fault::Http { status, .. } => matches!(status, 400 | 422 | 501),
        Fault::Node { code, message, .. } => {
            let message = message.to_lowercase();
            let absent = ["unknown block", "not found", "could not be found"].iter().any(|text| message.contains(text));
            !absent && (matches!(code, -32_700 | -32_602..=-32_600) || message.contains("blockhash"))
        }
        Fault::NotSent(_) | Fault::Lost(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_is_not_there_is_no_question_refused() {
        let node = |code, message: &str| Fault::Node { code, message: message.to_owned(), data: None };
        for fault in [node(-32_602, "invalid params"), node(-32_000, "blockHash is not supported")] {
            assert!(refuses_the_question(&fault), "{fault}");
        }
        for fault in [node(-32_000, "unknown block"), node(-32_602, "blockHash: not found"), node(-32_603, "internal")]
        {
            assert!(!refuses_the_question(&fault), "{fault}");
        }
    }
}
