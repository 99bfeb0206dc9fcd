//! The diamond's second edition: what of its deals differs from the first.

use alloy::{
    primitives::{B256, Bytes, FixedBytes, U256, keccak256},
    sol,
    sol_types::{SolCall, SolConstructor, SolValue},
};

use super::{DealState, creation};
use crate::error::Error;

sol! {
    #[derive(Debug, PartialEq, Eq)]
    struct DealTerms {
        uint256 dealId;
        bytes32 ref;
        address payee;
        address token;
        uint256 amount;
        uint64 expiresAt;
    }

    #[derive(Debug)]
    struct DealStatus {
        uint256 dealId;
        bytes25 commitment;
        uint8 state;
        address payer;
    }

    contract Deals {
        constructor(address owner_, address[] operators, uint64 delay_);

        function createDeal(
            uint256 dealId, bytes32 ref, address payee, address token, uint256 amount, uint64 expiresAt
        ) external;
        function createDeals(DealTerms[] calldata terms) external returns (uint256 count);
        function deposit(
            uint256 dealId, bytes32 ref, address payee, address token, uint256 amount, uint64 expiresAt
        ) external payable;
        function cancelDeal(
            uint256 dealId, bytes32 ref, address payee, address token, uint256 amount, uint64 expiresAt
        ) external;
        function cancelDeals(DealTerms[] calldata terms) external returns (uint256 count);
        function closeDeals(bytes32[] calldata refs) external returns (uint256 count);
        function releaseDeal(
            uint256 dealId, bytes32 ref, address payee, address token, uint256 amount, uint64 expiresAt
        ) external;
        function releaseDeals(DealTerms[] calldata terms) external returns (uint256 count);
        function statusesOf(bytes32[] calldata refs) external view returns (DealStatus[] memory statuses);
        function facetAddress(bytes4 _functionSelector) external view returns (address facetAddress_);
    }
}

impl DealTerms {
    pub(crate) fn new(deal_id: U256, terms: &super::Terms) -> Self {
        let super::Terms { r#ref, payee, token, amount, expiresAt } = terms.clone();
        Self { dealId: deal_id, r#ref, payee, token, amount, expiresAt }
    }
}

/// The highest id that the contract takes.
pub(crate) const DEAL_ID_MAX: u64 = (1 << 48) - 1;

/// What the contract keeps of a deal's terms.
pub(crate) fn commitment(terms: &DealTerms) -> FixedBytes<25> {
    FixedBytes::from_slice(&keccak256(terms.abi_encode())[..25])
}

/// The functions that take the terms of one deal, one by one.
macro_rules! one {
    ($call:ident, $terms:expr) => {{
        let DealTerms { dealId, r#ref, payee, token, amount, expiresAt } = $terms;
        Deals::$call { dealId, r#ref, payee, token, amount, expiresAt }.abi_encode()
    }};
}

/// `createDeal` for one, `createDeals` for several.
pub(crate) fn create(mut terms: Vec<DealTerms>) -> Bytes {
    match terms.pop() {
        Some(last) if terms.is_empty() => one!(createDealCall, last).into(),
        last => {
            terms.extend(last);
            Deals::createDealsCall { terms }.abi_encode().into()
        }
    }
}

/// `releaseDeal` for one, `releaseDeals` for several.
pub(crate) fn release(mut terms: Vec<DealTerms>) -> Bytes {
    match terms.pop() {
        Some(last) if terms.is_empty() => one!(releaseDealCall, last).into(),
        last => {
            terms.extend(last);
            Deals::releaseDealsCall { terms }.abi_encode().into()
        }
    }
}

/// `cancelDeal` for one; for several `cancelDeals`, or `closeDeals` where none is known to be paid, which costs less.
pub(crate) fn cancel(mut terms: Vec<DealTerms>, paid: bool) -> Bytes {
    match terms.pop() {
        Some(last) if terms.is_empty() => one!(cancelDealCall, last).into(),
        last => {
            terms.extend(last);
            if paid {
                return Deals::cancelDealsCall { terms }.abi_encode().into();
            }
            let refs: Vec<B256> = terms.iter().map(|terms| terms.r#ref).collect();
            Deals::closeDealsCall { refs }.abi_encode().into()
        }
    }
}

pub(crate) fn deposit(terms: DealTerms) -> Bytes {
    one!(depositCall, terms).into()
}

/// How many of a batch were done, as `createDeals` and its like answer.
pub(crate) fn count(answer: &Bytes) -> Option<U256> {
    Deals::createDealsCall::abi_decode_returns(answer).ok()
}

pub(crate) fn state(number: u8) -> DealState {
    DealState::try_from(number).unwrap_or(DealState::__Invalid)
}

/// What creates a diamond.
pub(crate) fn diamond_creation(deployment: &crate::Deployment) -> Result<Bytes, Error> {
    let arguments = Deals::constructorCall {
        owner_: deployment.owner,
        operators: deployment.operators.clone(),
        delay_: deployment.delay_s,
    };
    let code = creation("diamond", contracts::DIAMOND_BYTECODE)?;
    Ok([code.as_ref(), &arguments.abi_encode()].concat().into())
}

/// Whether this creates a diamond of ours, whoever it belongs to then.
pub(crate) fn is_diamond_creation(input: &[u8]) -> bool {
    creation("diamond", contracts::DIAMOND_BYTECODE).is_ok_and(|code| input.starts_with(&code))
}

#[cfg(test)]
mod tests {
    use alloy::json_abi::JsonAbi;

    use super::*;

    /// The interface above is written by hand; the committed ABI is what the contract really answers.
    #[test]
    fn agrees_with_the_compiled_contract() {
        let abi: JsonAbi = serde_json::from_str(contracts::DIAMOND_ABI).expect("JSON");
        let functions = [
            Deals::createDealCall::SIGNATURE,
            Deals::createDealsCall::SIGNATURE,
            Deals::depositCall::SIGNATURE,
            Deals::cancelDealCall::SIGNATURE,
            Deals::cancelDealsCall::SIGNATURE,
            Deals::closeDealsCall::SIGNATURE,
            Deals::releaseDealCall::SIGNATURE,
            Deals::releaseDealsCall::SIGNATURE,
            Deals::statusesOfCall::SIGNATURE,
            Deals::facetAddressCall::SIGNATURE,
            super::super::Deals::withdrawableCall::SIGNATURE,
            super::super::Deals::isOperatorCall::SIGNATURE,
        ];
        for signature in functions {
            assert!(abi.functions().any(|function| function.signature() == signature), "{signature}");
        }
        for topic in super::super::TOPICS {
            assert!(abi.events().any(|event| event.selector() == topic), "{topic}");
        }
        let statuses = abi.functions().find(|function| function.name == "statusesOf").expect("in the ABI");
        let fields: Vec<_> = statuses.outputs[0].components.iter().map(|field| field.ty.clone()).collect();
        assert_eq!(fields, ["uint256", "bytes25", "uint8", "address"]);
        let constructor = abi.constructor.expect("in the ABI");
        let types: Vec<_> = constructor.inputs.iter().map(|input| input.ty.clone()).collect();
        assert_eq!(types, ["address", "address[]", "uint64"]);
    }
}
