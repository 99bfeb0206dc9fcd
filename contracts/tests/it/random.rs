//! Random calls of payers, payees, operators, owners, accounts that refuse, waste or call back, and a token that does.
//! After each, the books are compared with what lies in the storage.
//!
//! `QUITTANCE_TEST_DIAMOND_CALLS` says how many calls, and `QUITTANCE_TEST_DIAMOND_SEED` which ones.

mod books;
mod foresight;

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;
use rand::{
    Rng, SeedableRng,
    rngs::StdRng,
    seq::{IndexedRandom, IteratorRandom},
};

use self::{
    books::{Books, Deal},
    foresight::Hostile,
};
use crate::evm::NOW;
use crate::world::{
    DELAY, DEPOSITED, Diamond, HostileToken, NONE, OPEN, Puppet, Terms, TestToken, World, cancel_call, create_call,
    deposit_call, reference, release_call,
};

alloy::sol! {
    #![sol(all_derives)]
    FirstFacet, "tests/artifacts/FirstFacet.abi.json"
}

const CALLS: u64 = 5_000;
const SEED: u64 = 0xd1a;

/// Calls of one diamond's life, and its deals.
const LIFE: u64 = 500;
const DEALS_MAX: usize = 100;

/// Moods of `Puppet.sol` and of `HostileToken.sol`.
const PUPPET_MOODS: u8 = 4;
const TOKEN_MOODS: u8 = 6;

