//! A payment's deal, as its contract and our clients name it.

use entities::{PaymentId, payment};
use serde_json::Value;
use sha3::{Digest, Keccak256};

/// The highest integer that a double carries exactly, as do all below it.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// A deal's id as JSON has it: an integer that counts up. `None` for a deal of a diamond of the first edition, whose id is
/// a hash of up to 77 digits.
#[must_use]
pub fn number(deal_id: &str) -> Option<i64> {
    deal_id.parse().ok().filter(|number| (0..=INTEGER_MAX).contains(number))
}

/// The reference of a payment's deal: keccak-256 over the 16 bytes of its id, `0x` and 64 digits.
#[must_use]
pub fn reference(id: PaymentId) -> String {
    let digest = Keccak256::digest(id.0.as_bytes());
    digest.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// What a payer calls to pay a deal: a function of its contract, whose parameters bear the names of what they stand for:
/// `dealId`, `ref`, `payee`, `token`, `amount`, `expiresAt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositCall {
    /// The function and the errors that explain its refusals, as JSON ABI has them.
    pub abi: Vec<Value>,
    /// The function's name.
    pub function_name: String,
    /// What a call of it begins with: `0x` and eight digits.
    pub selector: String,
    parameters: Vec<String>,
}

impl DepositCall {
    /// Finds the function in a JSON ABI. `None`: it is not there, or takes what is none of ours.
    #[must_use]
    pub fn of_abi(abi: Vec<Value>, name: &str) -> Option<Self> {
        let is_it = |entry: &Value| entry["type"] == "function" && entry["name"] == name;
        let abi: Vec<Value> = abi.into_iter().filter(|entry| is_it(entry) || entry["type"] == "error").collect();
        let inputs = abi.iter().find(|entry| is_it(entry))?["inputs"].as_array()?;
        let texts = |key: &str| -> Option<Vec<String>> {
            inputs.iter().map(|input| input[key].as_str().map(str::to_owned)).collect()
        };
        let (parameters, types) = (texts("name")?, texts("type")?);
        if !parameters.iter().all(|name| NAMES.contains(&name.as_str())) {
            return None;
        }
        let digest = Keccak256::digest(format!("{name}({})", types.join(",")));
        let selector = digest.iter().take(4).fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"));
        Some(Self { abi, function_name: name.to_owned(), selector, parameters })
    }

    /// Its arguments for a payment, ready to pass. `amount` is in the smallest unit of the token, which is none for the
    /// network's own coin.
    #[must_use]
    pub fn arguments(&self, payment: &payment::Model, deal_id: &str, token: Option<&str>, amount: &str) -> Vec<String> {
        let argument = |name: &String| match name.as_str() {
            "dealId" => deal_id.to_owned(),
            "ref" => reference(payment.id),
            "payee" => payment.payment_address.clone(),
            "token" => token.unwrap_or("0x0000000000000000000000000000000000000000").to_owned(),
            "amount" => amount.to_owned(),
            _ => payment.expires_at.timestamp().to_string(),
        };
        self.parameters.iter().map(argument).collect()
    }
}

/// What parameters may stand for.
const NAMES: [&str; 6] = ["dealId", "ref", "payee", "token", "amount", "expiresAt"];

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn ids_that_count_up_are_integers_and_hashes_are_not() {
        let hash = "22787570066134913729546961628452595380768337997964979001475938385947862572242";
        let table = [
            ("1", Some(1)),
            ("281474976710655", Some((1 << 48) - 1)),
            ("9007199254740991", Some(INTEGER_MAX)),
            ("9007199254740992", None),
            (hash, None),
            ("-1", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn a_call_is_read_from_the_abi_that_has_it() {
        let abi = serde_json::json!([
            {"type": "function", "name": "fund", "inputs": [{"name": "amount", "type": "uint96"}, {"name": "ref", "type": "bytes32"}]},
            {"type": "function", "name": "other", "inputs": []},
            {"type": "error", "name": "Late", "inputs": []},
        ]);
        let abi: Vec<Value> = serde_json::from_value(abi).unwrap();
        let call = DepositCall::of_abi(abi.clone(), "fund").unwrap();
        assert_eq!((call.abi.len(), call.parameters), (2, vec!["amount".to_owned(), "ref".to_owned()]));
        assert_eq!(DepositCall::of_abi(abi, "withdraw"), None);
        let transfer = r#"[{"type":"function","name":"deposit","inputs":[{"name":"dealId","type":"uint256"}]}]"#;
        let call = DepositCall::of_abi(serde_json::from_str(transfer).unwrap(), "deposit").unwrap();
        assert_eq!(call.selector, "0xb6b55f25", "as wallets know deposit(uint256)");
        let strange = r#"[{"type":"function","name":"deposit","inputs":[{"name":"data","type":"bytes"}]}]"#;
        assert_eq!(DepositCall::of_abi(serde_json::from_str(strange).unwrap(), "deposit"), None);
    }

    #[test]
    fn a_reference_is_the_hash_of_the_id_and_not_of_its_text() {
        let expected = "0x290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563";
        let nil = reference(PaymentId(Uuid::nil()));
        assert_eq!(nil.len(), expected.len());
        assert_ne!(nil, expected, "that is the hash of 32 bytes");
        assert_eq!(nil, "0xf490de2920c8a35fabeb13208852aa28c76f9be9b03a4dd2b3c075f7a26923b4");
    }
}
