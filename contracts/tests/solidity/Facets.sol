// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Facets and initialisers for the tests of `diamondCut`
contract FirstFacet {
    function answer() external pure returns (uint256) {
        return 1;
    }

    function question() external pure returns (uint256) {
        return 6;
    }
}

contract SecondFacet {
    function answer() external pure returns (uint256) {
        return 2;
    }
}

contract Initializer {
    event Initialized(address diamond);
    error NotToday(uint256 number);

    function succeed() external {
        emit Initialized(address(this));
    }

    function fail(uint256 number) external pure {
        revert NotToday(number);
    }

    function failSilently() external pure {
        assembly ("memory-safe") {
            revert(0, 0)
        }
    }
}
