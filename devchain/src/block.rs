//! Blocks: what they hold, and how a header follows from its parent.

use alloy::{
    consensus::{
        EMPTY_ROOT_HASH, Header, ReceiptEnvelope, ReceiptWithBloom, Sealed, Transaction as _, TxEnvelope,
        proofs::{calculate_receipt_root, calculate_transaction_root},
    },
    eips::{eip1559::BaseFeeParams, eip1559::calc_next_block_base_fee, eip7685::EMPTY_REQUESTS_HASH},
    primitives::{Address, B256, Bloom, Log, U256, keccak256, logs_bloom},
};
use alloy_rlp::{Encodable as _, RlpDecodable, RlpEncodable};

/// Gas that fits into one block. A change alters the headers that are derived, so it needs a new log version.
pub(crate) const GAS_LIMIT: u64 = 60_000_000;
/// Wei per gas of the first block.
const FIRST_BASE_FEE: u64 = 1_000_000_000;

/// A block with everything that clients may ask of it.
#[derive(Clone, Debug, RlpEncodable, RlpDecodable)]
pub(crate) struct Block {
    pub(crate) header: Header,
    pub(crate) transactions: Vec<Mined>,
    pub(crate) credits: Vec<Credit>,
}

/// A transaction with the outcome of its execution.
#[derive(Clone, Debug, RlpEncodable, RlpDecodable)]
pub(crate) struct Mined {
    pub(crate) envelope: TxEnvelope,
    pub(crate) sender: Address,
    pub(crate) success: bool,
    pub(crate) gas_used: u64,
    pub(crate) logs: Vec<Log>,
}

/// Ether made from nothing by the operator of the chain. It is part of a block, so that a reorg treats it like any
/// other change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Credit {
    pub(crate) address: Address,
    pub(crate) wei: U256,
}

impl Mined {
    /// The address of the contract that the transaction was to create.
    pub(crate) fn created(&self) -> Option<Address> {
        self.envelope.is_create().then(|| self.sender.create(self.envelope.nonce()))
    }
}

impl Block {
    /// Its length in bytes, as it would go over a network.
    pub(crate) fn size(&self) -> usize {
        self.header.length() + self.transactions.iter().map(|mined| mined.envelope.length()).sum::<usize>()
    }

    /// Fills in the header's fields that follow from the transactions.
    pub(crate) fn seal(mut header: Header, transactions: Vec<Mined>, credits: Vec<Credit>) -> Self {
        let envelopes: Vec<&TxEnvelope> = transactions.iter().map(|mined| &mined.envelope).collect();
        header.transactions_root = calculate_transaction_root(&envelopes);
        let mut cumulative_gas_used = 0;
        let mut bloom = Bloom::ZERO;
        let receipts: Vec<ReceiptEnvelope> = transactions
            .iter()
            .map(|mined| {
                cumulative_gas_used += mined.gas_used;
                let logs_bloom = logs_bloom(&mined.logs);
                bloom |= logs_bloom;
                let receipt = alloy::consensus::Receipt {
                    status: mined.success.into(),
                    cumulative_gas_used,
                    logs: mined.logs.clone(),
                };
                ReceiptEnvelope::from_typed(mined.envelope.tx_type(), ReceiptWithBloom::new(receipt, logs_bloom))
            })
            .collect();
        header.receipts_root = calculate_receipt_root(&receipts);
        header.logs_bloom = bloom;
        header.gas_used = cumulative_gas_used;
        Self { header, transactions, credits }
    }
}

/// What an empty block inherits; everything else in its header is constant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inheritance {
    pub(crate) number: u64,
    pub(crate) parent: B256,
    pub(crate) timestamp: u64,
    pub(crate) base_fee: u64,
    pub(crate) state_root: B256,
    /// Counts the reorgs so far, so that a replaced block never gets its predecessor's hash.
    pub(crate) fork: u32,
}

impl Inheritance {
    /// What the child of a block starts with.
    pub(crate) fn of_child(parent: &Sealed<Header>, timestamp: u64, fork: u32) -> Self {
        Self {
            number: parent.number + 1,
            parent: parent.seal(),
            timestamp,
            base_fee: next_base_fee(parent),
            state_root: parent.state_root,
            fork,
        }
    }

    /// The header of an empty block.
    pub(crate) fn header(&self) -> Header {
        Header {
            parent_hash: self.parent,
            state_root: self.state_root,
            number: self.number,
            gas_limit: GAS_LIMIT,
            timestamp: self.timestamp,
            extra_data: self.fork.to_be_bytes().into(),
            mix_hash: keccak256(self.parent),
            base_fee_per_gas: Some(self.base_fee),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        }
    }
}

/// The header of block 0, before its credits are counted in.
pub(crate) fn genesis_header(timestamp: u64) -> Header {
    let nothing = B256::ZERO;
    Inheritance { number: 0, parent: nothing, timestamp, base_fee: FIRST_BASE_FEE, state_root: nothing, fork: 0 }
        .header()
}

/// The base fee of the block after this one, by EIP-1559.
pub(crate) fn next_base_fee(header: &Header) -> u64 {
    base_fee_after(header.gas_used, header.base_fee_per_gas.unwrap_or_default())
}

/// The base fee after a block that used so much gas at such a base fee.
pub(crate) fn base_fee_after(gas_used: u64, base_fee: u64) -> u64 {
    calc_next_block_base_fee(gas_used, GAS_LIMIT, base_fee, BaseFeeParams::ethereum())
}
