// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title A token with the manners that real tokens and attackers have
/// @dev Not an ERC20 by type, since some of the moods answer in another shape.
contract HostileToken {
    enum Mood {
        Plain,
        Fee,
        False,
        Silent,
        Revert,
        CallBack
    }

    error Blocked(address account);

    mapping(address => uint256) public balanceOf;
    Mood private mood;
    address private target;
    bytes private call_;
    bytes4 public met;

    function expect(Mood mood_, address target_, bytes calldata data) external {
        (mood, target, call_) = (mood_, target_, data);
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        _move(from, to, amount);
    }

    /// @dev Returns by hand: `true`, `false`, or nothing as USDT does.
    function _move(address from, address to, uint256 amount) private {
        if (mood == Mood.Revert) revert Blocked(to);
        if (mood == Mood.CallBack) {
            (bool ok, bytes memory reason) = target.call(call_);
            met = ok ? bytes4(0xffffffff) : bytes4(reason);
        }
        bool answer = mood != Mood.False;
        if (answer) {
            balanceOf[from] -= amount;
            balanceOf[to] += mood == Mood.Fee ? amount - amount / 100 : amount;
        }
        bool silent = mood == Mood.Silent;
        assembly ("memory-safe") {
            mstore(0, answer)
            return(0, mul(32, iszero(silent)))
        }
    }
}
