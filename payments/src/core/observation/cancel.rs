//! What follows from a cancel, whoever asks for it.

use entities::{PaymentMethod, PaymentStatus};
use serde_json::{Value, json};

use super::{Outcome, Subject, gateway};
use crate::{caller::Actor, transition::Trigger};

impl Subject {
    /// Takes back what was asked for, through the rail where that may have it.
    pub(super) fn cancel(&mut self, message: &str, data: Value, actor: &Actor) -> Outcome {
        let on_chain = self.payment.payment_method == PaymentMethod::Web3;
        // What a gateway has taken goes back by refunds, of which there may be several.
        let at_gateway = gateway::is_method(self.payment.payment_method) && self.payment.status != PaymentStatus::Paid;
        // A deal that opened although its sending had been said to have failed has to be closed as well.
        let sent = self.payment.sending_since.is_some() || self.payment.deal_id.is_some();
        let trigger =
            if (on_chain || at_gateway) && sent { Trigger::CancelRequested } else { Trigger::CanceledBeforeSending };
        self.try_move(trigger, message, data, actor).unwrap_or(Outcome::Unchanged)
    }

    /// The chain was never asked for what is to be closed there.
    pub(super) fn nothing_sent(&mut self, actor: &Actor) -> Outcome {
        if self.payment.status != PaymentStatus::Canceling || self.payment.deal_id.is_some() {
            return Outcome::Unchanged;
        }
        self.try_move(Trigger::Closed, "Nothing had been sent to the chain", json!({}), actor)
            .unwrap_or(Outcome::Unchanged)
    }
}
