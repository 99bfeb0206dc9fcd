//! Who may do what.

use alloy::primitives::{Address, U256};
use alloy::sol_types::{SolCall, SolInterface};

use crate::evm::NOW;
use crate::world::{
    AMOUNT, DELAY, DEPOSITED, Diamond, Error, OPEN, TestToken, World, cancel_call, create_call, release_call,
};

/// Every call that an operator may make, on deals that are ready for it.
fn operator_calls(world: &mut World) -> Vec<Vec<u8>> {
    let [open, paid] = [(OPEN, "open"), (DEPOSITED, "paid")].map(|(state, name)| {
        let terms = world.terms(name);
        world.deal_in(state, terms)
    });
    vec![
        create_call(&world.terms("one")).abi_encode(),
        Diamond::createDealsCall { terms: vec![world.terms("two")] }.abi_encode(),
        release_call(&paid).abi_encode(),
        Diamond::releaseDealsCall { terms: vec![paid] }.abi_encode(),
        cancel_call(&open).abi_encode(),
        Diamond::cancelDealsCall { terms: vec![open.clone()] }.abi_encode(),
        Diamond::closeDealsCall { refs: vec![open.r#ref] }.abi_encode(),
    ]
}

/// Every call that the owner alone may make.
fn owner_calls(world: &World) -> Vec<Vec<u8>> {
    let stranger = world.stranger;
    vec![
        Diamond::setOperatorCall { operator: stranger, allowed: true }.abi_encode(),
        Diamond::transferOwnershipCall { _newOwner: stranger }.abi_encode(),
        Diamond::sweepCall { token: Address::ZERO, to: stranger }.abi_encode(),
        Diamond::withdrawCutCall {}.abi_encode(),
    ]
}

fn refusal(world: &mut World, caller: Address, call: Vec<u8>) -> Option<Error> {
    let reason = world.evm.transact(caller, world.diamond, U256::ZERO, call.into()).err()?;
    Some(Error::abi_decode(&reason).expect("a named error"))
}

#[test]
fn only_operators_operate() {
    let mut world = World::new();
    for call in operator_calls(&mut world) {
        // The owner no more than anybody else: its key is not where deals are made.
        for caller in [world.owner, world.stranger, world.payer, world.payee] {
            let expected = Error::NotOperator(Diamond::NotOperator { caller });
            assert_eq!(refusal(&mut world, caller, call.clone()), Some(expected));
        }
    }
    let operator = world.operator;
    for call in operator_calls(&mut World::new()) {
        let mut world = World::new();
        operator_calls(&mut world);
        assert_eq!(refusal(&mut world, operator, call), None);
    }
}

#[test]
fn an_owner_may_be_an_operator_too() {
    let mut world = World::new();
    world.send(world.owner, &Diamond::setOperatorCall { operator: world.owner, allowed: true });
    world.send(world.owner, &create_call(&world.terms("payment")));
}

#[test]
fn a_dismissed_operator_is_a_stranger() {
    let mut world = World::new();
    let operator = world.operator;
    assert!(world.ask(&Diamond::isOperatorCall { account: operator }));
    let done = world.send(world.owner, &Diamond::setOperatorCall { operator, allowed: false });
    assert_eq!(done.event::<Diamond::OperatorSet>(), Diamond::OperatorSet { operator, allowed: false });
    assert!(!world.ask(&Diamond::isOperatorCall { account: operator }));
    let refusal = world.refuse(operator, &create_call(&world.terms("payment")));
    assert_eq!(refusal, Error::NotOperator(Diamond::NotOperator { caller: operator }));
}

#[test]
fn an_operator_has_nothing_of_the_owners() {
    let mut world = World::new();
    for call in owner_calls(&world) {
        for caller in [world.operator, world.stranger] {
            let expected = Error::NotOwner(Diamond::NotOwner { caller });
            assert_eq!(refusal(&mut world, caller, call.clone()), Some(expected));
        }
    }
}

#[test]
fn ownership_moves_in_two_steps_with_a_delay() {
    let mut world = World::new();
    let (previous, new) = (world.owner, world.stranger);
    let offered = world.send(previous, &Diamond::transferOwnershipCall { _newOwner: new });
    let from = NOW + DELAY;
    assert_eq!(offered.event::<Diamond::OwnershipOffered>(), Diamond::OwnershipOffered { newOwner: new, from });
    let pending = world.ask(&Diamond::pendingOwnerCall {});
    assert_eq!((pending.account, pending.from), (new, from));
    assert_eq!(world.ask(&Diamond::ownerCall {}), previous, "until then nothing has changed");

    world.evm.set_time(from - 1);
    let accept = Diamond::acceptOwnershipCall {};
    assert_eq!(world.refuse(new, &accept), Error::TooEarly(Diamond::TooEarly { from }));
    world.evm.set_time(from);
    for caller in [previous, world.operator] {
        assert_eq!(world.refuse(caller, &accept), Error::NotOffered(Diamond::NotOffered { caller }));
    }
    let moved = world.send(new, &accept);
    let expected = Diamond::OwnershipTransferred { previousOwner: previous, newOwner: new };
    assert_eq!(moved.event::<Diamond::OwnershipTransferred>(), expected);
    assert_eq!(world.ask(&Diamond::ownerCall {}), new);
    let refusal = world.refuse(previous, &Diamond::setOperatorCall { operator: previous, allowed: true });
    assert_eq!(refusal, Error::NotOwner(Diamond::NotOwner { caller: previous }));
    assert_eq!(world.refuse(new, &accept), Error::NotOffered(Diamond::NotOffered { caller: new }), "once");
    assert!(world.ask(&Diamond::isOperatorCall { account: world.operator }), "operators stay");
}

#[test]
fn an_offer_is_taken_back() {
    let mut world = World::new();
    let new = world.stranger;
    world.send(world.owner, &Diamond::transferOwnershipCall { _newOwner: new });
    world.send(world.owner, &Diamond::transferOwnershipCall { _newOwner: Address::ZERO });
    let pending = world.ask(&Diamond::pendingOwnerCall {});
    assert_eq!((pending.account, pending.from), (Address::ZERO, 0));
    world.evm.set_time(NOW + DELAY);
    let refusal = world.refuse(new, &Diamond::acceptOwnershipCall {});
    assert_eq!(refusal, Error::NotOffered(Diamond::NotOffered { caller: new }));
    let zero = Address::ZERO;
    let refusal = world.refuse(zero, &Diamond::acceptOwnershipCall {});
    assert_eq!(refusal, Error::NotOffered(Diamond::NotOffered { caller: zero }), "nobody cannot accept");
}

#[test]
fn strays_are_swept_and_deposits_are_not() {
    let mut world = World::new();
    for terms in [world.terms("token"), world.native("native")] {
        let terms = world.deal_in(DEPOSITED, terms);
        let (token, to) = (terms.token, world.stranger);
        let sweep = Diamond::sweepCall { token, to };
        let nothing = Error::NothingToSweep(Diamond::NothingToSweep { token });
        assert_eq!(world.refuse(world.owner, &sweep), nothing);

        let stray = U256::from(7);
        world.stray(token, stray);
        for to in [Address::ZERO, world.diamond] {
            let refusal = world.refuse(world.owner, &Diamond::sweepCall { token, to });
            assert_eq!(refusal, Error::InvalidRecipient(Diamond::InvalidRecipient { to }));
        }
        let before = world.held(token, to);
        let swept = world.send(world.owner, &sweep);
        assert_eq!(swept.value, stray);
        assert_eq!(swept.event::<Diamond::Swept>(), Diamond::Swept { token, to, amount: stray });
        assert_eq!(world.held(token, to), before + stray);
        assert_eq!(world.held(token, world.diamond), AMOUNT);
        assert_eq!(world.refuse(world.owner, &sweep), nothing);
        world.send(world.operator, &release_call(&terms));
    }
    // A token that no deal was ever made in.
    let token = world.evm.create(world.owner, contracts::TEST_TOKEN_BYTECODE).value;
    world.evm.send(world.owner, token, &TestToken::mintCall { to: world.diamond, amount: AMOUNT });
    let swept = world.send(world.owner, &Diamond::sweepCall { token, to: world.owner });
    assert_eq!(swept.value, AMOUNT);
}
