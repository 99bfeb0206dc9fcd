// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {DiamondStorage} from "./DiamondStorage.sol";
import {Facet, IDiamondCut, IDiamondLoupe, IOwnership} from "./IDiamond.sol";

/// @title Tells which functions the diamond has
/// @dev Answers are put together from the list of selectors, which is what a cut pays for: these are read off chain.
contract DiamondLoupeFacet is IDiamondLoupe, IERC165 {
    /// @dev ERC-173's identifier, `owner()` and `transferOwnership(address)`, without our own additions.
    bytes4 private constant ERC173_ID = IOwnership.owner.selector ^ IOwnership.transferOwnership.selector;

    /// @inheritdoc IDiamondLoupe
    function facets() external view returns (Facet[] memory facets_) {
        address[] memory addresses = facetAddresses();
        facets_ = new Facet[](addresses.length);
        for (uint256 i; i < addresses.length; ++i) {
            facets_[i] = Facet(addresses[i], facetFunctionSelectors(addresses[i]));
        }
    }

    /// @inheritdoc IDiamondLoupe
    function facetFunctionSelectors(address _facet) public view returns (bytes4[] memory facetFunctionSelectors_) {
        DiamondStorage.Layout storage data = DiamondStorage.load();
        bytes4[] memory all = data.selectors;
        facetFunctionSelectors_ = new bytes4[](all.length);
        uint256 count;
        for (uint256 i; i < all.length; ++i) {
            if (data.routes[all[i]].facet == _facet) facetFunctionSelectors_[count++] = all[i];
        }
        assembly ("memory-safe") {
            mstore(facetFunctionSelectors_, count)
        }
    }

    /// @inheritdoc IDiamondLoupe
    function facetAddresses() public view returns (address[] memory facetAddresses_) {
        DiamondStorage.Layout storage data = DiamondStorage.load();
        bytes4[] memory all = data.selectors;
        facetAddresses_ = new address[](all.length);
        uint256 count;
        for (uint256 i; i < all.length; ++i) {
            address facet = data.routes[all[i]].facet;
            uint256 known;
            while (known < count && facetAddresses_[known] != facet) ++known;
            if (known == count) facetAddresses_[count++] = facet;
        }
        assembly ("memory-safe") {
            mstore(facetAddresses_, count)
        }
    }

    /// @inheritdoc IDiamondLoupe
    function facetAddress(bytes4 _functionSelector) external view returns (address facetAddress_) {
        return DiamondStorage.load().routes[_functionSelector].facet;
    }

    /// @inheritdoc IERC165
    /// @dev Asks the selectors, so that the answer stays true when a cut takes a facet away.
    function supportsInterface(bytes4 interfaceId) external view returns (bool) {
        mapping(bytes4 => DiamondStorage.Route) storage routes = DiamondStorage.load().routes;
        if (interfaceId == type(IERC165).interfaceId) return true;
        if (interfaceId == type(IDiamondCut).interfaceId) {
            return routes[IDiamondCut.diamondCut.selector].facet != address(0);
        }
        if (interfaceId == type(IDiamondLoupe).interfaceId) {
            return routes[IDiamondLoupe.facets.selector].facet != address(0)
                && routes[IDiamondLoupe.facetFunctionSelectors.selector].facet != address(0)
                && routes[IDiamondLoupe.facetAddresses.selector].facet != address(0)
                && routes[IDiamondLoupe.facetAddress.selector].facet != address(0);
        }
        if (interfaceId == ERC173_ID) {
            return routes[IOwnership.owner.selector].facet != address(0)
                && routes[IOwnership.transferOwnership.selector].facet != address(0);
        }
        return false;
    }
}
