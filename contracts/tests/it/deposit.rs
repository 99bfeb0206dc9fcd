//! Paying a deal.

use alloy::primitives::{Address, Bytes, U256};

use crate::world::{
    AMOUNT, CANCELED, DEPOSITED, Diamond, EXPIRY, Error, NONE, OPEN, RELEASED, Terms, TestToken, TokenMood, World,
    deposit_call, not_found, wrong_state,
};

#[test]
fn a_token_deal_takes_exactly_its_amount() {
    let mut world = World::new();
    let terms = world.terms("payment");
    world.create(&terms);
    let before = world.held(world.token, world.payer);
    let paid = world.send(world.payer, &deposit_call(&terms));
    let Terms { dealId, r#ref, amount, .. } = terms;
    assert_eq!(
        paid.event::<Diamond::DealDeposited>(),
        Diamond::DealDeposited { dealId, r#ref, payer: world.payer, amount }
    );
    assert_eq!(world.held(world.token, world.payer), before - AMOUNT);
    assert_eq!(world.held(world.token, world.diamond), AMOUNT);
    assert_eq!(world.owed(world.token), AMOUNT);
    let status = world.status(&terms);
    assert_eq!((status.state, status.payer), (DEPOSITED, world.payer));
}

#[test]
fn a_native_deal_takes_exactly_its_amount() {
    let mut world = World::new();
    let terms = world.native("payment");
    world.create(&terms);
    for sent in [U256::ZERO, AMOUNT - U256::from(1), AMOUNT + U256::from(1)] {
        let refusal: Error = world.evm.refuse(world.payer, world.diamond, sent, &deposit_call(&terms));
        let expected = Diamond::WrongValue { dealId: terms.dealId, sent, expected: AMOUNT };
        assert_eq!(refusal, Error::WrongValue(expected));
    }
    let before = world.held(Address::ZERO, world.payer);
    world.deposit(world.payer, &terms);
    assert_eq!(world.held(Address::ZERO, world.payer), before - AMOUNT);
    assert_eq!(world.held(Address::ZERO, world.diamond), AMOUNT);
    assert_eq!(world.state(&terms), DEPOSITED);
}

#[test]
fn a_token_deal_refuses_coin() {
    let mut world = World::new();
    let terms = world.terms("payment");
    world.create(&terms);
    let (sent, expected) = (U256::from(1), U256::ZERO);
    let refusal: Error = world.evm.refuse(world.payer, world.diamond, sent, &deposit_call(&terms));
    assert_eq!(refusal, Error::WrongValue(Diamond::WrongValue { dealId: terms.dealId, sent, expected }));
}

#[test]
fn only_an_open_deal_takes_a_deposit() {
    for state in [NONE, DEPOSITED, RELEASED, CANCELED] {
        let mut world = World::new();
        let terms = world.terms("payment");
        let terms = world.deal_in(state, terms);
        let refusal = world.refuse(world.payer, &deposit_call(&terms));
        assert_eq!(refusal, if state == NONE { not_found(&terms) } else { wrong_state(&terms, state) });
    }
}

#[test]
fn the_expiry_is_exact() {
    let mut world = World::new();
    let [late, just] = ["late", "just"].map(|name| {
        let terms = world.terms(name);
        world.deal_in(OPEN, terms)
    });
    world.evm.set_time(EXPIRY - 1);
    world.send(world.payer, &deposit_call(&just));
    for time in [EXPIRY, EXPIRY + 1_000_000] {
        world.evm.set_time(time);
        let refusal = world.refuse(world.payer, &deposit_call(&late));
        assert_eq!(refusal, Error::DealExpired(Diamond::DealExpired { dealId: late.dealId, expiresAt: EXPIRY }));
    }
}

#[test]
fn anybody_may_pay_and_becomes_the_payer() {
    let mut world = World::new();
    let terms = world.native("gift");
    world.create(&terms);
    world.deposit(world.stranger, &terms);
    assert_eq!(world.status(&terms).payer, world.stranger);
}

#[test]
fn what_the_token_refuses_comes_back_by_name() {
    let mut world = World::new();
    let terms = world.terms("payment");
    world.create(&terms);
    let deposit = deposit_call(&terms);
    let spender = world.diamond;

    let refusal = world.refuse(world.stranger, &deposit);
    let (allowance, needed) = (U256::ZERO, AMOUNT);
    let expected = Diamond::ERC20InsufficientAllowance { spender, allowance, needed };
    assert_eq!(refusal, Error::ERC20InsufficientAllowance(expected));

    world.evm.send(world.stranger, world.token, &TestToken::approveCall { spender, value: U256::MAX });
    let refusal = world.refuse(world.stranger, &deposit);
    let expected = Diamond::ERC20InsufficientBalance { sender: world.stranger, balance: U256::ZERO, needed };
    assert_eq!(refusal, Error::ERC20InsufficientBalance(expected));
    assert_eq!((world.state(&terms), world.owed(world.token)), (OPEN, U256::ZERO));
}

#[test]
fn odd_tokens_are_met_safely() {
    let mut world = World::new();
    let token = world.hostile_token();
    let terms = Terms { token, ..world.terms("odd") };
    world.create(&terms);
    let deposit = deposit_call(&terms);

    world.set_token_mood(token, TokenMood::Fee, Bytes::new());
    let received = AMOUNT - AMOUNT / U256::from(100);
    let expected = Diamond::WrongReceipt { dealId: terms.dealId, received, expected: AMOUNT };
    assert_eq!(world.refuse(world.payer, &deposit), Error::WrongReceipt(expected), "a fee on transfer");

    world.set_token_mood(token, TokenMood::False, Bytes::new());
    let expected = Diamond::SafeERC20FailedOperation { token };
    assert_eq!(world.refuse(world.payer, &deposit), Error::SafeERC20FailedOperation(expected));
    assert_eq!(world.state(&terms), OPEN);

    world.set_token_mood(token, TokenMood::Silent, Bytes::new());
    world.send(world.payer, &deposit);
    assert_eq!(world.state(&terms), DEPOSITED, "a token that answers nothing, as USDT, is paid with");
}
