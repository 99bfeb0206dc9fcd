// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What a cut does with its selectors.
enum FacetCutAction {
    Add,
    Replace,
    Remove
}

/// @notice One instruction of a cut: these selectors are added to, moved to, or removed from a facet.
/// @dev For `Remove` the address must be zero, as EIP-2535 demands.
struct FacetCut {
    address facetAddress;
    FacetCutAction action;
    bytes4[] functionSelectors;
}

/// @notice A facet and every selector it answers.
struct Facet {
    address facetAddress;
    bytes4[] functionSelectors;
}

/// @title Changing a diamond, EIP-2535
interface IDiamondCut {
    /// @notice A cut was made; the events from the creation on tell the whole history of the diamond's functions.
    event DiamondCut(FacetCut[] _diamondCut, address _init, bytes _calldata);

    /// @notice A cut names a facet without any selector.
    error NoSelectors(address facet);
    /// @notice The facet, or the initialiser, is an address without code.
    error NoCode(address facet);
    /// @notice `Add` of a selector that another facet already answers.
    error SelectorExists(bytes4 selector);
    /// @notice `Replace` or `Remove` of a selector that nothing answers.
    error SelectorUnknown(bytes4 selector);
    /// @notice `Replace` with the facet that answers the selector already.
    error FacetUnchanged(bytes4 selector);
    /// @notice `Remove` must carry the zero address, so that it is never mistaken for another action.
    error RemoveWithFacet(address facet);
    /// @notice The diamond's own functions, the deals, cannot be replaced or removed.
    error FunctionBuiltIn(bytes4 selector);
    /// @notice The diamond cannot be a facet of its own.
    error FacetIsDiamond();
    /// @notice The initialiser reverted without a reason.
    error InitFailed(address init);

    /// @notice Adds, replaces and removes functions, then runs an initialiser in the diamond's storage. Owner only, and
    /// only what was announced in the very same words, once its delay is over; see `IDelayedCut`.
    /// @param _diamondCut The instructions, in order.
    /// @param _init A contract to delegate-call afterwards, or zero for none.
    /// @param _calldata What to call it with.
    function diamondCut(FacetCut[] calldata _diamondCut, address _init, bytes calldata _calldata) external;
}

/// @title What comes before a cut
/// @notice A cut is announced in full and made after the delay, so that everybody sees it while there is time to leave.
interface IDelayedCut {
    /// @notice A cut is announced; it may be made from a time on, in seconds since 1970.
    event CutProposed(bytes32 indexed cut, uint64 from, FacetCut[] _diamondCut, address _init, bytes _calldata);
    /// @notice The cut that was announced will not be made.
    event CutWithdrawn(bytes32 indexed cut);

    /// @notice This is not the cut that is announced.
    error CutNotProposed(bytes32 cut);

    /// @notice Announces a cut, in the place of one that was announced before. Owner only.
    function proposeCut(FacetCut[] calldata _diamondCut, address _init, bytes calldata _calldata) external;

    /// @notice Takes back what was announced. Owner only.
    function withdrawCut() external;

    /// @notice The cut that is announced and from when it may be made; zero when there is none.
    /// @return cut keccak-256 over the arguments of `diamondCut`, as `abi.encode` has them.
    function pendingCut() external view returns (bytes32 cut, uint64 from);
}

/// @title Looking at a diamond, EIP-2535
interface IDiamondLoupe {
    /// @notice Every facet with its selectors.
    function facets() external view returns (Facet[] memory facets_);

    /// @notice The selectors that a facet answers; empty for an unknown facet.
    function facetFunctionSelectors(address _facet) external view returns (bytes4[] memory facetFunctionSelectors_);

    /// @notice The addresses of all facets.
    function facetAddresses() external view returns (address[] memory facetAddresses_);

    /// @notice The facet that answers a selector, or zero.
    function facetAddress(bytes4 _functionSelector) external view returns (address facetAddress_);
}

/// @title Ownership, ERC-173 in two steps with a delay, and the operators whom the owner trusts with deals
/// @notice The owner's key is meant to lie in a safe: it opens, releases and cancels nothing. The operators' keys are
/// in use every day: they do that and nothing else.
interface IOwnership {
    /// @notice The diamond belongs to somebody else from now on.
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);
    /// @notice Somebody may become the owner, from a time on; the zero address: nobody any more.
    event OwnershipOffered(address indexed newOwner, uint64 from);
    /// @notice An operator was appointed or dismissed.
    event OperatorSet(address indexed operator, bool allowed);
    /// @notice What belonged to no deal was taken out.
    event Swept(address indexed token, address indexed to, uint256 amount);

    /// @notice The caller is not the owner.
    error NotOwner(address caller);
    /// @notice The caller is not an operator.
    error NotOperator(address caller);
    /// @notice The caller was not offered the ownership.
    error NotOffered(address caller);
    /// @notice The delay is not over; it is from then on.
    error TooEarly(uint64 from);
    /// @notice A diamond has an owner, who is not the zero address.
    error InvalidOwner();
    /// @notice The delay is longer than a year.
    error InvalidDelay(uint64 delay);
    /// @notice What is swept goes to an account, not to the zero address or back into the diamond.
    error InvalidRecipient(address to);
    /// @notice All that the diamond holds of it belongs to payers and payees.
    error NothingToSweep(address token);

    /// @notice Whom the diamond belongs to.
    function owner() external view returns (address);

    /// @notice Offers the diamond to another owner, who accepts it after the delay; the zero address takes an offer
    /// back. Owner only.
    function transferOwnership(address _newOwner) external;

    /// @notice Takes over the diamond. What the previous owner had announced is void. Only who was offered it.
    function acceptOwnership() external;

    /// @notice Who may become the owner and from when; zero when nobody.
    function pendingOwner() external view returns (address account, uint64 from);

    /// @notice Seconds between an announcement of the owner's and the act.
    function delay() external view returns (uint64);

    /// @notice Appoints or dismisses an operator, who may create, cancel and release deals. Owner only, at once.
    function setOperator(address operator, bool allowed) external;

    /// @notice Whether an account was appointed; the owner is not unless appointed too.
    function isOperator(address account) external view returns (bool);

    /// @notice Takes out what the diamond holds of a token, or of the native coin, beyond what is owed. Owner only.
    /// @dev A token that lets itself be moved under a second address would be beyond what this can see: no deals in
    /// such.
    /// @return amount How much it was.
    function sweep(address token, address to) external returns (uint256 amount);
}
