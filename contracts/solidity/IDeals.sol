// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice `None` → `Open` → `Deposited` → `Released`; `Open` and `Deposited` → `Canceled`. The last two are final.
enum DealState {
    None,
    Open,
    Deposited,
    Released,
    Canceled
}

/// @notice What a deal is about. The diamond keeps a commitment to it, so whoever acts on a deal presents all of it
/// again.
/// @dev `dealId` is the operators' own number, from 1 to 2^48 − 1. `ref` is their reference, unique for ever. `token`
/// zero is the chain's own coin. `amount` is in the token's smallest unit and must fit 96 bits. `expiresAt` is in
/// seconds since 1970; no deposit is taken from then on.
struct DealTerms {
    uint256 dealId;
    bytes32 ref;
    address payee;
    address token;
    uint256 amount;
    uint64 expiresAt;
}

/// @notice What the diamond knows of a deal. `payer` is zero until the deposit. All zero when there is no such deal.
/// @dev `commitment` is the first 25 bytes of keccak-256 over the six terms, each in a word of its own (`abi.encode`).
struct DealStatus {
    uint256 dealId;
    bytes25 commitment;
    DealState state;
    address payer;
}

/// @title Deals: a payer deposits, an operator releases the deposit to the payee or cancels and gives it back
/// @notice A function for many skips what it cannot do; `DealSkipped` carries the error that the function for one would
/// have reverted with.
interface IDeals {
    event DealCreated(
        uint256 indexed dealId, bytes32 indexed ref, address payee, address token, uint256 amount, uint64 expiresAt
    );
    event DealDeposited(uint256 indexed dealId, bytes32 indexed ref, address payer, uint256 amount);
    event DealReleased(uint256 indexed dealId, bytes32 indexed ref, uint256 amount);
    /// @notice `returned` is what the payer got back: the deposit, or zero where nothing had been deposited.
    event DealCanceled(uint256 indexed dealId, bytes32 indexed ref, uint256 returned);
    /// @notice One of many was left as it was.
    event DealSkipped(uint256 indexed dealId, bytes32 indexed ref, bytes reason);
    /// @notice The payer's account refused the returned deposit: it is kept for the payer, who calls `withdraw`.
    event ReturnHeld(uint256 indexed dealId, address indexed payer, address token, uint256 amount);
    event Withdrawn(address indexed account, address indexed to, address token, uint256 amount);

    /// @notice The zero ref is not a reference.
    error InvalidRef();
    /// @notice The id is zero or does not fit 48 bits.
    error InvalidDealId(bytes32 ref, uint256 dealId);
    /// @notice The payee is the zero address or the diamond itself.
    error InvalidPayee(bytes32 ref, address payee);
    /// @notice The token is an address without code.
    error InvalidToken(bytes32 ref, address token);
    /// @notice The amount is zero or does not fit 96 bits.
    error InvalidAmount(bytes32 ref, uint256 amount);
    /// @notice The expiry is not in the future.
    error InvalidExpiry(bytes32 ref, uint64 expiresAt);
    /// @notice There is a deal for this ref already; `dealId` is that deal's.
    error DealExists(bytes32 ref, uint256 dealId);
    /// @notice There is no deal for this ref.
    error DealNotFound(bytes32 ref);
    /// @notice The ref's deal has other terms, or another id, than those presented.
    error WrongTerms(bytes32 ref, uint256 dealId);
    /// @notice The deal's state does not allow this.
    error WrongState(uint256 dealId, DealState state);
    /// @notice The deal has expired; it takes no deposit any more.
    error DealExpired(uint256 dealId, uint64 expiresAt);
    /// @notice The native coin that was sent is not what the deal asks for; a token deal asks for none.
    error WrongValue(uint256 dealId, uint256 sent, uint256 expected);
    /// @notice The diamond's balance did not rise by the amount (a token that takes a fee of each transfer).
    error WrongReceipt(uint256 dealId, uint256 received, uint256 expected);
    /// @notice The recipient refused the native coin.
    error NativeTransferFailed(address to, uint256 amount);
    /// @notice Nothing is kept for the caller.
    error NothingToWithdraw(address account, address token);

    /// @notice Opens a deal. Operators only.
    function createDeal(
        uint256 dealId,
        bytes32 ref,
        address payee,
        address token,
        uint256 amount,
        uint64 expiresAt
    ) external;

    /// @notice Opens many deals; one whose ref has a deal, or whose terms are mistaken, is skipped. Operators only.
    /// @return count How many were opened.
    function createDeals(DealTerms[] calldata terms) external returns (uint256 count);

    /// @notice Pays a deal, exactly its amount: in the native coin with the call's value, or in the token, which the
    /// caller has to approve first. Anybody may; the caller becomes the payer and gets it back on cancellation.
    function deposit(
        uint256 dealId,
        bytes32 ref,
        address payee,
        address token,
        uint256 amount,
        uint64 expiresAt
    ) external payable;

    /// @notice Closes a deal and returns its deposit. Operators only.
    /// @dev Cancelling never depends on the payer's goodwill. A payer's account that refuses the deposit (a contract
    /// that reverts, one that a token has blocked) has it kept in its name; see `withdraw`.
    function cancelDeal(
        uint256 dealId,
        bytes32 ref,
        address payee,
        address token,
        uint256 amount,
        uint64 expiresAt
    ) external;

    /// @notice Cancels many; those that are neither `Open` nor `Deposited` are skipped. Operators only.
    /// @return count How many were canceled.
    function cancelDeals(DealTerms[] calldata terms) external returns (uint256 count);

    /// @notice Cancels many that nobody has paid, for which their refs are enough; others are skipped. Operators only.
    /// @return count How many were canceled.
    function closeDeals(bytes32[] calldata refs) external returns (uint256 count);

    /// @notice Pays the deposit out to the payee. Operators only.
    /// @dev Reverts when the payee refuses it: the deal stays `Deposited`, to be released later or canceled.
    function releaseDeal(
        uint256 dealId,
        bytes32 ref,
        address payee,
        address token,
        uint256 amount,
        uint64 expiresAt
    ) external;

    /// @notice Releases many; those that are not `Deposited` or whose payee refuses are skipped. Operators only.
    /// @dev In a batch a payee's contract gets 50,000 gas to take native coin; one that needs more is released alone.
    /// @return count How many were released.
    function releaseDeals(DealTerms[] calldata terms) external returns (uint256 count);

    /// @notice Takes what is kept for the caller, to any address, since the caller's own may be what refuses.
    function withdraw(address token, address to) external;

    /// @notice What is kept for an account because its returned deposit was refused.
    function withdrawable(address account, address token) external view returns (uint256);

    /// @notice What of a token, or of the native coin, belongs to payers and payees: deposits and what is kept.
    function owed(address token) external view returns (uint256);

    /// @notice What is known of a ref's deal, all zero when there is none.
    function statusOf(bytes32 ref) external view returns (DealStatus memory);

    /// @notice The same for many refs, in their order.
    function statusesOf(bytes32[] calldata refs) external view returns (DealStatus[] memory statuses);
}
