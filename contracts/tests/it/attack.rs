//! Accounts and tokens that call back in the middle of a payment. The attacker is even an operator here, so that
//! nothing but the guard and the order of the writes stands in the way.

use alloy::primitives::{Address, Bytes, FixedBytes, U256};
use alloy::sol_types::{SolCall, SolError};

use crate::world::{
    AMOUNT, CANCELED, DEPOSITED, Diamond, HostileToken, OPEN, Puppet, PuppetMood, RELEASED, Terms, TokenMood, World,
    cancel_call, create_call, deposit_call, release_call,
};

const GUARDED: FixedBytes<4> = FixedBytes(Diamond::ReentrancyGuardReentrantCall::SELECTOR);

/// Every way to move money, tried while money is on its way.
fn attempts(deal: &Terms, victim: &Terms, attacker: Address) -> Vec<Bytes> {
    let many = |terms: &Terms| vec![terms.clone()];
    [
        cancel_call(deal).abi_encode(),
        cancel_call(victim).abi_encode(),
        Diamond::cancelDealsCall { terms: many(deal) }.abi_encode(),
        release_call(deal).abi_encode(),
        Diamond::releaseDealsCall { terms: many(victim) }.abi_encode(),
        deposit_call(deal).abi_encode(),
        Diamond::withdrawCall { token: Address::ZERO, to: attacker }.abi_encode(),
    ]
    .map(Bytes::from)
    .to_vec()
}

#[test]
fn a_payer_cannot_take_a_return_twice() {
    for number in 0..7 {
        let mut world = World::new();
        let puppet = world.puppet();
        let victim = world.native("victim");
        let victim = world.deal_in(DEPOSITED, victim);
        let deal = world.native("attacker");
        world.create(&deal);
        world.puppet_calls(puppet, AMOUNT, &deposit_call(&deal));

        let attack = attempts(&deal, &victim, puppet).remove(number);
        world.set_mood(puppet, PuppetMood::CallBack, attack);
        world.send(world.operator, &cancel_call(&deal));

        assert_eq!(world.evm.ask(puppet, &Puppet::metCall {}), GUARDED, "attempt {number}");
        assert_eq!(world.held(Address::ZERO, puppet), AMOUNT);
        assert_eq!(world.held(Address::ZERO, world.diamond), AMOUNT, "the victim's deposit is untouched");
        assert_eq!([world.state(&deal), world.state(&victim)], [CANCELED, DEPOSITED]);
    }
}

#[test]
fn a_payee_cannot_take_a_release_twice() {
    let mut world = World::new();
    let puppet = world.puppet();
    let [victim, deal] = [world.native("victim"), Terms { payee: puppet, ..world.native("attacker") }];
    let [victim, deal] = [victim, deal].map(|terms| world.deal_in(DEPOSITED, terms));
    world.set_mood(puppet, PuppetMood::CallBack, release_call(&deal).abi_encode().into());
    world.send(world.operator, &Diamond::releaseDealsCall { terms: vec![deal.clone()] });
    assert_eq!(world.evm.ask(puppet, &Puppet::metCall {}), GUARDED);
    assert_eq!(world.held(Address::ZERO, puppet), AMOUNT);
    assert_eq!([world.state(&deal), world.state(&victim)], [RELEASED, DEPOSITED]);
}

#[test]
fn a_payer_cannot_withdraw_twice() {
    let mut world = World::new();
    let puppet = world.puppet();
    let victim = world.native("victim");
    world.deal_in(DEPOSITED, victim);
    let deal = world.native("attacker");
    world.create(&deal);
    world.puppet_calls(puppet, AMOUNT, &deposit_call(&deal));
    world.set_mood(puppet, PuppetMood::Refuse, Bytes::new());
    world.send(world.operator, &cancel_call(&deal));

    let withdraw = Diamond::withdrawCall { token: Address::ZERO, to: puppet };
    world.set_mood(puppet, PuppetMood::CallBack, withdraw.abi_encode().into());
    world.puppet_calls(puppet, U256::ZERO, &withdraw);
    assert_eq!(world.evm.ask(puppet, &Puppet::metCall {}), GUARDED);
    assert_eq!(world.held(Address::ZERO, puppet), AMOUNT);
    assert_eq!(world.held(Address::ZERO, world.diamond), AMOUNT);
}

#[test]
fn an_owner_who_takes_coin_cannot_sweep_a_deposit_on_its_way() {
    let mut world = World::new();
    let puppet = world.puppet();
    world.send(world.owner, &Diamond::transferOwnershipCall { _newOwner: puppet });
    world.evm.set_time(crate::evm::NOW + crate::world::DELAY);
    world.puppet_calls(puppet, U256::ZERO, &Diamond::acceptOwnershipCall {});
    let late = u64::MAX;
    let [victim, deal] = [world.native("victim"), Terms { payee: puppet, ..world.native("owner's") }];
    let [victim, deal] = [victim, deal].map(|terms| world.deal_in(DEPOSITED, Terms { expiresAt: late, ..terms }));
    let sweep = Diamond::sweepCall { token: Address::ZERO, to: world.stranger };
    world.set_mood(puppet, PuppetMood::CallBack, sweep.abi_encode().into());
    world.send(world.operator, &release_call(&deal));
    assert_eq!(world.evm.ask(puppet, &Puppet::metCall {}), GUARDED);
    assert_eq!(world.held(Address::ZERO, world.diamond), AMOUNT);
    assert_eq!(world.state(&victim), DEPOSITED);
}

/// A token that is an operator and calls the diamond back while it moves.
struct Attack {
    world: World,
    token: Address,
    deal: Terms,
}

impl Attack {
    fn new() -> Self {
        let mut world = World::new();
        let token = world.hostile_token();
        world.send(world.owner, &Diamond::setOperatorCall { operator: token, allowed: true });
        let deal = Terms { token, ..world.terms("hostile") };
        world.create(&deal);
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
        let deal = attack.deal.clone();
        if release {
            attack.call_back_with(&release_call(&deal));
        } else {
            attack.call_back_with(&cancel_call(&deal));
        }
        attack.world.send(attack.world.payer, &deposit_call(&deal));
        assert_eq!(attack.met(), GUARDED);
        assert_eq!(attack.world.state(&deal), DEPOSITED);
    }
}

#[test]
fn a_token_cannot_count_one_transfer_for_two_deals() {
    let mut attack = Attack::new();
    let second = Terms { token: attack.token, ..attack.world.terms("second") };
    attack.world.create(&second);
    attack.call_back_with(&deposit_call(&second));
    attack.world.send(attack.world.payer, &deposit_call(&attack.deal));
    assert_eq!(attack.met(), GUARDED);
    assert_eq!(attack.world.state(&second), OPEN);
    assert_eq!(attack.world.owed(attack.token), AMOUNT);
}

#[test]
fn views_tell_the_new_state_while_the_money_moves() {
    let mut attack = Attack::new();
    let deal = attack.deal.clone();
    attack.world.send(attack.world.payer, &deposit_call(&deal));
    // Creating is allowed while money moves: it moves none. The ref is taken, so the call back meets `DealExists`.
    attack.call_back_with(&create_call(&deal));
    attack.world.send(attack.world.operator, &cancel_call(&deal));
    assert_eq!(attack.met(), FixedBytes(Diamond::DealExists::SELECTOR));
    assert_eq!(attack.world.state(&deal), CANCELED);
}
