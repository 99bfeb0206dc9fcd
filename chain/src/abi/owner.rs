//! What a diamond's owner may do, and what shows of it. The names are the same in both editions.

use std::sync::LazyLock;

use alloy::{
    json_abi::{Function, JsonAbi},
    sol,
};

use super::{ABI, SECOND_ABI};
use crate::edition::Edition;

sol! {
    #[derive(Debug, PartialEq, Eq)]
    struct FacetCut {
        address facetAddress;
        uint8 action;
        bytes4[] functionSelectors;
    }

    interface Ownership {
        event CutProposed(
            bytes32 indexed cut, uint64 from, FacetCut[] _diamondCut, address _init, bytes _calldata
        );
        event CutWithdrawn(bytes32 indexed cut);
        event DiamondCut(FacetCut[] _diamondCut, address _init, bytes _calldata);
        event OwnershipOffered(address indexed newOwner, uint64 from);
        event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

        function owner() external view returns (address);
        function isOperator(address account) external view returns (bool);
        function pendingOwner() external view returns (address account, uint64 from);
        function delay() external view returns (uint64);
        function pendingCut() external view returns (bytes32 cut, uint64 from);

        function setOperator(address operator, bool allowed) external;
        function transferOwnership(address _newOwner) external;
        function acceptOwnership() external;
        function proposeCut(FacetCut[] calldata _diamondCut, address _init, bytes calldata _calldata) external;
        function withdrawCut() external;
        function diamondCut(FacetCut[] calldata _diamondCut, address _init, bytes calldata _calldata) external;
        function sweep(address token, address to) external returns (uint256 amount);
    }
}

/// A function as the compiled contract of this edition declares it.
pub(crate) fn function(edition: Edition, selector: [u8; 4]) -> Option<&'static Function> {
    let abi: &LazyLock<JsonAbi> = match edition {
        Edition::First => &ABI,
        Edition::Second => &SECOND_ABI,
    };
    abi.functions().find(|function| function.selector() == selector)
}

#[cfg(test)]
mod tests {
    use alloy::sol_types::{SolCall, SolEvent};

    use super::*;

    /// The interface above is written by hand; the committed ABI is what the contract really answers.
    #[test]
    fn agrees_with_the_compiled_contract() {
        let reads = [
            (Ownership::ownerCall::SELECTOR, true),
            (Ownership::isOperatorCall::SELECTOR, true),
            (Ownership::setOperatorCall::SELECTOR, true),
            (Ownership::transferOwnershipCall::SELECTOR, true),
            (Ownership::diamondCutCall::SELECTOR, true),
            (Ownership::pendingOwnerCall::SELECTOR, false),
            (Ownership::delayCall::SELECTOR, false),
            (Ownership::pendingCutCall::SELECTOR, false),
            (Ownership::acceptOwnershipCall::SELECTOR, false),
            (Ownership::proposeCutCall::SELECTOR, false),
            (Ownership::withdrawCutCall::SELECTOR, false),
            (Ownership::sweepCall::SELECTOR, false),
        ];
        for (selector, in_first) in reads {
            assert!(function(Edition::Second, selector).is_some(), "{selector:?}");
            assert_eq!(function(Edition::First, selector).is_some(), in_first, "{selector:?}");
        }
        let events = [
            (Ownership::CutProposed::SIGNATURE_HASH, 1),
            (Ownership::CutWithdrawn::SIGNATURE_HASH, 1),
            (Ownership::DiamondCut::SIGNATURE_HASH, 0),
            (Ownership::OwnershipOffered::SIGNATURE_HASH, 1),
            (Ownership::OwnershipTransferred::SIGNATURE_HASH, 2),
        ];
        for (topic, indexed) in events {
            let event = SECOND_ABI.events().find(|event| event.selector() == topic).expect("in the ABI");
            assert_eq!(event.inputs.iter().filter(|input| input.indexed).count(), indexed, "{}", event.name);
        }
    }
}
