//! Closing deals and giving deposits back.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;

use crate::world::{
    AMOUNT, CANCELED, DEPOSITED, Diamond, EXPIRY, Error, NONE, OPEN, Puppet, PuppetMood, RELEASED, Terms, TokenMood,
    World, cancel_call, deposit_call, not_found, skipped, wrong_state,
};

#[test]
fn an_open_deal_is_closed_without_money() {
    let mut world = World::new();
    let terms = world.terms("payment");
    world.create(&terms);
    world.evm.set_time(EXPIRY + 1);
    let canceled = world.send(world.operator, &cancel_call(&terms));
    let expected = Diamond::DealCanceled { dealId: terms.dealId, r#ref: terms.r#ref, returned: U256::ZERO };
    assert_eq!(canceled.event::<Diamond::DealCanceled>(), expected);
    assert_eq!(canceled.logs.len(), 1);
    assert_eq!(world.state(&terms), CANCELED);
}

#[test]
fn a_deposit_goes_back_to_its_payer() {
    let mut world = World::new();
    for terms in [world.terms("token"), world.native("native")] {
        let before = world.held(terms.token, world.payer);
        let terms = world.deal_in(DEPOSITED, terms);
        let canceled = world.send(world.operator, &cancel_call(&terms));
        assert_eq!(canceled.event::<Diamond::DealCanceled>().returned, AMOUNT);
        assert!(canceled.events::<Diamond::ReturnHeld>().is_empty());
        assert_eq!(world.held(terms.token, world.payer), before);
        assert_eq!(world.held(terms.token, world.diamond), U256::ZERO);
        assert_eq!(world.status(&terms).payer, world.payer, "who paid is still told");
        assert_eq!(world.owed(terms.token), U256::ZERO);
    }
}

#[test]
fn a_finished_deal_cannot_be_canceled() {
    for state in [NONE, RELEASED, CANCELED] {
        let mut world = World::new();
        let terms = world.terms("payment");
        let terms = world.deal_in(state, terms);
        let refusal = world.refuse(world.operator, &cancel_call(&terms));
        assert_eq!(refusal, if state == NONE { not_found(&terms) } else { wrong_state(&terms, state) });
    }
}

#[test]
fn a_batch_cancels_what_it_can_and_tells_what_it_cannot() {
    let mut world = World::new();
    let deals = [NONE, OPEN, DEPOSITED, RELEASED, CANCELED].map(|state| {
        let terms = world.terms(&format!("state {state}"));
        world.deal_in(state, terms)
    });
    let [none, open, paid, released, done] = &deals;
    let terms = [&deals[..], std::slice::from_ref(open)].concat();
    let canceled = world.send(world.operator, &Diamond::cancelDealsCall { terms });
    assert_eq!(canceled.value, U256::from(2));
    let events = canceled.events::<Diamond::DealCanceled>();
    let told: Vec<_> = events.iter().map(|it| (it.dealId, it.returned)).collect();
    assert_eq!(told, [(open.dealId, U256::ZERO), (paid.dealId, AMOUNT)]);
    let expected = [
        (none.dealId, not_found(none)),
        (released.dealId, wrong_state(released, RELEASED)),
        (done.dealId, wrong_state(done, CANCELED)),
        (open.dealId, wrong_state(open, CANCELED)),
    ];
    assert_eq!(skipped(&canceled), expected);
    let after = deals.each_ref().map(|terms| world.state(terms));
    assert_eq!(after, [NONE, CANCELED, CANCELED, RELEASED, CANCELED]);
}

#[test]
fn what_nobody_has_paid_is_closed_by_its_ref() {
    let mut world = World::new();
    let deals = [NONE, OPEN, DEPOSITED, RELEASED, CANCELED].map(|state| {
        let terms = world.terms(&format!("state {state}"));
        world.deal_in(state, terms)
    });
    let refs: Vec<_> = deals.iter().map(|terms| terms.r#ref).collect();
    let caller = world.owner;
    let refusal = world.refuse(caller, &Diamond::closeDealsCall { refs: refs.clone() });
    assert_eq!(refusal, Error::NotOperator(Diamond::NotOperator { caller }));

    let closed = world.send(world.operator, &Diamond::closeDealsCall { refs });
    assert_eq!(closed.value, U256::from(1));
    let [none, open, paid, released, canceled] = &deals;
    let Terms { dealId, r#ref, .. } = *open;
    let expected = Diamond::DealCanceled { dealId, r#ref, returned: U256::ZERO };
    assert_eq!(closed.event::<Diamond::DealCanceled>(), expected);
    let expected = [
        // Without its terms nobody knows the id of a deal that is not there.
        (U256::ZERO, not_found(none)),
        (paid.dealId, wrong_state(paid, DEPOSITED)),
        (released.dealId, wrong_state(released, RELEASED)),
        (canceled.dealId, wrong_state(canceled, CANCELED)),
    ];
    assert_eq!(skipped(&closed), expected);
    let after = deals.each_ref().map(|terms| world.state(terms));
    assert_eq!(after, [NONE, CANCELED, DEPOSITED, RELEASED, CANCELED]);
    assert_eq!(world.refuse(world.payer, &deposit_call(open)), wrong_state(open, CANCELED));
}

/// A deal that a puppet paid in native coin.
fn paid_by_puppet(world: &mut World, name: &str) -> (Address, Terms) {
    let puppet = world.puppet();
    let terms = world.native(name);
    world.create(&terms);
    world.puppet_calls(puppet, AMOUNT, &deposit_call(&terms));
    (puppet, terms)
}

#[test]
fn a_payer_who_refuses_or_wastes_cannot_hold_a_batch_up() {
    for mood in [PuppetMood::Refuse, PuppetMood::BurnGas] {
        let mut world = World::new();
        let (puppet, bad) = paid_by_puppet(&mut world, "bad");
        let good = world.native("good");
        let good = world.deal_in(DEPOSITED, good);
        world.set_mood(puppet, mood, Bytes::new());

        let terms = vec![bad.clone(), good.clone()];
        let canceled = world.send(world.operator, &Diamond::cancelDealsCall { terms });
        assert_eq!(canceled.value, U256::from(2));
        assert!(canceled.gas < 250_000, "{} gas", canceled.gas);
        let expected = Diamond::ReturnHeld { dealId: bad.dealId, payer: puppet, token: Address::ZERO, amount: AMOUNT };
        assert_eq!(canceled.event::<Diamond::ReturnHeld>(), expected);
        assert_eq!([world.state(&bad), world.state(&good)], [CANCELED, CANCELED]);
        assert_eq!([world.held(Address::ZERO, world.diamond), world.owed(Address::ZERO)], [AMOUNT; 2]);
    }
}

#[test]
fn a_refused_return_waits_for_its_payer() {
    let mut world = World::new();
    let (puppet, terms) = paid_by_puppet(&mut world, "payment");
    world.set_mood(puppet, PuppetMood::Refuse, Bytes::new());
    world.send(world.operator, &cancel_call(&terms));
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
    assert_eq!([world.ask(&kept), world.owed(token)], [U256::ZERO; 2]);
}

#[test]
fn nobody_withdraws_what_is_not_theirs() {
    let mut world = World::new();
    let terms = world.native("somebody else's");
    world.deal_in(DEPOSITED, terms);
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
        let terms = Terms { token, ..world.terms("blocked") };
        let terms = world.deal_in(DEPOSITED, terms);
        world.set_token_mood(token, mood, Bytes::new());
        let canceled = world.send(world.operator, &cancel_call(&terms));
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
    let second = world.native("second");
    world.create(&second);
    world.puppet_calls(puppet, AMOUNT, &deposit_call(&second));
    world.set_mood(puppet, PuppetMood::Refuse, Bytes::new());
    world.send(world.operator, &Diamond::cancelDealsCall { terms: vec![first, second] });
    let kept = world.ask(&Diamond::withdrawableCall { account: puppet, token: Address::ZERO });
    assert_eq!([kept, world.owed(Address::ZERO)], [AMOUNT * U256::from(2); 2]);
}
