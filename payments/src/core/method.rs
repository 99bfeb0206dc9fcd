//! What the core knows of the rail behind each payment method: one row for each, so that another method is another row.

use entities::PaymentMethod;

use crate::observation::{AtGateway, Observation};

/// How payments by a method are opened, closed and given back.
#[derive(Clone, Debug, PartialEq)]
pub struct Capabilities {
    /// Whether they are paid into a deal on a chain, which worker and chain open, close, release and send again.
    pub on_chain: bool,
    /// Whether they are opened at a gateway, which has to be requested to close them.
    pub at_gateway: bool,
    /// Whether payers report them by receipts, and an operator of the shop compares those with the bank.
    pub reported: bool,
    /// Whether an operator's verdict may give back what was paid. Nobody gives a bank transfer back by itself.
    pub returnable: bool,
    /// What makes them open in the transaction that accepts them; none where something has to be put on the rail first.
    pub opened_by: Option<Observation>,
    /// What ends their time.
    pub expiry: Expiry,
}

/// What has to be known before a payment expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// That all blocks until then are recorded.
    Recorded,
    /// The time alone, unless the payment was handed to its rail.
    Time,
    /// What the rail answers, which a job of the rail's own requests once more.
    Answered,
}

impl Capabilities {
    /// Money that changes hands beside this system, which writes it down.
    const BESIDE: Self = Self {
        on_chain: false,
        at_gateway: false,
        reported: false,
        returnable: false,
        opened_by: None,
        expiry: Expiry::Time,
    };

    /// The rail of this method.
    #[must_use]
    pub fn of(method: PaymentMethod) -> Self {
        match method {
            PaymentMethod::Web3 => Self { on_chain: true, returnable: true, expiry: Expiry::Recorded, ..Self::BESIDE },
            PaymentMethod::CreditCard => Self {
                at_gateway: true,
                returnable: true,
                opened_by: Some(Observation::Gateway(AtGateway::Payable)),
                ..Self::BESIDE
            },
            PaymentMethod::MobileMoney => Self { at_gateway: true, ..Self::BESIDE },
            PaymentMethod::BankTransfer => {
                Self { reported: true, opened_by: Some(Observation::TransferAccepted), ..Self::BESIDE }
            }
            PaymentMethod::Lightning => Self { expiry: Expiry::Answered, ..Self::BESIDE },
            PaymentMethod::Cash | PaymentMethod::DebitCard => Self::BESIDE,
        }
    }

    /// The methods whose rail is such a one.
    pub fn methods(is_such: fn(&Self) -> bool) -> impl Iterator<Item = PaymentMethod> {
        PaymentMethod::ALL.iter().copied().filter(move |method| is_such(&Self::of(*method)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_on_one_rail_at_most() {
        for method in PaymentMethod::ALL {
            let rail = Capabilities::of(*method);
            let kinds = [rail.on_chain, rail.at_gateway, rail.reported].into_iter().filter(|is| *is).count();
            assert!(kinds <= 1, "{method}");
            assert_eq!(rail.on_chain, rail.expiry == Expiry::Recorded, "{method}: only a chain has blocks");
        }
        assert_eq!(Capabilities::methods(|rail| rail.on_chain).collect::<Vec<_>>(), [PaymentMethod::Web3]);
        assert_eq!(
            Capabilities::methods(|rail| rail.expiry == Expiry::Answered).collect::<Vec<_>>(),
            [PaymentMethod::Lightning]
        );
    }
}
