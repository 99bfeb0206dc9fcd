//! A key that a JSON-RPC server has.

use std::time::Duration;

use alloy::primitives::{Address, U64, U128, hex};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    rpc::{self, Call, Fault, Provider},
    signing_error::SigningError,
    transaction::Draft,
};

pub(super) struct JsonRpcSigner {
    address: Address,
    server: Provider,
}

impl std::fmt::Debug for JsonRpcSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonRpcSigner").field("address", &self.address).field("server", &self.server.label()).finish()
    }
}

impl JsonRpcSigner {
    pub(super) fn new(address: Address, url: &SecretString, timeout: Duration) -> Result<Self, SigningError> {
        let server = rpc::server(url, timeout);
        let server = server.map_err(|error| SigningError::Unreachable { address, reason: error.to_string() })?;
        Ok(Self { address, server })
    }

    /// The bytes that it answers, which nobody has looked at yet.
    pub(super) async fn sign(&self, draft: &Draft) -> Result<Vec<u8>, SigningError> {
        let address = self.address;
        let call = Call::new("eth_signTransaction", json!([self.request(draft)]));
        let answer = self.server.call_all(vec![call]).await.pop();
        match answer.unwrap_or_else(|| Err(Fault::Lost("no answer".to_owned()))) {
            Ok(answer) => raw(&answer).ok_or(SigningError::Wrong { address, reason: "it is no transaction" }),
            Err(fault @ Fault::Node { .. }) => Err(SigningError::Refused { address, reason: fault.to_string() }),
            Err(fault) => Err(SigningError::Unreachable { address, reason: fault.to_string() }),
        }
    }

    fn request(&self, draft: &Draft) -> Value {
        let mut request = json!({
            "from": self.address,
            "gas": U64::from(draft.gas_limit),
            "value": draft.value,
            "nonce": U64::from(draft.nonce),
            "data": draft.input,
            "chainId": U64::from(draft.chain_id),
        });
        if let Some(to) = draft.to {
            request["to"] = json!(to);
        }
        if draft.fees.legacy {
            request["gasPrice"] = json!(U128::from(draft.fees.max_fee));
        } else {
            request["maxFeePerGas"] = json!(U128::from(draft.fees.max_fee));
            request["maxPriorityFeePerGas"] = json!(U128::from(draft.fees.tip));
        }
        request
    }
}

/// Some answer the bytes, some an object that holds them.
fn raw(answer: &Value) -> Option<Vec<u8>> {
    let text = answer.as_str().or_else(|| answer.get("raw")?.as_str())?;
    hex::decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_answer_are_read() {
        assert_eq!(raw(&json!("0x0102")), Some(vec![1, 2]));
        assert_eq!(raw(&json!({ "raw": "0x0102", "tx": {} })), Some(vec![1, 2]));
        for nonsense in [json!(null), json!({ "tx": {} }), json!("0xz"), json!(7)] {
            assert_eq!(raw(&nonsense), None, "{nonsense}");
        }
    }
}
