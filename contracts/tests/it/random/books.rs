//! What must be true of the diamond, kept by its events and compared with its storage.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, FixedBytes, Log, U256, keccak256};
use alloy::sol_types::{SolCall, SolEventInterface, SolValue};

use super::{FirstFacet, slot};
use crate::evm::Evm;
use crate::world::{CANCELED, DELAY, DEPOSITED, Diamond, NONE, OPEN, RELEASED, Terms, World};

use Diamond::DiamondEvents as Event;

/// A ref and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Deal {
    pub(super) terms: Terms,
    pub(super) state: u8,
    payer: Address,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) went: usize,
    created: u64,
    deposited: u64,
    released: u64,
    canceled: u64,
    held: u64,
    withdrawn: u64,
    skipped: u64,
    swept: u64,
    cut: u64,
    handed_over: u64,
}

impl Seen {
    pub(super) fn every_one_at_least(&self, count: u64) -> bool {
        let Self { created, deposited, released, canceled, held, withdrawn, skipped, swept, cut, handed_over, .. } =
            *self;
        let all = [created, deposited, released, canceled, held, withdrawn, skipped, swept, cut, handed_over];
        all.iter().all(|seen| *seen >= count)
    }
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.went += other.went;
        self.created += other.created;
        self.deposited += other.deposited;
        self.released += other.released;
        self.canceled += other.canceled;
        self.held += other.held;
        self.withdrawn += other.withdrawn;
        self.skipped += other.skipped;
        self.swept += other.swept;
        self.cut += other.cut;
        self.handed_over += other.handed_over;
    }
}

pub(super) struct Books {
    diamond: Address,
    /// The chain's coin, an honest token, a hostile one.
    pub(super) tokens: [Address; 3],
    people: Vec<Address>,
    pub(super) deals: Vec<Deal>,
    pub(super) held: BTreeMap<(Address, Address), U256>,
    pub(super) strays: BTreeMap<Address, U256>,
    /// What people have of the coin and the honest token.
    balances: BTreeMap<(Address, Address), U256>,
    pub(super) owner: Address,
    pub(super) operators: BTreeSet<Address>,
    pub(super) offered: Option<(Address, u64)>,
    pub(super) proposed: Option<(B256, u64)>,
    pub(super) has_facet: bool,
    pub(super) seen: Seen,
}

impl Books {
    pub(super) fn new(world: &World, tokens: [Address; 3], people: Vec<Address>) -> Self {
        let mut books = Self {
            diamond: world.diamond,
            tokens,
            people,
            deals: Vec::new(),
            held: BTreeMap::new(),
            strays: BTreeMap::new(),
            balances: BTreeMap::new(),
            owner: world.owner,
            operators: BTreeSet::from([world.operator]),
            offered: None,
            proposed: None,
            has_facet: false,
            seen: Seen::default(),
        };
        for token in [tokens[0], tokens[1]] {
            for account in books.people.clone() {
                books.balances.insert((token, account), balance(&world.evm, token, account));
            }
        }
        books
    }

    pub(super) fn watch(&mut self, terms: &Terms) {
        self.deals.push(Deal { terms: terms.clone(), state: NONE, payer: Address::ZERO });
    }

    pub(super) fn stray(&mut self, token: Address, amount: U256) {
        *self.strays.entry(token).or_default() += amount;
    }

    /// Coin that one gave another for a call.
    pub(super) fn funded(&mut self, from: Address, to: Address, value: U256) {
        self.moves(Address::ZERO, from, to, value);
    }

    fn moves(&mut self, token: Address, from: Address, to: Address, amount: U256) {
        for (account, rises) in [(from, false), (to, true)] {
            if let Some(balance) = self.balances.get_mut(&(token, account)) {
                *balance = if rises { *balance + amount } else { *balance - amount };
            }
        }
    }

