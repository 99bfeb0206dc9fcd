//! One EVM with nothing in it but the accounts that a test makes.

use std::fmt::Debug;

use alloy::primitives::{Address, B256, Bytes, Log, TxKind, U256};
use alloy::sol_types::{SolCall, SolEvent, SolInterface};
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, Journal, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext, MainnetEvm};

type Database = CacheDB<EmptyDB>;

/// The time of the first block.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A chain that mines each transaction at once, without fees.
pub(crate) struct Evm {
    inner: MainnetEvm<Context<BlockEnv, TxEnv, CfgEnv, Database, Journal<Database>, ()>>,
}

/// What a successful call left.
pub(crate) struct Done<T> {
    pub(crate) value: T,
    pub(crate) gas: u64,
    pub(crate) logs: Vec<Log>,
}

impl<T> Done<T> {
    /// Every event of one kind, in order.
    pub(crate) fn events<E: SolEvent>(&self) -> Vec<E> {
        self.logs.iter().filter_map(|log| E::decode_log(log).ok()).map(|log| log.data).collect()
    }

    /// The only event of one kind.
    pub(crate) fn event<E: SolEvent + Debug>(&self) -> E {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "one {} expected, not {events:?}", E::SIGNATURE);
        events.remove(0)
    }
}

impl Evm {
    pub(crate) fn new(rules: SpecId) -> Self {
        let context = Context::mainnet()
            .with_db(Database::default())
            .modify_cfg_chained(|config| {
                config.set_spec_and_mainnet_gas_params(rules);
                config.disable_nonce_check = true;
            })
            .modify_block_chained(|block| block.timestamp = U256::from(NOW));
        Self { inner: context.build_mainnet() }
    }

    /// An account that holds a thousand coins.
    pub(crate) fn account(&mut self, number: u8) -> Address {
        let address = Address::repeat_byte(number);
        let balance = U256::from(10).pow(U256::from(21));
        self.inner.ctx.journaled_state.database.insert_account_info(address, AccountInfo::from_balance(balance));
        address
    }

    pub(crate) fn set_time(&mut self, timestamp: u64) {
        self.inner.ctx.block.timestamp = U256::from(timestamp);
    }

    /// A word of a contract's storage.
    pub(crate) fn storage(&self, address: Address, slot: B256) -> U256 {
        let account = self.inner.ctx.journaled_state.database.cache.accounts.get(&address);
        account.and_then(|account| account.storage.get(&slot.into()).copied()).unwrap_or_default()
    }

    /// What an account holds of the chain's own coin.
    pub(crate) fn balance(&self, address: Address) -> U256 {
        self.inner.ctx.journaled_state.database.cache.accounts.get(&address).map_or(U256::ZERO, |it| it.info.balance)
    }

    /// Creates a contract from hexadecimal creation code.
    pub(crate) fn create(&mut self, from: Address, bytecode: &str) -> Done<Address> {
        let code: Bytes = bytecode.parse().expect("bytecode is hexadecimal");
        match self.execute(from, TxKind::Create, U256::ZERO, code) {
            ExecutionResult::Success { gas, logs, output: Output::Create(_, Some(value)), .. } => {
                Done { value, gas: gas.tx_gas_used(), logs }
            }
            other => panic!("the contract was not created: {other:?}"),
        }
    }

    /// Creates a contract, which must refuse with an error that the ABI names.
    pub(crate) fn create_refused<E: SolInterface>(&mut self, from: Address, bytecode: &str) -> E {
        let code: Bytes = bytecode.parse().expect("bytecode is hexadecimal");
        match self.execute(from, TxKind::Create, U256::ZERO, code) {
            ExecutionResult::Revert { output, .. } => E::abi_decode(&output).expect("the ABI names it"),
            other => panic!("the contract was not refused: {other:?}"),
        }
    }

    /// Gives an account coin that no transaction brought, as a block's reward is given.
    pub(crate) fn endow(&mut self, address: Address, amount: U256) {
        let database = &mut self.inner.ctx.journaled_state.database;
        let account = database.cache.accounts.get_mut(&address).expect("the account exists");
        account.info.balance += amount;
    }

    /// Sends bytes; a revert is the error that comes back.
    pub(crate) fn transact(
        &mut self,
        from: Address,
        to: Address,
        value: U256,
        data: Bytes,
    ) -> Result<Done<Bytes>, Bytes> {
        match self.execute(from, TxKind::Call(to), value, data) {
            ExecutionResult::Success { gas, logs, output, .. } => {
                Ok(Done { value: output.into_data(), gas: gas.tx_gas_used(), logs })
            }
            ExecutionResult::Revert { output, .. } => Err(output),
            halt @ ExecutionResult::Halt { .. } => panic!("the transaction halted: {halt:?}"),
        }
    }

    /// Sends a call that must succeed.
    pub(crate) fn pay<C: SolCall>(&mut self, from: Address, to: Address, value: U256, call: &C) -> Done<C::Return> {
        match self.transact(from, to, value, call.abi_encode().into()) {
            Ok(Done { value, gas, logs }) => {
                Done { value: C::abi_decode_returns(&value).expect("the answer decodes"), gas, logs }
            }
            Err(reason) => panic!("{} reverted with {reason}", C::SIGNATURE),
        }
    }

    /// Sends a call without coin that must succeed.
    pub(crate) fn send<C: SolCall>(&mut self, from: Address, to: Address, call: &C) -> Done<C::Return> {
        self.pay(from, to, U256::ZERO, call)
    }

    /// Asks a view.
    pub(crate) fn ask<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        self.send(Address::ZERO, to, call).value
    }

    /// Sends a call that must revert, with an error that the ABI names.
    pub(crate) fn refuse<E: SolInterface>(
        &mut self,
        from: Address,
        to: Address,
        value: U256,
        call: &impl SolCall,
    ) -> E {
        match self.transact(from, to, value, call.abi_encode().into()) {
            Ok(_) => panic!("the call went through"),
            Err(reason) => E::abi_decode(&reason).unwrap_or_else(|_| panic!("the ABI does not name {reason}")),
        }
    }

    fn execute(&mut self, from: Address, kind: TxKind, value: U256, data: Bytes) -> ExecutionResult {
        let builder = TxEnv::builder().caller(from).kind(kind).value(value).data(data);
        let transaction = builder.build().expect("the transaction is complete");
        let result = self.inner.transact(transaction).expect("the transaction is valid");
        self.inner.commit(result.state);
        result.result
    }
}
