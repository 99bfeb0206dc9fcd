//! What it needs to create a diamond.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::{SolCall, SolError};
use revm::primitives::hardfork::SpecId;

use crate::evm::Evm;
use crate::world::{AMOUNT, DELAY, Diamond, Error, World, creation};

/// EIP-3860's limit; Osaka's for a transaction's gas (EIP-7825) is what the test EVM itself enforces.
const INITCODE_LIMIT: usize = 49_152;

#[test]
fn one_transaction_makes_a_diamond() {
    for rules in [SpecId::CANCUN, SpecId::PRAGUE, SpecId::OSAKA] {
        let mut evm = Evm::new(rules);
        let [sender, owner, one, two] = [1, 2, 3, 4].map(|number| evm.account(number));
        let code = creation(owner, &[one, two], DELAY);
        let created = evm.create(sender, &code);
        assert!(created.gas < 6_000_000, "creation took {} gas", created.gas);
        assert_eq!(evm.ask(created.value, &Diamond::ownerCall {}), owner);
        assert_eq!(evm.ask(created.value, &Diamond::delayCall {}), DELAY);
        assert_eq!(created.event::<Diamond::OwnershipTransferred>().newOwner, owner);
        for (account, expected) in [(sender, false), (owner, false), (one, true), (two, true)] {
            assert_eq!(evm.ask(created.value, &Diamond::isOperatorCall { account }), expected);
        }
        let appointed: Vec<_> = created.events::<Diamond::OperatorSet>().iter().map(|it| it.operator).collect();
        assert_eq!(appointed, [one, two]);
        assert!(code.len() / 2 < INITCODE_LIMIT);
    }
}

#[test]
fn a_diamond_needs_an_owner_and_a_delay_that_ends() {
    let mut evm = Evm::new(SpecId::OSAKA);
    let owner = evm.account(1);
    let year = 365 * 86_400;
    let refusal = |evm: &mut Evm, owner, delay| evm.create_refused::<Error>(owner, &creation(owner, &[], delay));
    assert_eq!(refusal(&mut evm, Address::ZERO, 1), Error::InvalidOwner(Diamond::InvalidOwner {}));
    let expected = Error::InvalidDelay(Diamond::InvalidDelay { delay: year + 1 });
    assert_eq!(refusal(&mut evm, owner, year + 1), expected);
    for delay in [0, year] {
        evm.create(owner, &creation(owner, &[], delay));
    }
}

#[test]
fn unknown_functions_and_bare_coin_are_refused() {
    let mut world = World::new();
    let unknown = [0xde, 0xad, 0xbe, 0xef];
    let (from, to) = (world.stranger, world.diamond);
    let reason = world.evm.transact(from, to, U256::ZERO, unknown.into()).err();
    let expected = Diamond::FunctionNotFound { selector: unknown.into() };
    assert_eq!(reason, Some(expected.abi_encode().into()));

    let reason = world.evm.transact(from, to, AMOUNT, Default::default()).err();
    let expected = Diamond::FunctionNotFound { selector: [0; 4].into() };
    assert_eq!(reason, Some(expected.abi_encode().into()));
}

#[test]
fn functions_that_take_no_coin_refuse_it() {
    let mut world = World::new();
    for call in [Diamond::ownerCall {}.abi_encode(), Diamond::owedCall { token: Address::ZERO }.abi_encode()] {
        let reason = world.evm.transact(world.stranger, world.diamond, U256::from(1), call.into()).err();
        assert_eq!(reason, Some(Bytes::new()));
    }
}

#[test]
fn a_facet_called_directly_knows_nobody() {
    let mut world = World::new();
    let selector = Diamond::setOperatorCall::SELECTOR.into();
    let facet = world.ask(&Diamond::facetAddressCall { _functionSelector: selector });
    assert_ne!(facet, world.diamond);
    let call = Diamond::setOperatorCall { operator: world.stranger, allowed: true };
    let refusal: Error = world.evm.refuse(world.owner, facet, U256::ZERO, &call);
    assert_eq!(refusal, Error::NotOwner(Diamond::NotOwner { caller: world.owner }));
}