    fn deal(&mut self, r#ref: B256) -> &mut Deal {
        self.deals.iter_mut().find(|deal| deal.terms.r#ref == r#ref).expect("a deal that somebody asked for")
    }

    /// Applies what the diamond tells, each step of which must have been allowed to one of the actors.
    pub(super) fn apply(&mut self, now: u64, actors: &[Address], logs: &[Log]) {
        let diamond = self.diamond;
        for log in logs.iter().filter(|log| log.address == diamond) {
            let event = Event::decode_log(log).expect("the ABI names it").data;
            self.event(now, actors, event, keccak256(&log.data.data));
        }
    }

    fn event(&mut self, now: u64, actors: &[Address], event: Event, data: B256) {
        let operates = actors.iter().any(|actor| self.operators.contains(actor));
        let owns = actors.contains(&self.owner);
        let diamond = self.diamond;
        match event {
            Event::DealCreated(it) => {
                assert!(operates, "{actors:?} opened a deal");
                let Diamond::DealCreated { dealId, r#ref, payee, token, amount, expiresAt } = it;
                let deal = self.deal(r#ref);
                assert_eq!(deal.state, NONE);
                deal.terms = Terms { dealId, r#ref, payee, token, amount, expiresAt };
                deal.state = OPEN;
                self.seen.created += 1;
            }
            Event::DealDeposited(it) => {
                assert!(actors.contains(&it.payer), "{} was made to pay", it.payer);
                let deal = self.deal(it.r#ref);
                assert_eq!((deal.state, deal.terms.amount), (OPEN, it.amount));
                assert!(now < deal.terms.expiresAt);
                (deal.state, deal.payer) = (DEPOSITED, it.payer);
                let token = deal.terms.token;
                self.moves(token, it.payer, diamond, it.amount);
                self.seen.deposited += 1;
            }
            Event::DealReleased(it) => {
                assert!(operates, "{actors:?} released a deal");
                let deal = self.deal(it.r#ref);
                assert_eq!((deal.state, deal.terms.amount), (DEPOSITED, it.amount));
                deal.state = RELEASED;
                let (token, payee) = (deal.terms.token, deal.terms.payee);
                self.moves(token, diamond, payee, it.amount);
                self.seen.released += 1;
            }
            Event::DealCanceled(it) => {
                assert!(operates, "{actors:?} canceled a deal");
                let deal = self.deal(it.r#ref);
                let expected = if deal.state == DEPOSITED { deal.terms.amount } else { U256::ZERO };
                assert!(matches!(deal.state, OPEN | DEPOSITED));
                assert_eq!(it.returned, expected);
                deal.state = CANCELED;
                let (token, payer) = (deal.terms.token, deal.payer);
                self.moves(token, diamond, payer, it.returned);
                self.seen.canceled += 1;
            }
            Event::ReturnHeld(it) => {
                // It follows on the cancellation, which has counted it as returned.
                self.moves(it.token, it.payer, diamond, it.amount);
                *self.held.entry((it.token, it.payer)).or_default() += it.amount;
                self.seen.held += 1;
            }
            Event::Withdrawn(it) => {
                assert!(actors.contains(&it.account), "{} withdrew nothing", it.account);
                assert_eq!(self.held.remove(&(it.token, it.account)), Some(it.amount));
                self.moves(it.token, diamond, it.to, it.amount);
                self.seen.withdrawn += 1;
            }
            Event::Swept(it) => {
                assert!(owns);
                assert_eq!(self.strays.remove(&it.token), Some(it.amount), "strays and nothing else");
                self.moves(it.token, diamond, it.to, it.amount);
                self.seen.swept += 1;
            }
            Event::DealSkipped(_) => self.seen.skipped += 1,
            other => self.rule(now, actors, other, data),
        }
    }

    /// Events about who rules the diamond, and how.
    fn rule(&mut self, now: u64, actors: &[Address], event: Event, data: B256) {
        let owns = actors.contains(&self.owner);
        match event {
            Event::OperatorSet(it) => {
                assert!(owns);
                if it.allowed {
                    self.operators.insert(it.operator);
                } else {
                    self.operators.remove(&it.operator);
                }
            }
            Event::OwnershipOffered(it) => {
                assert!(owns);
                self.offered = (!it.newOwner.is_zero()).then_some((it.newOwner, now + DELAY));
            }
            Event::OwnershipTransferred(it) => {
                let (new, from) = self.offered.take().expect("an offer");
                assert!(new == it.newOwner && actors.contains(&new) && now >= from, "before its delay");
                (self.owner, self.proposed) = (new, None);
                self.seen.handed_over += 1;
            }
            Event::CutProposed(it) => {
                assert!(owns);
                assert_eq!((it.cut, it.from), (data_without_from(&it), now + DELAY));
                self.proposed = Some((it.cut, it.from));
            }
            Event::CutWithdrawn(it) => {
                assert!(owns);
                assert_eq!(self.proposed.take().map(|(cut, _)| cut), Some(it.cut));
            }
            Event::DiamondCut(it) => {
                let (cut, from) = self.proposed.take().expect("an announcement");
                assert!(owns && cut == data && now >= from, "before its delay");
                self.has_facet = it._diamondCut[0].action == 0;
                self.seen.cut += 1;
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    /// What belongs to payers and payees.
    pub(super) fn owed(&self, token: Address) -> U256 {
        let deposits = self.deals.iter().filter(|deal| deal.state == DEPOSITED && deal.terms.token == token);
        let held = self.held.iter().filter(|((of, _), _)| *of == token);
        let sum: U256 = deposits.map(|deal| deal.terms.amount).sum();
        sum + held.map(|(_, amount)| *amount).sum::<U256>()
    }

    /// Whether the diamond's storage and balances are what the books say, to the last unit.
    pub(super) fn compare(&self, evm: &Evm) {
        let deals = namespace("quittance.deals.v2");
        let word = |slot| evm.storage(self.diamond, slot);
        for deal in &self.deals {
            let expected = if deal.state == NONE { U256::ZERO } else { stored(&deal.terms, deal.state) };
            assert_eq!(word(slot(deal.terms.r#ref, deals)), expected, "{deal:?}");
            let payer = word(at(slot(deal.terms.r#ref, deals), 1));
            assert_eq!(payer, U256::from_be_bytes(deal.payer.into_word().0));
        }
        for token in self.tokens {
            let owed = self.owed(token);
            let stored = word(slot(token.into_word(), at(deals, 1)));
            assert_eq!(stored.saturating_sub(U256::from(1)), owed, "what is owed in {token}");
            let strays = self.strays.get(&token).copied().unwrap_or_default();
            assert_eq!(balance(evm, token, self.diamond), owed + strays, "what is held in {token}");
            let held = slot(token.into_word(), at(deals, 2));
            for account in &self.people {
                let expected = self.held.get(&(token, *account)).copied().unwrap_or_default();
                assert_eq!(word(slot(account.into_word(), held)), expected);
            }
        }
        for ((token, account), expected) in &self.balances {
            assert_eq!(balance(evm, *token, *account), *expected, "what {account} has of {token}");
        }
        let ruled = namespace("quittance.diamond");
        assert_eq!(word(at(ruled, 2)), U256::from_be_bytes(self.owner.into_word().0));
        for account in &self.people {
            let expected = U256::from(self.operators.contains(account));
            assert_eq!(word(slot(account.into_word(), at(ruled, 3))), expected);
        }
        let selector = FixedBytes(FirstFacet::answerCall::SELECTOR);
        let route = word(slot(B256::right_padding_from(selector.as_slice()), ruled));
        assert_eq!(!route.is_zero(), self.has_facet, "a function came or went without its cut");
    }

    /// The views say the same; they are asked once a life.
    pub(super) fn agree_with_the_views(&self, world: &mut World) {
        for deal in &self.deals {
            let status = world.status(&deal.terms);
            assert_eq!((status.state, status.payer), (deal.state, deal.payer));
        }
        for token in self.tokens {
            assert_eq!(world.owed(token), self.owed(token));
            for account in self.people.clone() {
                let expected = self.held.get(&(token, account)).copied().unwrap_or_default();
                assert_eq!(world.ask(&Diamond::withdrawableCall { account, token }), expected);
            }
        }
    }
}

/// The arguments of the cut that is announced, as the cut itself will have them.
fn data_without_from(it: &Diamond::CutProposed) -> B256 {
    let (cuts, init, data) = (it._diamondCut.clone(), it._init, it._calldata.clone());
    keccak256((cuts, init, data).abi_encode_params())
}

fn stored(terms: &Terms, state: u8) -> U256 {
    let commitment = U256::from_be_bytes(keccak256(terms.abi_encode()).0) >> 56 << 56;
    commitment | terms.dealId << 8 | U256::from(state)
}

fn balance(evm: &Evm, token: Address, account: Address) -> U256 {
    if token.is_zero() {
        return evm.balance(account);
    }
    // Both tokens keep their balances in the first slot.
    evm.storage(token, slot(account.into_word(), B256::ZERO))
}

fn namespace(name: &str) -> B256 {
    let place = U256::from_be_bytes(keccak256(name).0) - U256::from(1);
    B256::from(U256::from_be_bytes(keccak256(B256::from(place)).0) & !U256::from(0xff))
}

fn at(base: B256, place: u64) -> B256 {
    B256::from(U256::from_be_bytes(base.0) + U256::from(place))
}
