// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DiamondStorage} from "./DiamondStorage.sol";
import {FacetCut, IDiamondCut} from "./IDiamond.sol";

/// @title Lets the owner change what the diamond does
contract DiamondCutFacet is IDiamondCut {
    /// @inheritdoc IDiamondCut
    function diamondCut(FacetCut[] calldata _diamondCut, address _init, bytes calldata _calldata) external {
        DiamondStorage.requireOwner();
        DiamondStorage.cut(_diamondCut, _init, _calldata);
    }
}
