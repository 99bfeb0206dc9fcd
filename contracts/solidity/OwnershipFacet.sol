// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DiamondStorage} from "./DiamondStorage.sol";
import {IOwnership} from "./IDiamond.sol";

/// @title Says and changes who owns and who operates the diamond
contract OwnershipFacet is IOwnership {
    /// @inheritdoc IOwnership
    function owner() external view returns (address) {
        return DiamondStorage.load().owner;
    }

    /// @inheritdoc IOwnership
    function transferOwnership(address _newOwner) external {
        DiamondStorage.requireOwner();
        DiamondStorage.setOwner(_newOwner);
    }

    /// @inheritdoc IOwnership
    function setOperator(address operator, bool allowed) external {
        DiamondStorage.requireOwner();
        DiamondStorage.load().operators[operator] = allowed;
        emit OperatorSet(operator, allowed);
    }

    /// @inheritdoc IOwnership
    function isOperator(address account) external view returns (bool) {
        return DiamondStorage.load().operators[account];
    }
}
