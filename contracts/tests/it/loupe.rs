//! What the diamond says about itself, compared with its own ABI.

use std::collections::{BTreeMap, BTreeSet};

use alloy::json_abi::JsonAbi;
use alloy::primitives::{Address, FixedBytes};

use crate::world::{DELAY, Diamond, World, creation};

#[test]
fn the_loupe_knows_every_function_of_the_abi() {
    let abi: JsonAbi = serde_json::from_str(contracts::DIAMOND_ABI).expect("the committed ABI is valid");
    let named: BTreeSet<FixedBytes<4>> = abi.functions().map(|function| function.selector()).collect();
    let mut world = World::new();
    let facets = world.ask(&Diamond::facetsCall {});
    let answered: Vec<_> = facets.iter().flat_map(|facet| facet.functionSelectors.clone()).collect();
    assert_eq!(answered.len(), named.len(), "no selector twice");
    assert_eq!(answered.into_iter().collect::<BTreeSet<_>>(), named);
}

#[test]
fn the_four_views_agree() {
    let mut world = World::new();
    let facets = world.ask(&Diamond::facetsCall {});
    assert_eq!(facets.len(), 4);
    let addresses: Vec<_> = facets.iter().map(|facet| facet.facetAddress).collect();
    assert_eq!(world.ask(&Diamond::facetAddressesCall {}), addresses);
    for facet in facets {
        let _facet = facet.facetAddress;
        assert_eq!(world.ask(&Diamond::facetFunctionSelectorsCall { _facet }), facet.functionSelectors);
        for selector in facet.functionSelectors {
            assert_eq!(world.ask(&Diamond::facetAddressCall { _functionSelector: selector }), _facet);
        }
    }
    let nothing = world.ask(&Diamond::facetFunctionSelectorsCall { _facet: world.stranger });
    assert!(nothing.is_empty());
    let selector = FixedBytes([0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(world.ask(&Diamond::facetAddressCall { _functionSelector: selector }), Address::ZERO);
}

#[test]
fn the_creation_event_lists_the_same_functions() {
    let mut world = World::new();
    let created = world.evm.create(world.owner, &creation(world.owner, &[], DELAY));
    let cuts: BTreeMap<_, _> = created
        .event::<Diamond::DiamondCut>()
        ._diamondCut
        .into_iter()
        .map(|cut| (cut.facetAddress, cut.functionSelectors))
        .collect();
    let facets = world.evm.ask(created.value, &Diamond::facetsCall {});
    let told: BTreeMap<_, _> = facets.into_iter().map(|it| (it.facetAddress, it.functionSelectors)).collect();
    assert_eq!(cuts, told);
}

#[test]
fn interfaces_are_announced() {
    let mut world = World::new();
    // ERC-165, IDiamondCut, IDiamondLoupe, ERC-173, as their standards number them.
    for supported in [0x01ff_c9a7_u32, 0x1f93_1c1c, 0x48e2_b093, 0x7f58_28d0] {
        let interface_id = FixedBytes(supported.to_be_bytes());
        assert!(world.ask(&Diamond::supportsInterfaceCall { interfaceId: interface_id }), "{interface_id}");
    }
    for other in [0xffff_ffff_u32, 0, 0x36372b07] {
        let interface_id = FixedBytes(other.to_be_bytes());
        assert!(!world.ask(&Diamond::supportsInterfaceCall { interfaceId: interface_id }), "{interface_id}");
    }
}
