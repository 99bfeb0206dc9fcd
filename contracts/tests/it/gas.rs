//! What every function costs, in this edition and in the first: the table in the README is what is measured here.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;
use revm::primitives::hardfork::SpecId;

use crate::evm::Evm;
use crate::world::{
    DELAY, Diamond, EXPIRY, Terms, TestToken, cancel_call, create_call, creation, deposit_call, reference, release_call,
};

alloy::sol! {
    #![sol(all_derives)]
    First, "artifacts/first/Diamond.abi.json"
}

/// Deals of a batch.
const MANY: usize = 100;

/// An amount with as many digits as one in a coin of eighteen decimals has.
const AMOUNT: U256 = U256::from_limbs([123_456_789_012_345_678, 0, 0, 0]);

#[derive(Clone, Copy)]
enum Act {
    Create,
    Deposit,
    Release,
    Cancel,
    /// Of what nobody has paid.
    Close,
}

/// The call for one deal, or for many.
type Encode = fn(Act, &[Terms]) -> Bytes;

fn first(act: Act, terms: &[Terms]) -> Bytes {
    let id = |terms: &Terms| U256::from_be_bytes(terms.r#ref.0);
    let ids = || terms.iter().map(id).collect();
    let old = |terms: &Terms| {
        let Terms { r#ref, payee, token, amount, expiresAt, .. } = *terms;
        First::DealTerms { r#ref, payee, token, amount, expiresAt }
    };
    let one = match terms {
        [one] => Some(one),
        _ => None,
    };
    match (act, one) {
        (Act::Create, Some(one)) => {
            let First::DealTerms { r#ref, payee, token, amount, expiresAt } = old(one);
            First::createDealCall { r#ref, payee, token, amount, expiresAt }.abi_encode()
        }
        (Act::Create, None) => First::createDealsCall { terms: terms.iter().map(old).collect() }.abi_encode(),
        (Act::Deposit, _) => First::depositCall { dealId: id(&terms[0]) }.abi_encode(),
        (Act::Release, Some(one)) => First::releaseDealCall { dealId: id(one) }.abi_encode(),
        (Act::Release, None) => First::releaseDealsCall { dealIds: ids() }.abi_encode(),
        (Act::Cancel | Act::Close, Some(one)) => First::cancelDealCall { dealId: id(one) }.abi_encode(),
        (Act::Cancel | Act::Close, None) => First::cancelDealsCall { dealIds: ids() }.abi_encode(),
    }
    .into()
}

fn second(act: Act, terms: &[Terms]) -> Bytes {
    let many = terms.to_vec();
    match (act, terms) {
        (Act::Create, [one]) => create_call(one).abi_encode(),
        (Act::Create, _) => Diamond::createDealsCall { terms: many }.abi_encode(),
        (Act::Deposit, _) => deposit_call(&terms[0]).abi_encode(),
        (Act::Release, [one]) => release_call(one).abi_encode(),
        (Act::Release, _) => Diamond::releaseDealsCall { terms: many }.abi_encode(),
        (Act::Cancel, [one]) => cancel_call(one).abi_encode(),
        (Act::Cancel, _) => Diamond::cancelDealsCall { terms: many }.abi_encode(),
        (Act::Close, _) => {
            Diamond::closeDealsCall { refs: terms.iter().map(|terms| terms.r#ref).collect() }.abi_encode()
        }
    }
    .into()
}

struct Meter {
    evm: Evm,
    encode: Encode,
    diamond: Address,
    token: Address,
    operator: Address,
    payer: Address,
    payee: Address,
    deals: usize,
}

impl Meter {
    /// The first edition is operated by its owner, which is how it was deployed and costs less than another operator.
    fn new(encode: Encode, code: &str, operator: Address) -> Self {
        let mut evm = Evm::new(SpecId::OSAKA);
        let [_, payer, payee] = [0xa2, 0xa3, 0xa4].map(|number| evm.account(number));
        let diamond = evm.create(operator, code).value;
        let token = evm.create(payer, contracts::TEST_TOKEN_BYTECODE).value;
        for to in [payer, payee] {
            evm.send(payer, token, &TestToken::mintCall { to, amount: AMOUNT * U256::from(10_000) });
        }
        evm.send(payer, token, &TestToken::approveCall { spender: diamond, value: U256::MAX });
        let mut meter = Self { evm, encode, diamond, token, operator, payer, payee, deals: 0 };
        // What only the first deal of a token pays, and a deposit that stays, so that no balance falls back to zero.
        for token in [meter.token, Address::ZERO] {
            meter.deposited(token, 1);
        }
        meter
    }

    fn act(&mut self, act: Act, terms: &[Terms]) -> u64 {
        let from = if matches!(act, Act::Deposit) { self.payer } else { self.operator };
        let pays = matches!(act, Act::Deposit) && terms[0].token.is_zero();
        let value = if pays { terms[0].amount } else { U256::ZERO };
        let done = self.evm.transact(from, self.diamond, value, (self.encode)(act, terms)).expect("it goes through");
        assert!(!done.logs.is_empty());
        done.gas / terms.len() as u64
    }

    fn terms(&mut self, token: Address, count: usize) -> Vec<Terms> {
        let names = self.deals..self.deals + count;
        self.deals = names.end;
        // Of as many digits as an id has after some millions of deals.
        let id = |number| U256::from(0xab_cdef + number);
        let (payee, amount) = (self.payee, AMOUNT);
        names
            .map(|number| Terms {
                dealId: id(number),
                r#ref: reference(&format!("payment {number}")),
                payee,
                token,
                amount,
                expiresAt: EXPIRY,
            })
            .collect()
    }

    fn open(&mut self, token: Address, count: usize) -> Vec<Terms> {
        let terms = self.terms(token, count);
        self.act(Act::Create, &terms);
        terms
    }

    fn deposited(&mut self, token: Address, count: usize) -> Vec<Terms> {
        let terms = self.open(token, count);
        for one in &terms {
            self.act(Act::Deposit, std::slice::from_ref(one));
        }
        terms
    }

    /// Everything, in the order of the table.
    fn measure(mut self) -> Vec<(&'static str, u64)> {
        let (token, coin) = (self.token, Address::ZERO);
        let mut rows = Vec::new();
        let terms = self.terms(token, 1);
        rows.push(("open one", self.act(Act::Create, &terms)));
        let terms = self.terms(token, MANY);
        rows.push(("open, each of 100", self.act(Act::Create, &terms)));
        for (name, token) in [("deposit, token", token), ("deposit, coin", coin)] {
            let terms = self.open(token, 1);
            rows.push((name, self.act(Act::Deposit, &terms)));
        }
        for (name, token, count) in [
            ("release one, token", token, 1),
            ("release one, coin", coin, 1),
            ("release, token, each of 100", token, MANY),
            ("release, coin, each of 100", coin, MANY),
        ] {
            let terms = self.deposited(token, count);
            rows.push((name, self.act(Act::Release, &terms)));
        }
        for (name, act, count) in
            [("cancel one, unpaid", Act::Cancel, 1), ("cancel, unpaid, each of 100", Act::Close, MANY)]
        {
            let terms = self.open(token, count);
            rows.push((name, self.act(act, &terms)));
        }
        for (name, token, count) in [
            ("cancel one, paid, token", token, 1),
            ("cancel one, paid, coin", coin, 1),
            ("cancel, paid, token, each of 100", token, MANY),
            ("cancel, paid, coin, each of 100", coin, MANY),
        ] {
            let terms = self.deposited(token, count);
            rows.push((name, self.act(Act::Cancel, &terms)));
        }
        rows
    }
}

fn thousands(gas: u64) -> String {
    if gas < 1_000 { gas.to_string() } else { format!("{},{:03}", thousands(gas / 1_000), gas % 1_000) }
}

#[test]
fn the_table_says_what_is_measured_and_nothing_became_dearer() {
    let [owner, operator] = [0xa1, 0xa2].map(Address::repeat_byte);
    let before = Meter::new(first, contracts::FIRST_DIAMOND_BYTECODE, operator).measure();
    let after = Meter::new(second, &creation(owner, &[operator], DELAY), operator).measure();

    let rows = before
        .iter()
        .zip(&after)
        .map(|((name, before), (_, after))| format!("| {name} | {} | {} |\n", thousands(*before), thousands(*after)));
    let table = rows.collect::<String>();
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&table), "the table in README.md should be\n{table}");

    let dearer: Vec<_> = before.iter().zip(&after).filter(|(before, after)| after.1 > before.1).collect();
    assert!(dearer.is_empty(), "{dearer:?}");
    assert!(after[0].1 <= 60_000 && after[1].1 <= 30_000, "{after:?}");
}
