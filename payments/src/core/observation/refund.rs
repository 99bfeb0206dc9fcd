//! What follows from what becomes of a refund.

use entities::PaymentStatus;
use serde_json::Value;

use super::{Outcome, Subject};
use crate::{caller::Actor, transition::Trigger};

/// Events of a refund: numbered like transitions, in the status before.
pub(crate) const REFUND_CREATED: &str = "refund.created";
pub(crate) const REFUND_SUCCEEDED: &str = "refund.succeeded";
pub(crate) const REFUND_FAILED: &str = "refund.failed";

/// What became of a refund; the data names it.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are the facts that the variants name")]
pub enum RefundSeen {
    /// It was asked for.
    Created { data: Value },
    /// The money is on its way back to the payer; `all` when with it nothing is left of what was captured.
    Succeeded { data: Value, all: bool },
    /// It is definitely not given back.
    Failed { data: Value },
}

impl Subject {
    pub(super) fn refund(&mut self, seen: RefundSeen, actor: &Actor) -> Outcome {
        match seen {
            RefundSeen::Created { data } => self.tell(REFUND_CREATED, "A refund was asked for", data, actor),
            RefundSeen::Failed { data } => {
                self.tell(REFUND_FAILED, "The refund failed", data.clone(), actor);
                if self.payment.status == PaymentStatus::Canceling {
                    let message = "The money could not be given back; somebody has to look";
                    return self.try_move(Trigger::OutcomeUnknown, message, data, actor).unwrap_or(Outcome::Noted);
                }
            }
            RefundSeen::Succeeded { data, all } => {
                self.tell(REFUND_SUCCEEDED, "The refund is on its way to the payer", data.clone(), actor);
                if all {
                    self.clear_failure();
                    let message = "The payer has all of it back";
                    return self.try_move(Trigger::Returned, message, data, actor).unwrap_or(Outcome::Noted);
                }
            }
        }
        Outcome::Noted
    }
}
