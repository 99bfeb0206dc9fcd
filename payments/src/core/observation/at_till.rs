//! What a till does to its payments.

use serde_json::{Value, json};

use super::{Outcome, Subject};
use crate::{caller::Actor, transition::Trigger};

/// The event that tells that a till has corrected a payment.
pub(crate) const UPDATED: &str = "payment.updated";

impl Subject {
    pub(super) fn taken_at_till(&mut self, actor: &Actor) -> Outcome {
        self.clear_failure();
        let message = "The till has the money";
        self.try_move(Trigger::TakenAtTill, message, json!({}), actor).unwrap_or(Outcome::Unchanged)
    }

    pub(super) fn corrected(&mut self, data: Value, actor: &Actor) -> Outcome {
        self.tell(UPDATED, "The till has corrected it", data, actor);
        Outcome::Noted
    }

    pub(super) fn voided(&mut self, data: Value, actor: &Actor) -> Outcome {
        let message = "The till has deleted it";
        self.try_move(Trigger::Voided, message, data, actor).unwrap_or(Outcome::Unchanged)
    }
}
