//! Paying deposits out.

use alloy::primitives::{Address, Bytes, U256};

use crate::world::{AMOUNT, CANCELED, DEPOSITED, Diamond, EXPIRY, Error, NONE, OPEN, PuppetMood, RELEASED, World};

#[test]
fn a_deposit_goes_to_the_payee() {
    let mut world = World::new();
    for terms in [world.terms("token"), world.native("native")] {
        let deal = world.deal_in(DEPOSITED, &terms);
        let before = world.held(terms.token, world.payee);
        world.evm.set_time(EXPIRY - 1);
        let released = world.send(world.operator, &Diamond::releaseDealCall { dealId: deal });
        let expected = Diamond::DealReleased { dealId: deal, r#ref: terms.r#ref, amount: AMOUNT };
        assert_eq!(released.event::<Diamond::DealReleased>(), expected);
        assert_eq!(world.held(terms.token, world.payee), before + AMOUNT);
        assert_eq!(world.held(terms.token, world.diamond), U256::ZERO);
        assert_eq!(world.state(deal), RELEASED);
    }
}

#[test]
fn the_expiry_does_not_hold_a_release_up() {
    let mut world = World::new();
    let deal = world.deal_in(DEPOSITED, &world.terms("payment"));
    world.evm.set_time(EXPIRY + 1);
    world.send(world.operator, &Diamond::releaseDealCall { dealId: deal });
    assert_eq!(world.state(deal), RELEASED);
}

#[test]
fn only_a_deposited_deal_is_released() {
    for state in [OPEN, RELEASED, CANCELED] {
        let mut world = World::new();
        let deal = world.deal_in(state, &world.terms("payment"));
        let refusal = world.refuse(world.operator, &Diamond::releaseDealCall { dealId: deal });
        assert_eq!(refusal, Error::WrongState(Diamond::WrongState { dealId: deal, state }));
    }
    let mut world = World::new();
    let deal = world.deal_in(NONE, &world.terms("payment"));
    let refusal = world.refuse(world.operator, &Diamond::releaseDealCall { dealId: deal });
    assert_eq!(refusal, Error::DealNotFound(Diamond::DealNotFound { dealId: deal }));
}

#[test]
fn a_batch_releases_what_it_can() {
    let mut world = World::new();
    let states = [NONE, OPEN, DEPOSITED, RELEASED, CANCELED];
    let ids = states.map(|state| {
        let terms = world.terms(&format!("state {state}"));
        world.deal_in(state, &terms)
    });
    let released = world.send(world.operator, &Diamond::releaseDealsCall { dealIds: [ids, ids].concat() });
    assert_eq!(released.value, U256::from(1));
    assert_eq!(released.event::<Diamond::DealReleased>().dealId, ids[2]);
    let after = ids.map(|deal| world.state(deal));
    assert_eq!(after, [NONE, OPEN, RELEASED, RELEASED, CANCELED]);
}

#[test]
fn a_payee_who_refuses_leaves_the_deposit_where_it_is() {
    let mut world = World::new();
    let puppet = world.puppet();
    world.set_mood(puppet, PuppetMood::Refuse, Bytes::new());
    let bad = world.deal_in(DEPOSITED, &Diamond::DealTerms { payee: puppet, ..world.native("bad") });
    let good = world.deal_in(DEPOSITED, &world.native("good"));

    let refusal = world.refuse(world.operator, &Diamond::releaseDealCall { dealId: bad });
    let expected = Diamond::NativeTransferFailed { to: puppet, amount: AMOUNT };
    assert_eq!(refusal, Error::NativeTransferFailed(expected));

    let released = world.send(world.operator, &Diamond::releaseDealsCall { dealIds: vec![bad, good] });
    assert_eq!(released.value, U256::from(1));
    assert_eq!(released.event::<Diamond::DealReleased>().dealId, good);
    assert_eq!(world.state(bad), DEPOSITED);

    let before = world.held(Address::ZERO, world.payer);
    world.send(world.operator, &Diamond::cancelDealCall { dealId: bad });
    assert_eq!(world.held(Address::ZERO, world.payer), before + AMOUNT, "it can still be canceled");
}