struct Life {
    world: World,
    books: Books,
    random: StdRng,
    puppets: [Address; 2],
    hostile: Address,
    /// Those that call back when they are called.
    callers_back: BTreeSet<Address>,
    foresight: Hostile,
    facet: Address,
    now: u64,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut world = World::new();
        let puppets = [(); 2].map(|()| world.evm.create(world.owner, include_str!("../artifacts/Puppet.bin")).value);
        let hostile = world.hostile_token();
        let facet = world.evm.create(world.owner, include_str!("../artifacts/FirstFacet.bin")).value;
        for puppet in puppets {
            let approve = TestToken::approveCall { spender: world.diamond, value: U256::MAX };
            let data = approve.abi_encode().into();
            world.evm.send(world.owner, puppet, &Puppet::runCall { to: world.token, data });
        }
        for to in [world.stranger, puppets[0], puppets[1]] {
            let amount = U256::from(1_u64 << 60);
            world.evm.send(world.owner, world.token, &TestToken::mintCall { to, amount });
            world.evm.send(world.owner, hostile, &HostileToken::mintCall { to, amount });
        }
        let approval = TestToken::approveCall { spender: world.diamond, value: U256::MAX };
        world.evm.send(world.stranger, world.token, &approval);
        let tokens = [Address::ZERO, world.token, hostile];
        let World { owner, operator, payer, payee, stranger, .. } = world;
        let people = vec![owner, operator, payer, payee, stranger, puppets[0], puppets[1]];
        let books = Books::new(&world, tokens, people);
        let foresight = Hostile { puppets, token: hostile, approved: vec![payer, stranger, puppets[0], puppets[1]] };
        let (random, callers_back) = (StdRng::seed_from_u64(seed), BTreeSet::new());
        Self { world, books, random, puppets, hostile, callers_back, foresight, facet, now: NOW }
    }

    fn anybody(&mut self) -> Address {
        let World { owner, operator, payer, payee, stranger, .. } = self.world;
        let [one, two] = self.puppets;
        *[owner, operator, operator, payer, payee, stranger, one, two].choose(&mut self.random).expect("not empty")
    }

    /// Mostly who may, and now and then anybody.
    fn caller(&mut self, rightful: Option<Address>) -> Address {
        match rightful {
            Some(account) if self.random.random_bool(0.8) => account,
            _ => self.anybody(),
        }
    }

    fn an_operator(&mut self) -> Option<Address> {
        self.books.operators.iter().copied().choose(&mut self.random)
    }

    /// A deal of before, mostly in a state that the call needs, or one that was never opened; seldom with other terms.
    fn terms(&mut self, wanted: &[u8]) -> Terms {
        let anything = self.random.random_bool(0.25);
        let fits = |deal: &&Deal| anything || wanted.contains(&deal.state);
        let known = self.books.deals.iter().filter(fits).choose(&mut self.random).map(|deal| deal.terms.clone());
        let fresh = self.books.deals.len() < DEALS_MAX && wanted.contains(&NONE) && self.random.random_bool(0.7);
        let mut terms = match known {
            Some(terms) if !fresh => terms,
            _ => {
                let terms = self.fresh();
                self.books.watch(&terms);
                terms
            }
        };
        if self.random.random_bool(0.05) {
            match self.random.random_range(0..5) {
                0 => terms.dealId += U256::from(1),
                1 => terms.payee = self.anybody(),
                2 => terms.token = self.token(),
                3 => terms.amount += U256::from(1),
                _ => terms.expiresAt += 1,
            }
        }
        terms
    }

    fn fresh(&mut self) -> Terms {
        let number = self.books.deals.len();
        let mistake = self.random.random_bool(0.05);
        Terms {
            dealId: U256::from(if mistake { 0 } else { number + 1 }),
            r#ref: reference(&format!("deal {number}")),
            payee: self.anybody(),
            token: self.token(),
            amount: U256::from(self.random.random_range(1..1_000_u64)),
            expiresAt: self.now + self.random.random_range(0..DELAY * 4),
        }
    }

    fn token(&mut self) -> Address {
        *self.books.tokens.choose(&mut self.random).expect("not empty")
    }

    fn some(&mut self, wanted: &[u8]) -> Vec<Terms> {
        (0..self.random.random_range(0..6)).map(|_| self.terms(wanted)).collect()
    }

    /// A call of the diamond, the coin that goes with it, and by whom.
    fn call(&mut self) -> (Bytes, U256, Address) {
        let (mut value, mut rightful) = (U256::ZERO, self.an_operator());
        let call = match self.random.random_range(0..100) {
            0..12 => create_call(&self.terms(&[NONE])).abi_encode(),
            12..18 => Diamond::createDealsCall { terms: self.some(&[NONE]) }.abi_encode(),
            18..46 => {
                let terms = self.terms(&[OPEN]);
                if terms.token.is_zero() != self.random.random_bool(0.03) {
                    value = terms.amount;
                }
                rightful = self.foresight.approved.choose(&mut self.random).copied();
                deposit_call(&terms).abi_encode()
            }
            46..54 => release_call(&self.terms(&[DEPOSITED])).abi_encode(),
            54..58 => Diamond::releaseDealsCall { terms: self.some(&[DEPOSITED]) }.abi_encode(),
            58..64 => cancel_call(&self.terms(&[OPEN, DEPOSITED])).abi_encode(),
            64..68 => Diamond::cancelDealsCall { terms: self.some(&[DEPOSITED]) }.abi_encode(),
            68..70 => {
                let refs = self.some(&[OPEN]).iter().map(|terms| terms.r#ref).collect();
                Diamond::closeDealsCall { refs }.abi_encode()
            }
            70..78 => {
                let kept = self.books.held.keys().choose(&mut self.random).copied();
                rightful = kept.map(|(_, account)| account);
                let token = kept.map_or_else(|| self.token(), |(token, _)| token);
                Diamond::withdrawCall { token, to: self.anybody() }.abi_encode()
            }
            rest => {
                rightful = Some(self.books.owner);
                self.rule(rest, &mut rightful)
            }
        };
        (call.into(), value, self.caller(rightful))
    }

    /// A call of the owner's.
    fn rule(&mut self, kind: u32, rightful: &mut Option<Address>) -> Vec<u8> {
        match kind {
            78..83 => {
                let allowed = self.random.random_bool(0.5);
                Diamond::setOperatorCall { operator: self.anybody(), allowed }.abi_encode()
            }
            83..88 => Diamond::sweepCall { token: self.token(), to: self.anybody() }.abi_encode(),
            88 => Diamond::transferOwnershipCall { _newOwner: self.anybody() }.abi_encode(),
            89..92 => {
                *rightful = self.books.offered.map(|(account, _)| account);
                Diamond::acceptOwnershipCall {}.abi_encode()
            }
            92..94 if self.books.proposed.is_none() || kind == 92 => {
                let Diamond::diamondCutCall { _diamondCut, _init, _calldata } = self.cut();
                Diamond::proposeCutCall { _diamondCut, _init, _calldata }.abi_encode()
            }
            94 => Diamond::withdrawCutCall {}.abi_encode(),
            _ => self.cut().abi_encode(),
        }
    }

    /// Adds the function that a cut can be seen by, or takes it away.
    fn cut(&mut self) -> Diamond::diamondCutCall {
        let add = self.random.random_bool(if self.books.has_facet { 0.1 } else { 0.9 });
        let (action, facet) = if add { (0, self.facet) } else { (2, Address::ZERO) };
        let selectors = vec![FirstFacet::answerCall::SELECTOR.into()];
        let one = Diamond::FacetCut { facetAddress: facet, action, functionSelectors: selectors };
        Diamond::diamondCutCall { _diamondCut: vec![one], _init: Address::ZERO, _calldata: Bytes::new() }
    }

    /// What goes on around the diamond.
    fn surroundings(&mut self) {
        match self.random.random_range(0..24) {
            0..3 => {
                self.now += self.random.random_range(0..DELAY / 2);
                self.world.evm.set_time(self.now);
            }
            3 => {
                let (data, ..) = self.call();
                let mood_ = self.random.random_range(0..PUPPET_MOODS);
                let puppet = *self.puppets.choose(&mut self.random).expect("not empty");
                let call = Puppet::expectCall { mood_, target_: self.world.diamond, data };
                self.world.evm.send(self.world.owner, puppet, &call);
                self.note(puppet, mood_ == PUPPET_MOODS - 1);
            }
            4 => {
                let (data, ..) = self.call();
                let mood_ = self.random.random_range(0..TOKEN_MOODS);
                let call = HostileToken::expectCall { mood_, target_: self.world.diamond, data };
                self.world.evm.send(self.world.owner, self.hostile, &call);
                self.note(self.hostile, mood_ == TOKEN_MOODS - 1);
            }
            5..7 => {
                let (token, amount) = (self.token(), U256::from(self.random.random_range(1..100_u64)));
                if token == self.hostile {
                    let call = HostileToken::mintCall { to: self.world.diamond, amount };
                    self.world.evm.send(self.world.owner, token, &call);
                } else {
                    self.world.stray(token, amount);
                }
                self.books.stray(token, amount);
            }
            _ => {}
        }
    }

    fn note(&mut self, account: Address, calls_back: bool) {
        if calls_back {
            self.callers_back.insert(account);
        } else {
            self.callers_back.remove(&account);
        }
    }

    /// One call by somebody. Whether it went through.
    fn step(&mut self) -> bool {
        self.surroundings();
        let (data, value, from) = self.call();
        let World { diamond, owner, .. } = self.world;
        let foreseen = self.books.foresee(&self.foresight, self.now, from, &data, value);
        let through_puppet = self.puppets.contains(&from);
        let result = if through_puppet {
            let run = Puppet::runCall { to: diamond, data: data.clone() }.abi_encode().into();
            self.world.evm.transact(owner, from, value, run)
        } else {
            self.world.evm.transact(from, diamond, value, data.clone())
        };
        let went = result.is_ok();
        assert!(foreseen.is_none_or(|foreseen| foreseen == went), "{from} sent {data}: {:?}", result.err());
        if went && through_puppet {
            self.books.funded(owner, from, value);
        }
        // Whoever is called in the middle may act as well.
        let actors: Vec<_> = self.callers_back.iter().copied().chain([from]).collect();
        self.books.apply(self.now, &actors, &result.map(|done| done.logs).unwrap_or_default());
        self.books.compare(&self.world.evm);
        went
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn the_books_balance_whatever_anybody_calls() {
    let calls = number("QUITTANCE_TEST_DIAMOND_CALLS", CALLS);
    let seed = number("QUITTANCE_TEST_DIAMOND_SEED", SEED);
    let mut seen = books::Seen::default();
    for life in 0..calls.div_ceil(LIFE) {
        let mut life = Life::new(seed.wrapping_add(life));
        let went = (0..LIFE).filter(|_| life.step()).count();
        life.books.agree_with_the_views(&mut life.world);
        seen += life.books.seen;
        seen.went += went;
    }
    // A test in which nothing happens shows nothing.
    assert!(seen.every_one_at_least(calls / 2_500), "{seen:?}");
}

/// Where a mapping keeps the value of a key.
fn slot(key: B256, mapping: B256) -> B256 {
    alloy::primitives::keccak256([key.0, mapping.0].concat())
}
