// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DiamondStorage} from "./DiamondStorage.sol";
import {FacetCut, IDelayedCut, IDiamondCut} from "./IDiamond.sol";

/// @title Lets the owner change what the diamond does, not before everybody could see it
contract DiamondCutFacet is IDiamondCut, IDelayedCut {
    /// @inheritdoc IDelayedCut
    function proposeCut(FacetCut[] calldata _diamondCut, address _init, bytes calldata _calldata) external {
        DiamondStorage.requireOwner();
        bytes32 cut = keccak256(abi.encode(_diamondCut, _init, _calldata));
        DiamondStorage.Layout storage data = DiamondStorage.load();
        (data.pendingCut, data.cutFrom) = (cut, DiamondStorage.due());
        emit CutProposed(cut, data.cutFrom, _diamondCut, _init, _calldata);
    }

    /// @inheritdoc IDelayedCut
    function withdrawCut() external {
        DiamondStorage.requireOwner();
        emit CutWithdrawn(_take());
    }

    /// @inheritdoc IDiamondCut
    function diamondCut(FacetCut[] calldata _diamondCut, address _init, bytes calldata _calldata) external {
        DiamondStorage.requireOwner();
        bytes32 cut = keccak256(abi.encode(_diamondCut, _init, _calldata));
        DiamondStorage.Layout storage data = DiamondStorage.load();
        if (cut != data.pendingCut) revert CutNotProposed(cut);
        DiamondStorage.requireDue(data.cutFrom);
        _take();
        DiamondStorage.cut(_diamondCut, _init, _calldata);
    }

    /// @inheritdoc IDelayedCut
    function pendingCut() external view returns (bytes32 cut, uint64 from) {
        DiamondStorage.Layout storage data = DiamondStorage.load();
        return (data.pendingCut, data.cutFrom);
    }

    function _take() private returns (bytes32 cut) {
        DiamondStorage.Layout storage data = DiamondStorage.load();
        cut = data.pendingCut;
        if (cut == 0) revert CutNotProposed(cut);
        delete data.pendingCut;
        delete data.cutFrom;
    }
}
