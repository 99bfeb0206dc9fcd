//! Accounts and tokens that call back in the middle of a payment. The attacker is even an operator here, so that
//! nothing but the guard and the order of the writes stands in the way.

use alloy::primitives::{Address, Bytes, FixedBytes, U256};
use alloy::sol_types::{SolCall, SolError};

use crate::world::{
    AMOUNT, CANCELED, DEPOSITED, Diamond, HostileToken, OPEN, Puppet, PuppetMood, RELEASED, TokenMood, World,
};

const GUARDED: FixedBytes<4> = FixedBytes(Diamond::ReentrancyGuardReentrantCall::SELECTOR);

/// Every way to move money, tried while money is on its way.
fn attempts(deal: U256, victim: U256, attacker: Address) -> Vec<Bytes> {
    let ids = |id| vec![id];
    [
        Diamond::cancelDealCall { dealId: deal }.abi_encode(),
        Diamond::cancelDealCall { dealId: victim }.abi_encode(),
        Diamond::cancelDealsCall { dealIds: ids(deal) }.abi_encode(),
        Diamond::releaseDealCall { dealId: deal }.abi_encode(),
        Diamond::releaseDealsCall { dealIds: ids(victim) }.abi_encode(),
        Diamond::depositCall { dealId: deal }.abi_encode(),
        Diamond::withdrawCall { token: Address::ZERO, to: attacker }.abi_encode(),
    ]
    .map(Bytes::from)
    .to_vec()
}

#[test]
fn a_payer_cannot_take_a_return_twice() {
    let attempts = attempts(U256::ZERO, U256::ZERO, Address::ZERO).len();
    for number in 0..attempts {
        let mut world = World::new();
        let puppet = world.puppet();
        let victim = world.deal_in(DEPOSITED, &world.native("victim"));
        let deal = world.create(&world.native("attacker"));
        world.puppet_calls(puppet, AMOUNT, &Diamond::depositCall { dealId: deal });

        let attack = self::attempts(deal, victim, puppet).remove(number);
        world.set_mood(puppet, PuppetMood::CallBack, attack);
        world.send(world.operator, &Diamond::cancelDealCall { dealId: deal });

        assert_eq!(world.evm.ask(puppet, &Puppet::metCall {}), GUARDED, "attempt {number}");
        assert_eq!(world.held(Address::ZERO, puppet), AMOUNT);
        assert_eq!(world.held(Address::ZERO, world.diamond), AMOUNT, "the victim's deposit is untouched");
        assert_eq!([world.state(deal), world.state(victim)], [CANCELED, DEPOSITED]);
    }
}

#[test]
fn a_payee_cannot_take_a_release_twice() {
    let mut world = World::new();
    let puppet = world.puppet();
    let victim = world.deal_in(DEPOSITED, &world.native("victim"));
    let deal = world.deal_in(DEPOSITED, &Diamond::DealTerms { payee: puppet, ..world.native("attacker") });
    world.set_mood(puppet, PuppetMood::CallBack, Diamond::releaseDealCall { dealId: deal }.abi_encode().into());
    world.send(world.operator, &Diamond::releaseDealsCall { dealIds: vec![deal] });
    assert_eq!(world.evm.ask(puppet, &Puppet::metCall {}), GUARDED);
    assert_eq!(world.held(Address::ZERO, puppet), AMOUNT);
    assert_eq!([world.state(deal), world.state(victim)], [RELEASED, DEPOSITED]);
}

#[test]
fn a_payer_cannot_withdraw_twice() {
    let mut world = World::new();
    let puppet = world.puppet();
    world.deal_in(DEPOSITED, &world.native("victim"));
    let deal = world.create(&world.native("attacker"));
    world.puppet_calls(puppet, AMOUNT, &Diamond::depositCall { dealId: deal });
    world.set_mood(puppet, PuppetMood::Refuse, Bytes::new());
    world.send(world.operator, &Diamond::cancelDealCall { dealId: deal });

    let withdraw = Diamond::withdrawCall { token: Address::ZERO, to: puppet };
    world.set_mood(puppet, PuppetMood::CallBack, withdraw.abi_encode().into());
    world.puppet_calls(puppet, U256::ZERO, &withdraw);
    assert_eq!(world.evm.ask(puppet, &Puppet::metCall {}), GUARDED);
    assert_eq!(world.held(Address::ZERO, puppet), AMOUNT);
    assert_eq!(world.held(Address::ZERO, world.diamond), AMOUNT);
}

/// A token that is an operator and calls the diamond back while it moves.
struct Attack {
    world: World,
    token: Address,
    deal: U256,
}

impl Attack {
    fn new() -> Self {
        let mut world = World::new();
        let token = world.hostile_token();
        world.send(world.owner, &Diamond::setOperatorCall { operator: token, allowed: true });
        let deal = world.create(&Diamond::DealTerms { token, ..world.terms("hostile") });
        Self { world, token, deal }
    }

    fn call_back_with(&mut self, call: &impl SolCall) {
        self.world.set_token_mood(self.token, TokenMood::CallBack, call.abi_encode().into());
    }

    fn met(&mut self) -> FixedBytes<4> {
        self.world.evm.ask(self.token, &HostileToken::metCall {})
    }
}

#[test]
fn a_token_cannot_release_or_cancel_during_its_deposit() {
    for release in [true, false] {
        let mut attack = Attack::new();
        let deal = attack.deal;
        if release {
            attack.call_back_with(&Diamond::releaseDealCall { dealId: deal });
        } else {
            attack.call_back_with(&Diamond::cancelDealCall { dealId: deal });
        }
        attack.world.send(attack.world.payer, &Diamond::depositCall { dealId: deal });
        assert_eq!(attack.met(), GUARDED);
        assert_eq!(attack.world.state(deal), DEPOSITED);
    }
}

#[test]
fn a_token_cannot_count_one_transfer_for_two_deals() {
    let mut attack = Attack::new();
    let token = attack.token;
    let second = attack.world.create(&Diamond::DealTerms { token, ..attack.world.terms("second") });
    attack.call_back_with(&Diamond::depositCall { dealId: second });
    attack.world.send(attack.world.payer, &Diamond::depositCall { dealId: attack.deal });
    assert_eq!(attack.met(), GUARDED);
    assert_eq!(attack.world.state(second), OPEN);
}

#[test]
fn views_tell_the_new_state_while_the_money_moves() {
    let mut attack = Attack::new();
    let deal = attack.deal;
    attack.world.send(attack.world.payer, &Diamond::depositCall { dealId: deal });
    // Creating is allowed while money moves: it moves none. The ref is taken, so the call back meets `DealExists`.
    let terms = attack.world.terms("hostile");
    attack.call_back_with(&crate::world::create_call(&terms));
    attack.world.send(attack.world.operator, &Diamond::cancelDealCall { dealId: deal });
    assert_eq!(attack.met(), FixedBytes(Diamond::DealExists::SELECTOR));
    assert_eq!(attack.world.state(deal), CANCELED);
}
