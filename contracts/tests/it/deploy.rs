//! What it costs and needs to create a diamond and its deals.

use alloy::primitives::{Bytes, U256};
use alloy::sol_types::{SolCall, SolError};
use revm::primitives::hardfork::SpecId;

use crate::evm::Evm;
use crate::world::{AMOUNT, Diamond, World};

/// EIP-3860's limit; Osaka's for a transaction's gas (EIP-7825) is what the test EVM itself enforces.
const INITCODE_LIMIT: usize = 49_152;

#[test]
fn one_transaction_makes_a_diamond() {
    for rules in [SpecId::CANCUN, SpecId::PRAGUE, SpecId::OSAKA] {
        let mut evm = Evm::new(rules);
        let owner = evm.account(1);
        let created = evm.create(owner, contracts::DIAMOND_BYTECODE);
        assert!(created.gas < 5_000_000, "creation took {} gas", created.gas);
        assert_eq!(evm.ask(created.value, &Diamond::ownerCall {}), owner);
        assert_eq!(created.event::<Diamond::OwnershipTransferred>().newOwner, owner);
    }
    assert!(contracts::DIAMOND_BYTECODE.len() / 2 < INITCODE_LIMIT);
}

#[test]
fn a_deal_in_a_batch_of_fifty_stays_cheap() {
    let mut world = World::new();
    let terms: Vec<_> = (0..50).map(|number| world.terms(&format!("payment {number}"))).collect();
    let created = world.send(world.operator, &Diamond::createDealsCall { terms });
    assert!(created.gas / 50 < 53_000, "{} gas a deal", created.gas / 50);

    let alone = world.send(world.operator, &crate::world::create_call(&world.terms("alone")));
    assert!(alone.gas < 85_000, "{} gas for a lone deal", alone.gas);

    let deposit = Diamond::depositCall { dealId: created.value[0] };
    let paid = world.send(world.payer, &deposit);
    assert!(paid.gas < 130_000, "{} gas for a deposit", paid.gas);

    let canceled = world.send(world.operator, &Diamond::cancelDealsCall { dealIds: created.value });
    assert_eq!(canceled.value, U256::from(50));
    assert!(canceled.gas / 50 < 12_000, "{} gas for each cancellation", canceled.gas / 50);
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
    let call = Diamond::ownerCall {}.abi_encode();
    let reason = world.evm.transact(world.stranger, world.diamond, U256::from(1), call.into()).err();
    assert_eq!(reason, Some(Bytes::new()));
}

#[test]
fn a_facet_called_directly_knows_nobody() {
    let mut world = World::new();
    let facet = world.ask(&Diamond::facetAddressCall { _functionSelector: Diamond::createDealCall::SELECTOR.into() });
    let call = crate::world::create_call(&world.terms("direct"));
    let refusal: Diamond::DiamondErrors = world.evm.refuse(world.owner, facet, U256::ZERO, &call);
    assert_eq!(refusal, Diamond::DiamondErrors::NotOperator(Diamond::NotOperator { caller: world.owner }));
}
