//! Execution on revm: the environment, and whole blocks.

use std::{collections::HashSet, sync::Arc};

use alloy::{
    consensus::{Header, Transaction as _, Typed2718},
    primitives::{Address, KECCAK256_EMPTY, U256},
};
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    context::{
        BlockEnv, CfgEnv, ContextTr, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    context_interface::block::BlobExcessGasAndPrice,
    database::{AccountState, CacheDB, DbAccount},
    primitives::{eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE, hardfork::SpecId},
};

use crate::{
    block::{Block, Credit, Mined},
    ledger::View,
    pool::Pooled,
    state::{AccountChange, Changes, Info, SlotChange, root_after},
};

/// The rules of the chain.
pub(crate) const SPEC: SpecId = SpecId::OSAKA;
/// The most gas of one transaction (EIP-7825).
pub(crate) const TRANSACTION_GAS_CAP: u64 = 1 << 24;
/// The least gas of one transaction.
pub(crate) const TRANSACTION_GAS_MIN: u64 = 21_000;

/// The rules as revm wants them.
pub(crate) fn rules(chain_id: u64) -> CfgEnv {
    CfgEnv::new_with_spec(SPEC).with_chain_id(chain_id)
}

/// A block's header as revm wants it.
pub(crate) fn block_env(header: &Header) -> BlockEnv {
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: U256::ZERO,
        prevrandao: Some(header.mix_hash),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(0, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE)),
        slot_num: 0,
    }
}

/// Executes what fits into a block with this header.
pub(crate) fn execute(
    view: View<'_>,
    chain_id: u64,
    header: Header,
    credits: Vec<Credit>,
    candidates: &[Arc<Pooled>],
) -> (Block, Changes) {
    let mut database = CacheDB::new(&view);
    for credit in &credits {
        let Ok(account) = database.load_account(credit.address);
        account.info.balance = account.info.balance.saturating_add(credit.wei);
        account.account_state = AccountState::Touched;
    }
    let mut evm =
        Context::mainnet().with_db(database).with_cfg(rules(chain_id)).with_block(block_env(&header)).build_mainnet();
    let mut gas_left = header.gas_limit;
    let mut passed_over = HashSet::new();
    let mut mined = Vec::new();
    for candidate in candidates {
        if gas_left < TRANSACTION_GAS_MIN {
            break;
        }
        // A sender's later transactions cannot go before an earlier one that was passed over.
        if passed_over.contains(&candidate.sender) {
            continue;
        }
        let outcome =
            (candidate.envelope.gas_limit() <= gas_left).then(|| evm.transact_commit(transaction_env(candidate)));
        let Some(Ok(result)) = outcome else {
            passed_over.insert(candidate.sender);
            if let Some(Err(error)) = outcome {
                report(candidate, &error);
            }
            continue;
        };
        gas_left -= result.tx_gas_used();
        mined.push(outcome_of(candidate, result));
    }
    let changes = changes(&view, &evm.ctx.db().cache.accounts, |hash| evm.ctx.db().cache.contracts.get(hash).cloned());
    let mut block = Block::seal(header, mined, credits);
    block.header.state_root = root_after(block.header.state_root, &changes);
    (block, changes)
}

/// A transaction that cannot be executed now stays in the pool: a later block may have the funds or the base fee.
fn report(candidate: &Pooled, error: &EVMError<std::convert::Infallible, InvalidTransaction>) {
    tracing::debug!(hash = %candidate.envelope.tx_hash(), %error, "left a transaction in the pool");
}

fn outcome_of(candidate: &Pooled, result: ExecutionResult) -> Mined {
    Mined {
        envelope: candidate.envelope.clone(),
        sender: candidate.sender,
        success: result.is_success(),
        gas_used: result.tx_gas_used(),
        logs: if result.is_success() { result.into_logs() } else { Vec::new() },
    }
}

/// A signed transaction as revm wants it.
fn transaction_env(pooled: &Pooled) -> TxEnv {
    let envelope = &pooled.envelope;
    TxEnv {
        tx_type: envelope.ty(),
        caller: pooled.sender,
        gas_limit: envelope.gas_limit(),
        gas_price: envelope.max_fee_per_gas(),
        kind: envelope.kind(),
        value: envelope.value(),
        data: envelope.input().clone(),
        nonce: envelope.nonce(),
        chain_id: envelope.chain_id(),
        access_list: envelope.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: envelope.max_priority_fee_per_gas(),
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: Vec::new(),
    }
}

/// What is different from the state before, in a fixed order, so that equal blocks have equal state roots.
fn changes(
    view: &View<'_>,
    accounts: &revm::primitives::AddressMap<DbAccount>,
    code: impl Fn(&alloy::primitives::B256) -> Option<revm::bytecode::Bytecode>,
) -> Changes {
    let mut changes = Changes::default();
    for (address, account) in accounts {
        let Some(change) = account_change(view, *address, account) else { continue };
        let new_code = change.after.code_hash != change.before.code_hash && change.after.code_hash != KECCAK256_EMPTY;
        if new_code && let Some(code) = code(&change.after.code_hash) {
            changes.codes.push(code.original_bytes());
        }
        changes.accounts.push(change);
    }
    changes.accounts.sort_unstable_by_key(|change| change.address);
    changes.codes.sort_unstable();
    changes.codes.dedup();
    changes
}

fn account_change(view: &View<'_>, address: Address, account: &DbAccount) -> Option<AccountChange> {
    let before = view.info(&address);
    let after = match account.account_state {
        AccountState::NotExisting => Info::default(),
        AccountState::Touched | AccountState::StorageCleared | AccountState::None => {
            Info { nonce: account.info.nonce, balance: account.info.balance, code_hash: account.info.code_hash }
        }
    };
    let mut slots: Vec<SlotChange> = account
        .storage
        .iter()
        .map(|(key, after)| SlotChange { key: *key, before: view.slot(&address, key), after: *after })
        .filter(|slot| slot.before != slot.after)
        .collect();
    slots.sort_unstable_by_key(|slot| slot.key);
    (before != after || !slots.is_empty()).then_some(AccountChange { address, before, after, slots })
}
