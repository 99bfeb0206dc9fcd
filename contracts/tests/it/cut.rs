//! Changing the diamond's functions.

use alloy::primitives::{Address, B256, Bytes, FixedBytes, U256, keccak256};
use alloy::sol_types::SolCall;

use crate::evm::{Done, NOW};
use crate::world::{DELAY, Diamond, Error, World};

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

fn proposal(call: &Diamond::diamondCutCall) -> Diamond::proposeCutCall {
    let Diamond::diamondCutCall { _diamondCut, _init, _calldata } = call.clone();
    Diamond::proposeCutCall { _diamondCut, _init, _calldata }
}

/// Announces a cut and lets the delay pass.
fn announce(world: &mut World, call: &Diamond::diamondCutCall) {
    world.send(world.owner, &proposal(call));
    let (_, from) = pending(world);
    world.evm.set_time(from);
}

fn make(world: &mut World, call: &Diamond::diamondCutCall) -> Done<Diamond::diamondCutReturn> {
    announce(world, call);
    world.send(world.owner, call)
}

fn pending(world: &mut World) -> (B256, u64) {
    let pending = world.ask(&Diamond::pendingCutCall {});
    (pending.cut, pending.from)
}

fn hash(call: &Diamond::diamondCutCall) -> B256 {
    keccak256(&call.abi_encode()[4..])
}

fn answer(world: &mut World) -> U256 {
    world.ask(&FirstFacet::answerCall {})
}

#[test]
fn functions_are_added_replaced_and_removed() {
    let mut world = World::new();
    let [first, second] = [FIRST, SECOND].map(|code| world.evm.create(world.owner, code).value);
    let before = world.ask(&Diamond::facetsCall {});

    let done = make(&mut world, &cut(ADD, first, &[ANSWER, QUESTION]));
    assert_eq!(done.event::<Diamond::DiamondCut>()._diamondCut, cut(ADD, first, &[ANSWER, QUESTION])._diamondCut);
    assert_eq!(answer(&mut world), U256::from(1));

    make(&mut world, &cut(REPLACE, second, &[ANSWER]));
    assert_eq!(answer(&mut world), U256::from(2));
    assert_eq!(world.ask(&FirstFacet::questionCall {}), U256::from(6));
    assert_eq!(world.ask(&Diamond::facetAddressesCall {}).len(), before.len() + 2);

    make(&mut world, &cut(REMOVE, Address::ZERO, &[ANSWER, QUESTION]));
    let refusal = world.refuse(world.stranger, &FirstFacet::answerCall {});
    assert_eq!(refusal, Error::FunctionNotFound(Diamond::FunctionNotFound { selector: ANSWER }));
    assert_eq!(world.ask(&Diamond::facetsCall {}), before);
}

fn selectors_of(world: &mut World) -> Vec<FixedBytes<4>> {
    world.ask(&Diamond::facetsCall {}).into_iter().flat_map(|facet| facet.functionSelectors).collect()
}

#[test]
fn removing_from_the_middle_keeps_the_list_whole() {
    let mut world = World::new();
    let mut selectors = selectors_of(&mut world);
    // The last facet, whose functions are no part of what this test needs.
    let count = selectors.len();
    let removed = [count - 1, count - 3, count - 6].map(|place| selectors.remove(place));
    make(&mut world, &cut(REMOVE, Address::ZERO, &removed));
    let second = selectors[selectors.len() - 2];
    let mut left = selectors_of(&mut world);
    selectors.sort();
    left.sort();
    assert_eq!(left, selectors);
    // A second round goes by the positions that the first one moved.
    make(&mut world, &cut(REMOVE, Address::ZERO, &[second]));
    assert_eq!(world.ask(&Diamond::facetAddressCall { _functionSelector: second }), Address::ZERO);
    assert_eq!(selectors_of(&mut world).len(), selectors.len() - 1);
}

#[test]
fn only_the_owner_cuts() {
    let mut world = World::new();
    let first = world.evm.create(world.owner, FIRST).value;
    let add = cut(ADD, first, &[ANSWER]);
    announce(&mut world, &add);
    for caller in [world.operator, world.stranger] {
        let expected = Error::NotOwner(Diamond::NotOwner { caller });
        assert_eq!(world.refuse(caller, &proposal(&add)), expected);
        assert_eq!(world.refuse(caller, &Diamond::withdrawCutCall {}), expected);
        assert_eq!(world.refuse(caller, &add), expected);
    }
}

#[test]
fn a_cut_waits_for_its_delay_in_the_open() {
    let mut world = World::new();
    let first = world.evm.create(world.owner, FIRST).value;
    let add = cut(ADD, first, &[ANSWER]);
    let unannounced = Error::CutNotProposed(Diamond::CutNotProposed { cut: hash(&add) });
    assert_eq!(world.refuse(world.owner, &add), unannounced);

    let proposed = world.send(world.owner, &proposal(&add)).event::<Diamond::CutProposed>();
    let from = NOW + DELAY;
    assert_eq!((proposed.cut, proposed.from), (hash(&add), from));
    assert_eq!(proposed._diamondCut, add._diamondCut, "everybody reads what it is");
    assert_eq!(pending(&mut world), (hash(&add), from));

    for time in [NOW, from - 1] {
        world.evm.set_time(time);
        assert_eq!(world.refuse(world.owner, &add), Error::TooEarly(Diamond::TooEarly { from }));
    }
    world.evm.set_time(from);
    let other = cut(ADD, first, &[ANSWER, QUESTION]);
    let expected = Error::CutNotProposed(Diamond::CutNotProposed { cut: hash(&other) });
    assert_eq!(world.refuse(world.owner, &other), expected, "in the very same words");
    world.send(world.owner, &add);
    assert_eq!(answer(&mut world), U256::from(1));
    assert_eq!(pending(&mut world), (B256::ZERO, 0));
    assert_eq!(world.refuse(world.owner, &add), unannounced, "once");
}

