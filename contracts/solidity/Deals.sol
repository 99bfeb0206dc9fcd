// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {DealStorage} from "./DealStorage.sol";
import {DiamondStorage} from "./DiamondStorage.sol";
import {DealState, DealStatus, DealTerms, IDeals} from "./IDeals.sol";
import {Transfers} from "./Transfers.sol";

/// @title Deals, part of the diamond itself: no cut can change them, and no call goes a detour
/// @dev State is written before any account or token is called, and the guard (transient storage, so it has no place in
/// the diamond's layout) locks every function that moves money while one of them runs. Each `_action` returns the error
/// that says why it did nothing, or no bytes.
abstract contract Deals is IDeals, ReentrancyGuardTransient {
    using DealStorage for DealTerms;
    using SafeERC20 for IERC20;

    modifier onlyOperator() {
        DiamondStorage.requireOperator();
        _;
    }

    /// @inheritdoc IDeals
    function createDeal(
        uint256 dealId,
        bytes32 ref,
        address payee,
        address token,
        uint256 amount,
        uint64 expiresAt
    ) external onlyOperator {
        _orRevert(_create(_terms()));
    }

    /// @inheritdoc IDeals
    function createDeals(DealTerms[] calldata terms) external onlyOperator returns (uint256 count) {
        for (uint256 i; i < terms.length; ++i) {
            if (_orSkip(terms[i], _create(terms[i]))) ++count;
        }
    }

    /// @inheritdoc IDeals
    function deposit(
        uint256 dealId,
        bytes32 ref,
        address payee,
        address token,
        uint256 amount,
        uint64 expiresAt
    ) external payable nonReentrant {
        DealStorage.Record storage record = _expect(DealState.Open, DealState.Deposited);
        if (block.timestamp >= expiresAt) revert DealExpired(dealId, expiresAt);
        uint256 value = token == address(0) ? amount : 0;
        if (msg.value != value) revert WrongValue(dealId, msg.value, value);

        record.payer = msg.sender;
        DealStorage.owe(token, amount);
        emit DealDeposited(dealId, ref, msg.sender, amount);
        if (token != address(0)) {
            uint256 before = Transfers.balance(token);
            IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
            uint256 received = Transfers.balance(token) - before;
            if (received != amount) revert WrongReceipt(dealId, received, amount);
        }
    }

    /// @inheritdoc IDeals
    function cancelDeal(
        uint256 dealId,
        bytes32 ref,
        address payee,
        address token,
        uint256 amount,
        uint64 expiresAt
    ) external onlyOperator nonReentrant {
        _orRevert(_cancel(_terms()));
    }

    /// @inheritdoc IDeals
    function cancelDeals(DealTerms[] calldata terms) external onlyOperator nonReentrant returns (uint256 count) {
        for (uint256 i; i < terms.length; ++i) {
            if (_orSkip(terms[i], _cancel(terms[i]))) ++count;
        }
    }

    /// @inheritdoc IDeals
    function closeDeals(bytes32[] calldata refs) external onlyOperator returns (uint256 count) {
        for (uint256 i; i < refs.length; ++i) {
            bytes32 ref = refs[i];
            DealStorage.Record storage record = DealStorage.load().records[ref];
            uint256 word = record.word;
            DealState state = DealStorage.stateOf(word);
            uint256 dealId = DealStorage.idOf(word);
            if (state == DealState.Open) {
                record.word = DealStorage.moved(word, state, DealState.Canceled);
                emit DealCanceled(dealId, ref, 0);
                ++count;
            } else {
                bytes memory none = abi.encodeWithSelector(DealNotFound.selector, ref);
                bytes memory wrong = abi.encodeWithSelector(WrongState.selector, dealId, state);
                emit DealSkipped(dealId, ref, state == DealState.None ? none : wrong);
            }
        }
    }

    /// @inheritdoc IDeals
    function releaseDeal(
        uint256 dealId,
        bytes32 ref,
        address payee,
        address token,
        uint256 amount,
        uint64 expiresAt
    ) external onlyOperator nonReentrant {
        _expect(DealState.Deposited, DealState.Released);
        DealStorage.settle(token, amount);
        emit DealReleased(dealId, ref, amount);
        Transfers.send(token, payee, amount);
    }

    /// @inheritdoc IDeals
    function releaseDeals(DealTerms[] calldata terms) external onlyOperator nonReentrant returns (uint256 count) {
        for (uint256 i; i < terms.length; ++i) {
            if (_orSkip(terms[i], _release(terms[i]))) ++count;
        }
    }

    /// @inheritdoc IDeals
    function withdraw(address token, address to) external nonReentrant {
        mapping(address => uint256) storage held = DealStorage.load().held[token];
        uint256 amount = held[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender, token);
        held[msg.sender] = 0;
        DealStorage.settle(token, amount);
        emit Withdrawn(msg.sender, to, token, amount);
        Transfers.send(token, to, amount);
    }

    /// @inheritdoc IDeals
    function withdrawable(address account, address token) external view returns (uint256) {
        return DealStorage.load().held[token][account];
    }

    /// @inheritdoc IDeals
    function owed(address token) external view returns (uint256) {
        return DealStorage.owedOf(token);
    }

    /// @inheritdoc IDeals
    function statusOf(bytes32 ref) external view returns (DealStatus memory) {
        return DealStorage.status(ref);
    }

    /// @inheritdoc IDeals
    function statusesOf(bytes32[] calldata refs) external view returns (DealStatus[] memory statuses) {
        statuses = new DealStatus[](refs.length);
        for (uint256 i; i < refs.length; ++i) {
            statuses[i] = DealStorage.status(refs[i]);
        }
    }

    /// @dev The six arguments of a function for one deal, which stand in the call as a struct's members do.
    function _terms() private pure returns (DealTerms calldata terms) {
        assembly ("memory-safe") {
            terms := 4
        }
    }

    /// @dev Moves the one deal of this call from a state to the next, or reverts.
    function _expect(DealState from, DealState to) private returns (DealStorage.Record storage record) {
        DealTerms calldata terms = _terms();
        uint256 word = terms.word();
        record = DealStorage.load().records[terms.ref];
        uint256 stored = record.word;
        if (stored != word | uint256(from)) _orRevert(terms.refusal(word, stored));
        record.word = word | uint256(to);
    }

    function _create(DealTerms calldata terms) private returns (bytes memory reason) {
        DealStorage.Record storage record = DealStorage.load().records[terms.ref];
        uint256 stored = record.word;
        if (stored != 0) return abi.encodeWithSelector(DealExists.selector, terms.ref, DealStorage.idOf(stored));
        reason = _mistake(terms);
        if (reason.length != 0) return reason;
        record.word = terms.word() | uint256(DealState.Open);
        emit DealCreated(terms.dealId, terms.ref, terms.payee, terms.token, terms.amount, terms.expiresAt);
    }

    function _mistake(DealTerms calldata terms) private view returns (bytes memory reason) {
        (bytes32 ref, address payee, address token) = (terms.ref, terms.payee, terms.token);
        if (ref == 0) return abi.encodeWithSelector(InvalidRef.selector);
        if (terms.dealId == 0 || terms.dealId > DealStorage.DEAL_ID_MAX) {
            return abi.encodeWithSelector(InvalidDealId.selector, ref, terms.dealId);
        }
        if (payee == address(0) || payee == address(this)) {
            return abi.encodeWithSelector(InvalidPayee.selector, ref, payee);
        }
        if (token != address(0) && token.code.length == 0) {
            return abi.encodeWithSelector(InvalidToken.selector, ref, token);
        }
        if (terms.amount == 0 || terms.amount > type(uint96).max) {
            return abi.encodeWithSelector(InvalidAmount.selector, ref, terms.amount);
        }
        if (terms.expiresAt <= block.timestamp) {
            return abi.encodeWithSelector(InvalidExpiry.selector, ref, terms.expiresAt);
        }
    }

    function _cancel(DealTerms calldata terms) private returns (bytes memory reason) {
        uint256 word = terms.word();
        DealStorage.Record storage record = DealStorage.load().records[terms.ref];
        uint256 stored = record.word;
        if (stored == word | uint256(DealState.Open)) {
            record.word = word | uint256(DealState.Canceled);
            emit DealCanceled(terms.dealId, terms.ref, 0);
        } else if (stored == word | uint256(DealState.Deposited)) {
            record.word = word | uint256(DealState.Canceled);
            emit DealCanceled(terms.dealId, terms.ref, terms.amount);
            _giveBack(terms.dealId, record.payer, terms.token, terms.amount);
        } else {
            return terms.refusal(word, stored);
        }
    }

    /// @dev What is kept for the payer is still owed.
    function _giveBack(uint256 dealId, address payer, address token, uint256 amount) private {
        if (Transfers.trySend(token, payer, amount)) {
            DealStorage.settle(token, amount);
        } else {
            DealStorage.load().held[token][payer] += amount;
            emit ReturnHeld(dealId, payer, token, amount);
        }
    }

    function _release(DealTerms calldata terms) private returns (bytes memory reason) {
        (address payee, address token, uint256 amount) = (terms.payee, terms.token, terms.amount);
        uint256 word = terms.word();
        DealStorage.Record storage record = DealStorage.load().records[terms.ref];
        uint256 stored = record.word;
        if (stored != word | uint256(DealState.Deposited)) return terms.refusal(word, stored);
        record.word = word | uint256(DealState.Released);
        if (Transfers.trySend(token, payee, amount)) {
            DealStorage.settle(token, amount);
            emit DealReleased(terms.dealId, terms.ref, amount);
            return reason;
        }
        record.word = stored;
        if (token == address(0)) return abi.encodeWithSelector(NativeTransferFailed.selector, payee, amount);
        return abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, token);
    }

    function _orRevert(bytes memory reason) private pure {
        if (reason.length == 0) return;
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }

    /// @return Whether it was done.
    function _orSkip(DealTerms calldata terms, bytes memory reason) private returns (bool) {
        if (reason.length == 0) return true;
        emit DealSkipped(terms.dealId, terms.ref, reason);
        return false;
    }
}
