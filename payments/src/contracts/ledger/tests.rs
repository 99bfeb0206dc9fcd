//! Balances are the sums of entries that balance, each written once, and a guarded one never takes what is not there.

use std::collections::{BTreeMap, BTreeSet};

use fixtures::{Merchant, TestDatabase, on_both};
use proptest::{prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use queue::Database;

use super::*;

const CURRENCIES: [&str; 2] = ["EUR", "USD"];

/// An entry that somebody writes: of one of two sellers, in one of two currencies.
#[derive(Clone, Debug)]
struct Wanted {
    kind: Kind,
    subject: u8,
    seller: usize,
    currency: &'static str,
    postings: Vec<Posting>,
    guard: Guard,
}

fn entries() -> impl Strategy<Value = Wanted> {
    let money = (select(Kind::ALL), 1_i64..500, 0_i64..3, 0_u8..20, any::<bool>());
    let of = (0_usize..2, select(&CURRENCIES[..]), prop::bool::weighted(0.1), prop::bool::weighted(0.3));
    (money, of).prop_map(|((kind, amount, fee, subject, more), (seller, currency, broken, guarded))| {
        let fee = Ord::min(fee, amount);
        let mut postings = match kind {
            Kind::Capture => postings::captured(amount * 3, fee).to_vec(),
            Kind::Reversal => postings::reversed(if more { amount } else { -amount }).to_vec(),
            Kind::RefundAsked => postings::refund_requested(amount, fee).to_vec(),
            Kind::RefundSucceeded => postings::refund_succeeded(amount).to_vec(),
            Kind::RefundFailed => postings::refund_failed(amount, fee).to_vec(),
            Kind::PayoutAsked => postings::payout_requested(amount).to_vec(),
            Kind::PayoutPaid => postings::payout_paid(amount).to_vec(),
            Kind::PayoutFailed => postings::payout_failed(amount).to_vec(),
        };
        if broken {
            postings[0].1 += 1;
        }
        let guard = if guarded || kind == Kind::PayoutAsked { Guard::Covered } else { Guard::None };
        Wanted { kind, subject, seller, currency, postings, guard }
    })
}

/// What is known of the ledger without looking at it.
#[derive(Default)]
struct Model {
    written: BTreeSet<(Kind, u8)>,
    /// Available and in transit, by seller and currency.
    balances: BTreeMap<(usize, &'static str), (i64, i64)>,
}

impl Model {
    /// What is to become of the entry; nothing where it is refused.
    fn takes(&mut self, wanted: &Wanted) -> Option<bool> {
        let of = |account| wanted.postings.iter().filter(|posting| posting.0 == account).map(|posting| posting.1).sum();
        let (available, in_transit): (i64, i64) = (of(Account::SellerAvailable), of(Account::SellerInTransit));
        if wanted.postings.iter().map(|posting| posting.1).sum::<i64>() != 0 {
            return None;
        }
        if self.written.contains(&(wanted.kind, wanted.subject)) {
            return Some(false);
        }
        let key = (wanted.seller, wanted.currency);
        let known = self.balances.get(&key).copied();
        let covered = known.is_some_and(|(has, _)| has + available >= 0);
        let (has, moving) = known.unwrap_or_default();
        if (wanted.guard == Guard::Covered && !covered) || moving + in_transit < 0 {
            return None;
        }
        self.written.insert((wanted.kind, wanted.subject));
        self.balances.insert(key, (has + available, moving + in_transit));
        Some(true)
    }
}

async fn written(db: &Database, sellers: &[NodeId; 2], wanted: &Wanted) -> Option<bool> {
    let tx = db.begin().await.unwrap();
    let Wanted { kind, subject, seller, currency, postings, guard } = wanted;
    let (kind, guard, node_id) = (*kind, *guard, sellers[*seller]);
    let entry = Entry { kind, subject: subject.to_string(), node_id, currency, postings, guard };
    let written = post(&tx, entry).await.ok()?;
    tx.commit().await.unwrap();
    Some(written)
}

on_both!(balances_are_the_sums_of_entries_that_balance, async |database: TestDatabase| {
    let db = &database.db;
    let sellers = [Merchant::insert(db, 1).await.node_id, Merchant::insert(db, 2).await.node_id];
    let (mut model, mut runner) = (Model::default(), TestRunner::deterministic());
    let mut outcomes = BTreeMap::new();
    for _ in 0..250 {
        let wanted = entries().new_tree(&mut runner).unwrap().current();
        let expected = model.takes(&wanted);
        assert_eq!(written(db, &sellers, &wanted).await, expected, "{wanted:?}");
        *outcomes.entry(expected).or_insert(0) += 1;
    }
    for (seller, node_id) in sellers.into_iter().enumerate() {
        for currency in CURRENCIES {
            let found = balance(&**db, node_id, currency).await.unwrap();
            let found = found.map(|balance| (balance.available, balance.in_transit));
            assert_eq!(found, model.balances.get(&(seller, currency)).copied(), "{seller} {currency}");
        }
    }
    let check = check(db).await.unwrap();
    assert!(check.is_clean(), "{check:?}");
    assert_eq!(check.entries, i64::try_from(model.written.len()).unwrap());
    assert!(outcomes.values().all(|count| *count > 10) && outcomes.len() == 3, "the steps are too tame: {outcomes:?}");
});
