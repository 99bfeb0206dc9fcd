//! The diamond's deal functions, events and errors, as far as they are used.

pub(crate) mod owner;
pub(crate) mod second;

use std::sync::LazyLock;

use alloy::{
    dyn_abi::{DynSolValue, JsonAbiExt},
    json_abi::{self, JsonAbi},
    primitives::{Address, B256, Bytes, U256, hex},
    sol,
    sol_types::{Panic, Revert, SolCall, SolError, SolEvent},
};

use crate::{
    error::Error,
    kind::Kind,
    rpc::{Log, TEXT_MAX, foreign_text},
    table::log,
};

sol! {
    #[derive(Debug, PartialEq, Eq)]
    enum DealState { None, Open, Deposited, Released, Canceled }

    #[derive(Debug, PartialEq, Eq)]
    struct Terms { bytes32 ref; address payee; address token; uint256 amount; uint64 expiresAt; }

    #[derive(Debug)]
    struct Deal {
        uint256 id;
        bytes32 ref;
        address payee;
        address token;
        uint256 amount;
        uint64 expiresAt;
        DealState state;
        address payer;
    }

    interface Deals {
        event DealCreated(
            uint256 indexed dealId, bytes32 indexed ref, address payee, address token, uint256 amount, uint64 expiresAt
        );
        event DealDeposited(uint256 indexed dealId, bytes32 indexed ref, address payer, uint256 amount);
        event DealReleased(uint256 indexed dealId, bytes32 indexed ref, uint256 amount);
        event DealCanceled(uint256 indexed dealId, bytes32 indexed ref, uint256 returned);
        event ReturnHeld(uint256 indexed dealId, address indexed payer, address token, uint256 amount);
        event Withdrawn(address indexed account, address indexed to, address token, uint256 amount);

        function createDeal(bytes32 ref, address payee, address token, uint256 amount, uint64 expiresAt)
            external returns (uint256 dealId);
        function createDeals(Terms[] calldata terms) external returns (uint256[] memory dealIds);
        function deposit(uint256 dealId) external payable;
        function cancelDeal(uint256 dealId) external;
        function cancelDeals(uint256[] calldata dealIds) external returns (uint256 count);
        function releaseDeal(uint256 dealId) external;
        function releaseDeals(uint256[] calldata dealIds) external returns (uint256 count);
        function owner() external view returns (address);
        function isOperator(address account) external view returns (bool);
        function dealsOf(bytes32[] calldata refs) external view returns (Deal[] memory deals);
        function withdrawable(address account, address token) external view returns (uint256);
    }

    interface Token {
        function approve(address spender, uint256 value) external returns (bool);
        function balanceOf(address account) external view returns (uint256);
        function decimals() external view returns (uint8);
        function mint(address to, uint256 amount) external;
    }
}

/// The events that are read, as the first topic of their logs.
pub(crate) const TOPICS: [B256; 5] = [
    Deals::DealCreated::SIGNATURE_HASH,
    Deals::DealDeposited::SIGNATURE_HASH,
    Deals::DealReleased::SIGNATURE_HASH,
    Deals::DealCanceled::SIGNATURE_HASH,
    Deals::ReturnHeld::SIGNATURE_HASH,
];

/// One event of a diamond.
pub(crate) enum Event {
    Deal(DealChange),
    /// What a canceled deal returned is kept for its payer.
    ReturnHeld {
        deal_id: U256,
        payer: Address,
    },
}

/// What happened to a deal, as its contract tells it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DealChange {
    pub(crate) kind: log::Event,
    pub(crate) reference: B256,
    pub(crate) deal_id: U256,
    /// Of a deposit.
    pub(crate) payer: Option<Address>,
    /// What was asked for, deposited, released or returned; `None`: the whole amount of the deal.
    pub(crate) amount: Option<U256>,
    /// Of a deal that was created.
    pub(crate) opened: Option<Opened>,
}

/// The terms that a contract names when it opens a deal, besides reference and amount.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) payee: Address,
    pub(crate) token: Address,
    /// `None`: not named.
    pub(crate) expires_at: Option<u64>,
}

