//! Paying a deal.

use alloy::primitives::{Address, Bytes, U256};

use crate::world::{
    AMOUNT, CANCELED, DEPOSITED, Diamond, EXPIRY, Error, NONE, OPEN, RELEASED, TestToken, TokenMood, World,
};

#[test]
fn a_token_deal_takes_exactly_its_amount() {
    let mut world = World::new();
    let terms = world.terms("payment");
    let deal = world.create(&terms);
    let before = world.held(world.token, world.payer);
    let paid = world.send(world.payer, &Diamond::depositCall { dealId: deal });
    assert_eq!(
        paid.event::<Diamond::DealDeposited>(),
        Diamond::DealDeposited { dealId: deal, r#ref: terms.r#ref, payer: world.payer, amount: AMOUNT }
    );
    assert_eq!(world.held(world.token, world.payer), before - AMOUNT);
    assert_eq!(world.held(world.token, world.diamond), AMOUNT);
    let stored = world.deal(deal);
    assert_eq!((stored.state, stored.payer), (DEPOSITED, world.payer));
}

#[test]
fn a_native_deal_takes_exactly_its_amount() {
    let mut world = World::new();
    let deal = world.create(&world.native("payment"));
    let deposit = Diamond::depositCall { dealId: deal };
    for sent in [U256::ZERO, AMOUNT - U256::from(1), AMOUNT + U256::from(1)] {
        let refusal: Error = world.evm.refuse(world.payer, world.diamond, sent, &deposit);
        assert_eq!(refusal, Error::WrongValue(Diamond::WrongValue { dealId: deal, sent, expected: AMOUNT }));
    }
    let before = world.held(Address::ZERO, world.payer);
    world.evm.pay(world.payer, world.diamond, AMOUNT, &deposit);
    assert_eq!(world.held(Address::ZERO, world.payer), before - AMOUNT);
    assert_eq!(world.held(Address::ZERO, world.diamond), AMOUNT);
    assert_eq!(world.state(deal), DEPOSITED);
}

#[test]
fn a_token_deal_refuses_coin() {
    let mut world = World::new();
    let deal = world.create(&world.terms("payment"));
    let (sent, expected) = (U256::from(1), U256::ZERO);
    let refusal: Error = world.evm.refuse(world.payer, world.diamond, sent, &Diamond::depositCall { dealId: deal });
    assert_eq!(refusal, Error::WrongValue(Diamond::WrongValue { dealId: deal, sent, expected }));
}

#[test]
fn only_an_open_deal_takes_a_deposit() {
    for state in [DEPOSITED, RELEASED, CANCELED] {
        let mut world = World::new();
        let deal = world.deal_in(state, &world.terms("payment"));
        let refusal = world.refuse(world.payer, &Diamond::depositCall { dealId: deal });
        assert_eq!(refusal, Error::WrongState(Diamond::WrongState { dealId: deal, state }));
    }
    let mut world = World::new();
    let deal = world.deal_in(NONE, &world.terms("payment"));
    let refusal = world.refuse(world.payer, &Diamond::depositCall { dealId: deal });
    assert_eq!(refusal, Error::DealNotFound(Diamond::DealNotFound { dealId: deal }));
}

#[test]
fn the_expiry_is_exact() {
    let mut world = World::new();
    let [late, just] = ["late", "just"].map(|name| {
        let terms = world.terms(name);
        world.create(&terms)
    });
    world.evm.set_time(EXPIRY - 1);
    world.send(world.payer, &Diamond::depositCall { dealId: just });
    for time in [EXPIRY, EXPIRY + 1_000_000] {
        world.evm.set_time(time);
        let refusal = world.refuse(world.payer, &Diamond::depositCall { dealId: late });
        assert_eq!(refusal, Error::DealExpired(Diamond::DealExpired { dealId: late, expiresAt: EXPIRY }));
    }
}

#[test]
fn anybody_may_pay_and_becomes_the_payer() {
    let mut world = World::new();
    let deal = world.create(&world.native("gift"));
    world.evm.pay(world.stranger, world.diamond, AMOUNT, &Diamond::depositCall { dealId: deal });
    assert_eq!(world.deal(deal).payer, world.stranger);
}

#[test]
fn what_the_token_refuses_comes_back_by_name() {
    let mut world = World::new();
    let deal = world.create(&world.terms("payment"));
    let deposit = Diamond::depositCall { dealId: deal };
    let spender = world.diamond;

    let refusal = world.refuse(world.stranger, &deposit);
    let (allowance, needed) = (U256::ZERO, AMOUNT);
    let expected = Diamond::ERC20InsufficientAllowance { spender, allowance, needed };
    assert_eq!(refusal, Error::ERC20InsufficientAllowance(expected));

    world.evm.send(world.stranger, world.token, &TestToken::approveCall { spender, value: U256::MAX });
    let refusal = world.refuse(world.stranger, &deposit);
    let expected = Diamond::ERC20InsufficientBalance { sender: world.stranger, balance: U256::ZERO, needed };
    assert_eq!(refusal, Error::ERC20InsufficientBalance(expected));
    assert_eq!(world.state(deal), OPEN);
}

#[test]
fn odd_tokens_are_met_safely() {
    let mut world = World::new();
    let token = world.hostile_token();
    let deal = world.create(&Diamond::DealTerms { token, ..world.terms("odd") });
    let deposit = Diamond::depositCall { dealId: deal };

    world.set_token_mood(token, TokenMood::Fee, Bytes::new());
    let received = AMOUNT - AMOUNT / U256::from(100);
    let expected = Diamond::WrongReceipt { dealId: deal, received, expected: AMOUNT };
    assert_eq!(world.refuse(world.payer, &deposit), Error::WrongReceipt(expected), "a fee on transfer");

    world.set_token_mood(token, TokenMood::False, Bytes::new());
    let expected = Diamond::SafeERC20FailedOperation { token };
    assert_eq!(world.refuse(world.payer, &deposit), Error::SafeERC20FailedOperation(expected));
    assert_eq!(world.state(deal), OPEN);

    world.set_token_mood(token, TokenMood::Silent, Bytes::new());
    world.send(world.payer, &deposit);
    assert_eq!(world.state(deal), DEPOSITED, "a token that answers nothing, as USDT, is paid with");
}
