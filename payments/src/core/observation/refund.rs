//! What a refund means for the payment that it gives back.

use entities::PaymentStatus;
use serde_json::Value;

use super::{Outcome, Subject};
use crate::{caller::Actor, transition::Trigger};

/// Events of a refund: numbered like transitions, in the status before.
pub(crate) const REFUND_CREATED: &str = "refund.created";
pub(crate) const REFUND_SUCCEEDED: &str = "refund.succeeded";
pub(crate) const REFUND_FAILED: &str = "refund.failed";

/// A change of a refund's status; the data names the refund.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are the facts that the variants name")]
pub enum RefundUpdate {
    /// It was requested.
    Created { data: Value },
    /// The money is on its way back to the payer; `all` when with it nothing is left of what was captured.
    Succeeded { data: Value, all: bool },
    /// It is definitely not given back.
    Failed { data: Value },
}

impl Subject {
    pub(super) fn refund(&mut self, update: RefundUpdate, actor: &Actor) -> Outcome {
        match update {
            RefundUpdate::Created { data } => self.announce(REFUND_CREATED, "A refund was asked for", data, actor),
            RefundUpdate::Failed { data } => {
                self.announce(REFUND_FAILED, "The refund failed", data.clone(), actor);
                if self.payment.status == PaymentStatus::Canceling {
                    let message = "The money could not be given back; somebody has to look";
                    return self.try_move(Trigger::OutcomeUnknown, message, data, actor).unwrap_or(Outcome::Noted);
                }
            }
            RefundUpdate::Succeeded { data, all } => {
                self.announce(REFUND_SUCCEEDED, "The refund is on its way to the payer", data.clone(), actor);
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

#[cfg(test)]
mod tests {
    use entities::PaymentMethod;
    use serde_json::json;

    use super::*;
    use crate::{observation::Observation, samples};

    fn after(status: PaymentStatus, update: RefundUpdate) -> (Outcome, Vec<&'static str>) {
        let mut subject = samples::subject(PaymentMethod::CreditCard, status);
        let outcome = subject.apply(Observation::Refund(update), &Actor::worker("send_refund").into());
        (outcome, subject.logs.iter().map(|log| log.event_type).collect())
    }

    #[test]
    fn a_part_that_went_back_ends_nothing_and_all_of_it_does() {
        let succeeded = |all| RefundUpdate::Succeeded { data: json!({}), all };
        for status in [PaymentStatus::Paid, PaymentStatus::Completed, PaymentStatus::Canceling] {
            assert_eq!(after(status, succeeded(false)), (Outcome::Noted, vec![REFUND_SUCCEEDED]), "{status}");
            let ended = (Outcome::Moved(PaymentStatus::Refunded), vec![REFUND_SUCCEEDED, "payment.refunded"]);
            assert_eq!(after(status, succeeded(true)), ended, "{status}");
        }
    }

    #[test]
    fn a_refund_that_failed_is_reviewed_where_it_was_to_end_the_payment() {
        let failed = || RefundUpdate::Failed { data: json!({}) };
        assert_eq!(after(PaymentStatus::Paid, failed()), (Outcome::Noted, vec![REFUND_FAILED]));
        let to_review = (Outcome::Moved(PaymentStatus::NeedsReview), vec![REFUND_FAILED, "payment.needs_review"]);
        assert_eq!(after(PaymentStatus::Canceling, failed()), to_review);
    }

    #[test]
    fn a_refund_that_was_requested_is_announced() {
        let created = after(PaymentStatus::Paid, RefundUpdate::Created { data: json!({}) });
        assert_eq!(created, (Outcome::Noted, vec![REFUND_CREATED]));
    }
}
