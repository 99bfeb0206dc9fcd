// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FacetCut, FacetCutAction, IDiamondCut, IOwnership} from "./IDiamond.sol";

/// @title Which facet answers what, and who may do what
/// @dev Every facet runs in the diamond's storage, so each part keeps to a namespace of its own (ERC-7201).
library DiamondStorage {
    /// @dev Where a selector is answered, and where it stands in the list of selectors.
    struct Route {
        address facet;
        uint96 position;
    }

    /// @custom:storage-location erc7201:quittance.diamond
    struct Layout {
        mapping(bytes4 selector => Route) routes;
        bytes4[] selectors;
        address owner;
        mapping(address account => bool) operators;
        /// @dev Seconds between what the owner announces and what the owner does.
        uint64 delay;
        /// @dev Who may become the owner, and from when.
        address pendingOwner;
        uint64 ownerFrom;
        /// @dev The hash of the cut that is announced, and from when it may be made.
        bytes32 pendingCut;
        uint64 cutFrom;
    }

    function load() internal pure returns (Layout storage data) {
        uint256 slot = erc7201("quittance.diamond");
        assembly ("memory-safe") {
            data.slot := slot
        }
    }

    function requireOwner() internal view {
        if (msg.sender != load().owner) revert IOwnership.NotOwner(msg.sender);
    }

    function requireOperator() internal view {
        if (!load().operators[msg.sender]) revert IOwnership.NotOperator(msg.sender);
    }

    /// @dev Whatever the previous owner had announced is void.
    function setOwner(address newOwner) internal {
        Layout storage data = load();
        emit IOwnership.OwnershipTransferred(data.owner, newOwner);
        data.owner = newOwner;
        delete data.pendingOwner;
        delete data.ownerFrom;
        delete data.pendingCut;
        delete data.cutFrom;
    }

    function setOperator(address operator, bool allowed) internal {
        load().operators[operator] = allowed;
        emit IOwnership.OperatorSet(operator, allowed);
    }

    /// @dev When what is announced now may happen.
    function due() internal view returns (uint64) {
        return uint64(block.timestamp) + load().delay;
    }

    function requireDue(uint64 from) internal view {
        if (block.timestamp < from) revert IOwnership.TooEarly(from);
    }

    /// @dev The first functions of a diamond. Those that it answers itself are listed under its own address, as
    /// EIP-2535 wants it, and no cut can take them away.
    function create(FacetCut[] memory cuts) internal {
        for (uint256 i; i < cuts.length; ++i) {
            _add(cuts[i].facetAddress, cuts[i].functionSelectors);
        }
        emit IDiamondCut.DiamondCut(cuts, address(0), "");
    }

    function cut(FacetCut[] memory cuts, address init, bytes memory data) internal {
        for (uint256 i; i < cuts.length; ++i) {
            FacetCut memory one = cuts[i];
            if (one.functionSelectors.length == 0) revert IDiamondCut.NoSelectors(one.facetAddress);
            if (one.action == FacetCutAction.Remove) {
                if (one.facetAddress != address(0)) revert IDiamondCut.RemoveWithFacet(one.facetAddress);
                _remove(one.functionSelectors);
            } else {
                // The diamond as a facet of its own would call itself until the gas is gone.
                if (one.facetAddress == address(this)) revert IDiamondCut.FacetIsDiamond();
                if (one.facetAddress.code.length == 0) revert IDiamondCut.NoCode(one.facetAddress);
                if (one.action == FacetCutAction.Add) _add(one.facetAddress, one.functionSelectors);
                else _replace(one.facetAddress, one.functionSelectors);
            }
        }
        emit IDiamondCut.DiamondCut(cuts, init, data);
        if (init != address(0)) _initialize(init, data);
    }

    function _add(address facet, bytes4[] memory selectors) private {
        Layout storage data = load();
        for (uint256 i; i < selectors.length; ++i) {
            bytes4 selector = selectors[i];
            if (data.routes[selector].facet != address(0)) revert IDiamondCut.SelectorExists(selector);
            data.routes[selector] = Route(facet, uint96(data.selectors.length));
            data.selectors.push(selector);
        }
    }

    function _replace(address facet, bytes4[] memory selectors) private {
        for (uint256 i; i < selectors.length; ++i) {
            Route storage route = load().routes[selectors[i]];
            if (route.facet == address(0)) revert IDiamondCut.SelectorUnknown(selectors[i]);
            _requireCut(route.facet, selectors[i]);
            if (route.facet == facet) revert IDiamondCut.FacetUnchanged(selectors[i]);
            route.facet = facet;
        }
    }

    /// @dev The last selector of the list takes the removed one's place.
    function _remove(bytes4[] memory selectors) private {
        Layout storage data = load();
        for (uint256 i; i < selectors.length; ++i) {
            bytes4 selector = selectors[i];
            Route memory route = data.routes[selector];
            if (route.facet == address(0)) revert IDiamondCut.SelectorUnknown(selector);
            _requireCut(route.facet, selector);
            bytes4 last = data.selectors[data.selectors.length - 1];
            data.selectors[route.position] = last;
            data.routes[last].position = route.position;
            data.selectors.pop();
            delete data.routes[selector];
        }
    }

    function _requireCut(address facet, bytes4 selector) private view {
        if (facet == address(this)) revert IDiamondCut.FunctionBuiltIn(selector);
    }

    function _initialize(address init, bytes memory data) private {
        if (init.code.length == 0) revert IDiamondCut.NoCode(init);
        (bool ok, bytes memory reason) = init.delegatecall(data);
        if (ok) return;
        if (reason.length == 0) revert IDiamondCut.InitFailed(init);
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}
