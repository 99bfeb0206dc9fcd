//! A diamond with the people around it, and the words that the tests share.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::{SolCall, SolConstructor, SolInterface};
use revm::primitives::hardfork::SpecId;

use crate::evm::{Done, Evm, NOW};

alloy::sol! {
    #![sol(all_derives)]
    Diamond, "artifacts/Diamond.abi.json"
}
alloy::sol! {
    #![sol(all_derives)]
    TestToken, "artifacts/TestToken.abi.json"
}
alloy::sol! {
    #![sol(all_derives)]
    HostileToken, "tests/artifacts/HostileToken.abi.json"
}
alloy::sol! {
    #![sol(all_derives)]
    Puppet, "tests/artifacts/Puppet.abi.json"
}

pub(crate) use Diamond::{DealTerms as Terms, DiamondErrors as Error};

pub(crate) const AMOUNT: U256 = U256::from_limbs([25_000_000, 0, 0, 0]);
pub(crate) const EXPIRY: u64 = NOW + 3600;

/// Seconds between what the owner announces and what the owner does.
pub(crate) const DELAY: u64 = 172_800;

/// The states of a deal, as the ABI numbers them.
pub(crate) const NONE: u8 = 0;
pub(crate) const OPEN: u8 = 1;
pub(crate) const DEPOSITED: u8 = 2;
pub(crate) const RELEASED: u8 = 3;
pub(crate) const CANCELED: u8 = 4;

/// How a puppet answers native coin, in the order of `Puppet.sol`.
#[derive(Clone, Copy)]
pub(crate) enum PuppetMood {
    Refuse = 1,
    BurnGas,
    CallBack,
}

/// How a hostile token moves, in the order of `HostileToken.sol`.
#[derive(Clone, Copy)]
pub(crate) enum TokenMood {
    Plain,
    Fee,
    False,
    Silent,
    Revert,
    CallBack,
}

pub(crate) struct World {
    pub(crate) evm: Evm,
    pub(crate) diamond: Address,
    pub(crate) token: Address,
    pub(crate) owner: Address,
    pub(crate) operator: Address,
    pub(crate) payer: Address,
    pub(crate) payee: Address,
    pub(crate) stranger: Address,
}

impl World {
    /// A diamond with an operator, and a payer who holds test tokens and has approved them.
    pub(crate) fn new() -> Self {
        Self::under(SpecId::OSAKA)
    }

    pub(crate) fn under(rules: SpecId) -> Self {
        let mut evm = Evm::new(rules);
        let [owner, operator, payer, payee, stranger] = [0xa1, 0xa2, 0xa3, 0xa4, 0xa5].map(|it| evm.account(it));
        // Who sends the creation is nobody to the diamond.
        let diamond = evm.create(stranger, &creation(owner, &[operator], DELAY)).value;
        let token = evm.create(owner, contracts::TEST_TOKEN_BYTECODE).value;
        evm.send(owner, token, &TestToken::mintCall { to: payer, amount: AMOUNT * U256::from(1_000) });
        evm.send(payer, token, &TestToken::approveCall { spender: diamond, value: U256::MAX });
        Self { evm, diamond, token, owner, operator, payer, payee, stranger }
    }

