//! Changing the diamond's functions.

use alloy::primitives::{Address, Bytes, FixedBytes, U256};
use alloy::sol_types::SolCall;

use crate::world::{Diamond, Error, World};

alloy::sol! {
    #![sol(all_derives)]
    FirstFacet, "tests/artifacts/FirstFacet.abi.json"
}
alloy::sol! {
    #![sol(all_derives)]
    Initializer, "tests/artifacts/Initializer.abi.json"
}

const FIRST: &str = include_str!("../artifacts/FirstFacet.bin");
const SECOND: &str = include_str!("../artifacts/SecondFacet.bin");
const INITIALIZER: &str = include_str!("../artifacts/Initializer.bin");

const ANSWER: FixedBytes<4> = FixedBytes(FirstFacet::answerCall::SELECTOR);
const QUESTION: FixedBytes<4> = FixedBytes(FirstFacet::questionCall::SELECTOR);
const ADD: u8 = 0;
const REPLACE: u8 = 1;
const REMOVE: u8 = 2;

fn cut(action: u8, facet: Address, selectors: &[FixedBytes<4>]) -> Diamond::diamondCutCall {
    let one = Diamond::FacetCut { facetAddress: facet, action, functionSelectors: selectors.to_vec() };
    Diamond::diamondCutCall { _diamondCut: vec![one], _init: Address::ZERO, _calldata: Bytes::new() }
}

fn answer(world: &mut World) -> U256 {
    world.ask(&FirstFacet::answerCall {})
}

#[test]
fn functions_are_added_replaced_and_removed() {
    let mut world = World::new();
    let [first, second] = [FIRST, SECOND].map(|code| world.evm.create(world.owner, code).value);
    let before = world.ask(&Diamond::facetsCall {});

    let done = world.send(world.owner, &cut(ADD, first, &[ANSWER, QUESTION]));
    assert_eq!(done.event::<Diamond::DiamondCut>()._diamondCut, cut(ADD, first, &[ANSWER, QUESTION])._diamondCut);
    assert_eq!(answer(&mut world), U256::from(1));

    world.send(world.owner, &cut(REPLACE, second, &[ANSWER]));
    assert_eq!(answer(&mut world), U256::from(2));
    assert_eq!(world.ask(&FirstFacet::questionCall {}), U256::from(6));
    assert_eq!(world.ask(&Diamond::facetAddressesCall {}).len(), before.len() + 2);

    world.send(world.owner, &cut(REMOVE, Address::ZERO, &[ANSWER, QUESTION]));
    let refusal = world.refuse(world.stranger, &FirstFacet::answerCall {});
    assert_eq!(refusal, Error::FunctionNotFound(Diamond::FunctionNotFound { selector: ANSWER }));
    assert_eq!(world.ask(&Diamond::facetsCall {}), before);
}

#[test]
fn removing_from_the_middle_keeps_the_list_whole() {
    let mut world = World::new();
    let mut selectors: Vec<_> =
        world.ask(&Diamond::facetsCall {}).into_iter().flat_map(|facet| facet.functionSelectors).collect();
    let removed = [selectors.remove(6), selectors.remove(7), selectors.remove(selectors.len() - 1)];
    world.send(world.owner, &cut(REMOVE, Address::ZERO, &removed));
    let mut left: Vec<_> =
        world.ask(&Diamond::facetsCall {}).into_iter().flat_map(|facet| facet.functionSelectors).collect();
    selectors.sort();
    left.sort();
    assert_eq!(left, selectors);
    // A second round goes by the positions that the first one moved.
    world.send(world.owner, &cut(REMOVE, Address::ZERO, &[selectors[3]]));
    assert_eq!(world.ask(&Diamond::facetAddressCall { _functionSelector: selectors[3] }), Address::ZERO);
}

#[test]
fn only_the_owner_cuts() {
    let mut world = World::new();
    let first = world.evm.create(world.owner, FIRST).value;
    for caller in [world.operator, world.stranger] {
        let refusal = world.refuse(caller, &cut(ADD, first, &[ANSWER]));
        assert_eq!(refusal, Error::NotOwner(Diamond::NotOwner { caller }));
    }
}

