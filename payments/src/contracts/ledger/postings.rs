//! What each thing that happens to money posts, in the currency's smallest unit; positive where money goes.

use super::Account;

/// An account, and what comes to it.
pub(crate) type Posting = (Account, i64);

/// A payer has paid, and the platform keeps its part.
pub(crate) fn captured(amount: i64, fee: i64) -> [Posting; 3] {
    [(Account::Payer, -amount), (Account::SellerAvailable, amount - fee), (Account::PlatformFees, fee)]
}

/// A payer's bank took so much; less than nothing is what it gave again.
pub(crate) fn reversed(amount: i64) -> [Posting; 2] {
    [(Account::SellerAvailable, -amount), (Account::Payer, amount)]
}

/// A refund leaves the seller's balance, and the platform gives its part of it.
pub(crate) fn refund_requested(amount: i64, fee: i64) -> [Posting; 3] {
    [(Account::SellerAvailable, -(amount - fee)), (Account::PlatformFees, -fee), (Account::ProcessorClearing, amount)]
}

/// The payer has the refund.
pub(crate) fn refund_succeeded(amount: i64) -> [Posting; 2] {
    [(Account::ProcessorClearing, -amount), (Account::Payer, amount)]
}

/// The refund goes back to where it came from.
pub(crate) fn refund_failed(amount: i64, fee: i64) -> [Posting; 3] {
    refund_requested(amount, fee).map(|(account, amount)| (account, -amount))
}

/// A payout leaves the seller's balance.
pub(crate) fn payout_requested(amount: i64) -> [Posting; 2] {
    [(Account::SellerAvailable, -amount), (Account::SellerInTransit, amount)]
}

/// The seller's bank has the payout.
pub(crate) fn payout_paid(amount: i64) -> [Posting; 2] {
    [(Account::SellerInTransit, -amount), (Account::Bank, amount)]
}

/// The payout goes back to the seller's balance.
pub(crate) fn payout_failed(amount: i64) -> [Posting; 2] {
    payout_requested(amount).map(|(account, amount)| (account, -amount))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What all of these leave on each account, but for those that they leave as they were.
    fn left(entries: &[&[Posting]]) -> BTreeMap<Account, i64> {
        let mut accounts = BTreeMap::new();
        for (account, amount) in entries.iter().copied().flatten() {
            *accounts.entry(*account).or_insert(0) += amount;
        }
        accounts.retain(|_, amount| *amount != 0);
        accounts
    }

    fn sum(entry: &[Posting]) -> i64 {
        entry.iter().map(|(_, amount)| amount).sum()
    }

    proptest! {
        #[test]
        fn every_entry_sums_to_zero(amount in 0_i64..1 << 52, fee in 0_i64..1 << 40) {
            prop_assert_eq!(sum(&captured(amount, fee)), 0);
            prop_assert_eq!(sum(&reversed(amount)), 0);
            prop_assert_eq!(sum(&reversed(-amount)), 0);
            prop_assert_eq!(sum(&refund_requested(amount, fee)), 0);
            prop_assert_eq!(sum(&refund_succeeded(amount)), 0);
            prop_assert_eq!(sum(&refund_failed(amount, fee)), 0);
            prop_assert_eq!(sum(&payout_requested(amount)), 0);
            prop_assert_eq!(sum(&payout_paid(amount)), 0);
            prop_assert_eq!(sum(&payout_failed(amount)), 0);
        }

        #[test]
        fn what_fails_leaves_everything_as_it_was(amount in 1_i64..1 << 52, fee in 0_i64..1 << 40) {
            prop_assert!(left(&[&refund_requested(amount, fee), &refund_failed(amount, fee)]).is_empty());
            prop_assert!(left(&[&payout_requested(amount), &payout_failed(amount)]).is_empty());
            prop_assert!(left(&[&reversed(amount), &reversed(-amount)]).is_empty());
        }

        #[test]
        fn what_is_given_back_whole_leaves_nothing_with_anybody(amount in 1_i64..1 << 52, fee in 0_i64..1 << 40) {
            let back = left(&[&captured(amount, fee), &refund_requested(amount, fee), &refund_succeeded(amount)]);
            prop_assert!(back.is_empty(), "{back:?}");
        }

        #[test]
        fn what_is_paid_out_is_at_the_bank(amount in 1_i64..1 << 52, fee in 1_i64..1 << 40) {
            let share = amount - fee;
            prop_assume!(share > 0);
            let left = left(&[&captured(amount, fee), &payout_requested(share), &payout_paid(share)]);
            let wanted = [(Account::PlatformFees, fee), (Account::Payer, -amount), (Account::Bank, share)];
            prop_assert_eq!(left, BTreeMap::from(wanted));
        }
    }
}
