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

/// @notice What a deal is about.
/// @dev `ref` is the caller's own reference, unique for ever. `token` zero is the chain's own coin. `amount` is in the
/// token's smallest unit and must fit 96 bits. `expiresAt` is in seconds since 1970; no deposit is taken from then on.
struct DealTerms {
    bytes32 ref;
    address payee;
    address token;
    uint256 amount;
    uint64 expiresAt;
}

/// @notice A deal as it stands. `payer` is zero until the deposit. All zero when there is no such deal.
struct Deal {
    uint256 id;
    bytes32 ref;
    address payee;
    address token;
    uint256 amount;
    uint64 expiresAt;
    DealState state;
    address payer;
}

/// @title Deals: a payer deposits, an operator releases the deposit to the payee or cancels and gives it back
/// @notice A deal's id is its ref read as a number, so that it is known before the deal is mined, and so that a deal
/// takes two fresh storage slots and not four.
interface IDeals {
    event DealCreated(
        uint256 indexed dealId, bytes32 indexed ref, address payee, address token, uint256 amount, uint64 expiresAt
    );
    event DealDeposited(uint256 indexed dealId, bytes32 indexed ref, address payer, uint256 amount);
    event DealReleased(uint256 indexed dealId, bytes32 indexed ref, uint256 amount);
    /// @notice `returned` is what the payer got back: the deposit, or zero where nothing had been deposited.
    event DealCanceled(uint256 indexed dealId, bytes32 indexed ref, uint256 returned);
    /// @notice The payer's account refused the returned deposit: it is kept for the payer, who calls `withdraw`.
    event ReturnHeld(uint256 indexed dealId, address indexed payer, address token, uint256 amount);
    event Withdrawn(address indexed account, address indexed to, address token, uint256 amount);

    /// @notice The zero ref is not a reference.
    error InvalidRef();
    /// @notice The payee is the zero address or the diamond itself.
    error InvalidPayee(bytes32 ref, address payee);
    /// @notice The token is an address without code.
    error InvalidToken(bytes32 ref, address token);
    /// @notice The amount is zero or does not fit 96 bits.
    error InvalidAmount(bytes32 ref, uint256 amount);
    /// @notice The expiry is not in the future.
    error InvalidExpiry(bytes32 ref, uint64 expiresAt);
    /// @notice There is a deal for this ref already.
    error DealExists(bytes32 ref, uint256 dealId);
    /// @notice There is no such deal.
    error DealNotFound(uint256 dealId);
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
    /// @return dealId The ref as a number.
    function createDeal(bytes32 ref, address payee, address token, uint256 amount, uint64 expiresAt)
        external
        returns (uint256 dealId);

    /// @notice Opens many deals. A ref that has a deal already is skipped, whatever its terms; a mistake in any other
    /// reverts the whole batch with an error that names its ref. Operators only.
    /// @return dealIds One for each of the terms, in their order, the skipped ones included.
    function createDeals(DealTerms[] calldata terms) external returns (uint256[] memory dealIds);

    /// @notice Pays a deal, exactly its amount: in the native coin with the call's value, or in the token, which the
    /// caller has to approve first. Anybody may; the caller becomes the payer and gets it back on cancellation.
    function deposit(uint256 dealId) external payable;

    /// @notice Closes a deal and returns its deposit. Operators only.
    /// @dev Cancelling never depends on the payer's goodwill. A payer's account that refuses the deposit (a contract
    /// that reverts, one that a token has blocked) has it kept in its name; see `withdraw`.
    function cancelDeal(uint256 dealId) external;

    /// @notice Cancels many; those that are neither `Open` nor `Deposited` are skipped. Operators only.
    /// @return count How many were canceled.
    function cancelDeals(uint256[] calldata dealIds) external returns (uint256 count);

    /// @notice Pays the deposit out to the payee. Operators only.
    /// @dev Reverts when the payee refuses it: the deal stays `Deposited`, to be released later or canceled.
    function releaseDeal(uint256 dealId) external;

    /// @notice Releases many; those that are not `Deposited` or whose payee refuses are skipped. Operators only.
    /// @dev In a batch a payee's contract gets 50,000 gas to take native coin; one that needs more is released alone.
    /// @return count How many were released.
    function releaseDeals(uint256[] calldata dealIds) external returns (uint256 count);

    /// @notice Takes what is kept for the caller, to any address, since the caller's own may be what refuses.
    function withdraw(address token, address to) external;

    /// @notice What is kept for an account because its returned deposit was refused.
    function withdrawable(address account, address token) external view returns (uint256);

    /// @notice The deal of a ref, all zero when there is none.
    function dealOf(bytes32 ref) external view returns (Deal memory);

    /// @notice The deals of many refs, in their order, all zero where there is none.
    function dealsOf(bytes32[] calldata refs) external view returns (Deal[] memory deals);

    /// @notice The deal of an id, all zero when there is none.
    function dealById(uint256 dealId) external view returns (Deal memory);
}
