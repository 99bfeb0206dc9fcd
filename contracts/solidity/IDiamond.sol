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
    /// @notice The initialiser reverted without a reason.
    error InitFailed(address init);

    /// @notice Adds, replaces and removes functions, then runs an initialiser in the diamond's storage. Owner only.
    /// @param _diamondCut The instructions, in order.
    /// @param _init A contract to delegate-call afterwards, or zero for none.
    /// @param _calldata What to call it with.
    function diamondCut(FacetCut[] calldata _diamondCut, address _init, bytes calldata _calldata) external;
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

/// @title Ownership, ERC-173, and the operators whom the owner trusts with deals
interface IOwnership {
    /// @notice The diamond belongs to somebody else from now on.
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);
    /// @notice An operator was appointed or dismissed.
    event OperatorSet(address indexed operator, bool allowed);

    /// @notice The caller is not the owner.
    error NotOwner(address caller);
    /// @notice The caller is neither the owner nor an operator.
    error NotOperator(address caller);

    /// @notice Whom the diamond belongs to.
    function owner() external view returns (address);

    /// @notice Gives the diamond to another owner, at once; the zero address makes it immutable for ever. Owner only.
    function transferOwnership(address _newOwner) external;

    /// @notice Appoints or dismisses an operator, who may create, cancel and release deals. Owner only.
    function setOperator(address operator, bool allowed) external;

    /// @notice Whether an account was appointed. The owner needs no appointment and is not listed.
    function isOperator(address account) external view returns (bool);
}