#[test]
fn mistaken_cuts_are_refused_by_name() {
    let mut world = World::new();
    let first = world.evm.create(world.owner, FIRST).value;
    world.send(world.owner, &cut(ADD, first, &[ANSWER]));
    let empty = world.stranger;
    let table = [
        (cut(ADD, first, &[]), Error::NoSelectors(Diamond::NoSelectors { facet: first })),
        (cut(ADD, first, &[ANSWER]), Error::SelectorExists(Diamond::SelectorExists { selector: ANSWER })),
        (cut(ADD, first, &[QUESTION, QUESTION]), Error::SelectorExists(Diamond::SelectorExists { selector: QUESTION })),
        (cut(ADD, empty, &[QUESTION]), Error::NoCode(Diamond::NoCode { facet: empty })),
        (cut(ADD, Address::ZERO, &[QUESTION]), Error::NoCode(Diamond::NoCode { facet: Address::ZERO })),
        (cut(REPLACE, first, &[QUESTION]), Error::SelectorUnknown(Diamond::SelectorUnknown { selector: QUESTION })),
        (cut(REPLACE, first, &[ANSWER]), Error::FacetUnchanged(Diamond::FacetUnchanged { selector: ANSWER })),
        (cut(REPLACE, empty, &[ANSWER]), Error::NoCode(Diamond::NoCode { facet: empty })),
        (cut(REMOVE, first, &[ANSWER]), Error::RemoveWithFacet(Diamond::RemoveWithFacet { facet: first })),
        (
            cut(REMOVE, Address::ZERO, &[QUESTION]),
            Error::SelectorUnknown(Diamond::SelectorUnknown { selector: QUESTION }),
        ),
    ];
    for (call, expected) in table {
        assert_eq!(world.refuse(world.owner, &call), expected);
    }
    assert!(
        world
            .evm
            .transact(world.owner, world.diamond, U256::ZERO, cut(3, first, &[QUESTION]).abi_encode().into())
            .is_err()
    );
}

#[test]
fn an_initializer_runs_in_the_diamond() {
    let mut world = World::new();
    let [first, init] = [FIRST, INITIALIZER].map(|code| world.evm.create(world.owner, code).value);
    let with = |init: Address, data: Vec<u8>| Diamond::diamondCutCall {
        _init: init,
        _calldata: data.into(),
        ..cut(ADD, first, &[ANSWER])
    };

    let fail = with(init, Initializer::failCall { number: U256::from(7) }.abi_encode());
    let reason: Initializer::InitializerErrors = world.evm.refuse(world.owner, world.diamond, U256::ZERO, &fail);
    let expected = Initializer::NotToday { number: U256::from(7) };
    assert_eq!(reason, Initializer::InitializerErrors::NotToday(expected), "its reason is handed on");

    let silent = with(init, Initializer::failSilentlyCall {}.abi_encode());
    assert_eq!(world.refuse(world.owner, &silent), Error::InitFailed(Diamond::InitFailed { init }));
    let codeless = with(world.stranger, vec![]);
    assert_eq!(world.refuse(world.owner, &codeless), Error::NoCode(Diamond::NoCode { facet: world.stranger }));
    assert_eq!(world.ask(&Diamond::facetAddressCall { _functionSelector: ANSWER }), Address::ZERO);

    let done = world.send(world.owner, &with(init, Initializer::succeedCall {}.abi_encode()));
    assert_eq!(done.event::<Initializer::Initialized>().diamond, world.diamond);
    assert_eq!(answer(&mut world), U256::from(1));
}

#[test]
fn a_diamond_without_its_cut_facet_says_so() {
    let mut world = World::new();
    let selector = FixedBytes(Diamond::diamondCutCall::SELECTOR);
    world.send(world.owner, &cut(REMOVE, Address::ZERO, &[selector]));
    let interface_id = FixedBytes(0x1f93_1c1c_u32.to_be_bytes());
    assert!(!world.ask(&Diamond::supportsInterfaceCall { interfaceId: interface_id }));
    let refusal = world.refuse(world.owner, &cut(REMOVE, Address::ZERO, &[ANSWER]));
    assert_eq!(refusal, Error::FunctionNotFound(Diamond::FunctionNotFound { selector }));
}
