// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {DealStorage} from "./DealStorage.sol";
import {DiamondStorage} from "./DiamondStorage.sol";
import {Deal, DealState, DealTerms, IDeals} from "./IDeals.sol";

/// @title Deals
/// @dev State is written before any account or token is called, and the guard (transient storage, so it has no place in
/// the diamond's layout) locks every function that moves money while one of them runs.
contract DealFacet is IDeals, ReentrancyGuardTransient {
    using DealStorage for DealStorage.Record;
    using SafeERC20 for IERC20;

    /// @dev What a payer's contract may spend on taking back a native deposit: plenty for a smart wallet, too little to
    /// starve the rest of a batch.
    uint256 private constant NATIVE_RETURN_GAS = 50_000;

    modifier onlyOperator() {
        DiamondStorage.requireOperator();
        _;
    }

    /// @inheritdoc IDeals
    function createDeal(bytes32 ref, address payee, address token, uint256 amount, uint64 expiresAt)
        external
        onlyOperator
        returns (uint256 dealId)
    {
        dealId = uint256(ref);
        if (DealStorage.record(dealId).state != DealState.None) revert DealExists(ref, dealId);
        _create(DealTerms(ref, payee, token, amount, expiresAt));
    }

    /// @inheritdoc IDeals
    function createDeals(DealTerms[] calldata terms) external onlyOperator returns (uint256[] memory dealIds) {
        dealIds = new uint256[](terms.length);
        for (uint256 i; i < terms.length; ++i) {
            uint256 dealId = uint256(terms[i].ref);
            dealIds[i] = dealId;
            if (DealStorage.record(dealId).state == DealState.None) _create(terms[i]);
        }
    }

    /// @inheritdoc IDeals
    function deposit(uint256 dealId) external payable nonReentrant {
        DealStorage.Record storage deal = DealStorage.existing(dealId);
        if (deal.state != DealState.Open) revert WrongState(dealId, deal.state);
        if (block.timestamp >= deal.expiresAt) revert DealExpired(dealId, deal.expiresAt);
        (address token, uint256 amount) = (deal.token, deal.amount);
        uint256 value = token == address(0) ? amount : 0;
        if (msg.value != value) revert WrongValue(dealId, msg.value, value);

        deal.state = DealState.Deposited;
        deal.payer = msg.sender;
        emit DealDeposited(dealId, bytes32(dealId), msg.sender, amount);
        if (token != address(0)) {
            uint256 before = IERC20(token).balanceOf(address(this));
            IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
            uint256 received = IERC20(token).balanceOf(address(this)) - before;
            if (received != amount) revert WrongReceipt(dealId, received, amount);
        }
    }

    /// @inheritdoc IDeals
    function cancelDeal(uint256 dealId) external onlyOperator nonReentrant {
        DealState state = DealStorage.existing(dealId).state;
        if (!_cancel(dealId)) revert WrongState(dealId, state);
    }

    /// @inheritdoc IDeals
    function cancelDeals(uint256[] calldata dealIds) external onlyOperator nonReentrant returns (uint256 count) {
        for (uint256 i; i < dealIds.length; ++i) {
            if (_cancel(dealIds[i])) ++count;
        }
    }

    /// @inheritdoc IDeals
    function releaseDeal(uint256 dealId) external onlyOperator nonReentrant {
        DealStorage.Record storage deal = DealStorage.existing(dealId);
        if (deal.state != DealState.Deposited) revert WrongState(dealId, deal.state);
        deal.state = DealState.Released;
        emit DealReleased(dealId, bytes32(dealId), deal.amount);
        _send(deal.token, deal.payee, deal.amount);
    }

    /// @inheritdoc IDeals
    function releaseDeals(uint256[] calldata dealIds) external onlyOperator nonReentrant returns (uint256 count) {
        for (uint256 i; i < dealIds.length; ++i) {
            DealStorage.Record storage deal = DealStorage.record(dealIds[i]);
            if (deal.state != DealState.Deposited) continue;
            deal.state = DealState.Released;
            if (_trySend(deal.token, deal.payee, deal.amount)) {
                emit DealReleased(dealIds[i], bytes32(dealIds[i]), deal.amount);
                ++count;
            } else {
                deal.state = DealState.Deposited;
            }
        }
    }

    /// @inheritdoc IDeals
    function withdraw(address token, address to) external nonReentrant {
        mapping(address => uint256) storage held = DealStorage.load().held[token];
        uint256 amount = held[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender, token);
        held[msg.sender] = 0;
        emit Withdrawn(msg.sender, to, token, amount);
        _send(token, to, amount);
    }

    /// @inheritdoc IDeals
    function withdrawable(address account, address token) external view returns (uint256) {
        return DealStorage.load().held[token][account];
    }

    /// @inheritdoc IDeals
    function dealOf(bytes32 ref) external view returns (Deal memory) {
        return DealStorage.read(uint256(ref));
    }

    /// @inheritdoc IDeals
    function dealsOf(bytes32[] calldata refs) external view returns (Deal[] memory deals) {
        deals = new Deal[](refs.length);
        for (uint256 i; i < refs.length; ++i) {
            deals[i] = DealStorage.read(uint256(refs[i]));
        }
    }

    /// @inheritdoc IDeals
    function dealById(uint256 dealId) external view returns (Deal memory) {
        return DealStorage.read(dealId);
    }

    function _create(DealTerms memory terms) private {
        bytes32 ref = terms.ref;
        if (ref == 0) revert InvalidRef();
        if (terms.payee == address(0) || terms.payee == address(this)) revert InvalidPayee(ref, terms.payee);
        if (terms.token != address(0) && terms.token.code.length == 0) revert InvalidToken(ref, terms.token);
        if (terms.amount == 0 || terms.amount > type(uint96).max) revert InvalidAmount(ref, terms.amount);
        if (terms.expiresAt <= block.timestamp) revert InvalidExpiry(ref, terms.expiresAt);
        DealStorage.record(uint256(ref)).write(terms);
        emit DealCreated(uint256(ref), ref, terms.payee, terms.token, terms.amount, terms.expiresAt);
    }

    function _cancel(uint256 dealId) private returns (bool) {
        DealStorage.Record storage deal = DealStorage.record(dealId);
        DealState state = deal.state;
        if (state != DealState.Open && state != DealState.Deposited) return false;
        deal.state = DealState.Canceled;
        uint256 returned = state == DealState.Deposited ? deal.amount : 0;
        emit DealCanceled(dealId, bytes32(dealId), returned);
        if (returned > 0) _giveBack(dealId, deal.payer, deal.token, returned);
        return true;
    }

    function _giveBack(uint256 dealId, address payer, address token, uint256 amount) private {
        if (_trySend(token, payer, amount)) return;
        DealStorage.load().held[token][payer] += amount;
        emit ReturnHeld(dealId, payer, token, amount);
    }

    function _send(address token, address to, uint256 amount) private {
        if (token != address(0)) {
            IERC20(token).safeTransfer(to, amount);
            return;
        }
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert NativeTransferFailed(to, amount);
    }

    function _trySend(address token, address to, uint256 amount) private returns (bool ok) {
        if (token != address(0)) return IERC20(token).trySafeTransfer(to, amount);
        (ok,) = to.call{value: amount, gas: NATIVE_RETURN_GAS}("");
    }
}
