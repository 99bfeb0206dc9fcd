//! What a till does to its payments.

use serde_json::{Value, json};

use super::{Outcome, Subject};
use crate::{caller::Actor, transition::Trigger};

/// The event of a payment that a till has corrected.
pub(crate) const UPDATED: &str = "payment.updated";

impl Subject {
    pub(super) fn taken_at_till(&mut self, actor: &Actor) -> Outcome {
        self.clear_failure();
        let message = "The till has the money";
        self.try_move(Trigger::TakenAtTill, message, json!({}), actor).unwrap_or(Outcome::Unchanged)
    }

    pub(super) fn corrected(&mut self, data: Value, actor: &Actor) -> Outcome {
        self.announce(UPDATED, "The till has corrected it", data, actor);
        Outcome::Noted
    }

    pub(super) fn voided(&mut self, data: Value, actor: &Actor) -> Outcome {
        let message = "The till has deleted it";
        self.try_move(Trigger::Voided, message, data, actor).unwrap_or(Outcome::Unchanged)
    }
}

#[cfg(test)]
mod tests {
    use entities::{PaymentMethod, PaymentStatus};

    use super::*;
    use crate::{observation::Observation, samples};

    #[test]
    fn a_till_takes_corrects_and_takes_back() {
        let mut subject = samples::subject(PaymentMethod::Cash, PaymentStatus::Pending);
        let mut observe = |what| subject.apply(what, &Actor::payer().into());
        assert_eq!(observe(Observation::TakenAtTill), Outcome::Moved(PaymentStatus::Completed));
        assert_eq!(observe(Observation::TakenAtTill), Outcome::Unchanged, "it was written down already");
        assert_eq!(observe(Observation::Corrected { data: json!({}) }), Outcome::Noted);
        assert_eq!(observe(Observation::Voided { data: json!({}) }), Outcome::Moved(PaymentStatus::Canceled));
        assert_eq!(observe(Observation::Voided { data: json!({}) }), Outcome::Unchanged, "it was taken back already");
        let events: Vec<_> = subject.logs.iter().map(|log| log.event_type).collect();
        assert_eq!(events, ["payment.completed", UPDATED, "payment.canceled"]);
        assert_eq!(subject.messages.len(), 0, "no rail is asked for anything");
    }
}
