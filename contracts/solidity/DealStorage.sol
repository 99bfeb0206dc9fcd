// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DealState, DealStatus, DealTerms, IDeals} from "./IDeals.sol";

/// @title How deals are kept
/// @dev A deal is one word under its ref: 200 bits of commitment, 48 bits of id, 8 bits of state. Two sets of terms
/// with one commitment take 2^100 hashes to find, and an operator who chooses both; other terms for a given deal take
/// 2^200.
library DealStorage {
    /// @dev Below the commitment stand the id and the state.
    uint256 private constant COMMITMENT_SHIFT = 56;
    uint256 private constant STATE_BITS = 8;
    uint256 internal constant DEAL_ID_MAX = type(uint48).max;

    struct Record {
        uint256 word;
        address payer;
    }

    /// @custom:storage-location erc7201:quittance.deals.v2
    struct Layout {
        mapping(bytes32 ref => Record) records;
        /// @dev One more than what is owed, once anything was: a slot that falls back to zero costs the next payer
        /// 17,100.
        mapping(address token => uint256) owed;
        mapping(address token => mapping(address account => uint256)) held;
    }

    function load() internal pure returns (Layout storage data) {
        uint256 slot = erc7201("quittance.deals.v2");
        assembly ("memory-safe") {
            data.slot := slot
        }
    }

    /// @dev What is stored for a deal of these terms, with the state `None`. An id that is too large is cut to size
    /// here and stands whole in the commitment, so that it matches nothing.
    function word(DealTerms calldata terms) internal pure returns (uint256) {
        uint256 hash;
        // Members of a struct stand in the call as `abi.encode` has them. What is no address or time by its upper bits
        // is refused where the member is read, and commits to nothing that could be presented.
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, terms, 192)
            hash := keccak256(free, 192)
        }
        return (hash >> COMMITMENT_SHIFT << COMMITMENT_SHIFT) | ((terms.dealId & DEAL_ID_MAX) << STATE_BITS);
    }

    function stateOf(uint256 stored) internal pure returns (DealState) {
        return DealState(stored & type(uint8).max);
    }

    function idOf(uint256 stored) internal pure returns (uint256) {
        return (stored >> STATE_BITS) & DEAL_ID_MAX;
    }

    function moved(uint256 stored, DealState from, DealState to) internal pure returns (uint256) {
        return stored ^ uint256(from) ^ uint256(to);
    }

    /// @dev The error that says why a deal with this word is not one of these terms in a state that would do.
    function refusal(DealTerms calldata terms, uint256 stateless, uint256 stored) internal pure returns (bytes memory) {
        if (stored == 0) return abi.encodeWithSelector(IDeals.DealNotFound.selector, terms.ref);
        if (stored >> STATE_BITS != stateless >> STATE_BITS) {
            return abi.encodeWithSelector(IDeals.WrongTerms.selector, terms.ref, terms.dealId);
        }
        return abi.encodeWithSelector(IDeals.WrongState.selector, terms.dealId, stateOf(stored));
    }

    function owe(address token, uint256 amount) internal {
        mapping(address => uint256) storage owed = load().owed;
        uint256 before = owed[token];
        owed[token] = before == 0 ? amount + 1 : before + amount;
    }

    function settle(address token, uint256 amount) internal {
        load().owed[token] -= amount;
    }

    function owedOf(address token) internal view returns (uint256) {
        uint256 stored = load().owed[token];
        return stored == 0 ? 0 : stored - 1;
    }

    function status(bytes32 ref) internal view returns (DealStatus memory) {
        Record storage record = load().records[ref];
        uint256 stored = record.word;
        return DealStatus(idOf(stored), bytes25(bytes32(stored)), stateOf(stored), record.payer);
    }
}
