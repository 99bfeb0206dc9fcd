//! What a configured interface is refused for, and what is said then.

use serde_json::{Value, json};

use super::{Dialect, DialectConfig};
use crate::Config;

const DIAMOND: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// The contract of the sample configuration.
fn sample() -> Value {
    json!({
        "chain_id": 1,
        "diamonds": [DIAMOND],
        "open": "lock(address payee, address token, uint40 expiresAt, bytes32 ref, uint96 amount)",
        "release": "settle(bytes32 ref)",
        "cancel": "abort(bytes32 ref)",
        "deposit": "fund(uint96 amount, bytes32 ref) payable",
        "status": "escrowOf(bytes32 ref) view returns (address payee, uint96 amount, address payer, uint8 state, address token)",
        "states": { "open": 1, "canceled": 2, "deposited": 3, "released": 4 },
        "opened": "Locked(bytes32 indexed ref, address indexed payee, uint96 amount, address token)",
        "deposited": "Funded(address indexed payer, bytes32 indexed ref, uint96 amount)",
        "released": "Settled(bytes32 ref)",
        "canceled": "Aborted(uint96 amount, bytes32 indexed ref, address _by)",
        "errors": { "DealExists": "KeyTaken(bytes32 key)" },
    })
}

fn config(changes: &[(&str, Value)]) -> DialectConfig {
    let mut config = sample();
    for (setting, value) in changes {
        config[*setting] = value.clone();
    }
    serde_json::from_value(config).unwrap()
}

#[test]
fn each_mistake_is_named() {
    Dialect::parse(&config(&[])).unwrap();
    let table = [
        ("open", json!("lock the deal"), "open is no function as Solidity writes it"),
        ("open", json!("lock(bytes32 ref, address payee)"), "open lacks `amount`"),
        ("open", json!("lock(bytes32 ref, address payee, uint96 amount, uint8 _kind)"), "open has a parameter"),
        ("open", json!("lock(bytes32 ref, address payee, uint96 amount, address payer)"), "cannot take `payer`"),
        ("open", json!("lock(bytes32 ref, address payee, uint96 amount, uint64 dealId)"), "open takes a `dealId`"),
        ("release", json!("settle(bytes32 ref, bytes32 ref)"), "release `ref` occurs twice"),
        ("release", json!("settle(address payee)"), "release must take `ref` or `dealId`"),
        ("release", json!("settle(uint256 dealId)"), "release takes a `dealId`, which no event has"),
        ("release", json!("abort(bytes32 ref)"), "open, release and cancel must be three functions"),
        ("cancel", json!("abort(bytes32 reference)"), "cancel `reference` is none of ref, dealId, payee"),
        ("cancel", json!("abort(uint256 ref)"), "cancel `ref` cannot be a `uint256`"),
        ("deposit", json!("fund(bytes32 ref, bytes amount)"), "deposit `bytes` is more than one word"),
        ("deposit", json!("fund(bytes32 ref, money amount)"), "deposit"),
        ("status", json!("escrowOf(bytes32 ref) view returns (uint8 state)"), "status lacks `payer`"),
        ("is_operator", json!("isAgent() view returns (bool)"), "is_operator lacks `account`"),
        ("opened", json!("Locked(bytes32 ref, address payee, uint96 amount)"), "opened lacks `token`"),
        ("opened", json!("Locked(address ref, address payee, address token, uint96 amount)"), "opened `ref` cannot be"),
        (
            "released",
            json!("Aborted(uint96 amount, bytes32 indexed ref, address _by)"),
            "two of the four events are the same",
        ),
        ("released", json!("Settled(bytes32 ref, uint256 dealId)"), "must have `dealId`, or none of them"),
        ("states", json!({ "open": 1, "canceled": 1, "deposited": 3, "released": 4 }), "states must be four numbers"),
        ("errors", json!({ "DealExists": "KeyTaken bytes32" }), "errors.DealExists is no error as Solidity writes it"),
    ];
    for (setting, value, expected) in table {
        let mistakes = Dialect::parse(&config(&[(setting, value.clone())])).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.contains(expected)), "{setting} = {value}: {mistakes:?}");
    }
    let status = "escrowOf(bytes32 ref, address payer) view returns \
                  (address payee, uint96 amount, address payer, uint8 state, address token)";
    let mistakes = Dialect::parse(&config(&[("status", json!(status))])).unwrap_err();
    assert_eq!(mistakes, ["status must take `ref` alone"]);
}

/// All of them at once, each with the place that it stands at.
#[test]
fn a_start_says_all_that_is_wrong() {
    let wrong = config(&[("release", json!("settle")), ("cancel", json!("abort")), ("diamonds", json!([]))]);
    let mistakes = Config { dialects: vec![config(&[]), wrong], ..Config::default() }.mistakes();
    assert_eq!(mistakes.len(), 3, "{mistakes:?}");
    assert!(mistakes.iter().all(|mistake| mistake.starts_with("chain.dialects.2: ")), "{mistakes:?}");
}

#[test]
fn an_address_has_one_dialect() {
    let elsewhere = config(&[("chain_id", json!(10))]);
    let other = config(&[("diamonds", json!([DIAMOND.to_lowercase()])), ("release", json!("pay(bytes32 ref)"))]);
    let mistakes = |dialects: &[&DialectConfig]| {
        let dialects = dialects.iter().map(|dialect| (*dialect).clone()).collect();
        Config { dialects, ..Config::default() }.mistakes()
    };
    assert_eq!(mistakes(&[&config(&[]), &elsewhere]), Vec::<String>::new());
    let twice = [format!("chain.dialects.2: another dialect has {DIAMOND} on network 1 already")];
    assert_eq!(mistakes(&[&config(&[]), &other]), twice);
}
