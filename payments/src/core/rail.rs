//! What a payment's log shows of its rail, folded from its rows: the evidence of an operator's verdict. Pure.

use entities::payment_log;
use serde::Serialize;
use serde_json::Value;

use crate::transition::Trigger;

/// What had been final on a rail and is there no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    /// The deal.
    DealCreated,
    /// The deposit of a deal.
    DealDeposited,
    /// What went to the payee of a deal.
    DealReleased,
    /// The closing of a deal.
    DealCanceled,
    /// What a gateway had taken.
    Capture,
    /// What had gone back to a payer by a gateway.
    Return,
    /// What a bank was said to have.
    Transfer,
}

impl Lost {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::DealCreated,
        Self::DealDeposited,
        Self::DealReleased,
        Self::DealCanceled,
        Self::Capture,
        Self::Return,
        Self::Transfer,
    ];

    /// The word in logs, events and answers; for a deal the name of the contract's event.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::DealCreated => "DealCreated",
            Self::DealDeposited => "DealDeposited",
            Self::DealReleased => "DealReleased",
            Self::DealCanceled => "DealCanceled",
            Self::Capture => "capture",
            Self::Return => "return",
            Self::Transfer => "transfer",
        }
    }

    /// What the data of a log row name as lost.
    fn of(data: &Value) -> Option<Self> {
        let word = data.get("lost")?;
        let lost = Self::ALL.iter().copied().find(|lost| *word == lost.word());
        if lost.is_none() {
            tracing::error!(%word, "a log row names a loss that is not known");
        }
        lost
    }
}

/// What the rail is known to show of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// Nothing of it was ever final there, or all that was is gone.
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

/// The rail as the log shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rail {
    opened: bool,
    deposit: Deposit,
    end: Option<Shown>,
    lost: Option<Lost>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Deposit {
    #[default]
    None,
    Seen,
    Final,
}

impl Rail {
    /// From a payment's whole log, oldest first. Rows that say nothing of the rail change nothing.
    #[must_use]
    pub fn of<'a>(log: impl IntoIterator<Item = &'a payment_log::Model>) -> Self {
        let mut rail = Self::default();
        for row in log {
            if let Ok(trigger) = serde_json::from_value(row.data["trigger"].clone()) {
                rail.take(trigger, Lost::of(&row.data));
            }
        }
        rail
    }

    /// What the rail shows after the last row.
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

    /// What had been final and was lost, until it is there again.
    #[must_use]
    pub fn lost(&self) -> Option<Lost> {
        self.lost
    }

    fn take(&mut self, trigger: Trigger, lost: Option<Lost>) {
        match trigger {
            // A row is an opening only when no deal was known: whatever was there before is over.
            Trigger::Opened => {
                let lost = self.lost.take();
                *self = Self { opened: true, lost, ..Self::default() };
                self.found(Lost::DealCreated);
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
                self.lost.take_if(|lost| matches!(lost, Lost::DealDeposited | Lost::Capture | Lost::Transfer));
            }
            Trigger::Released => self.ended(Shown::Released, Lost::DealReleased),
            Trigger::Returned => self.ended(Shown::Returned, Lost::DealCanceled),
            Trigger::ReturnHeld => self.ended(Shown::ReturnHeld, Lost::DealCanceled),
            Trigger::Closed => self.ended(Shown::Closed, Lost::DealCanceled),
            Trigger::EvidenceWithdrawn => self.lose(Lost::Transfer),
            Trigger::FinalityBroken => match lost {
                Some(lost) => self.lose(lost),
                None => tracing::error!("a log row tells of a loss and not of what was lost"),
            },
            // Requests, and attempts to send them, say nothing of what is on the rail.
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

    fn ended(&mut self, end: Shown, event: Lost) {
        (self.opened, self.end) = (true, Some(end));
        self.found(event);
    }

    fn found(&mut self, event: Lost) {
        self.lost.take_if(|lost| *lost == event);
    }

    /// Takes back an event and whatever needed it.
    fn lose(&mut self, event: Lost) {
        match event {
            Lost::DealCreated | Lost::Transfer => *self = Self::default(),
            Lost::DealDeposited | Lost::Capture => (self.deposit, self.end) = (Deposit::None, None),
            Lost::DealReleased | Lost::DealCanceled => self.end = None,
            // The money is there again, and nothing is missing.
            Lost::Return => {
                (self.deposit, self.end, self.lost) = (Deposit::Final, None, None);
                return;
            }
        }
        self.lost = Some(event);
    }
}

#[cfg(test)]
mod tests;
