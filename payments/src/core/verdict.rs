//! An operator's verdict on a payment that is in `needs_review`: what the evidence is, and what it allows. The one move
//! outside of [`crate::transition::RULES`].

use chrono::{DateTime, Utc};
use entities::{PaymentId, PaymentStatus, payment, payment_log};
use queue::Database;
use sea_orm::{ConnectionTrait, DbErr, QueryFilter, QueryOrder, QuerySelect, prelude::*};

use crate::{
    caller::Caller,
    debt::settled_by,
    method::Capabilities,
    rail::{Rail, Shown},
    reach::{Denied, find_payment},
};

/// A verdict that the evidence may allow.
#[derive(Debug)]
pub struct Rule {
    /// What the rail has to show.
    pub shown: Shown,
    /// What the payment becomes.
    pub to: PaymentStatus,
    /// What the verdict means and does, as a sentence for the operator.
    pub means: &'static str,
}

const fn rule(shown: Shown, to: PaymentStatus, means: &'static str) -> Rule {
    Rule { shown, to, means }
}

/// Every verdict there is, in the order in which they are offered. None names a state that the rail contradicts; what
/// the rail shows later moves the payment on, or brings it back to review.
pub const RULES: &[Rule] = &[
    rule(
        Shown::Nothing,
        PaymentStatus::Pending,
        "It is sent again. A payment has one deal at most: if the first one is found after all, it is the same deal.",
    ),
    rule(
        Shown::Nothing,
        PaymentStatus::Failed,
        "It is given up and may be sent again on request. If its deal turns up after all, it comes back to review.",
    ),
    rule(
        Shown::Nothing,
        PaymentStatus::Canceled,
        "It has ended without the payer's money. If its deal turns up after all, it comes back to review.",
    ),
    rule(Shown::DealOpen, PaymentStatus::Open, "The payer may pay; if nobody does in time, it expires."),
    rule(
        Shown::DealOpen,
        PaymentStatus::Canceling,
        "The deal is closed on its rail; when that is final, the payment is canceled.",
    ),
    rule(Shown::DepositSeen, PaymentStatus::Submitted, "It is paid when the deposit is final."),
    rule(
        Shown::DepositSeen,
        PaymentStatus::Canceling,
        "The deal is closed and its deposit goes back to the payer; when that is final, the payment is refunded.",
    ),
    rule(Shown::DepositFinal, PaymentStatus::Paid, "It can be released to the payee, or canceled."),
    rule(
        Shown::DepositFinal,
        PaymentStatus::Canceling,
        "The deposit goes back to the payer; when that is final, the payment is refunded.",
    ),
    rule(
        Shown::DepositFinal,
        PaymentStatus::Refunded,
        "You have given the money back yourself, outside of this system; it has ended.",
    ),
    rule(Shown::Released, PaymentStatus::Completed, "The payee has the money; it has ended."),
    rule(Shown::Returned, PaymentStatus::Refunded, "The payer has the money back; it has ended."),
    rule(
        Shown::ReturnHeld,
        PaymentStatus::Canceled,
        "The contract keeps the deposit for the payer, who calls withdraw; it has ended.",
    ),
    rule(Shown::Closed, PaymentStatus::Canceled, "Nobody had paid; it has ended."),
];

/// The verdicts that are allowed on the payment as it is; none unless it is in review. With `settled`, another payment has paid
/// its order: then nobody may pay this one any more, and what it has goes back.
pub fn allowed(
    payment: &payment::Model,
    shown: Shown,
    settled: bool,
    now: DateTime<Utc>,
) -> impl Iterator<Item = &'static Rule> {
    let in_review = payment.status == PaymentStatus::NeedsReview;
    // The contract refuses a deal whose time is over, and only to a chain can a payment be sent again.
    let Capabilities { on_chain, returnable, .. } = Capabilities::of(payment.payment_method);
    let sendable = on_chain && payment.expires_at > now;
    let rules = RULES.iter().filter(move |rule| in_review && rule.shown == shown);
    rules.filter(move |rule| match rule.to {
        PaymentStatus::Pending => sendable && !settled,
        PaymentStatus::Open | PaymentStatus::Submitted | PaymentStatus::Paid => !settled,
        PaymentStatus::Canceling => returnable,
        // Only of a surplus that no rail of ours gives back can an operator know that it is back.
        PaymentStatus::Refunded => shown == Shown::Returned || (settled && !on_chain),
        _ => true,
    })
}

