//! What is read of the node's answers: no more fields than are used, so that networks with additions of their own fit.

use alloy::primitives::{Address, B256, Bytes, U64, U128};
use chrono::{DateTime, Utc};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::error::Error;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    number: U64,
    pub(crate) hash: B256,
    pub(crate) parent_hash: B256,
    timestamp: U64,
    base_fee_per_gas: Option<U128>,
}

impl Header {
    pub(crate) fn number(&self) -> u64 {
        self.number.to()
    }

    pub(crate) fn time(&self) -> DateTime<Utc> {
        i64::try_from(self.timestamp.to::<u64>())
            .ok()
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// `None` on networks without a fee market, which know transactions of the kind before EIP-1559 alone.
    pub(crate) fn base_fee(&self) -> Option<u128> {
        self.base_fee_per_gas.map(|fee| fee.to())
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Log {
    pub(crate) address: Address,
    pub(crate) topics: Vec<B256>,
    pub(crate) data: Bytes,
    block_number: U64,
    pub(crate) block_hash: B256,
    pub(crate) transaction_hash: B256,
    log_index: U64,
    #[serde(default)]
    pub(crate) removed: bool,
}

impl Log {
    pub(crate) fn block_number(&self) -> u64 {
        self.block_number.to()
    }

    pub(crate) fn index(&self) -> u64 {
        self.log_index.to()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    pub(crate) transaction_hash: B256,
    block_number: U64,
    pub(crate) block_hash: B256,
    status: U64,
    pub(crate) contract_address: Option<Address>,
}

impl Receipt {
    pub(crate) fn block_number(&self) -> u64 {
        self.block_number.to()
    }

    pub(crate) fn success(&self) -> bool {
        self.status == U64::from(1)
    }
}

/// A number as JSON-RPC writes it.
pub(crate) fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

pub(crate) fn decode<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value)
        .map_err(|error| Error::Rpc(format!("{} expected: {error}", std::any::type_name::<T>())))
}
