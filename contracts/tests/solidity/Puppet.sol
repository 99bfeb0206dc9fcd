// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title An account with code that does what the test tells it, and answers native coin as the test tells it
contract Puppet {
    enum Mood {
        Accept,
        Refuse,
        BurnGas,
        CallBack
    }

    error Refused();

    Mood private mood;
    address private target;
    bytes private call_;

    /// @notice The selector of the error that the last call back met, or `0xffffffff` when it went through.
    bytes4 public met;

    function expect(Mood mood_, address target_, bytes calldata data) external {
        (mood, target, call_) = (mood_, target_, data);
    }

    /// @notice Makes a call with the value that came along, and hands on why it failed.
    function run(address to, bytes calldata data) external payable {
        (bool ok, bytes memory reason) = to.call{value: msg.value}(data);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }

    receive() external payable {
        if (mood == Mood.Refuse) revert Refused();
        if (mood == Mood.BurnGas) while (true) {}
        if (mood == Mood.CallBack) {
            (bool ok, bytes memory reason) = target.call(call_);
            met = ok ? bytes4(0xffffffff) : bytes4(reason);
        }
    }
}
