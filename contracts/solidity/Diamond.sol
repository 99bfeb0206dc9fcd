// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {DealFacet} from "./DealFacet.sol";
import {DiamondCutFacet} from "./DiamondCutFacet.sol";
import {DiamondLoupeFacet} from "./DiamondLoupeFacet.sol";
import {DiamondStorage} from "./DiamondStorage.sol";
import {IDeals} from "./IDeals.sol";
import {FacetCut, FacetCutAction, IDiamondCut, IDiamondLoupe, IOwnership} from "./IDiamond.sol";
import {OwnershipFacet} from "./OwnershipFacet.sol";

/// @title The diamond: one address, whose functions live in facets
/// @notice Its creation deploys the facets too, so that one transaction makes a diamond that is ready for use. Whoever
/// creates it owns it.
contract Diamond {
    /// @notice No facet answers this selector. Coin sent without a call ends here too.
    error FunctionNotFound(bytes4 selector);

    constructor() {
        FacetCut[] memory cuts = new FacetCut[](4);
        cuts[0] = _add(address(new DiamondCutFacet()), abi.encodePacked(IDiamondCut.diamondCut.selector));
        cuts[1] = _add(
            address(new DiamondLoupeFacet()),
            abi.encodePacked(
                IDiamondLoupe.facets.selector,
                IDiamondLoupe.facetFunctionSelectors.selector,
                IDiamondLoupe.facetAddresses.selector,
                IDiamondLoupe.facetAddress.selector,
                IERC165.supportsInterface.selector
            )
        );
        cuts[2] = _add(
            address(new OwnershipFacet()),
            abi.encodePacked(
                IOwnership.owner.selector,
                IOwnership.transferOwnership.selector,
                IOwnership.setOperator.selector,
                IOwnership.isOperator.selector
            )
        );
        cuts[3] = _add(
            address(new DealFacet()),
            abi.encodePacked(
                IDeals.createDeal.selector,
                IDeals.createDeals.selector,
                IDeals.deposit.selector,
                IDeals.cancelDeal.selector,
                IDeals.cancelDeals.selector,
                IDeals.releaseDeal.selector,
                IDeals.releaseDeals.selector,
                IDeals.withdraw.selector,
                IDeals.withdrawable.selector,
                IDeals.dealOf.selector,
                IDeals.dealsOf.selector,
                IDeals.dealById.selector
            )
        );
        DiamondStorage.setOwner(msg.sender);
        DiamondStorage.cut(cuts, address(0), "");
    }

    /// @dev Runs the facet's code in the diamond's storage and hands its answer on as it is.
    fallback() external payable {
        address facet = DiamondStorage.load().routes[msg.sig].facet;
        if (facet == address(0)) revert FunctionNotFound(msg.sig);
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, 0, calldatasize())
            let ok := delegatecall(gas(), facet, data, calldatasize(), 0, 0)
            returndatacopy(data, 0, returndatasize())
            switch ok
            case 0 { revert(data, returndatasize()) }
            default { return(data, returndatasize()) }
        }
    }

    /// @dev Takes the selectors packed, four bytes each, because Solidity has no array literal of constants.
    function _add(address facet, bytes memory packed) private pure returns (FacetCut memory) {
        bytes4[] memory selectors = new bytes4[](packed.length / 4);
        for (uint256 i; i < selectors.length; ++i) {
            bytes4 selector;
            assembly ("memory-safe") {
                selector := mload(add(packed, add(32, mul(i, 4))))
            }
            selectors[i] = selector & 0xffffffff;
        }
        return FacetCut(facet, FacetCutAction.Add, selectors);
    }
}
