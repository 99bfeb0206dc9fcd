//! Opening deals.

use alloy::primitives::{Address, B256, U256, aliases::U96};

use crate::evm::NOW;
use crate::world::{CANCELED, DEPOSITED, Diamond, Error, NONE, OPEN, RELEASED, World, create_call, id, reference};

#[test]
fn a_deal_is_created_as_asked() {
    let mut world = World::new();
    let terms = world.terms("payment");
    let created = world.send(world.operator, &create_call(&terms));
    assert_eq!(created.value, id(terms.r#ref));
    let Diamond::DealTerms { r#ref, payee, token, amount, expiresAt } = terms;
    assert_eq!(
        created.event::<Diamond::DealCreated>(),
        Diamond::DealCreated { dealId: created.value, r#ref, payee, token, amount, expiresAt }
    );
    let deal =
        Diamond::Deal { id: created.value, r#ref, payee, token, amount, expiresAt, state: OPEN, payer: Address::ZERO };
    assert_eq!(world.deal(created.value), deal);
    assert_eq!(world.ask(&Diamond::dealOfCall { r#ref }), deal);
}

#[test]
fn extreme_terms_are_kept_exactly() {
    let mut world = World::new();
    let mut terms = world.native("extreme");
    terms.amount = U256::from(U96::MAX);
    terms.expiresAt = u64::MAX;
    terms.payee = Address::repeat_byte(0xff);
    terms.r#ref = B256::repeat_byte(0xff);
    let deal = world.create(&terms);
    let stored = world.deal(deal);
    assert_eq!((stored.amount, stored.expiresAt, stored.payee), (terms.amount, terms.expiresAt, terms.payee));
    assert_eq!((stored.r#ref, stored.token), (terms.r#ref, Address::ZERO));

    let mut least = world.terms("least");
    least.amount = U256::from(1);
    least.expiresAt = NOW + 1;
    let deal = world.create(&least);
    assert_eq!(world.deal(deal).amount, U256::from(1));
}

#[test]
fn a_ref_has_one_deal_for_ever() {
    for state in [OPEN, DEPOSITED, RELEASED, CANCELED] {
        let mut world = World::new();
        let terms = world.terms("payment");
        let deal = world.deal_in(state, &terms);
        let expected = Diamond::DealExists { r#ref: terms.r#ref, dealId: deal };
        let refusal = world.refuse(world.operator, &create_call(&terms));
        assert_eq!(refusal, Error::DealExists(expected), "state {state}");
    }
}

/// Every mistake that terms can have, with the error that must name it.
fn mistakes(world: &World) -> Vec<(Diamond::DealTerms, Error)> {
    let good = world.terms("mistaken");
    let r#ref = good.r#ref;
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

fn good_with(good: &Diamond::DealTerms, change: impl FnOnce(&mut Diamond::DealTerms)) -> Diamond::DealTerms {
    let mut terms = good.clone();
    change(&mut terms);
    terms
}

#[test]
fn mistaken_terms_are_refused_by_name() {
    let mut world = World::new();
    for (terms, expected) in mistakes(&world) {
        assert_eq!(world.refuse(world.operator, &create_call(&terms)), expected);

        let batch = vec![world.terms("before"), terms, world.terms("after")];
        assert_eq!(world.refuse(world.operator, &Diamond::createDealsCall { terms: batch }), expected);
        assert_eq!(world.state(id(reference("before"))), NONE, "nothing of a refused batch remains");
    }
}

#[test]
fn a_batch_skips_refs_that_have_a_deal() {
    let mut world = World::new();
    let first = world.create(&world.terms("first"));
    // Other terms for a known ref change nothing: the deal stands as it was made.
    let other = good_with(&world.terms("first"), |it| it.amount = U256::from(1));
    let terms = vec![world.terms("second"), other, world.terms("third"), world.terms("second")];
    let created = world.send(world.operator, &Diamond::createDealsCall { terms });

    let ids = ["second", "first", "third", "second"].map(|name| id(reference(name)));
    assert_eq!(created.value, ids);
    let events: Vec<_> = created.events::<Diamond::DealCreated>().iter().map(|it| it.dealId).collect();
    assert_eq!(events, [ids[0], ids[2]]);
    assert_eq!(world.deal(first).amount, world.terms("first").amount);
}

#[test]
fn a_skipped_term_is_not_even_checked() {
    let mut world = World::new();
    let deal = world.create(&world.terms("payment"));
    world.evm.set_time(NOW + 7200);
    let terms = vec![world.terms("payment")];
    let again = world.send(world.operator, &Diamond::createDealsCall { terms });
    assert_eq!(again.value, [deal], "asking again after the expiry is harmless");
}

#[test]
fn an_empty_batch_does_nothing() {
    let mut world = World::new();
    let created = world.send(world.operator, &Diamond::createDealsCall { terms: vec![] });
    assert!(created.value.is_empty() && created.logs.is_empty());
}

#[test]
fn deals_are_read_in_bulk_with_gaps() {
    let mut world = World::new();
    let deal = world.deal_in(DEPOSITED, &world.terms("known"));
    let refs = vec![reference("unknown"), reference("known"), B256::ZERO];
    let deals = world.ask(&Diamond::dealsOfCall { refs });
    assert_eq!(deals[1], world.deal(deal));
    assert_eq!(deals[1].payer, world.payer);
    for gap in [0, 2] {
        let none = &deals[gap];
        assert_eq!((none.id, none.r#ref, none.state, none.amount), (U256::ZERO, B256::ZERO, NONE, U256::ZERO));
    }
    assert_eq!(world.ask(&Diamond::dealOfCall { r#ref: reference("unknown") }), deals[0]);
}
