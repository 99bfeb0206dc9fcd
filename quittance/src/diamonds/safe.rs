//! The batch that Safe's Transaction Builder imports (version 1.0 of its format).

use alloy::primitives::{Address, B256, keccak256};
use chain::OwnerCall;
use serde_json::{Map, Value, json};

/// A batch of one call.
pub(super) struct Batch<'a> {
    pub(super) chain_id: u64,
    pub(super) created_at_ms: i64,
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    /// Who signs it.
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) call: &'a OwnerCall,
}

impl Batch<'_> {
    pub(super) fn json(&self) -> Value {
        let Self { call, .. } = self;
        let values: Map<String, Value> =
            call.inputs.iter().zip(&call.values).map(|(input, value)| (input.name.clone(), json!(value))).collect();
        let mut batch = json!({
            "version": "1.0",
            "chainId": self.chain_id.to_string(),
            "createdAt": self.created_at_ms,
            "meta": {
                "name": self.name,
                "description": self.description,
                "txBuilderVersion": "1.18.0",
                "createdFromSafeAddress": self.from.to_checksum(None),
                "createdFromOwnerAddress": "",
            },
            "transactions": [{
                "to": self.to.to_checksum(None),
                "value": "0",
                "data": call.data.to_string(),
                "contractMethod": { "inputs": call.inputs, "name": call.name, "payable": false },
                "contractInputsValues": values,
            }],
        });
        batch["meta"]["checksum"] = json!(checksum(&batch));
        batch
    }
}

/// What the Transaction Builder compares, to warn of a file that was changed: it leaves out the name, which may be edited, and
/// the checksum itself.
fn checksum(batch: &Value) -> B256 {
    let mut counted = batch.clone();
    counted["meta"]["name"] = Value::Null;
    let mut text = String::new();
    write(&counted, &mut text);
    keccak256(text)
}

/// Every object as its sorted keys and then its values, so that the order in a file does not matter.
fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_unstable();
            text.push('{');
            text.push_str(&json!(keys).to_string());
            for key in keys {
                write(&fields[key], text);
                text.push(',');
            }
            text.push('}');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a program of its own has computed it, after it had found the sum of the Transaction Builder's own example.
    #[test]
    fn the_sum_is_the_one_that_the_transaction_builder_compares() {
        let batch = |name: &str| {
            json!({
                "version": "1.0",
                "chainId": "137",
                "createdAt": 1_764_534_578_000_u64,
                "meta": { "name": name, "description": "Über \"all\"", "txBuilderVersion": "1.18.0" },
                "transactions": [
                    {
                        "to": "0x00000000000000000000000000000000000000AA",
                        "value": "0",
                        "data": "0x79ba5097",
                        "contractMethod": { "inputs": [], "name": "acceptOwnership", "payable": false },
                        "contractInputsValues": {},
                    },
                    { "to": "0x00000000000000000000000000000000000000bb", "value": "0", "data": null },
                ],
            })
        };
        let expected = "0x532a3cc96e6f968d7dd517123e0199929d185ee8b6fc72d3dccfef88deec6072";
        assert_eq!(checksum(&batch("Dismiss an operator")).to_string(), expected);
        assert_eq!(checksum(&batch("Another name")).to_string(), expected, "it may be renamed");
        let mut other = batch("Dismiss an operator");
        other["transactions"][0]["data"] = json!("0x79ba5098");
        assert_ne!(checksum(&other).to_string(), expected);
    }
}