/// A verdict that the evidence allows: nobody makes one but who has read that evidence under the payment's lock.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub(crate) to: PaymentStatus,
    pub(crate) shown: Shown,
    pub(crate) reason: String,
}

/// Why a verdict was refused.
#[derive(Debug, thiserror::Error)]
pub enum VerdictError {
    /// Not there, out of reach, or no database.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is nothing to decide, or somebody else has decided otherwise.
    #[error("A payment that is {0} waits for no verdict")]
    NotInReview(PaymentStatus),
    /// The rail shows something else.
    #[error("{}: that allows the verdict {}, not {to}", shown.sentence(), words(allowed))]
    NotAllowed {
        /// The verdict that was requested.
        to: PaymentStatus,
        /// What the rail shows.
        shown: Shown,
        /// What that allows.
        allowed: Vec<PaymentStatus>,
    },
}

impl From<DbErr> for VerdictError {
    fn from(error: DbErr) -> Self {
        Self::Denied(Denied::Database(error))
    }
}

fn words(statuses: &[PaymentStatus]) -> String {
    let words: Vec<String> = statuses.iter().map(ToString::to_string).collect();
    words.join(" or ")
}

/// The trigger in a verdict's log row, which no transition has.
pub(crate) const VERDICT: &str = "verdict";

/// Rows of a review at most, newest first.
pub const NOTED_MAX: usize = 100;

/// What an operator needs for a verdict.
#[derive(Clone, Debug)]
pub struct Review {
    /// The payment as it is now.
    pub payment: payment::Model,
    /// The transition that led to its status; for `needs_review` its data are the evidence.
    pub cause: Option<payment_log::Model>,
    /// What has been noted since, newest first.
    pub noted: Vec<payment_log::Model>,
    /// What the rail is known to show.
    pub rail: Rail,
    /// The verdicts that this allows.
    pub allowed: Vec<&'static Rule>,
}

/// Reads the evidence of a verdict.
///
/// # Errors
/// When the payment is not there or out of reach, or the database fails.
pub async fn review(db: &Database, caller: &Caller, id: PaymentId) -> Result<Review, Denied> {
    let payment = find_payment(&**db, caller, id).await?;
    let log = life(&**db, id).await?;
    let rail = Rail::of(&log);
    // A loss is numbered, too, and leaves the payment where it is.
    let cause = log.into_iter().rfind(|row| row.sequence.is_some() && row.data["from"] != row.data["to"]);
    let since = payment_log::Entity::find()
        .filter(payment_log::Column::PaymentId.eq(id))
        .filter(payment_log::Column::Id.gt(cause.as_ref().map_or(entities::PaymentLogId(Uuid::nil()), |row| row.id)))
        .order_by_desc(payment_log::Column::Id)
        .limit(NOTED_MAX as u64);
    let noted = since.all(&**db).await?;
    let settled = settled_by(&**db, &payment).await?.is_some();
    let allowed = allowed(&payment, rail.shown(), settled, entities::now()).collect();
    Ok(Review { payment, cause, noted, rail, allowed })
}

