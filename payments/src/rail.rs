//! What a payment's log shows of its rail, folded from its rows: the ground that an operator's verdict stands on. Pure.

use entities::payment_log;
use serde::Serialize;
use serde_json::Value;

use crate::transition::Trigger;

/// How a gateway's loss of what it had taken is named.
pub(crate) const CAPTURE: &str = "capture";

/// How it is named that a payer no longer has back what had gone back.
pub(crate) const RETURN: &str = "return";

/// How it is named that a bank does not have what it was said to have.
pub(crate) const TRANSFER: &str = "transfer";

/// What the rail is known to show of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Nothing of it was ever seen there with finality, or all that was seen is gone.
    Nothing,
    /// Its deal is open, and nobody has paid.
    DealOpen,
    /// A deposit is in a block that is not final yet.
    DepositSeen,
    /// A deposit is final, and the deal still holds it.
    DepositFinal,
    /// The payee has the deposit.
    Released,
    /// The deal is closed, and the payer has the deposit back.
    Returned,
    /// The deal is closed, and its contract keeps the deposit for the payer, whose account refused it.
    ReturnHeld,
    /// The deal is closed, and nobody had paid.
    Closed,
}

impl Shown {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::Nothing,
        Self::DealOpen,
        Self::DepositSeen,
        Self::DepositFinal,
        Self::Released,
        Self::Returned,
        Self::ReturnHeld,
        Self::Closed,
    ];

    /// The word in answers and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::DealOpen => "deal_open",
            Self::DepositSeen => "deposit_seen",
            Self::DepositFinal => "deposit_final",
            Self::Released => "released",
            Self::Returned => "returned",
            Self::ReturnHeld => "return_held",
            Self::Closed => "closed",
        }
    }

    /// The same as a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Nothing => "Nothing of it is known to be on its rail",
            Self::DealOpen => "Its deal is open on its rail, and nobody has paid",
            Self::DepositSeen => "A deposit is seen on its rail, and is not final yet",
            Self::DepositFinal => "A deposit is final on its rail, and the deal holds it",
            Self::Released => "The deposit went to the payee",
            Self::Returned => "The deal is closed, and the deposit went back to the payer",
            Self::ReturnHeld => {
                "The deal is closed, and its contract keeps the deposit for the payer, who calls withdraw"
            }
            Self::Closed => "The deal is closed, and nothing had been deposited",
        }
    }
}

/// The rail as the log tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rail {
    opened: bool,
    deposit: Deposit,
    end: Option<Shown>,
    lost: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Deposit {
    #[default]
    None,
    Seen,
    Final,
}

