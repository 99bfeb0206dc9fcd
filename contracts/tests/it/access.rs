//! Who may do what.

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;

use crate::world::{DEPOSITED, Diamond, Error, OPEN, World, create_call};

/// Every call that an operator may make, on deals that are ready for it.
fn operator_calls(world: &mut World) -> Vec<Vec<u8>> {
    let [open, paid] = [(OPEN, "open"), (DEPOSITED, "paid")].map(|(state, name)| {
        let terms = world.terms(name);
        world.deal_in(state, &terms)
    });
    vec![
        create_call(&world.terms("one")).abi_encode(),
        Diamond::createDealsCall { terms: vec![world.terms("two")] }.abi_encode(),
        Diamond::releaseDealCall { dealId: paid }.abi_encode(),
        Diamond::releaseDealsCall { dealIds: vec![paid] }.abi_encode(),
        Diamond::cancelDealCall { dealId: open }.abi_encode(),
        Diamond::cancelDealsCall { dealIds: vec![open] }.abi_encode(),
    ]
}

#[test]
fn strangers_operate_nothing() {
    let mut world = World::new();
    for call in operator_calls(&mut world) {
        for caller in [world.stranger, world.payer, world.payee] {
            let reason = world.evm.transact(caller, world.diamond, U256::ZERO, call.clone().into()).err();
            let refusal = reason.map(|it| alloy::sol_types::SolInterface::abi_decode(&it).expect("a named error"));
            assert_eq!(refusal, Some(Error::NotOperator(Diamond::NotOperator { caller })));
        }
    }
}

#[test]
fn the_owner_and_operators_operate() {
    for owner in [true, false] {
        let mut world = World::new();
        let caller = if owner { world.owner } else { world.operator };
        for call in operator_calls(&mut world) {
            let done = world.evm.transact(caller, world.diamond, U256::ZERO, call.into());
            assert!(done.is_ok(), "{:?}", done.err());
        }
    }
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
fn only_the_owner_appoints_and_hands_over() {
    let mut world = World::new();
    for caller in [world.operator, world.stranger] {
        let expected = Error::NotOwner(Diamond::NotOwner { caller });
        let appoint = Diamond::setOperatorCall { operator: caller, allowed: true };
        assert_eq!(world.refuse(caller, &appoint), expected);
        assert_eq!(world.refuse(caller, &Diamond::transferOwnershipCall { _newOwner: caller }), expected);
    }
}

#[test]
fn ownership_moves_at_once_and_completely() {
    let mut world = World::new();
    let (previous, new) = (world.owner, world.stranger);
    let moved = world.send(previous, &Diamond::transferOwnershipCall { _newOwner: new });
    let expected = Diamond::OwnershipTransferred { previousOwner: previous, newOwner: new };
    assert_eq!(moved.event::<Diamond::OwnershipTransferred>(), expected);
    assert_eq!(world.ask(&Diamond::ownerCall {}), new);
    let refusal = world.refuse(previous, &Diamond::transferOwnershipCall { _newOwner: previous });
    assert_eq!(refusal, Error::NotOwner(Diamond::NotOwner { caller: previous }));

    world.send(new, &Diamond::transferOwnershipCall { _newOwner: Address::ZERO });
    let refusal = world.refuse(new, &Diamond::setOperatorCall { operator: new, allowed: true });
    assert_eq!(refusal, Error::NotOwner(Diamond::NotOwner { caller: new }), "renounced");
}
