//! Somebody has an operator's key, and everything else that an operator knows. What can be done with it is listed here and in the
//! README; taking a deposit is not in the list.

use std::collections::BTreeSet;

use alloy::{
    json_abi::{JsonAbi, StateMutability},
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};

use crate::world::{
    AMOUNT, DEPOSITED, Diamond, OPEN, RELEASED, Terms, World, cancel_call, create_call, deposit_call, release_call,
};

/// The functions that change anything and that the thief gets through, each with what it comes to.
const WITHIN_REACH: [&str; 9] = [
    // Deals of the thief's making, which nobody has to pay.
    "createDeal",
    "createDeals",
    // The thief's own money.
    "deposit",
    // Back to the payer.
    "cancelDeal",
    "cancelDeals",
    "closeDeals",
    // To the payee that the payer has paid for, earlier than the operator would.
    "releaseDeal",
    "releaseDeals",
    // What the diamond keeps for the thief itself: nothing.
    "withdraw",
];

struct Theft {
    world: World,
    /// The operator whose key it is.
    thief: Address,
    /// Where the thief wants the money.
    hideout: Address,
    open: Terms,
    paid: [Terms; 6],
    released: Terms,
}

impl Theft {
    fn new() -> Self {
        let mut world = World::new();
        let hideout = world.evm.account(0xbd);
        let deal = |world: &mut World, state, name: &str| {
            let terms = world.terms(name);
            world.deal_in(state, terms)
        };
        let open = deal(&mut world, OPEN, "open");
        let paid = ["a", "b", "c", "d", "e", "f"].map(|name| deal(&mut world, DEPOSITED, name));
        let released = deal(&mut world, RELEASED, "released");
        let thief = world.operator;
        Self { world, thief, hideout, open, paid, released }
    }

    /// Every call that changes anything, with arguments that would bring the most.
    fn attempts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mine = |terms: &Terms| Terms { payee: self.hideout, ..terms.clone() };
        let [a, b, c, d, e, f] = &self.paid;
        let cut = || (Vec::new(), self.hideout, Bytes::new());
        let many = |terms: &[&Terms]| terms.iter().map(|terms| (*terms).clone()).collect::<Vec<_>>();
        let (token, to) = (self.world.token, self.hideout);
        let (cut_1, cut_2) = (cut(), cut());
        vec![
            // Deals that are there already, with another payee.
            ("createDeal", create_call(&mine(a)).abi_encode()),
            ("createDeal", create_call(&mine(&self.world.terms("fresh"))).abi_encode()),
            (
                "createDeals",
                Diamond::createDealsCall { terms: vec![mine(b), mine(&self.world.terms("new"))] }.abi_encode(),
            ),
            ("deposit", deposit_call(&mine(a)).abi_encode()),
            ("releaseDeal", release_call(&mine(a)).abi_encode()),
            ("releaseDeal", release_call(&self.open).abi_encode()),
            ("releaseDeal", release_call(&self.released).abi_encode()),
            ("releaseDeal", release_call(c).abi_encode()),
            ("releaseDeals", Diamond::releaseDealsCall { terms: vec![mine(a), d.clone(), d.clone()] }.abi_encode()),
            ("cancelDeal", cancel_call(&mine(a)).abi_encode()),
            ("cancelDeal", cancel_call(&self.released).abi_encode()),
            ("cancelDeal", cancel_call(e).abi_encode()),
            ("cancelDeals", Diamond::cancelDealsCall { terms: many(&[f, f, &self.released]) }.abi_encode()),
            ("closeDeals", Diamond::closeDealsCall { refs: vec![self.open.r#ref, a.r#ref] }.abi_encode()),
            ("withdraw", Diamond::withdrawCall { token, to }.abi_encode()),
            ("sweep", Diamond::sweepCall { token, to }.abi_encode()),
            ("setOperator", Diamond::setOperatorCall { operator: to, allowed: true }.abi_encode()),
            ("transferOwnership", Diamond::transferOwnershipCall { _newOwner: to }.abi_encode()),
            ("acceptOwnership", Diamond::acceptOwnershipCall {}.abi_encode()),
            (
                "proposeCut",
                Diamond::proposeCutCall { _diamondCut: cut_1.0, _init: cut_1.1, _calldata: cut_1.2 }.abi_encode(),
            ),
            ("withdrawCut", Diamond::withdrawCutCall {}.abi_encode()),
            (
                "diamondCut",
                Diamond::diamondCutCall { _diamondCut: cut_2.0, _init: cut_2.1, _calldata: cut_2.2 }.abi_encode(),
            ),
        ]
    }

    fn held(&mut self, account: Address) -> U256 {
        self.world.held(self.world.token, account)
    }
}

#[test]
fn what_a_stolen_operators_key_can_do_is_listed_and_takes_no_deposit() {
    let mut theft = Theft::new();
    let World { payer, payee, diamond, .. } = theft.world;
    let before = [payer, payee, diamond].map(|account| theft.held(account));
    let attempts = theft.attempts();

    let abi: JsonAbi = serde_json::from_str(contracts::DIAMOND_ABI).expect("the ABI");
    let changing = abi
        .functions()
        .filter(|function| !matches!(function.state_mutability, StateMutability::View | StateMutability::Pure));
    let tried: BTreeSet<&str> = attempts.iter().map(|(name, _)| *name).collect();
    let changing: BTreeSet<&str> = changing.map(|function| function.name.as_str()).collect();
    assert_eq!(tried, changing, "every function that changes anything is tried");

    let mut done = BTreeSet::from(["deposit"]);
    for (name, call) in attempts {
        let through = theft.world.evm.transact(theft.thief, theft.world.diamond, U256::ZERO, call.into()).is_ok();
        if through {
            done.insert(name);
        }
        for account in [theft.thief, theft.hideout] {
            assert_eq!(theft.held(account), U256::ZERO, "{name} brought something");
        }
    }
    assert!(done.is_subset(&BTreeSet::from(WITHIN_REACH)), "{done:?}");

    // Six deposits were there. Those that were moved are with the payers who made them or the payees they were made for.
    let after = [payer, payee, diamond].map(|account| theft.held(account));
    let moved = [after[0] - before[0], after[1] - before[1], before[2] - after[2]].map(|moved| moved / AMOUNT);
    assert_eq!(moved, [2, 2, 4].map(U256::from), "two returned, two released, two where they were");
}

#[test]
fn a_payer_pays_no_deal_that_a_thief_has_opened_in_its_place() {
    let mut theft = Theft::new();
    let ours = theft.world.terms("ours");
    // The thief is faster with the reference of a payment, and another payee.
    let theirs = Terms { payee: theft.hideout, ..ours.clone() };
    theft.world.send(theft.thief, &create_call(&theirs));
    // The payer presents what we have agreed upon, and keeps the money.
    let before = theft.held(theft.world.payer);
    theft.world.refuse(theft.world.payer, &deposit_call(&ours));
    assert_eq!(theft.held(theft.world.payer), before);
}
