// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {Deals} from "./Deals.sol";
import {DiamondCutFacet} from "./DiamondCutFacet.sol";
import {DiamondLoupeFacet} from "./DiamondLoupeFacet.sol";
import {DiamondStorage} from "./DiamondStorage.sol";
import {IDeals} from "./IDeals.sol";
import {FacetCut, FacetCutAction, IDelayedCut, IDiamondCut, IDiamondLoupe, IOwnership} from "./IDiamond.sol";
import {OwnershipFacet} from "./OwnershipFacet.sol";

/// @title The diamond: one address that answers the deals itself and everything else through facets
/// @notice Its creation deploys the facets too, so that one transaction makes a diamond that is ready for use. Whoever
/// sends it gets no right by that.
contract Diamond is Deals {
    /// @notice Neither the diamond nor a facet answers this selector. Coin sent without a call ends here too.
    error FunctionNotFound(bytes4 selector);

    /// @param owner_ Whom it belongs to; no key of it is needed to run the diamond.
    /// @param operators Who may open, release and cancel deals.
    /// @param delay_ Seconds between an announcement of the owner's and the act; a year at most.
    constructor(address owner_, address[] memory operators, uint64 delay_) {
        if (owner_ == address(0)) revert IOwnership.InvalidOwner();
        if (delay_ > 365 days) revert IOwnership.InvalidDelay(delay_);
        DiamondStorage.load().delay = delay_;
        DiamondStorage.setOwner(owner_);
        for (uint256 i; i < operators.length; ++i) {
            DiamondStorage.setOperator(operators[i], true);
        }
        FacetCut[] memory cuts = new FacetCut[](4);
        cuts[0] = _builtIn();
        cuts[1] = _add(
            address(new DiamondCutFacet()),
            abi.encodePacked(
                IDiamondCut.diamondCut.selector,
                IDelayedCut.proposeCut.selector,
                IDelayedCut.withdrawCut.selector,
                IDelayedCut.pendingCut.selector
            )
        );
        cuts[2] = _add(
            address(new DiamondLoupeFacet()),
            abi.encodePacked(
                IDiamondLoupe.facets.selector,
                IDiamondLoupe.facetFunctionSelectors.selector,
                IDiamondLoupe.facetAddresses.selector,
                IDiamondLoupe.facetAddress.selector,
                IERC165.supportsInterface.selector
            )
        );
        cuts[3] = _add(
            address(new OwnershipFacet()),
            abi.encodePacked(
                IOwnership.owner.selector,
                IOwnership.transferOwnership.selector,
                IOwnership.acceptOwnership.selector,
                IOwnership.pendingOwner.selector,
                IOwnership.delay.selector,
                IOwnership.setOperator.selector,
                IOwnership.isOperator.selector,
                IOwnership.sweep.selector
            )
        );
        DiamondStorage.create(cuts);
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

    function _builtIn() private view returns (FacetCut memory) {
        return _add(
            address(this),
            abi.encodePacked(
                IDeals.createDeal.selector,
                IDeals.createDeals.selector,
                IDeals.deposit.selector,
                IDeals.cancelDeal.selector,
                IDeals.cancelDeals.selector,
                IDeals.closeDeals.selector,
                IDeals.releaseDeal.selector,
                IDeals.releaseDeals.selector,
                IDeals.withdraw.selector,
                IDeals.withdrawable.selector,
                IDeals.owed.selector,
                IDeals.statusOf.selector,
                IDeals.statusesOf.selector
            )
        );
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
