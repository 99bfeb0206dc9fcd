//! The ledger of sellers' money: entries that balance and never change, and the balances that follow from them. An entry is
//! written once for each kind and subject, so that whoever repeats a step posts nothing twice.

mod captures;
mod check;
pub(crate) mod postings;

pub(crate) use self::postings::Posting;
pub use self::{
    captures::{capture_posted, reversal_posted, settle},
    check::{Check, Difference, check},
};

use entities::{LedgerEntryId, NodeId, ledger_entry, ledger_posting, now, seller_balance};
use queue::{Transaction, insert_unless_there};
use sea_orm::{ActiveValue::Set, DbErr, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, prelude::*};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$word_doc])* $word),+
        }

        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$word),+];

            /// The word in the tables.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$word => $text),+ }
            }
        }
    )+};
}

words! {
    /// Where money is.
    Account {
        /// The seller's, to be paid out.
        SellerAvailable = "seller:available",
        /// The seller's, on its way to the bank.
        SellerInTransit = "seller:in_transit",
        /// What the platform keeps.
        PlatformFees = "platform:fees",
        /// At the processor, on its way back to a payer.
        ProcessorClearing = "processor:clearing",
        /// With payers.
        Payer = "payer",
        /// At sellers' banks.
        Bank = "bank",
    }
    /// What has happened to it.
    Kind {
        /// A payer has paid.
        Capture = "capture",
        /// A payer's bank took money back, or gave it again.
        Reversal = "reversal",
        /// A refund was taken off the seller's balance.
        RefundAsked = "refund.asked",
        /// The payer has it.
        RefundSucceeded = "refund.succeeded",
        /// It went back to the seller's balance.
        RefundFailed = "refund.failed",
        /// A payout was taken off the seller's balance.
        PayoutAsked = "payout.asked",
        /// The bank has it.
        PayoutPaid = "payout.paid",
        /// It went back to the seller's balance.
        PayoutFailed = "payout.failed",
    }
}

/// How far a seller's balance may fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// As far as the facts are.
    None,
    /// Not below zero by this entry.
    Covered,
}

/// An entry to be written.
pub(crate) struct Entry<'a> {
    pub(crate) kind: Kind,
    pub(crate) subject: String,
    pub(crate) node_id: NodeId,
    pub(crate) currency: &'a str,
    /// In the currency's smallest unit; positive where money goes.
    pub(crate) postings: &'a [Posting],
    pub(crate) guard: Guard,
}

/// Why an entry was not written. The transaction must then not be committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// The seller has less than that.
    #[error("the available balance does not cover it")]
    NotCovered,
    /// The database did not answer, or the entry does not balance.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Writes the entry and moves the seller's balance, in the caller's transaction; whether it was the first time. The balance
/// is locked last of all that a transaction locks: session, payment, capture, balance.
///
/// # Errors
/// [`LedgerError`].
pub(crate) async fn post(tx: &Transaction, entry: Entry<'_>) -> Result<bool, LedgerError> {
    let sum = entry.postings.iter().try_fold(0_i64, |sum, (_, amount)| sum.checked_add(*amount));
    if sum != Some(0) {
        return Err(DbErr::Custom(format!("an entry of {} does not balance", entry.kind.word())).into());
    }
    let id = LedgerEntryId::new();
    if !insert(tx, id, &entry).await? {
        return Ok(false);
    }
    let postings = entry.postings.iter().filter(|(_, amount)| *amount != 0).map(|(account, amount)| {
        ledger_posting::ActiveModel { entry_id: Set(id), account: Set(account.word().to_owned()), amount: Set(*amount) }
    });
    ledger_posting::Entity::insert_many(postings).exec_without_returning(&**tx).await?;
    move_balance(tx, &entry).await?;
    Ok(true)
}

async fn insert(tx: &Transaction, id: LedgerEntryId, entry: &Entry<'_>) -> Result<bool, DbErr> {
    let row = ledger_entry::Model {
        id,
        kind: entry.kind.word().to_owned(),
        subject: entry.subject.clone(),
        node_id: entry.node_id,
        currency: entry.currency.to_owned(),
        created_at: now(),
    };
    insert_unless_there(&**tx, row.into_active_model(), [ledger_entry::Column::Kind, ledger_entry::Column::Subject])
        .await
}

async fn move_balance(tx: &Transaction, entry: &Entry<'_>) -> Result<(), LedgerError> {
    let delta =
        |wanted| entry.postings.iter().filter(|(account, _)| *account == wanted).map(|(_, amount)| amount).sum();
    let (available, in_transit): (i64, i64) = (delta(Account::SellerAvailable), delta(Account::SellerInTransit));
    if update(tx, entry, available, in_transit).await? {
        return Ok(());
    }
    if entry.guard == Guard::Covered {
        return Err(LedgerError::NotCovered);
    }
    // The seller's first entry in this currency.
    let row = seller_balance::Model {
        node_id: entry.node_id,
        currency: entry.currency.to_owned(),
        available: 0,
        in_transit: 0,
        updated_at: now(),
    };
    let one = [seller_balance::Column::NodeId, seller_balance::Column::Currency];
    insert_unless_there(&**tx, row.into_active_model(), one).await?;
    if update(tx, entry, available, in_transit).await? { Ok(()) } else { Err(DbErr::RecordNotUpdated.into()) }
}

/// Whether there was a row that the guard lets be changed.
async fn update(tx: &Transaction, entry: &Entry<'_>, available: i64, in_transit: i64) -> Result<bool, DbErr> {
    use seller_balance::Column as C;
    let mut row = seller_balance::Entity::update_many()
        .col_expr(C::Available, Expr::col(C::Available).add(available))
        .col_expr(C::InTransit, Expr::col(C::InTransit).add(in_transit))
        .col_expr(C::UpdatedAt, Expr::value(now()))
        .filter(C::NodeId.eq(entry.node_id))
        .filter(C::Currency.eq(entry.currency));
    if entry.guard == Guard::Covered {
        row = row.filter(C::Available.gte(-available));
    }
    Ok(row.exec(&**tx).await?.rows_affected > 0)
}

/// What a seller has in a currency.
///
/// # Errors
/// When the database does not answer.
pub async fn balance<C: ConnectionTrait>(
    db: &C,
    node_id: NodeId,
    currency: &str,
) -> Result<Option<seller_balance::Model>, DbErr> {
    seller_balance::Entity::find()
        .filter(seller_balance::Column::NodeId.eq(node_id))
        .filter(seller_balance::Column::Currency.eq(currency))
        .one(db)
        .await
}

#[cfg(test)]
mod tests;