impl Rail {
    /// From a payment's whole log, oldest first. Rows that tell nothing of the rail change nothing.
    #[must_use]
    pub fn of<'a>(log: impl IntoIterator<Item = &'a payment_log::Model>) -> Self {
        let mut rail = Self::default();
        for row in log {
            if let Ok(trigger) = serde_json::from_value(row.data["trigger"].clone()) {
                rail.take(trigger, &row.data);
            }
        }
        rail
    }

    /// What it shows now.
    #[must_use]
    pub fn shown(&self) -> Shown {
        match (self.end, self.deposit, self.opened) {
            (Some(end), _, _) => end,
            (None, Deposit::Final, _) => Shown::DepositFinal,
            (None, Deposit::Seen, _) => Shown::DepositSeen,
            (None, Deposit::None, true) => Shown::DealOpen,
            (None, Deposit::None, false) => Shown::Nothing,
        }
    }

    /// What had been final and was lost, as the rail calls it, until it is seen again.
    #[must_use]
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    fn take(&mut self, trigger: Trigger, data: &Value) {
        match trigger {
            // A row tells of an opening only when no deal was known: whatever was there before is over.
            Trigger::Opened => {
                let lost = self.lost.take();
                *self = Self { opened: true, lost, ..Self::default() };
                self.found("DealCreated");
            }
            Trigger::PaymentSeen => {
                self.opened = true;
                if self.deposit == Deposit::None {
                    self.deposit = Deposit::Seen;
                }
            }
            Trigger::PaymentGone => {
                if self.deposit == Deposit::Seen {
                    self.deposit = Deposit::None;
                }
            }
            Trigger::PaymentFinal | Trigger::PaidTwice => {
                (self.opened, self.deposit) = (true, Deposit::Final);
                // Nothing was there when it was closed, and now there is: a gateway's late success.
                self.end.take_if(|end| *end == Shown::Closed);
                self.found("DealDeposited");
                self.found(CAPTURE);
                self.found(TRANSFER);
            }
            Trigger::Released => self.ended(Shown::Released, "DealReleased"),
            Trigger::Returned => self.ended(Shown::Returned, "DealCanceled"),
            Trigger::ReturnHeld => self.ended(Shown::ReturnHeld, "DealCanceled"),
            Trigger::Closed => self.ended(Shown::Closed, "DealCanceled"),
            Trigger::EvidenceWithdrawn => self.lose(TRANSFER),
            Trigger::FinalityBroken => self.lose(data["lost"].as_str().unwrap_or_default()),
            // What was asked for, and what became of sending it, tells nothing of what stands on the rail.
            Trigger::SendFailed
            | Trigger::OutcomeUnknown
            | Trigger::CanceledBeforeSending
            | Trigger::CancelRequested
            | Trigger::RetryRequested
            | Trigger::Expired
            | Trigger::NeverSent
            | Trigger::EvidenceRejected
            | Trigger::RailFailed
            | Trigger::TakenAtTill
            | Trigger::Voided => {}
        }
    }

    fn ended(&mut self, end: Shown, event: &str) {
        (self.opened, self.end) = (true, Some(end));
        self.found(event);
    }

    fn found(&mut self, event: &str) {
        self.lost.take_if(|lost| lost == event);
    }

    /// Takes back an event and whatever needed it.
    fn lose(&mut self, event: &str) {
        match event {
            "DealCreated" | TRANSFER => *self = Self::default(),
            "DealDeposited" | CAPTURE => (self.deposit, self.end) = (Deposit::None, None),
            "DealReleased" | "DealCanceled" => self.end = None,
            // The money is there again, and nothing is missing.
            RETURN => {
                (self.deposit, self.end, self.lost) = (Deposit::Final, None, None);
                return;
            }
            unknown => tracing::error!(unknown, "a lost event that is not known"),
        }
        self.lost = Some(event.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rail(life: &[(Trigger, &str)]) -> Rail {
        let mut rail = Rail::default();
        for (trigger, lost) in life {
            rail.take(*trigger, &json!({ "lost": lost }));
        }
        rail
    }

    fn shown(life: &[Trigger]) -> Shown {
        rail(&life.iter().map(|trigger| (*trigger, "")).collect::<Vec<_>>()).shown()
    }

    #[test]
    fn a_life_shows_how_far_it_has_come() {
        use Trigger::*;
        assert_eq!(shown(&[]), Shown::Nothing);
        assert_eq!(shown(&[OutcomeUnknown, SendFailed, CancelRequested]), Shown::Nothing);
        assert_eq!(shown(&[Opened]), Shown::DealOpen);
        assert_eq!(shown(&[Opened, PaymentSeen]), Shown::DepositSeen);
        assert_eq!(shown(&[Opened, PaymentSeen, PaymentGone]), Shown::DealOpen);
        assert_eq!(shown(&[Opened, PaymentSeen, PaymentFinal]), Shown::DepositFinal);
        assert_eq!(shown(&[Opened, PaymentSeen, PaymentFinal, Released]), Shown::Released);
        assert_eq!(shown(&[Opened, PaymentSeen, PaymentFinal, Returned]), Shown::Returned);
        assert_eq!(shown(&[Opened, Closed]), Shown::Closed);
    }

    #[test]
    fn what_is_told_again_changes_nothing() {
        use Trigger::*;
        assert_eq!(shown(&[Opened, PaymentSeen, PaymentFinal, PaymentSeen]), Shown::DepositFinal);
        assert_eq!(shown(&[Opened, PaymentFinal, PaymentGone]), Shown::DepositFinal);
        assert_eq!(shown(&[Opened, PaymentFinal, Released, PaymentSeen, PaymentFinal]), Shown::Released);
    }

    #[test]
    fn money_that_comes_after_a_closing_is_there() {
        use Trigger::*;
        assert_eq!(shown(&[Opened, CancelRequested, Closed, PaymentFinal]), Shown::DepositFinal);
        assert_eq!(shown(&[Opened, CancelRequested, Closed, PaidTwice]), Shown::DepositFinal);
    }

    #[test]
    fn what_a_bank_gives_again_is_there() {
        use Trigger::*;
        let ended = [(PaymentFinal, ""), (FinalityBroken, CAPTURE), (Returned, "")];
        assert_eq!(rail(&ended).shown(), Shown::Returned);
        let again = rail(&[ended.as_slice(), &[(FinalityBroken, RETURN)]].concat());
        assert_eq!((again.shown(), again.lost()), (Shown::DepositFinal, None));
    }

    #[test]
    fn an_opening_begins_anew() {
        use Trigger::*;
        // A cancel before anything was sent also closes; a deal that opens all the same is open.
        assert_eq!(shown(&[CancelRequested, Closed, Opened]), Shown::DealOpen);
    }

    #[test]
    fn what_is_lost_takes_with_it_what_came_of_it() {
        use Trigger::*;
        let paid = [(Opened, ""), (PaymentSeen, ""), (PaymentFinal, "")];
        for (event, left) in [("DealCreated", Shown::Nothing), ("DealDeposited", Shown::DealOpen)] {
            for end in [Released, Returned, FinalityBroken] {
                let mut life = paid.to_vec();
                life.extend([(end, "DealReleased"), (FinalityBroken, event)]);
                let rail = rail(&life);
                assert_eq!((rail.shown(), rail.lost()), (left, Some(event)), "{life:?}");
            }
        }
        let mut life = paid.to_vec();
        life.extend([(Released, ""), (FinalityBroken, "DealReleased")]);
        assert_eq!(rail(&life).shown(), Shown::DepositFinal);
        life.push((Released, ""));
        assert_eq!((rail(&life).shown(), rail(&life).lost()), (Shown::Released, None));
        let canceled = [(Opened, ""), (Closed, ""), (FinalityBroken, "DealCanceled")];
        assert_eq!(rail(&canceled).shown(), Shown::DealOpen);
    }
}