#[test]
fn another_announcement_starts_the_delay_again() {
    let mut world = World::new();
    let first = world.evm.create(world.owner, FIRST).value;
    let [add, other] = [&[ANSWER][..], &[QUESTION]].map(|selectors| cut(ADD, first, selectors));
    announce(&mut world, &add);
    world.send(world.owner, &proposal(&other));
    assert_eq!(pending(&mut world), (hash(&other), NOW + 2 * DELAY));
    let expected = Error::CutNotProposed(Diamond::CutNotProposed { cut: hash(&add) });
    assert_eq!(world.refuse(world.owner, &add), expected);
    let expected = Error::TooEarly(Diamond::TooEarly { from: NOW + 2 * DELAY });
    assert_eq!(world.refuse(world.owner, &other), expected);

    let withdrawn = world.send(world.owner, &Diamond::withdrawCutCall {});
    assert_eq!(withdrawn.event::<Diamond::CutWithdrawn>().cut, hash(&other));
    world.evm.set_time(NOW + 2 * DELAY);
    let expected = Error::CutNotProposed(Diamond::CutNotProposed { cut: hash(&other) });
    assert_eq!(world.refuse(world.owner, &other), expected);
    let nothing = Error::CutNotProposed(Diamond::CutNotProposed { cut: B256::ZERO });
    assert_eq!(world.refuse(world.owner, &Diamond::withdrawCutCall {}), nothing);
}

#[test]
fn a_new_owner_makes_no_cut_of_the_old_one() {
    let mut world = World::new();
    let first = world.evm.create(world.owner, FIRST).value;
    let add = cut(ADD, first, &[ANSWER]);
    world.send(world.owner, &Diamond::transferOwnershipCall { _newOwner: world.stranger });
    announce(&mut world, &add);
    world.send(world.stranger, &Diamond::acceptOwnershipCall {});
    assert_eq!(pending(&mut world), (B256::ZERO, 0));
    let expected = Error::CutNotProposed(Diamond::CutNotProposed { cut: hash(&add) });
    assert_eq!(world.refuse(world.stranger, &add), expected);
}

#[test]
fn no_cut_touches_the_deals() {
    let mut world = World::new();
    let first = world.evm.create(world.owner, FIRST).value;
    let own = world.ask(&Diamond::facetFunctionSelectorsCall { _facet: world.diamond });
    assert_eq!(own.len(), 13);
    for selector in own {
        let built_in = Error::FunctionBuiltIn(Diamond::FunctionBuiltIn { selector });
        let exists = Error::SelectorExists(Diamond::SelectorExists { selector });
        for (call, expected) in [
            (cut(ADD, first, &[selector]), exists),
            (cut(REPLACE, first, &[selector]), built_in.clone()),
            (cut(REMOVE, Address::ZERO, &[selector]), built_in),
        ] {
            announce(&mut world, &call);
            assert_eq!(world.refuse(world.owner, &call), expected);
        }
    }
    let itself = cut(ADD, world.diamond, &[ANSWER]);
    announce(&mut world, &itself);
    assert_eq!(world.refuse(world.owner, &itself), Error::FacetIsDiamond(Diamond::FacetIsDiamond {}));
}

#[test]
fn mistaken_cuts_are_refused_by_name() {
    let mut world = World::new();
    let first = world.evm.create(world.owner, FIRST).value;
    make(&mut world, &cut(ADD, first, &[ANSWER]));
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
        announce(&mut world, &call);
        assert_eq!(world.refuse(world.owner, &call), expected);
    }
    let unknown = cut(3, first, &[QUESTION]).abi_encode();
    assert!(world.evm.transact(world.owner, world.diamond, U256::ZERO, unknown.into()).is_err());
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
    announce(&mut world, &fail);
    let reason: Initializer::InitializerErrors = world.evm.refuse(world.owner, world.diamond, U256::ZERO, &fail);
    let expected = Initializer::NotToday { number: U256::from(7) };
    assert_eq!(reason, Initializer::InitializerErrors::NotToday(expected), "its reason is handed on");

    let silent = with(init, Initializer::failSilentlyCall {}.abi_encode());
    announce(&mut world, &silent);
    assert_eq!(world.refuse(world.owner, &silent), Error::InitFailed(Diamond::InitFailed { init }));
    let codeless = with(world.stranger, vec![]);
    announce(&mut world, &codeless);
    assert_eq!(world.refuse(world.owner, &codeless), Error::NoCode(Diamond::NoCode { facet: world.stranger }));
    assert_eq!(world.ask(&Diamond::facetAddressCall { _functionSelector: ANSWER }), Address::ZERO);

    let done = make(&mut world, &with(init, Initializer::succeedCall {}.abi_encode()));
    assert_eq!(done.event::<Initializer::Initialized>().diamond, world.diamond);
    assert_eq!(answer(&mut world), U256::from(1));
}

#[test]
fn a_diamond_without_its_cut_facet_is_as_it_is_for_ever() {
    let mut world = World::new();
    let selector = FixedBytes(Diamond::diamondCutCall::SELECTOR);
    make(&mut world, &cut(REMOVE, Address::ZERO, &[selector]));
    let interface_id = FixedBytes(0x1f93_1c1c_u32.to_be_bytes());
    assert!(!world.ask(&Diamond::supportsInterfaceCall { interfaceId: interface_id }));
    let refusal = world.refuse(world.owner, &cut(REMOVE, Address::ZERO, &[ANSWER]));
    assert_eq!(refusal, Error::FunctionNotFound(Diamond::FunctionNotFound { selector }));
}
