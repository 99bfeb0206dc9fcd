// SPDX-License-Identifier: MIT OR Apache-2.0
// Compiled with solc 0.8.37, optimizer on (200 runs), evmVersion prague, no metadata; the result is probe.hex.
pragma solidity ^0.8.28;

contract Probe {
    error Refused(uint256 code, address who);
    event Counted(address indexed who, uint256 indexed value, bytes note);
    event Other(uint256 value);

    uint256 public count;
    mapping(address => uint256) public paid;

    constructor(uint256 start) payable { count = start; }

    function increment() external { count += 1; }
    function incrementAndLog(bytes calldata note) external { count += 1; emit Counted(msg.sender, count, note); emit Other(count); }
    function refuse(uint256 code) external view { revert Refused(code, msg.sender); }
    function demand(bool yes) external pure { require(yes, "not today"); }
    function divide(uint256 by) external pure returns (uint256) { return 1 / by; }
    function burn() external { while (true) { count += 1; } }
    function broken() external pure { assembly { invalid() } }
    function pay() external payable { paid[msg.sender] += msg.value; }
    function clear() external { delete count; delete paid[msg.sender]; }
    function fill(uint256 slots) external { for (uint256 i = 0; i < slots; i++) { assembly { sstore(add(1000, i), 1) } } }
    function context() external view returns (uint256 number, uint256 time, uint256 chain, bytes32 previous, uint256 baseFee, uint256 random) {
        return (block.number, block.timestamp, block.chainid, blockhash(block.number - 1), block.basefee, block.prevrandao);
    }
    function nested(uint256 gasKept) external returns (bool ok) {
        (ok, ) = address(this).call{gas: gasleft() - gasKept}(abi.encodeCall(this.incrementAndLog, (hex"01")));
        require(ok);
    }
}
