//! The checks of a transaction before it enters the pool, in geth's order.

use std::fmt;

use alloy::{
    consensus::{Transaction as _, TxEnvelope, TxType, transaction::SignerRecoverable},
    eips::Decodable2718,
    primitives::{Address, U256},
};
use revm::{context_interface::cfg::GasParams, primitives::eip3860::MAX_INITCODE_SIZE};

use super::{Pool, Pooled};
use crate::{
    evm::{SPEC, TRANSACTION_GAS_CAP},
    state::Info,
};

/// The longest encoded transaction.
const SIZE_MAX: usize = 128 * 1024;

/// Why a transaction does not enter the pool; the texts are geth's, as clients classify by them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("rlp: {0}")]
    Undecodable(String),
    #[error("transaction type not supported: tx type {0} not supported by this pool")]
    Unsupported(u8),
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    #[error("oversized data: transaction size {size}, limit {SIZE_MAX}")]
    Oversized { size: usize },
    #[error("max initcode size exceeded: code size {size} limit {MAX_INITCODE_SIZE}")]
    InitCode { size: usize },
    #[error("transaction gas limit too high (cap: {TRANSACTION_GAS_CAP}, tx: {gas})")]
    AboveGasCap { gas: u64 },
    #[error(
        "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {max_fee}"
    )]
    TipAboveFee { tip: u128, max_fee: u128 },
    #[error("invalid sender: {0}")]
    InvalidSender(String),
    #[error("nonce has max value")]
    NonceMax,
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas { gas: u64, needed: u64 },
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorGas { gas: u64, needed: u64 },
    #[error("already known")]
    AlreadyKnown,
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow { next: u64, nonce: u64 },
    #[error("insufficient funds for gas * price + value: {0}")]
    InsufficientFunds(Box<Shortage>),
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    #[error("txpool is full")]
    PoolFull,
}

/// What is missing for a transaction.
#[derive(Debug)]
pub(crate) struct Shortage {
    balance: U256,
    /// What the sender's other waiting transactions can cost.
    queued: U256,
    cost: U256,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let overshot = self.queued.saturating_add(self.cost).saturating_sub(self.balance);
        write!(f, "balance {}, ", self.balance)?;
        if !self.queued.is_zero() {
            write!(f, "queued cost {}, ", self.queued)?;
        }
        write!(f, "tx cost {}, overshot {overshot}", self.cost)
    }
}

/// A transaction that passed the checks which need no state. Recovering the sender takes most of the time, so this is
/// done before any lock is taken.
#[derive(Debug)]
pub(crate) struct Admission {
    pooled: Pooled,
}

impl Admission {
    /// Decodes and checks a signed transaction.
    pub(crate) fn new(raw: &[u8], chain_id: u64) -> Result<Self, Refusal> {
        if raw.len() > SIZE_MAX {
            return Err(Refusal::Oversized { size: raw.len() });
        }
        let envelope = TxEnvelope::decode_2718_exact(raw).map_err(|error| Refusal::Undecodable(error.to_string()))?;
        match envelope.tx_type() {
            TxType::Legacy | TxType::Eip2930 | TxType::Eip1559 => {}
            other => return Err(Refusal::Unsupported(other.into())),
        }
        check_limits(&envelope)?;
        match envelope.chain_id() {
            None => return Err(Refusal::Unprotected),
            Some(have) if have != chain_id => {
                let text = format!("invalid chain id for signer: have {have} want {chain_id}");
                return Err(Refusal::InvalidSender(text));
            }
            Some(_) => {}
        }
        let sender = envelope.recover_signer().map_err(|error| Refusal::InvalidSender(error.to_string()))?;
        if envelope.nonce() == u64::MAX {
            return Err(Refusal::NonceMax);
        }
        check_intrinsic_gas(&envelope)?;
        Ok(Self { pooled: Pooled { envelope, sender } })
    }

    /// Who sends it.
    pub(crate) fn sender(&self) -> Address {
        self.pooled.sender
    }

    /// Checks it against the sender's account and the pool.
    pub(crate) fn admit(self, pool: &Pool, account: Info) -> Result<Pooled, Refusal> {
        let Self { pooled } = self;
        if pool.get(*pooled.envelope.tx_hash()).is_some() {
            return Err(Refusal::AlreadyKnown);
        }
        let nonce = pooled.envelope.nonce();
        if nonce < account.nonce {
            return Err(Refusal::NonceTooLow { next: account.nonce, nonce });
        }
        let (balance, cost) = (account.balance, pooled.cost());
        let replaced = pool.at(pooled.sender, nonce).map(|old| old.cost()).unwrap_or_default();
        let queued = if balance < cost { U256::ZERO } else { pool.cost(pooled.sender).saturating_sub(replaced) };
        if balance < queued.saturating_add(cost) {
            return Err(Refusal::InsufficientFunds(Box::new(Shortage { balance, queued, cost })));
        }
        Ok(pooled)
    }
}

fn check_limits(envelope: &TxEnvelope) -> Result<(), Refusal> {
    let gas = envelope.gas_limit();
    if envelope.is_create() && envelope.input().len() > MAX_INITCODE_SIZE {
        return Err(Refusal::InitCode { size: envelope.input().len() });
    }
    if gas > TRANSACTION_GAS_CAP {
        return Err(Refusal::AboveGasCap { gas });
    }
    let max_fee = envelope.max_fee_per_gas();
    match envelope.max_priority_fee_per_gas() {
        Some(tip) if tip > max_fee => Err(Refusal::TipAboveFee { tip, max_fee }),
        _ => Ok(()),
    }
}

fn check_intrinsic_gas(envelope: &TxEnvelope) -> Result<(), Refusal> {
    let (accounts, slots) = envelope.access_list().map_or((0, 0), |list| {
        (list.len() as u64, list.iter().map(|item| item.storage_keys.len() as u64).sum::<u64>())
    });
    let params = GasParams::new_spec(SPEC);
    let least = params.initial_tx_gas(envelope.input(), envelope.is_create(), accounts, slots, 0, None);
    let gas = envelope.gas_limit();
    if gas < least.initial_regular_gas {
        return Err(Refusal::IntrinsicGas { gas, needed: least.initial_regular_gas });
    }
    if gas < least.floor_gas {
        return Err(Refusal::FloorGas { gas, needed: least.floor_gas });
    }
    Ok(())
}