    /// Terms in the test token. The id is a number that the product could have reached after some years.
    pub(crate) fn terms(&self, name: &str) -> Terms {
        let (payee, token, amount) = (self.payee, self.token, AMOUNT);
        let r#ref = reference(name);
        let digits = r#ref.0[..4].iter().fold(1, |number, byte| number * 256 + u64::from(*byte));
        Terms { dealId: U256::from(digits), r#ref, payee, token, amount, expiresAt: EXPIRY }
    }

    /// Terms in the chain's own coin.
    pub(crate) fn native(&self, name: &str) -> Terms {
        Terms { token: Address::ZERO, ..self.terms(name) }
    }

    /// Calls the diamond, which must succeed.
    pub(crate) fn send<C: SolCall>(&mut self, from: Address, call: &C) -> Done<C::Return> {
        self.evm.send(from, self.diamond, call)
    }

    pub(crate) fn ask<C: SolCall>(&mut self, call: &C) -> C::Return {
        self.evm.ask(self.diamond, call)
    }

    /// Calls the diamond, which must refuse.
    pub(crate) fn refuse(&mut self, from: Address, call: &impl SolCall) -> Error {
        self.evm.refuse(from, self.diamond, U256::ZERO, call)
    }

    pub(crate) fn create(&mut self, terms: &Terms) {
        self.send(self.operator, &create_call(terms));
    }

    /// Pays a deal with what it asks for.
    pub(crate) fn deposit(&mut self, from: Address, terms: &Terms) -> Done<Diamond::depositReturn> {
        let value = if terms.token.is_zero() { terms.amount } else { U256::ZERO };
        self.evm.pay(from, self.diamond, value, &deposit_call(terms))
    }

    /// Creates a deal and brings it into a state.
    pub(crate) fn deal_in(&mut self, state: u8, terms: Terms) -> Terms {
        if state != NONE {
            self.create(&terms);
        }
        if matches!(state, DEPOSITED | RELEASED) {
            self.deposit(self.payer, &terms);
        }
        if state == RELEASED {
            self.send(self.operator, &release_call(&terms));
        }
        if state == CANCELED {
            self.send(self.operator, &cancel_call(&terms));
        }
        assert_eq!(self.state(&terms), state);
        terms
    }

    pub(crate) fn status(&mut self, terms: &Terms) -> Diamond::DealStatus {
        self.ask(&Diamond::statusOfCall { r#ref: terms.r#ref })
    }

    pub(crate) fn state(&mut self, terms: &Terms) -> u8 {
        self.status(terms).state
    }

    /// What the diamond says is not its own of a token.
    pub(crate) fn owed(&mut self, token: Address) -> U256 {
        self.ask(&Diamond::owedCall { token })
    }

    /// What an account holds of a token, or of the chain's own coin.
    pub(crate) fn held(&mut self, token: Address, account: Address) -> U256 {
        if token.is_zero() {
            return self.evm.balance(account);
        }
        self.evm.ask(token, &TestToken::balanceOfCall { account })
    }

    /// Gives the diamond what belongs to no deal.
    pub(crate) fn stray(&mut self, token: Address, amount: U256) {
        if token.is_zero() {
            self.evm.endow(self.diamond, amount);
        } else {
            self.evm.send(self.owner, token, &TestToken::mintCall { to: self.diamond, amount });
        }
    }

    /// An account with code, which may also operate the diamond.
    pub(crate) fn puppet(&mut self) -> Address {
        let puppet = self.evm.create(self.owner, include_str!("../artifacts/Puppet.bin")).value;
        self.send(self.owner, &Diamond::setOperatorCall { operator: puppet, allowed: true });
        puppet
    }

    /// Makes a puppet call the diamond, with coin that it is given for that.
    pub(crate) fn puppet_calls(&mut self, puppet: Address, value: U256, call: &impl SolCall) {
        let run = Puppet::runCall { to: self.diamond, data: call.abi_encode().into() };
        self.evm.pay(self.owner, puppet, value, &run);
    }

    /// Sets how a puppet answers coin; `data` is what it calls the diamond back with.
    pub(crate) fn set_mood(&mut self, puppet: Address, mood: PuppetMood, data: Bytes) {
        let call = Puppet::expectCall { mood_: mood as u8, target_: self.diamond, data };
        self.evm.send(self.owner, puppet, &call);
    }

    /// A hostile token of which the payer has enough for ten deals.
    pub(crate) fn hostile_token(&mut self) -> Address {
        let token = self.evm.create(self.owner, include_str!("../artifacts/HostileToken.bin")).value;
        let amount = AMOUNT * U256::from(10);
        self.evm.send(self.owner, token, &HostileToken::mintCall { to: self.payer, amount });
        token
    }

    /// Sets how a hostile token moves; `data` is what it calls the diamond back with.
    pub(crate) fn set_token_mood(&mut self, token: Address, mood: TokenMood, data: Bytes) {
        let call = HostileToken::expectCall { mood_: mood as u8, target_: self.diamond, data };
        self.evm.send(self.owner, token, &call);
    }
}

/// A ref as the product makes it, the hash of an id.
pub(crate) fn reference(name: &str) -> B256 {
    keccak256(name)
}

/// The creation code of a diamond with its arguments.
pub(crate) fn creation(owner: Address, operators: &[Address], delay: u64) -> String {
    let arguments = Diamond::constructorCall { owner_: owner, operators: operators.to_vec(), delay_: delay };
    format!("{}{}", contracts::DIAMOND_BYTECODE, alloy::hex::encode(arguments.abi_encode()))
}

/// The functions that take all terms, one by one.
macro_rules! calls {
    ($($name:ident -> $call:ident,)*) => {$(
        pub(crate) fn $name(terms: &Terms) -> Diamond::$call {
            let Terms { dealId, r#ref, payee, token, amount, expiresAt } = *terms;
            Diamond::$call { dealId, r#ref, payee, token, amount, expiresAt }
        }
    )*};
}

calls! {
    create_call -> createDealCall,
    deposit_call -> depositCall,
    cancel_call -> cancelDealCall,
    release_call -> releaseDealCall,
}

pub(crate) fn wrong_state(terms: &Terms, state: u8) -> Error {
    Error::WrongState(Diamond::WrongState { dealId: terms.dealId, state })
}

pub(crate) fn not_found(terms: &Terms) -> Error {
    Error::DealNotFound(Diamond::DealNotFound { r#ref: terms.r#ref })
}

/// Which deals were left as they were, and with which errors.
pub(crate) fn skipped<T>(done: &Done<T>) -> Vec<(U256, Error)> {
    let told = |it: Diamond::DealSkipped| (it.dealId, Error::abi_decode(&it.reason).expect("a named error"));
    done.events::<Diamond::DealSkipped>().into_iter().map(told).collect()
}