impl Event {
    /// `None` for a log that is none of ours, or that does not hold what its topic promises.
    pub(crate) fn decode(log: &Log) -> Option<Self> {
        let topics = || log.topics.iter().copied();
        let data = &log.data;
        Some(match *log.topics.first()? {
            Deals::DealCreated::SIGNATURE_HASH => {
                let event = Deals::DealCreated::decode_raw_log(topics(), data).ok()?;
                let expires_at = Some(event.expiresAt);
                let opened = Some(Opened { payee: event.payee, token: event.token, expires_at });
                let kept = DealChange::new(log::Event::Created, event.r#ref, event.dealId, event.amount);
                Self::Deal(DealChange { opened, ..kept })
            }
            Deals::DealDeposited::SIGNATURE_HASH => {
                let event = Deals::DealDeposited::decode_raw_log(topics(), data).ok()?;
                let kept = DealChange::new(log::Event::Deposited, event.r#ref, event.dealId, event.amount);
                Self::Deal(DealChange { payer: Some(event.payer), ..kept })
            }
            Deals::DealReleased::SIGNATURE_HASH => {
                let event = Deals::DealReleased::decode_raw_log(topics(), data).ok()?;
                Self::Deal(DealChange::new(log::Event::Released, event.r#ref, event.dealId, event.amount))
            }
            Deals::DealCanceled::SIGNATURE_HASH => {
                let event = Deals::DealCanceled::decode_raw_log(topics(), data).ok()?;
                Self::Deal(DealChange::new(log::Event::Canceled, event.r#ref, event.dealId, event.returned))
            }
            Deals::ReturnHeld::SIGNATURE_HASH => {
                let event = Deals::ReturnHeld::decode_raw_log(topics(), data).ok()?;
                Self::ReturnHeld { deal_id: event.dealId, payer: event.payer }
            }
            _ => return None,
        })
    }
}

impl DealChange {
    fn new(kind: log::Event, reference: B256, deal_id: U256, amount: U256) -> Self {
        Self { kind, reference, deal_id, payer: None, amount: Some(amount), opened: None }
    }
}

/// What a call does to deals, by its selector, whichever edition it is for. `None`: it is no such call.
pub(crate) fn kind_of(input: &[u8]) -> Option<Kind> {
    const OPEN: [[u8; 4]; 4] = [
        Deals::createDealCall::SELECTOR,
        Deals::createDealsCall::SELECTOR,
        second::Deals::createDealCall::SELECTOR,
        second::Deals::createDealsCall::SELECTOR,
    ];
    const RELEASE: [[u8; 4]; 4] = [
        Deals::releaseDealCall::SELECTOR,
        Deals::releaseDealsCall::SELECTOR,
        second::Deals::releaseDealCall::SELECTOR,
        second::Deals::releaseDealsCall::SELECTOR,
    ];
    const CANCEL: [[u8; 4]; 5] = [
        Deals::cancelDealCall::SELECTOR,
        Deals::cancelDealsCall::SELECTOR,
        second::Deals::cancelDealCall::SELECTOR,
        second::Deals::cancelDealsCall::SELECTOR,
        second::Deals::closeDealsCall::SELECTOR,
    ];
    let selector = input.first_chunk::<4>()?;
    let by_kind = [(Kind::Open, &OPEN[..]), (Kind::Release, &RELEASE), (Kind::Cancel, &CANCEL)];
    by_kind.into_iter().find(|(_, selectors)| selectors.contains(selector)).map(|(kind, _)| kind)
}

/// Why a call reverted: `code` is the error's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) message: String,
}

static ABI: LazyLock<JsonAbi> = LazyLock::new(|| abi(contracts::FIRST_DIAMOND_ABI));
static SECOND_ABI: LazyLock<JsonAbi> = LazyLock::new(|| abi(contracts::DIAMOND_ABI));

fn abi(json: &str) -> JsonAbi {
    serde_json::from_str(json).unwrap_or_else(|_| JsonAbi::new())
}

/// Puts a revert's data into words: the custom errors of every facet, `require` texts, panics.
pub(crate) fn reason(data: &[u8]) -> Reason {
    // Whoever wrote the contract chose the text.
    let Reason { code, message } = decode_reason(data);
    Reason { code, message: foreign_text(&message, TEXT_MAX) }
}

fn decode_reason(data: &[u8]) -> Reason {
    if data.is_empty() {
        return Reason { code: "reverted".to_owned(), message: "reverted without a reason".to_owned() };
    }
    if let Ok(revert) = Revert::abi_decode(data) {
        return Reason { code: "reverted".to_owned(), message: revert.reason };
    }
    if let Ok(panic) = Panic::abi_decode(data) {
        return Reason { code: "Panic".to_owned(), message: panic.to_string() };
    }
    custom(data).unwrap_or_else(|| Reason {
        code: "reverted".to_owned(),
        message: format!("reverted with unknown data 0x{}", hex::encode(&data[..data.len().min(100)])),
    })
}

fn custom(data: &[u8]) -> Option<Reason> {
    let selector = data.get(..4)?;
    let mut errors = SECOND_ABI.errors().chain(ABI.errors());
    custom_reason(errors.find(|error| error.selector().as_slice() == selector)?, data)
}

/// The words of a custom error with its values.
pub(crate) fn custom_reason(error: &json_abi::Error, data: &[u8]) -> Option<Reason> {
    let values = error.abi_decode_input(data.get(4..)?).ok()?;
    let named = error.inputs.iter().zip(&values).map(|(input, value)| format!("{}: {}", input.name, display(value)));
    let message = format!("{}({})", error.name, named.collect::<Vec<_>>().join(", "));
    Some(Reason { code: error.name.clone(), message })
}

fn display(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Uint(number, _) => number.to_string(),
        DynSolValue::Int(number, _) => number.to_string(),
        DynSolValue::Address(address) => address.to_string(),
        DynSolValue::Bool(flag) => flag.to_string(),
        DynSolValue::FixedBytes(word, size) => hex::encode_prefixed(&word[..(*size).min(32)]),
        DynSolValue::String(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

impl Deal {
    pub(crate) fn opened(&self) -> Opened {
        Opened { payee: self.payee, token: self.token, expires_at: Some(self.expiresAt) }
    }

    /// As the second edition tells it, which knows no terms: those that were asked for, if they are what it is committed to,
    /// and none otherwise.
    pub(crate) fn of_status(status: &second::DealStatus, terms: &Terms) -> Self {
        let asked = second::DealTerms::new(status.dealId, terms);
        let is_asked = second::commitment(&asked) == status.commitment;
        let terms = if is_asked { terms.clone() } else { Terms { r#ref: terms.r#ref, ..Terms::default() } };
        Self {
            id: status.dealId,
            r#ref: terms.r#ref,
            payee: terms.payee,
            token: terms.token,
            amount: terms.amount,
            expiresAt: terms.expiresAt,
            state: second::state(status.state),
            payer: status.payer,
        }
    }
}

impl Default for Terms {
    fn default() -> Self {
        let (payee, token) = (Address::ZERO, Address::ZERO);
        Self { r#ref: B256::ZERO, payee, token, amount: U256::ZERO, expiresAt: 0 }
    }
}

/// The name of the error for a ref that has its deal already.
pub(crate) const DEAL_EXISTS: &str = "DealExists";

/// The contract lets only its operators act.
pub(crate) const NOT_OPERATOR: &str = "NotOperator";

/// The contract takes no deal that has expired.
pub(crate) const INVALID_EXPIRY: &str = "InvalidExpiry";

/// `createDeal` for one, `createDeals` for several.
pub(crate) fn create(mut terms: Vec<Terms>) -> Bytes {
    match terms.pop() {
        Some(Terms { r#ref, payee, token, amount, expiresAt }) if terms.is_empty() => {
            Deals::createDealCall { r#ref, payee, token, amount, expiresAt }.abi_encode().into()
        }
        last => {
            terms.extend(last);
            Deals::createDealsCall { terms }.abi_encode().into()
        }
    }
}

/// `releaseDeal` for one, `releaseDeals` for several.
pub(crate) fn release(ids: Vec<U256>) -> Bytes {
    match ids[..] {
        [id] => Deals::releaseDealCall { dealId: id }.abi_encode().into(),
        _ => Deals::releaseDealsCall { dealIds: ids }.abi_encode().into(),
    }
}

/// `cancelDeal` for one, `cancelDeals` for several.
pub(crate) fn cancel(ids: Vec<U256>) -> Bytes {
    match ids[..] {
        [id] => Deals::cancelDealCall { dealId: id }.abi_encode().into(),
        _ => Deals::cancelDealsCall { dealIds: ids }.abi_encode().into(),
    }
}

/// What creates a diamond of the first edition, which belongs to the sender.
pub(crate) fn first_diamond_creation() -> Result<Bytes, Error> {
    creation("first diamond", contracts::FIRST_DIAMOND_BYTECODE)
}

/// What creates the test token.
pub(crate) fn test_token_creation() -> Result<Bytes, Error> {
    creation("test token", contracts::TEST_TOKEN_BYTECODE)
}

fn creation(name: &str, digits: &str) -> Result<Bytes, Error> {
    let bytes =
        hex::decode(digits.trim()).map_err(|error| Error::Stored(format!("bytecode of the {name}: {error}")))?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::address;

    use super::*;

    /// The interface above is written by hand; the committed ABI is what the contract really answers.
    #[test]
    fn agrees_with_the_compiled_contract() {
        let functions = [
            Deals::createDealCall::SIGNATURE,
            Deals::createDealsCall::SIGNATURE,
            Deals::depositCall::SIGNATURE,
            Deals::cancelDealCall::SIGNATURE,
            Deals::cancelDealsCall::SIGNATURE,
            Deals::releaseDealCall::SIGNATURE,
            Deals::releaseDealsCall::SIGNATURE,
            Deals::dealsOfCall::SIGNATURE,
            Deals::withdrawableCall::SIGNATURE,
        ];
        for signature in functions {
            assert!(ABI.functions().any(|function| function.signature() == signature), "{signature}");
        }
        for topic in TOPICS.into_iter().chain([Deals::Withdrawn::SIGNATURE_HASH]) {
            let event = ABI.events().find(|event| event.selector() == topic);
            let indexed = event.expect("in the ABI").inputs.iter().map(|input| input.indexed).collect::<Vec<_>>();
            assert!(indexed.starts_with(&[true, true]) && !indexed[2..].contains(&true), "{topic}");
        }
        let deals = ABI.functions().find(|function| function.name == "dealsOf").expect("in the ABI");
        let fields: Vec<_> = deals.outputs[0].components.iter().map(|field| field.ty.clone()).collect();
        assert_eq!(fields, ["uint256", "bytes32", "address", "address", "uint256", "uint64", "uint8", "address"]);
        assert!(ABI.errors().any(|error| error.name == DEAL_EXISTS));
        assert!(ABI.errors().any(|error| error.name == INVALID_EXPIRY));
        let token: JsonAbi = serde_json::from_str(contracts::TEST_TOKEN_ABI).expect("JSON");
        for signature in [Token::approveCall::SIGNATURE, Token::balanceOfCall::SIGNATURE, Token::mintCall::SIGNATURE] {
            assert!(token.functions().any(|function| function.signature() == signature), "{signature}");
        }
    }

    #[test]
    fn names_custom_errors_with_their_values() {
        let error = ABI.errors().find(|error| error.name == "InvalidPayee").expect("in the ABI");
        let payee = address!("00000000000000000000000000000000000000aa");
        let values = [DynSolValue::FixedBytes(B256::repeat_byte(1), 32), DynSolValue::Address(payee)];
        let data = error.abi_encode_input(&values).expect("encodes");
        let data = [&error.selector()[..], data.strip_prefix(&error.selector()[..]).unwrap_or(&data)].concat();
        let reason = reason(&data);
        assert_eq!(reason.code, "InvalidPayee");
        assert_eq!(reason.message, format!("InvalidPayee(ref: {:#x}, payee: {payee})", B256::repeat_byte(1)));
    }

    #[test]
    fn puts_every_other_revert_into_words() {
        let cases: [(Vec<u8>, &str, &str); 5] = [
            (vec![], "reverted", "reverted without a reason"),
            (Revert::from("no").abi_encode(), "reverted", "no"),
            (Panic::from(0x11).abi_encode(), "Panic", "panic: arithmetic underflow or overflow (0x11)"),
            (vec![1, 2, 3, 4, 5], "reverted", "reverted with unknown data 0x0102030405"),
            (vec![1, 2], "reverted", "reverted with unknown data 0x0102"),
        ];
        for (data, code, message) in cases {
            assert_eq!(reason(&data), Reason { code: code.to_owned(), message: message.to_owned() });
        }
    }
}
