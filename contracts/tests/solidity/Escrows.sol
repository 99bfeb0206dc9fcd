// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title An escrow that has nothing of ours but what it is for: other functions, other events, other states, other errors
library EscrowStorage {
    enum Phase {
        Unknown,
        Locked,
        Aborted,
        Funded,
        Settled
    }

    struct Escrow {
        address seller;
        uint96 price;
        address buyer;
        uint40 deadline;
        Phase phase;
        address asset;
    }

    struct Layout {
        mapping(bytes4 selector => address) facets;
        mapping(address account => bool) agents;
        mapping(bytes32 key => Escrow) escrows;
    }

    function load() internal pure returns (Layout storage kept) {
        assembly ("memory-safe") {
            kept.slot := 0x657363726f77
        }
    }
}

contract EscrowFacet {
    using SafeERC20 for IERC20;

    event Locked(bytes32 indexed key, address indexed seller, uint96 price, address asset, uint40 deadline);
    event Funded(address indexed buyer, bytes32 indexed key, uint96 price);
    event Settled(bytes32 key);
    event Aborted(uint96 refund, bytes32 indexed key, address by);

    error KeyTaken(bytes32 key);
    error AgentsOnly(address caller);
    error BadPhase(EscrowStorage.Phase phase);
    error Late(uint40 deadline);

    modifier onlyAgent() {
        if (!EscrowStorage.load().agents[msg.sender]) revert AgentsOnly(msg.sender);
        _;
    }

    function lock(address seller, address asset, uint40 deadline, bytes32 key, uint96 price) external onlyAgent {
        EscrowStorage.Escrow storage escrow = EscrowStorage.load().escrows[key];
        if (escrow.phase != EscrowStorage.Phase.Unknown) revert KeyTaken(key);
        if (deadline <= block.timestamp) revert Late(deadline);
        (escrow.seller, escrow.price, escrow.deadline, escrow.asset) = (seller, price, deadline, asset);
        escrow.phase = EscrowStorage.Phase.Locked;
        emit Locked(key, seller, price, asset, deadline);
    }

    function fund(uint96 price, bytes32 key) external payable {
        EscrowStorage.Escrow storage escrow = EscrowStorage.load().escrows[key];
        if (escrow.phase != EscrowStorage.Phase.Locked || price != escrow.price) revert BadPhase(escrow.phase);
        if (escrow.deadline < block.timestamp) revert Late(escrow.deadline);
        if (msg.value != (escrow.asset == address(0) ? price : 0)) revert BadPhase(escrow.phase);
        (escrow.buyer, escrow.phase) = (msg.sender, EscrowStorage.Phase.Funded);
        emit Funded(msg.sender, key, price);
        if (escrow.asset != address(0)) IERC20(escrow.asset).safeTransferFrom(msg.sender, address(this), price);
    }

    function settle(bytes32 key) external onlyAgent {
        EscrowStorage.Escrow storage escrow = EscrowStorage.load().escrows[key];
        if (escrow.phase != EscrowStorage.Phase.Funded) revert BadPhase(escrow.phase);
        escrow.phase = EscrowStorage.Phase.Settled;
        emit Settled(key);
        _pay(escrow.asset, escrow.seller, escrow.price);
    }

    function abort(bytes32 key) external onlyAgent {
        EscrowStorage.Escrow storage escrow = EscrowStorage.load().escrows[key];
        bool isFunded = escrow.phase == EscrowStorage.Phase.Funded;
        if (!isFunded && escrow.phase != EscrowStorage.Phase.Locked) revert BadPhase(escrow.phase);
        escrow.phase = EscrowStorage.Phase.Aborted;
        emit Aborted(isFunded ? escrow.price : 0, key, msg.sender);
        if (isFunded) _pay(escrow.asset, escrow.buyer, escrow.price);
    }

    function escrowOf(bytes32 key) external view returns (EscrowStorage.Escrow memory) {
        return EscrowStorage.load().escrows[key];
    }

    function isAgent(address account) external view returns (bool) {
        return EscrowStorage.load().agents[account];
    }

    function _pay(address asset, address to, uint256 amount) private {
        if (asset != address(0)) return IERC20(asset).safeTransfer(to, amount);
        (bool done,) = to.call{value: amount}("");
        if (!done) revert BadPhase(EscrowStorage.Phase.Settled);
    }
}

contract EscrowDiamond {
    /// Its creator is an agent, and nobody can become one later.
    constructor() {
        EscrowStorage.Layout storage kept = EscrowStorage.load();
        address facet = address(new EscrowFacet());
        bytes4[6] memory selectors = [
            EscrowFacet.lock.selector,
            EscrowFacet.fund.selector,
            EscrowFacet.settle.selector,
            EscrowFacet.abort.selector,
            EscrowFacet.escrowOf.selector,
            EscrowFacet.isAgent.selector
        ];
        for (uint256 i; i < selectors.length; ++i) {
            kept.facets[selectors[i]] = facet;
        }
        kept.agents[msg.sender] = true;
    }

    fallback() external payable {
        address facet = EscrowStorage.load().facets[msg.sig];
        assembly ("memory-safe") {
            if iszero(facet) { revert(0, 0) }
            let start := mload(0x40)
            calldatacopy(start, 0, calldatasize())
            let done := delegatecall(gas(), facet, start, calldatasize(), 0, 0)
            returndatacopy(start, 0, returndatasize())
            switch done
            case 0 { revert(start, returndatasize()) }
            default { return(start, returndatasize()) }
        }
    }
}
