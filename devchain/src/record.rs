//! What stands in the log: how each kind of record is written and read.

use alloy::primitives::{Address, B256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use anyhow::bail;

use crate::{block::Block, state::Changes};

/// Version of the log's format and of the rules by which headers of empty blocks are derived.
pub(crate) const VERSION: u32 = 1;

/// A record of the log.
#[derive(Debug)]
pub(crate) enum Record {
    /// The first one.
    Start(Start),
    /// A block that holds something. The rest of it follows the summary; see [`Body`].
    Content(Summary),
    /// An empty block.
    Empty(Empty),
    /// Everything above a block is no longer canonical.
    Reorg(Reorg),
}

/// What the log was started with.
#[derive(Clone, Copy, Debug, RlpEncodable, RlpDecodable)]
pub(crate) struct Start {
    pub(crate) version: u32,
    pub(crate) chain_id: u64,
}

/// What is kept in memory of a block with content.
#[derive(Clone, Debug, RlpEncodable, RlpDecodable)]
pub(crate) struct Summary {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) parent: B256,
    pub(crate) timestamp: u64,
    pub(crate) base_fee: u64,
    pub(crate) gas_used: u64,
    pub(crate) state_root: B256,
    pub(crate) transactions: Vec<B256>,
    /// The contracts that logged something in it, each once.
    pub(crate) emitters: Vec<Address>,
}

/// An empty block, whose header is derived.
#[derive(Clone, Copy, Debug, RlpEncodable, RlpDecodable)]
#[rlp(trailing)]
pub(crate) struct Empty {
    pub(crate) timestamp: u64,
    pub(crate) fingerprint: u32,
    /// Present where a new run begins, so that no long chain of hashes has to be computed at the start.
    pub(crate) parent: Option<B256>,
}

/// A reorg.
#[derive(Clone, Copy, Debug, RlpEncodable, RlpDecodable)]
pub(crate) struct Reorg {
    pub(crate) head: u64,
    pub(crate) fork: u32,
}

impl Record {
    /// Reads a record, without a block's body.
    pub(crate) fn decode(payload: &[u8]) -> anyhow::Result<Self> {
        let Some((tag, mut rest)) = payload.split_first() else { bail!("empty record") };
        let rest = &mut rest;
        Ok(match tag {
            b'S' => Self::Start(Start::decode(rest)?),
            b'C' => Self::Content(Summary::decode(rest)?),
            b'E' => Self::Empty(Empty::decode(rest)?),
            b'R' => Self::Reorg(Reorg::decode(rest)?),
            other => bail!("unknown record {other}"),
        })
    }
}

/// Encodes a record that is nothing but its fields.
pub(crate) fn encode(tag: u8, fields: &impl Encodable) -> Vec<u8> {
    let mut payload = vec![tag];
    fields.encode(&mut payload);
    payload
}

/// Encodes a block with content.
pub(crate) fn encode_content(summary: &Summary, block: &Block, changes: &Changes) -> Vec<u8> {
    let mut payload = encode(b'C', summary);
    block.encode(&mut payload);
    changes.encode(&mut payload);
    payload
}

/// A whole block with content, and what it did.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) summary: Summary,
    pub(crate) block: Block,
    pub(crate) changes: Changes,
}

impl Body {
    /// Reads the record of a block with content.
    pub(crate) fn decode(payload: &[u8]) -> anyhow::Result<Self> {
        let Some((b'C', mut rest)) = payload.split_first() else { bail!("not a block") };
        let rest = &mut rest;
        Ok(Self { summary: Summary::decode(rest)?, block: Block::decode(rest)?, changes: Changes::decode(rest)? })
    }
}

impl Summary {
    /// Summarises a block.
    pub(crate) fn of(block: &Block, hash: B256) -> Self {
        let mut emitters: Vec<Address> =
            block.transactions.iter().flat_map(|mined| &mined.logs).map(|log| log.address).collect();
        emitters.sort_unstable();
        emitters.dedup();
        Self {
            number: block.header.number,
            hash,
            parent: block.header.parent_hash,
            timestamp: block.header.timestamp,
            base_fee: block.header.base_fee_per_gas.unwrap_or_default(),
            gas_used: block.header.gas_used,
            state_root: block.header.state_root,
            transactions: block.transactions.iter().map(|mined| *mined.envelope.tx_hash()).collect(),
            emitters,
        }
    }
}
