//! Executes a call on some state without keeping what it does, and estimates gas by doing so repeatedly.

use std::{convert::Infallible, fmt::Write as _};

use alloy::{
    consensus::Header,
    primitives::{Bytes, TxKind, U256},
    rpc::types::TransactionRequest,
    sol_types::{Panic, Revert, SolError},
};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    database::WrapDatabaseRef,
};

use crate::{
    evm::{TRANSACTION_GAS_CAP, TRANSACTION_GAS_MIN, block_env, rules},
    ledger::View,
    state::Info,
};

/// The most gas of a call, as in geth.
const CALL_GAS_MAX: u64 = 50_000_000;
/// What a value-bearing call gives to the callee for nothing; gas that may be needed beyond what is used.
const CALL_STIPEND: u64 = 2_300;
/// An estimate may exceed the least sufficient gas by one part in so many.
const ESTIMATE_TOLERANCE: u64 = 66;

/// Why a call gives no result; the texts are geth's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")]
    BothFees,
    #[error("chainId does not match node's (have={have}, want={want})")]
    ChainId { have: u64, want: u64 },
    #[error("{}", revert_message(.output))]
    Reverted { output: Bytes },
    #[error("{0}")]
    Halted(String),
    #[error("err: {reason} (supplied gas {gas})")]
    Invalid { reason: String, gas: u64 },
    #[error("failed with {gas} gas: {reason}")]
    Inestimable { reason: String, gas: u64 },
    #[error("gas required exceeds allowance ({0})")]
    GasExceedsAllowance(u64),
    #[error("insufficient funds for transfer")]
    InsufficientFunds,
}

/// A call that is ready to be executed.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    rules: CfgEnv,
    block: BlockEnv,
    transaction: TxEnv,
    /// Whether the caller limited the gas.
    gas_given: bool,
}

type Failure = EVMError<Infallible, InvalidTransaction>;

impl Call {
    /// Prepares a call in the context of a block.
    pub(crate) fn new(chain_id: u64, header: &Header, request: TransactionRequest) -> Result<Self, CallError> {
        let dynamic_fee = request.max_fee_per_gas.or(request.max_priority_fee_per_gas).is_some();
        if dynamic_fee && request.gas_price.is_some() {
            return Err(CallError::BothFees);
        }
        if let Some(have) = request.chain_id.filter(|have| *have != chain_id) {
            return Err(CallError::ChainId { have, want: chain_id });
        }
        let gas_price = request.gas_price.or(request.max_fee_per_gas).unwrap_or_default();
        let mut rules = rules(chain_id);
        rules.disable_nonce_check = true;
        rules.disable_eip3607 = true;
        rules.disable_base_fee = gas_price == 0;
        rules.tx_gas_limit_cap = Some(u64::MAX);
        let access_list = request.access_list.unwrap_or_default();
        let transaction = TxEnv {
            tx_type: if dynamic_fee { 2 } else { u8::from(!access_list.is_empty()) },
            caller: request.from.unwrap_or_default(),
            gas_limit: request.gas.unwrap_or(CALL_GAS_MAX).min(CALL_GAS_MAX),
            gas_price,
            gas_priority_fee: dynamic_fee.then(|| request.max_priority_fee_per_gas.unwrap_or_default().min(gas_price)),
            kind: request.to.unwrap_or(TxKind::Create),
            value: request.value.unwrap_or_default(),
            data: request.input.into_input().unwrap_or_default(),
            chain_id: Some(chain_id),
            access_list,
            nonce: 0,
            blob_hashes: Vec::new(),
            max_fee_per_blob_gas: 0,
            authorization_list: Vec::new(),
        };
        let mut block = block_env(header);
        if rules.disable_base_fee {
            block.basefee = 0;
        }
        Ok(Self { rules, block, transaction, gas_given: request.gas.is_some() })
    }

    /// Executes the call; answers its output.
    pub(crate) fn output(&self, view: &View<'_>) -> Result<Bytes, CallError> {
        let gas = self.transaction.gas_limit;
        let invalid = |failure| CallError::Invalid { reason: self.reason(failure), gas };
        match self.run(view, gas).map_err(invalid)? {
            ExecutionResult::Success { output, .. } => Ok(output.into_data()),
            failed => Err(failed_call(failed)),
        }
    }

    fn run(&self, view: &View<'_>, gas: u64) -> Result<ExecutionResult, Failure> {
        let transaction = TxEnv { gas_limit: gas, ..self.transaction.clone() };
        let mut evm = Context::mainnet()
            .with_db(WrapDatabaseRef(view))
            .with_cfg(self.rules.clone())
            .with_block(self.block.clone())
            .build_mainnet();
        evm.transact(transaction).map(|outcome| outcome.result)
    }

    /// Whether the call succeeds with so much gas. Too little for the transaction itself counts as no success.
    fn succeeds(&self, view: &View<'_>, gas: u64) -> Result<bool, CallError> {
        match self.run(view, gas) {
            Ok(result) => Ok(result.is_success()),
            Err(failure) if lacks_gas(&failure) => Ok(false),
            Err(failure) => Err(CallError::Inestimable { reason: self.reason(failure), gas }),
        }
    }

