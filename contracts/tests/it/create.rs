//! Opening deals.

use alloy::primitives::{Address, B256, U256, aliases::U96, keccak256};
use alloy::sol_types::SolValue;

use crate::evm::NOW;
use crate::world::{
    CANCELED, DEPOSITED, Diamond, Error, NONE, OPEN, RELEASED, Terms, World, cancel_call, create_call, deposit_call,
    reference, release_call, skipped,
};

const ID_MAX: u64 = (1 << 48) - 1;

#[test]
fn a_deal_is_created_as_asked() {
    let mut world = World::new();
    let terms = world.terms("payment");
    let created = world.send(world.operator, &create_call(&terms));
    let Terms { dealId, r#ref, payee, token, amount, expiresAt } = terms;
    let expected = Diamond::DealCreated { dealId, r#ref, payee, token, amount, expiresAt };
    assert_eq!(created.event::<Diamond::DealCreated>(), expected);
    let status = world.status(&terms);
    assert_eq!((status.dealId, status.state, status.payer), (dealId, OPEN, Address::ZERO));
    assert_eq!(status.commitment[..], keccak256(terms.abi_encode())[..25]);
}

#[test]
fn extreme_terms_are_committed_to_exactly() {
    let mut world = World::new();
    let extreme = Terms {
        dealId: U256::from(ID_MAX),
        r#ref: B256::repeat_byte(0xff),
        payee: Address::repeat_byte(0xff),
        token: Address::ZERO,
        amount: U256::from(U96::MAX),
        expiresAt: u64::MAX,
    };
    let least = Terms { dealId: U256::from(1), amount: U256::from(1), expiresAt: NOW + 1, ..world.terms("least") };
    for terms in [extreme, least] {
        world.create(&terms);
        let status = world.status(&terms);
        assert_eq!((status.dealId, status.state), (terms.dealId, OPEN));
        assert_eq!(status.commitment[..], keccak256(terms.abi_encode())[..25]);
        world.send(world.operator, &cancel_call(&terms));
    }
}

#[test]
fn a_ref_has_one_deal_for_ever() {
    for state in [OPEN, DEPOSITED, RELEASED, CANCELED] {
        let mut world = World::new();
        let terms = world.terms("payment");
        let terms = world.deal_in(state, terms);
        // Neither the same nor any other terms, nor another id.
        for again in [terms.clone(), good_with(&terms, |it| it.dealId += U256::from(1)), other_amount(&terms)] {
            let expected = Diamond::DealExists { r#ref: terms.r#ref, dealId: terms.dealId };
            assert_eq!(world.refuse(world.operator, &create_call(&again)), Error::DealExists(expected), "{state}");
        }
    }
}

#[test]
fn one_id_with_two_refs_is_two_deals() {
    let mut world = World::new();
    let first = world.terms("first");
    let second = Terms { dealId: first.dealId, ..world.terms("second") };
    for terms in [&first, &second] {
        world.create(terms);
    }
    // Whose terms they are is told by the ref; the id alone moves nothing.
    world.deposit(world.payer, &second);
    let crossed = Terms { r#ref: first.r#ref, amount: U256::from(1), ..second.clone() };
    let expected = Diamond::WrongTerms { r#ref: first.r#ref, dealId: first.dealId };
    assert_eq!(world.refuse(world.operator, &release_call(&crossed)), Error::WrongTerms(expected));
    assert_eq!([world.state(&first), world.state(&second)], [OPEN, DEPOSITED]);
}

/// Every way in which presented terms can differ from those of a deal.
fn others(terms: &Terms) -> Vec<Terms> {
    vec![
        good_with(terms, |it| it.dealId += U256::from(1)),
        // The same in the 48 bits that are stored.
        good_with(terms, |it| it.dealId += U256::from(1) << 48),
        good_with(terms, |it| it.dealId |= U256::MAX << 56),
        good_with(terms, |it| it.payee = Address::repeat_byte(0xee)),
        good_with(terms, |it| it.token = Address::ZERO),
        other_amount(terms),
        good_with(terms, |it| it.expiresAt += 1),
    ]
}

#[test]
fn other_terms_move_nothing() {
    for state in [OPEN, DEPOSITED] {
        let mut world = World::new();
        let terms = world.terms("payment");
        let terms = world.deal_in(state, terms);
        for other in others(&terms) {
            let expected = Error::WrongTerms(Diamond::WrongTerms { r#ref: other.r#ref, dealId: other.dealId });
            assert_eq!(world.refuse(world.payer, &deposit_call(&other)), expected);
            assert_eq!(world.refuse(world.operator, &cancel_call(&other)), expected);
            assert_eq!(world.refuse(world.operator, &release_call(&other)), expected);
            for done in [
                world.send(world.operator, &Diamond::cancelDealsCall { terms: vec![other.clone()] }).logs,
                world.send(world.operator, &Diamond::releaseDealsCall { terms: vec![other.clone()] }).logs,
            ] {
                assert_eq!(done.len(), 1, "skipped and told");
            }
        }
        assert_eq!(world.state(&terms), state);
    }
}

/// Every mistake that terms can have, with the error that must name it.
fn mistakes(world: &World) -> Vec<(Terms, Error)> {
    let good = world.terms("mistaken");
    let r#ref = good.r#ref;
    let id = |id| {
        (good_with(&good, |it| it.dealId = id), Error::InvalidDealId(Diamond::InvalidDealId { r#ref, dealId: id }))
    };
    let payee =
        |payee| (good_with(&good, |it| it.payee = payee), Error::InvalidPayee(Diamond::InvalidPayee { r#ref, payee }));
    let token =
        |token| (good_with(&good, |it| it.token = token), Error::InvalidToken(Diamond::InvalidToken { r#ref, token }));
    let amount = |amount| {
        (good_with(&good, |it| it.amount = amount), Error::InvalidAmount(Diamond::InvalidAmount { r#ref, amount }))
    };
    let expiry = |expiry| {
        let error = Diamond::InvalidExpiry { r#ref, expiresAt: expiry };
        (good_with(&good, |it| it.expiresAt = expiry), Error::InvalidExpiry(error))
    };
    vec![
        (good_with(&good, |it| it.r#ref = B256::ZERO), Error::InvalidRef(Diamond::InvalidRef {})),
        id(U256::ZERO),
        id(U256::from(ID_MAX) + U256::from(1)),
        id(U256::MAX),
        payee(Address::ZERO),
        payee(world.diamond),
        token(world.stranger),
        amount(U256::ZERO),
        amount(U256::from(U96::MAX) + U256::from(1)),
        amount(U256::MAX),
        expiry(0),
        expiry(NOW),
    ]
}

fn good_with(good: &Terms, change: impl FnOnce(&mut Terms)) -> Terms {
    let mut terms = good.clone();
    change(&mut terms);
    terms
}

fn other_amount(terms: &Terms) -> Terms {
    good_with(terms, |it| it.amount -= U256::from(1))
}

#[test]
fn mistaken_terms_are_refused_by_name_and_their_neighbours_are_not() {
    let mut world = World::new();
    for (number, (mistaken, expected)) in mistakes(&world).into_iter().enumerate() {
        assert_eq!(world.refuse(world.operator, &create_call(&mistaken)), expected);

        let [before, after] = ["before", "after"].map(|name| world.terms(&format!("{name} {number}")));
        let terms = vec![before.clone(), mistaken.clone(), after.clone()];
        let created = world.send(world.operator, &Diamond::createDealsCall { terms });
        assert_eq!(created.value, U256::from(2));
        assert_eq!(skipped(&created), [(mistaken.dealId, expected)]);
        assert_eq!([&before, &mistaken, &after].map(|terms| world.state(terms)), [OPEN, NONE, OPEN]);
    }
}

#[test]
fn a_batch_skips_refs_that_have_a_deal() {
    let mut world = World::new();
    let first = world.terms("first");
    world.create(&first);
    let [second, third] = ["second", "third"].map(|name| world.terms(name));
    // Other terms for a known ref change nothing: the deal stands as it was made.
    let terms = vec![second.clone(), other_amount(&first), third.clone(), second.clone()];
    let created = world.send(world.operator, &Diamond::createDealsCall { terms });

    assert_eq!(created.value, U256::from(2));
    let events: Vec<_> = created.events::<Diamond::DealCreated>().iter().map(|it| it.dealId).collect();
    assert_eq!(events, [second.dealId, third.dealId]);
    let exists = |terms: &Terms| {
        let Terms { dealId, r#ref, .. } = *terms;
        (dealId, Error::DealExists(Diamond::DealExists { r#ref, dealId }))
    };
    assert_eq!(skipped(&created), [exists(&first), exists(&second)]);
    world.deposit(world.payer, &first);
}

#[test]
fn a_batch_that_comes_again_after_the_expiry_is_harmless() {
    let mut world = World::new();
    let terms = vec![world.terms("payment")];
    world.send(world.operator, &Diamond::createDealsCall { terms: terms.clone() });
    world.evm.set_time(NOW + 7200);
    let again = world.send(world.operator, &Diamond::createDealsCall { terms });
    assert_eq!((again.value, again.logs.len()), (U256::ZERO, 1));
}

#[test]
fn an_empty_batch_does_nothing() {
    let mut world = World::new();
    let created = world.send(world.operator, &Diamond::createDealsCall { terms: vec![] });
    assert!(created.value.is_zero() && created.logs.is_empty());
}

#[test]
fn deals_are_read_in_bulk_with_gaps() {
    let mut world = World::new();
    let terms = world.terms("known");
    let terms = world.deal_in(DEPOSITED, terms);
    let refs = vec![reference("unknown"), terms.r#ref, B256::ZERO];
    let statuses = world.ask(&Diamond::statusesOfCall { refs });
    assert_eq!(statuses[1], world.status(&terms));
    assert_eq!((statuses[1].dealId, statuses[1].payer), (terms.dealId, world.payer));
    for gap in [0, 2] {
        let none = &statuses[gap];
        assert_eq!((none.dealId, none.state, none.payer), (U256::ZERO, NONE, Address::ZERO));
        assert!(none.commitment.is_zero());
    }
}