/// The payment's log, oldest first, without the rows of attempts to send: a payment that was sent for days has thousands
/// of those rows, and none says what stands on the rail.
pub(crate) async fn life<C: ConnectionTrait>(db: &C, id: PaymentId) -> Result<Vec<payment_log::Model>, DbErr> {
    payment_log::Entity::find()
        .filter(payment_log::Column::PaymentId.eq(id))
        .filter(payment_log::Column::EventType.not_like("attempt.%"))
        .order_by_asc(payment_log::Column::Id)
        .all(db)
        .await
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use entities::PaymentMethod;
    use proptest::{prelude::*, sample::select};

    use super::*;
    use crate::samples;

    fn verdicts(payment: &payment::Model, shown: Shown, settled: bool) -> Vec<PaymentStatus> {
        allowed(payment, shown, settled, entities::now()).map(|rule| rule.to).collect()
    }

    proptest! {
        #[test]
        fn a_verdict_is_given_in_review_alone_and_never_against_the_rail(
            method in select(PaymentMethod::ALL), status in select(PaymentStatus::ALL), shown in select(Shown::ALL),
            settled: bool, late: bool
        ) {
            let mut payment = samples::payment(method, status);
            if late {
                payment.expires_at = entities::now() - TimeDelta::seconds(1);
            }
            let verdicts = verdicts(&payment, shown, settled);
            prop_assert!(status == PaymentStatus::NeedsReview || verdicts.is_empty());
            for to in &verdicts {
                prop_assert!(RULES.iter().any(|rule| rule.shown == shown && rule.to == *to), "{shown:?} allows no {to}");
                let payable = matches!(to, PaymentStatus::Open | PaymentStatus::Submitted | PaymentStatus::Paid);
                prop_assert!(!(payable && settled), "{to} of what another payment has settled");
            }
            let sent_again = verdicts.contains(&PaymentStatus::Pending);
            let sendable = method == PaymentMethod::Web3 && !late && !settled && shown == Shown::Nothing;
            prop_assert_eq!(sent_again, sendable && status == PaymentStatus::NeedsReview);
        }
    }

    #[test]
    fn found_money_goes_back_by_the_rail_that_can_and_by_hand_elsewhere() {
        let of = |method, settled| {
            verdicts(&samples::payment(method, PaymentStatus::NeedsReview), Shown::DepositFinal, settled)
        };
        use PaymentStatus::{Canceling, Paid, Refunded};
        assert_eq!(of(PaymentMethod::Web3, false), [Paid, Canceling]);
        assert_eq!(of(PaymentMethod::Web3, true), [Canceling], "the chain shows when it is back");
        assert_eq!(of(PaymentMethod::CreditCard, false), [Paid, Canceling]);
        assert_eq!(of(PaymentMethod::CreditCard, true), [Canceling, Refunded]);
        assert_eq!(of(PaymentMethod::BankTransfer, false), [Paid]);
        assert_eq!(of(PaymentMethod::BankTransfer, true), [Refunded], "nobody gives a transfer back by itself");
    }

    #[test]
    fn a_refusal_says_what_the_rail_shows_and_what_that_allows() {
        let refused = VerdictError::NotAllowed {
            to: PaymentStatus::Paid,
            shown: Shown::DealOpen,
            allowed: vec![PaymentStatus::Open, PaymentStatus::Canceling],
        };
        let wanted =
            "Its deal is open on its rail, and nobody has paid: that allows the verdict open or canceling, not paid";
        assert_eq!(refused.to_string(), wanted);
    }

    #[test]
    fn whatever_the_rail_shows_there_is_a_verdict_and_none_that_it_contradicts() {
        use PaymentStatus::{Canceled, Canceling, Completed, Failed, Open, Paid, Pending, Refunded, Submitted};
        for shown in Shown::ALL {
            let named: Vec<PaymentStatus> =
                RULES.iter().filter(|rule| rule.shown == *shown).map(|rule| rule.to).collect();
            let wanted: &[PaymentStatus] = match shown {
                Shown::Nothing => &[Pending, Failed, Canceled],
                Shown::DealOpen => &[Open, Canceling],
                Shown::DepositSeen => &[Submitted, Canceling],
                Shown::DepositFinal => &[Paid, Canceling, Refunded],
                Shown::Released => &[Completed],
                Shown::Returned => &[Refunded],
                Shown::ReturnHeld | Shown::Closed => &[Canceled],
            };
            assert_eq!(named, wanted, "{shown:?}");
        }
    }
}
