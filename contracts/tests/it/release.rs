//! Paying deposits out.

use alloy::primitives::{Address, Bytes, U256};

use crate::world::{
    AMOUNT, CANCELED, DEPOSITED, Diamond, EXPIRY, Error, NONE, OPEN, PuppetMood, RELEASED, Terms, TokenMood, World,
    cancel_call, not_found, release_call, skipped, wrong_state,
};

#[test]
fn a_deposit_goes_to_the_payee() {
    let mut world = World::new();
    for terms in [world.terms("token"), world.native("native")] {
        let terms = world.deal_in(DEPOSITED, terms);
        let before = world.held(terms.token, world.payee);
        world.evm.set_time(EXPIRY - 1);
        let released = world.send(world.operator, &release_call(&terms));
        let expected = Diamond::DealReleased { dealId: terms.dealId, r#ref: terms.r#ref, amount: AMOUNT };
        assert_eq!(released.event::<Diamond::DealReleased>(), expected);
        assert_eq!(world.held(terms.token, world.payee), before + AMOUNT);
        assert_eq!(world.held(terms.token, world.diamond), U256::ZERO);
        assert_eq!(world.state(&terms), RELEASED);
    }
}

#[test]
fn the_expiry_does_not_hold_a_release_up() {
    let mut world = World::new();
    let terms = world.terms("payment");
    let terms = world.deal_in(DEPOSITED, terms);
    world.evm.set_time(EXPIRY + 1);
    world.send(world.operator, &release_call(&terms));
    assert_eq!(world.state(&terms), RELEASED);
}

#[test]
fn only_a_deposited_deal_is_released() {
    for state in [NONE, OPEN, RELEASED, CANCELED] {
        let mut world = World::new();
        let terms = world.terms("payment");
        let terms = world.deal_in(state, terms);
        let refusal = world.refuse(world.operator, &release_call(&terms));
        assert_eq!(refusal, if state == NONE { not_found(&terms) } else { wrong_state(&terms, state) });
    }
}

#[test]
fn a_batch_releases_what_it_can_and_tells_what_it_cannot() {
    let mut world = World::new();
    let deals = [NONE, OPEN, DEPOSITED, RELEASED, CANCELED].map(|state| {
        let terms = world.terms(&format!("state {state}"));
        world.deal_in(state, terms)
    });
    let released = world.send(world.operator, &Diamond::releaseDealsCall { terms: deals.to_vec() });
    assert_eq!(released.value, U256::from(1));
    assert_eq!(released.event::<Diamond::DealReleased>().dealId, deals[2].dealId);
    let [none, open, _, done, canceled] = &deals;
    let expected = [
        (none.dealId, not_found(none)),
        (open.dealId, wrong_state(open, OPEN)),
        (done.dealId, wrong_state(done, RELEASED)),
        (canceled.dealId, wrong_state(canceled, CANCELED)),
    ];
    assert_eq!(skipped(&released), expected);
    let after = deals.each_ref().map(|terms| world.state(terms));
    assert_eq!(after, [NONE, OPEN, RELEASED, RELEASED, CANCELED]);
}

#[test]
fn a_payee_who_refuses_leaves_the_deposit_where_it_is() {
    let mut world = World::new();
    let puppet = world.puppet();
    world.set_mood(puppet, PuppetMood::Refuse, Bytes::new());
    let [bad, good] = [Terms { payee: puppet, ..world.native("bad") }, world.native("good")];
    let [bad, good] = [bad, good].map(|terms| world.deal_in(DEPOSITED, terms));

    let expected = Error::NativeTransferFailed(Diamond::NativeTransferFailed { to: puppet, amount: AMOUNT });
    assert_eq!(world.refuse(world.operator, &release_call(&bad)), expected);

    let released = world.send(world.operator, &Diamond::releaseDealsCall { terms: vec![bad.clone(), good.clone()] });
    assert_eq!(released.value, U256::from(1));
    assert_eq!(released.event::<Diamond::DealReleased>().dealId, good.dealId);
    assert_eq!(skipped(&released), [(bad.dealId, expected)]);
    assert_eq!((world.state(&bad), world.owed(Address::ZERO)), (DEPOSITED, AMOUNT));

    let before = world.held(Address::ZERO, world.payer);
    world.send(world.operator, &cancel_call(&bad));
    assert_eq!(world.held(Address::ZERO, world.payer), before + AMOUNT, "it can still be canceled");
}

#[test]
fn a_token_that_blocks_the_payee_leaves_the_deposit_where_it_is() {
    for mood in [TokenMood::Revert, TokenMood::False] {
        let mut world = World::new();
        let token = world.hostile_token();
        let terms = Terms { token, ..world.terms("blocked") };
        let terms = world.deal_in(DEPOSITED, terms);
        world.set_token_mood(token, mood, Bytes::new());
        let released = world.send(world.operator, &Diamond::releaseDealsCall { terms: vec![terms.clone()] });
        let expected = Error::SafeERC20FailedOperation(Diamond::SafeERC20FailedOperation { token });
        assert_eq!(skipped(&released), [(terms.dealId, expected)]);
        assert_eq!((world.state(&terms), world.owed(token)), (DEPOSITED, AMOUNT));
    }
}
