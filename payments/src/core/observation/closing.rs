//! What the end of a deal does to its payment, by where the deposit went.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Outcome, Subject};
use crate::{caller::Actor, transition::Trigger};

/// The event of a returned deposit that is kept for its payer.
pub(crate) const RETURN_HELD: &str = "payment.return_held";

/// Where the deposit of a deal went when the deal was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing {
    /// There was none.
    Nothing,
    /// The payer has it back.
    Returned,
    /// The payer's account refused it, and the contract keeps it for them.
    Held {
        /// The payer's account.
        payer: String,
        /// The token's contract; none for the network's own coin.
        token: Option<String>,
        /// How much, in the token's smallest unit.
        amount_base_units: String,
    },
}

impl Subject {
    pub(super) fn deal_canceled(
        &mut self,
        deposit: Closing,
        transaction_hash: Option<String>,
        actor: &Actor,
    ) -> Outcome {
        let mut data = json!({ "transaction_hash": transaction_hash, "returned": deposit == Closing::Returned });
        if self.payment.cancel_transaction_hash.is_none() {
            self.payment.cancel_transaction_hash = transaction_hash;
            self.changed = true;
        }
        self.clear_failure();
        match deposit {
            Closing::Nothing => self.move_or_note(Trigger::Closed, "deal.closed", "The deal is closed", data, actor),
            Closing::Returned => {
                let message = "The deal is closed and the deposit went back";
                self.move_or_note(Trigger::Returned, "deal.closed", message, data, actor)
            }
            Closing::Held { payer, token, amount_base_units } => {
                data["held"] = json!({
                    "payer": payer,
                    "token_address": token,
                    "amount": self.payment.paid_price.to_string(),
                    "amount_base_units": amount_base_units,
                    "diamond_address": self.payment.diamond_address,
                });
                self.return_held(payer, token, data, actor)
            }
        }
    }

    /// An event of its own beside that of the state: the payer has something to do.
    fn return_held(&mut self, payer: String, token: Option<String>, mut data: Value, actor: &Actor) -> Outcome {
        let message = "The deal is closed; the payer's account refused the deposit, which is kept for the payer, who calls withdraw";
        let news = self.payment.return_held_for.is_none();
        (self.payment.return_held_for, self.payment.return_held_token) = (Some(payer), token);
        let outcome = self.move_or_note(Trigger::ReturnHeld, "deal.closed", message, data.clone(), actor);
        if news {
            data["trigger"] = json!(Trigger::ReturnHeld);
            self.announce(RETURN_HELD, message, data, actor);
        }
        outcome
    }

    pub(super) fn return_withdrawn(&mut self, at: DateTime<Utc>, data: Value, actor: &Actor) -> Outcome {
        if self.payment.return_held_for.is_none() || self.payment.return_withdrawn_at.is_some() {
            return Outcome::Unchanged;
        }
        self.payment.return_withdrawn_at = Some(at);
        self.note("return.withdrawn", "The payer has taken the deposit that was kept for them", data, actor)
    }

    /// Lets the deposit be announced anew when the deal is closed again.
    pub(super) fn forget_held_return(&mut self) {
        self.payment.return_held_for = None;
        self.payment.return_held_token = None;
        self.payment.return_withdrawn_at = None;
    }
}

#[cfg(test)]
mod tests {
    use entities::{PaymentMethod, PaymentStatus, now};

    use super::*;
    use crate::{observation::Observation, rail::Lost, samples};

    fn held() -> Closing {
        Closing::Held { payer: "0xp".to_owned(), token: Some("0xt".to_owned()), amount_base_units: "105".to_owned() }
    }

    fn closed(subject: &mut Subject, deposit: Closing, hash: &str) -> Outcome {
        let transaction_hash = Some(hash.to_owned());
        subject.apply(Observation::DealCanceled { deposit, transaction_hash }, &Actor::chain(1).into())
    }

    #[test]
    fn a_closing_ends_the_payment_by_where_its_deposit_went() {
        for (deposit, status) in [
            (Closing::Nothing, PaymentStatus::Canceled),
            (Closing::Returned, PaymentStatus::Refunded),
            (held(), PaymentStatus::Canceled),
        ] {
            let mut subject = samples::subject(PaymentMethod::Web3, PaymentStatus::Canceling);
            assert_eq!(closed(&mut subject, deposit.clone(), "0xa"), Outcome::Moved(status), "{deposit:?}");
            assert_eq!(subject.logs[0].data["returned"], deposit == Closing::Returned);
        }
    }

    #[test]
    fn a_closing_is_known_by_its_first_transaction() {
        let mut subject = samples::subject(PaymentMethod::Web3, PaymentStatus::Canceling);
        closed(&mut subject, Closing::Nothing, "0xa");
        assert_eq!(closed(&mut subject, Closing::Nothing, "0xb"), Outcome::Noted);
        assert_eq!(subject.payment.cancel_transaction_hash.as_deref(), Some("0xa"));
    }

    #[test]
    fn what_is_kept_for_the_payer_is_announced_once_until_it_is_lost() {
        let mut subject = samples::subject(PaymentMethod::Web3, PaymentStatus::Canceling);
        closed(&mut subject, held(), "0xa");
        closed(&mut subject, held(), "0xa");
        let held_events = |subject: &Subject| subject.logs.iter().filter(|log| log.event_type == RETURN_HELD).count();
        assert_eq!(held_events(&subject), 1);
        let kept = &subject.payment;
        assert_eq!((kept.return_held_for.as_deref(), kept.return_held_token.as_deref()), (Some("0xp"), Some("0xt")));
        let lost = Observation::FinalityBroken { lost: Lost::DealCanceled, data: json!({}) };
        subject.apply(lost, &Actor::chain(1).into());
        assert_eq!(subject.payment.return_held_for, None);
        closed(&mut subject, held(), "0xc");
        assert_eq!(held_events(&subject), 2, "it is announced anew when the deal is closed again");
    }

    #[test]
    fn only_what_is_kept_can_be_taken_and_once() {
        let taken = || Observation::ReturnWithdrawn { at: now(), data: json!({}) };
        let mut subject = samples::subject(PaymentMethod::Web3, PaymentStatus::Canceling);
        assert_eq!(subject.apply(taken(), &Actor::chain(1).into()), Outcome::Unchanged);
        closed(&mut subject, held(), "0xa");
        assert_eq!(subject.apply(taken(), &Actor::chain(1).into()), Outcome::Noted);
        let at = subject.payment.return_withdrawn_at;
        assert!(at.is_some());
        assert_eq!(subject.apply(taken(), &Actor::chain(1).into()), Outcome::Unchanged);
        assert_eq!(subject.payment.return_withdrawn_at, at);
    }
}
