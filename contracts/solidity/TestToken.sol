// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A worthless token for development and tests: anybody may mint it
contract TestToken is ERC20 {
    constructor() ERC20("Test Tether", "USDT") {}

    /// @notice As many decimals as USDT has.
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @notice Makes tokens out of nothing.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
