// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IDeals} from "./IDeals.sol";

/// @title Sends tokens and, for token zero, the chain's own coin
library Transfers {
    using SafeERC20 for IERC20;

    /// @dev What an account may spend on taking native coin where others wait behind it: plenty for a smart wallet, too
    /// little to starve the rest of a batch.
    uint256 private constant NATIVE_GAS = 50_000;

    /// @dev Reverts when it is refused.
    function send(address token, address to, uint256 amount) internal {
        if (token != address(0)) {
            IERC20(token).safeTransfer(to, amount);
            return;
        }
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert IDeals.NativeTransferFailed(to, amount);
    }

    /// @dev Tells when it is refused.
    function trySend(address token, address to, uint256 amount) internal returns (bool ok) {
        if (token != address(0)) return IERC20(token).trySafeTransfer(to, amount);
        (ok,) = to.call{value: amount, gas: NATIVE_GAS}("");
    }

    /// @dev What the diamond holds.
    function balance(address token) internal view returns (uint256) {
        return token == address(0) ? address(this).balance : IERC20(token).balanceOf(address(this));
    }
}
