//! Closing deals and giving deposits back.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;

use crate::world::{
    AMOUNT, CANCELED, DEPOSITED, Diamond, EXPIRY, Error, NONE, OPEN, Puppet, PuppetMood, RELEASED, TokenMood, World,
    id, reference,
};

#[test]
fn an_open_deal_is_closed_without_money() {
    let mut world = World::new();
    let terms = world.terms("payment");
    let deal = world.create(&terms);
    world.evm.set_time(EXPIRY + 1);
    let canceled = world.send(world.operator, &Diamond::cancelDealCall { dealId: deal });
    let expected = Diamond::DealCanceled { dealId: deal, r#ref: terms.r#ref, returned: U256::ZERO };
    assert_eq!(canceled.event::<Diamond::DealCanceled>(), expected);
    assert_eq!(canceled.logs.len(), 1);
    assert_eq!(world.state(deal), CANCELED);
}

#[test]
fn a_deposit_goes_back_to_its_payer() {
    let mut world = World::new();
    for terms in [world.terms("token"), world.native("native")] {
        let before = world.held(terms.token, world.payer);
        let deal = world.deal_in(DEPOSITED, &terms);
        let canceled = world.send(world.operator, &Diamond::cancelDealCall { dealId: deal });
        assert_eq!(canceled.event::<Diamond::DealCanceled>().returned, AMOUNT);
        assert!(canceled.events::<Diamond::ReturnHeld>().is_empty());
        assert_eq!(world.held(terms.token, world.payer), before);
        assert_eq!(world.held(terms.token, world.diamond), U256::ZERO);
        assert_eq!(world.deal(deal).payer, world.payer, "who paid is still told");
    }
}

#[test]
fn a_finished_deal_cannot_be_canceled() {
    for state in [RELEASED, CANCELED] {
        let mut world = World::new();
        let deal = world.deal_in(state, &world.terms("payment"));
        let refusal = world.refuse(world.operator, &Diamond::cancelDealCall { dealId: deal });
        assert_eq!(refusal, Error::WrongState(Diamond::WrongState { dealId: deal, state }));
    }
    let mut world = World::new();
    let deal = world.deal_in(NONE, &world.terms("payment"));
    let refusal = world.refuse(world.operator, &Diamond::cancelDealCall { dealId: deal });
    assert_eq!(refusal, Error::DealNotFound(Diamond::DealNotFound { dealId: deal }));
}

#[test]
fn a_batch_cancels_what_it_can() {
    let mut world = World::new();
    let states = [NONE, OPEN, DEPOSITED, RELEASED, CANCELED];
    let ids = states.map(|state| {
        let terms = world.terms(&format!("state {state}"));
        world.deal_in(state, &terms)
    });
    let mut asked = ids.to_vec();
    asked.push(ids[1]);
    let canceled = world.send(world.operator, &Diamond::cancelDealsCall { dealIds: asked });
    assert_eq!(canceled.value, U256::from(2));
    let events = canceled.events::<Diamond::DealCanceled>();
    let told: Vec<_> = events.iter().map(|it| (it.dealId, it.returned)).collect();
    assert_eq!(told, [(ids[1], U256::ZERO), (ids[2], AMOUNT)]);
    let after = ids.map(|deal| world.state(deal));
    assert_eq!(after, [NONE, CANCELED, CANCELED, RELEASED, CANCELED]);
}

/// A deal that a puppet paid in native coin.
fn paid_by_puppet(world: &mut World, name: &str) -> (Address, U256) {
    let puppet = world.puppet();
    let deal = world.create(&world.native(name));
    world.puppet_calls(puppet, AMOUNT, &Diamond::depositCall { dealId: deal });
    (puppet, deal)
}

#[test]
fn a_payer_who_refuses_or_wastes_cannot_hold_a_batch_up() {
    for mood in [PuppetMood::Refuse, PuppetMood::BurnGas] {
        let mut world = World::new();
        let (puppet, bad) = paid_by_puppet(&mut world, "bad");
        let good = world.deal_in(DEPOSITED, &world.native("good"));
        world.set_mood(puppet, mood, Bytes::new());

        let canceled = world.send(world.operator, &Diamond::cancelDealsCall { dealIds: vec![bad, good] });
        assert_eq!(canceled.value, U256::from(2));
        assert!(canceled.gas < 250_000, "{} gas", canceled.gas);
        let expected = Diamond::ReturnHeld { dealId: bad, payer: puppet, token: Address::ZERO, amount: AMOUNT };
        assert_eq!(canceled.event::<Diamond::ReturnHeld>(), expected);
        assert_eq!([world.state(bad), world.state(good)], [CANCELED, CANCELED]);
        assert_eq!(world.held(Address::ZERO, world.diamond), AMOUNT);
    }
}

#[test]
fn a_refused_return_waits_for_its_payer() {
    let mut world = World::new();
    let (puppet, deal) = paid_by_puppet(&mut world, "payment");
    world.set_mood(puppet, PuppetMood::Refuse, Bytes::new());
    world.send(world.operator, &Diamond::cancelDealCall { dealId: deal });
    let token = Address::ZERO;
    let kept = Diamond::withdrawableCall { account: puppet, token };
    assert_eq!(world.ask(&kept), AMOUNT);

    // Still refused at the puppet's own address, and then nothing is lost.
    let withdraw = |to| Diamond::withdrawCall { token, to };
    let run = Puppet::runCall { to: world.diamond, data: withdraw(puppet).abi_encode().into() };
    let refusal: Error = world.evm.refuse(world.owner, puppet, U256::ZERO, &run);
    let expected = Diamond::NativeTransferFailed { to: puppet, amount: AMOUNT };
    assert_eq!(refusal, Error::NativeTransferFailed(expected));
    assert_eq!(world.ask(&kept), AMOUNT);

    let before = world.held(token, world.stranger);
    let (stranger, diamond) = (world.stranger, world.diamond);
    let data: Bytes = withdraw(stranger).abi_encode().into();
    let withdrawn = world.evm.send(world.owner, puppet, &Puppet::runCall { to: diamond, data });
    let expected = Diamond::Withdrawn { account: puppet, to: stranger, token, amount: AMOUNT };
    assert_eq!(withdrawn.event::<Diamond::Withdrawn>(), expected);
    assert_eq!(world.held(token, stranger), before + AMOUNT);
    assert_eq!(world.ask(&kept), U256::ZERO);
}

#[test]
fn nobody_withdraws_what_is_not_theirs() {
    let mut world = World::new();
    world.deal_in(DEPOSITED, &world.native("somebody else's"));
    let (account, token) = (world.stranger, Address::ZERO);
    let refusal = world.refuse(account, &Diamond::withdrawCall { token, to: account });
    assert_eq!(refusal, Error::NothingToWithdraw(Diamond::NothingToWithdraw { account, token }));
}

#[test]
fn a_token_that_blocks_the_payer_does_not_hold_the_deal() {
    for mood in [TokenMood::Revert, TokenMood::False] {
        let mut world = World::new();
        let token = world.hostile_token();
        let before = world.held(token, world.payer);
        let deal = world.deal_in(DEPOSITED, &Diamond::DealTerms { token, ..world.terms("blocked") });
        world.set_token_mood(token, mood, Bytes::new());
        let canceled = world.send(world.operator, &Diamond::cancelDealCall { dealId: deal });
        assert_eq!(canceled.event::<Diamond::DealCanceled>().returned, AMOUNT);
        assert_eq!(canceled.event::<Diamond::ReturnHeld>().payer, world.payer);

        world.set_token_mood(token, TokenMood::Plain, Bytes::new());
        world.send(world.payer, &Diamond::withdrawCall { token, to: world.payer });
        assert_eq!(world.held(token, world.payer), before);
    }
}

#[test]
fn refused_returns_add_up() {
    let mut world = World::new();
    let (puppet, first) = paid_by_puppet(&mut world, "first");
    let second = world.create(&world.native("second"));
    world.puppet_calls(puppet, AMOUNT, &Diamond::depositCall { dealId: second });
    world.set_mood(puppet, PuppetMood::Refuse, Bytes::new());
    world.send(world.operator, &Diamond::cancelDealsCall { dealIds: vec![first, second] });
    let kept = world.ask(&Diamond::withdrawableCall { account: puppet, token: Address::ZERO });
    assert_eq!(kept, AMOUNT * U256::from(2));
    assert_eq!(second, id(reference("second")));
}