    /// Why a call cannot even be executed.
    fn reason(&self, failure: Failure) -> String {
        let address = self.transaction.caller;
        let max_fee = self.transaction.gas_price;
        match failure {
            EVMError::Transaction(InvalidTransaction::LackOfFundForMaxFee { fee, balance }) => {
                format!("insufficient funds for gas * price + value: address {address} have {balance} want {fee}")
            }
            EVMError::Transaction(InvalidTransaction::GasPriceLessThanBasefee) => format!(
                "max fee per gas less than block base fee: address {address}, maxFeePerGas: {max_fee}, baseFee: {}",
                self.block.basefee
            ),
            EVMError::Transaction(
                InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas: needed, gas_limit }
                | InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor: needed, gas_limit },
            ) => format!("intrinsic gas too low: have {gas_limit}, want {needed}"),
            EVMError::Transaction(InvalidTransaction::CreateInitCodeSizeLimit) => {
                format!("max initcode size exceeded: code size {}", self.transaction.data.len())
            }
            other => other.to_string(),
        }
    }

    fn is_plain_transfer(&self, view: &View<'_>) -> bool {
        let TxKind::Call(to) = self.transaction.kind else { return false };
        self.transaction.data.is_empty() && view.info(&to).code_hash == Info::default().code_hash
    }

    /// The most gas that makes sense: what was given, what is allowed, what the caller can pay for.
    fn gas_allowance(&self, view: &View<'_>) -> Result<u64, CallError> {
        let given = self.gas_given && self.transaction.gas_limit >= TRANSACTION_GAS_MIN;
        let most = if given { self.transaction.gas_limit } else { u64::MAX }.min(TRANSACTION_GAS_CAP);
        if self.transaction.gas_price == 0 {
            return Ok(most);
        }
        let balance = view.info(&self.transaction.caller).balance;
        let available = balance.checked_sub(self.transaction.value).ok_or(CallError::InsufficientFunds)?;
        let payable = available / U256::from(self.transaction.gas_price);
        Ok(most.min(payable.saturating_to()))
    }
}

/// The least gas, or little more, with which the call succeeds.
pub(crate) fn estimate(call: &Call, view: &View<'_>) -> Result<u64, CallError> {
    let mut high = call.gas_allowance(view)?;
    if call.is_plain_transfer(view) && call.succeeds(view, TRANSACTION_GAS_MIN).unwrap_or(false) {
        return Ok(TRANSACTION_GAS_MIN);
    }
    let gas = match call.run(view, high) {
        Ok(ExecutionResult::Success { gas, .. }) => gas,
        Ok(ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. }) => {
            return Err(CallError::GasExceedsAllowance(high));
        }
        Ok(failed) => return Err(failed_call(failed)),
        Err(failure) if lacks_gas(&failure) => return Err(CallError::GasExceedsAllowance(high)),
        Err(failure) => return Err(CallError::Inestimable { reason: call.reason(failure), gas: high }),
    };
    let mut low = gas.tx_gas_used() - 1;
    // With what was used before refunds, and what nested calls keep back, it most often succeeds already.
    let likely = (gas.total_gas_spent().max(gas.tx_gas_used()) + CALL_STIPEND) * 64 / 63;
    if likely < high {
        if call.succeeds(view, likely)? { high = likely } else { low = likely }
    }
    while low + 1 < high && high - low >= high / ESTIMATE_TOLERANCE {
        let middle = (low + (high - low) / 2).min(low * 2);
        if call.succeeds(view, middle)? { high = middle } else { low = middle }
    }
    Ok(high)
}

fn lacks_gas(failure: &Failure) -> bool {
    matches!(
        failure,
        EVMError::Transaction(
            InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
                | InvalidTransaction::GasFloorMoreThanGasLimit { .. }
        )
    )
}

fn failed_call(result: ExecutionResult) -> CallError {
    match result {
        ExecutionResult::Revert { output, .. } => CallError::Reverted { output },
        ExecutionResult::Halt { reason, .. } => CallError::Halted(halt_message(&reason)),
        // Not failed at all; the callers have taken this case out.
        ExecutionResult::Success { .. } => CallError::Halted(String::new()),
    }
}

fn halt_message(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID".to_owned(),
        HaltReason::StateChangeDuringStaticCall => "write protection".to_owned(),
        HaltReason::CreateCollision => "contract address collision".to_owned(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".to_owned(),
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef".to_owned(),
        other => other.to_string(),
    }
}

/// What a revert says: Solidity's own errors in words, custom ones only as data.
fn revert_message(output: &Bytes) -> String {
    let mut message = "execution reverted".to_owned();
    if let Ok(revert) = Revert::abi_decode(output) {
        let _ = write!(message, ": {}", revert.reason);
    } else if let Ok(panic) = Panic::abi_decode(output) {
        match panic.kind() {
            Some(kind) => drop(write!(message, ": {}", kind.as_str())),
            None => drop(write!(message, ": unknown panic code: {:#x}", panic.code)),
        }
    }
    message
}
