//! The state machine: which observation moves a payment from where to where. The one table of it.

use entities::PaymentStatus::{self, *};
use serde::{Deserialize, Serialize};

use crate::verdict;

/// What is requested or observed, without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The deal is final on chain, the gateway session ready, the bank transfer accepted.
    Opened,
    /// The rail definitely does not have it and no resend is left.
    SendFailed,
    /// Every check was made and the outcome is still not known.
    OutcomeUnknown,
    /// A cancel before anything was handed to the rail, or without a rail that it has to go through.
    CanceledBeforeSending,
    /// A cancel of something the rail may have.
    CancelRequested,
    /// A resend is requested.
    RetryRequested,
    /// A deposit is in a block, a receipt reported, the payment submitted at its gateway.
    PaymentSeen,
    /// What was submitted is gone: a reorganisation of the chain, an abandoned session.
    PaymentGone,
    /// The deposit is final, the receipt confirmed, the card captured.
    PaymentFinal,
    /// The same, although another payment had settled the debt.
    PaidTwice,
    /// Nobody paid in time.
    Expired,
    /// Its time is over, and nothing of it was ever sent to its rail.
    NeverSent,
    /// The receipt was rejected.
    EvidenceRejected,
    /// A receipt that was confirmed turns out to be wrong.
    EvidenceWithdrawn,
    /// The gateway definitely failed.
    RailFailed,
    /// The money went to the payee.
    Released,
    /// The rail has closed it and held no money.
    Closed,
    /// The rail has given the money back, all of it.
    Returned,
    /// The rail has closed it, and keeps the money for the payer, whose account refused it.
    ReturnHeld,
    /// What was final is no longer so.
    FinalityBroken,
    /// A till has the money in hand.
    TakenAtTill,
    /// The till takes back what it had written down.
    Voided,
}

/// A transition of the state machine.
pub struct Rule {
    /// The states in which the trigger moves the payment.
    pub from: &'static [PaymentStatus],
    /// What moves it.
    pub on: Trigger,
    /// The state that it moves to.
    pub to: PaymentStatus,
}

const fn rule(from: &'static [PaymentStatus], on: Trigger, to: PaymentStatus) -> Rule {
    Rule { from, on, to }
}

/// Every transition there is. An operator's verdict on `needs_review` is the one move outside of it: see [`verdict`].
pub const RULES: &[Rule] = &[
    rule(&[Pending], Trigger::Opened, Open),
    rule(&[Pending], Trigger::SendFailed, Failed),
    rule(&[Pending], Trigger::OutcomeUnknown, NeedsReview),
    rule(&[Pending, Open, Submitted], Trigger::CanceledBeforeSending, Canceled),
    rule(&[Pending, Open, Submitted, Paid], Trigger::CancelRequested, Canceling),
    rule(&[Pending], Trigger::NeverSent, Expired),
    rule(&[Failed], Trigger::RetryRequested, Pending),
    rule(&[Open, Rejected], Trigger::PaymentSeen, Submitted),
    rule(&[Submitted], Trigger::PaymentGone, Open),
    rule(&[Submitted], Trigger::PaymentFinal, Paid),
    rule(&[Open], Trigger::Expired, Expired),
    rule(&[Submitted], Trigger::EvidenceRejected, Rejected),
    rule(&[Paid], Trigger::EvidenceWithdrawn, Rejected),
    rule(&[Submitted], Trigger::RailFailed, Failed),
    rule(&[Paid], Trigger::Released, Completed),
    // A release that was mined before the cancel: the payee has the money, whatever was requested later.
    rule(&[Canceling], Trigger::Released, Completed),
    rule(&[Canceling], Trigger::SendFailed, Canceled),
    // The deal may also be closed by its owner without us; the payment is what the chain says.
    rule(&[Open, Submitted, Canceling], Trigger::Closed, Canceled),
    rule(&[Submitted, Paid, Canceling, Completed], Trigger::Returned, Refunded),
    rule(&[Submitted, Paid, Canceling, Completed], Trigger::ReturnHeld, Canceled),
    rule(&[Canceling], Trigger::OutcomeUnknown, NeedsReview),
    // Whatever was said on the ground of what is gone now may be wrong, an end included.
    rule(
        &[Open, Submitted, Paid, Completed, Canceling, Canceled, Expired, Refunded],
        Trigger::FinalityBroken,
        NeedsReview,
    ),
    rule(&[Pending], Trigger::TakenAtTill, Completed),
    rule(&[Completed], Trigger::Voided, Canceled),
    // Late success of something that had been given up is never dropped.
    rule(&[Failed, Canceled, Expired], Trigger::Opened, NeedsReview),
    rule(&[Failed, Canceled, Expired], Trigger::PaymentFinal, NeedsReview),
    // Money on a second way to pay one order: an operator decides whether it goes back.
    rule(&[Open, Submitted, Canceling, Failed, Rejected, Canceled, Expired], Trigger::PaidTwice, NeedsReview),
];

/// Where the trigger leads from here; none when it changes nothing in this state.
#[must_use]
pub fn next(from: PaymentStatus, on: Trigger) -> Option<PaymentStatus> {
    RULES.iter().find(|rule| rule.on == on && rule.from.contains(&from)).map(|rule| rule.to)
}

/// The machine as a Mermaid diagram, for the documents.
#[must_use]
pub fn diagram() -> String {
    let mut lines = vec!["stateDiagram-v2".to_owned(), "    [*] --> pending: created".to_owned()];
    for rule in RULES {
        for from in rule.from {
            let on = format!("{:?}", rule.on);
            lines.push(format!("    {from} --> {}: {on}", rule.to));
        }
    }
    let mut verdicts: Vec<PaymentStatus> = verdict::RULES.iter().map(|rule| rule.to).collect();
    verdicts.sort_unstable();
    verdicts.dedup();
    lines.extend(verdicts.into_iter().map(|to| format!("    needs_review --> {to}: verdict")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trigger_leads_to_one_state_at_most() {
        for (index, one) in RULES.iter().enumerate() {
            for other in &RULES[index + 1..] {
                let overlap = one.on == other.on && one.from.iter().any(|from| other.from.contains(from));
                assert!(!overlap, "{:?} is ambiguous", one.on);
            }
        }
    }

    #[test]
    fn every_state_can_be_reached_and_only_final_ones_are_dead_ends() {
        for status in PaymentStatus::ALL {
            let reached = *status == Pending || RULES.iter().any(|rule| rule.to == *status);
            assert!(reached, "{status} cannot be reached");
        }
        for status in [Pending, Open, Submitted, Paid, Canceling, Rejected] {
            assert!(RULES.iter().any(|rule| rule.from.contains(&status)), "{status} is a dead end");
        }
    }

    #[test]
    fn the_documented_diagram_is_the_table() {
        let document = include_str!("../../../ARCHITECTURE.md");
        assert!(document.contains(&diagram()), "ARCHITECTURE.md must contain this diagram:\n{}", diagram());
    }
}
