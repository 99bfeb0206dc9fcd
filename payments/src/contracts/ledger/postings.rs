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
pub(crate) fn refund_asked(amount: i64, fee: i64) -> [Posting; 3] {
    [(Account::SellerAvailable, -(amount - fee)), (Account::PlatformFees, -fee), (Account::ProcessorClearing, amount)]
}

/// The payer has the refund.
pub(crate) fn refund_succeeded(amount: i64) -> [Posting; 2] {
    [(Account::ProcessorClearing, -amount), (Account::Payer, amount)]
}

/// The refund goes back to where it came from.
pub(crate) fn refund_failed(amount: i64, fee: i64) -> [Posting; 3] {
    refund_asked(amount, fee).map(|(account, amount)| (account, -amount))
}

/// A payout leaves the seller's balance.
pub(crate) fn payout_asked(amount: i64) -> [Posting; 2] {
    [(Account::SellerAvailable, -amount), (Account::SellerInTransit, amount)]
}

/// The seller's bank has the payout.
pub(crate) fn payout_paid(amount: i64) -> [Posting; 2] {
    [(Account::SellerInTransit, -amount), (Account::Bank, amount)]
}

/// The payout goes back to the seller's balance.
pub(crate) fn payout_failed(amount: i64) -> [Posting; 2] {
    payout_asked(amount).map(|(account, amount)| (account, -amount))
}
