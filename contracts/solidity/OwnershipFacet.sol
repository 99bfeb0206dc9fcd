// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {DealStorage} from "./DealStorage.sol";
import {DiamondStorage} from "./DiamondStorage.sol";
import {IOwnership} from "./IDiamond.sol";
import {Transfers} from "./Transfers.sol";

/// @title Says and changes who owns and who operates the diamond
/// @dev Its guard is the deals' own: both run in the diamond, and the guard's place is the same in every contract.
contract OwnershipFacet is IOwnership, ReentrancyGuardTransient {
    modifier onlyOwner() {
        DiamondStorage.requireOwner();
        _;
    }

    /// @inheritdoc IOwnership
    function owner() external view returns (address) {
        return DiamondStorage.load().owner;
    }

    /// @inheritdoc IOwnership
    function transferOwnership(address _newOwner) external onlyOwner {
        DiamondStorage.Layout storage data = DiamondStorage.load();
        uint64 from = _newOwner == address(0) ? 0 : DiamondStorage.due();
        (data.pendingOwner, data.ownerFrom) = (_newOwner, from);
        emit OwnershipOffered(_newOwner, from);
    }

    /// @inheritdoc IOwnership
    function acceptOwnership() external {
        DiamondStorage.Layout storage data = DiamondStorage.load();
        if (data.pendingOwner == address(0) || msg.sender != data.pendingOwner) revert NotOffered(msg.sender);
        DiamondStorage.requireDue(data.ownerFrom);
        DiamondStorage.setOwner(msg.sender);
    }

    /// @inheritdoc IOwnership
    function pendingOwner() external view returns (address account, uint64 from) {
        DiamondStorage.Layout storage data = DiamondStorage.load();
        return (data.pendingOwner, data.ownerFrom);
    }

    /// @inheritdoc IOwnership
    function delay() external view returns (uint64) {
        return DiamondStorage.load().delay;
    }

    /// @inheritdoc IOwnership
    function setOperator(address operator, bool allowed) external onlyOwner {
        DiamondStorage.setOperator(operator, allowed);
    }

    /// @inheritdoc IOwnership
    function isOperator(address account) external view returns (bool) {
        return DiamondStorage.load().operators[account];
    }

    /// @inheritdoc IOwnership
    function sweep(address token, address to) external onlyOwner nonReentrant returns (uint256 amount) {
        if (to == address(0) || to == address(this)) revert InvalidRecipient(to);
        (uint256 held, uint256 owed) = (Transfers.balance(token), DealStorage.owedOf(token));
        if (held <= owed) revert NothingToSweep(token);
        amount = held - owed;
        emit Swept(token, to, amount);
        Transfers.send(token, to, amount);
    }
}
