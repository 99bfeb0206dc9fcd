// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Deal, DealState, DealTerms, IDeals} from "./IDeals.sol";

/// @title How deals are kept
library DealStorage {
    /// @dev Creating a deal fills two slots, its deposit the third; the key, which is the ref, is not stored again.
    struct Record {
        address payee;
        uint64 expiresAt;
        DealState state;
        address token;
        uint96 amount;
        address payer;
    }

    /// @custom:storage-location erc7201:quittance.deals
    struct Layout {
        mapping(uint256 dealId => Record) records;
        mapping(address token => mapping(address account => uint256)) held;
    }

    function load() internal pure returns (Layout storage data) {
        uint256 slot = erc7201("quittance.deals");
        assembly ("memory-safe") {
            data.slot := slot
        }
    }

    function record(uint256 dealId) internal view returns (Record storage) {
        return load().records[dealId];
    }

    function existing(uint256 dealId) internal view returns (Record storage found) {
        found = record(dealId);
        if (found.state == DealState.None) revert IDeals.DealNotFound(dealId);
    }

    /// @dev The caller has checked that the amount fits.
    function write(Record storage self, DealTerms memory terms) internal {
        self.payee = terms.payee;
        self.expiresAt = terms.expiresAt;
        self.state = DealState.Open;
        self.token = terms.token;
        self.amount = uint96(terms.amount);
    }

    function read(uint256 dealId) internal view returns (Deal memory deal) {
        Record memory found = record(dealId);
        if (found.state == DealState.None) return deal;
        return Deal({
            id: dealId,
            ref: bytes32(dealId),
            payee: found.payee,
            token: found.token,
            amount: found.amount,
            expiresAt: found.expiresAt,
            state: found.state,
            payer: found.payer
        });
    }
}
