//! What PayPal answers, and what it means to us.

use rust_decimal::Decimal;
use serde::Deserialize;
use url::Url;

use crate::{Error, Payment, Refunded, State, http::short};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct OrderResponse {
    id: String,
    status: String,
    update_time: String,
    purchase_units: Vec<Unit>,
    links: Vec<Link>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Unit {
    payments: Payments,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Payments {
    captures: Vec<Capture>,
    refunds: Vec<RefundResponse>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Capture {
    id: String,
    status: String,
    status_details: Details,
    amount: Amount,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RefundResponse {
    id: String,
    status: String,
    status_details: Details,
    invoice_id: String,
    amount: Amount,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    reason: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Amount {
    currency_code: String,
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Link {
    href: String,
    rel: String,
}

/// The body of a refusal.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    name: String,
    message: String,
    details: Vec<Issue>,
    links: Vec<Link>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Issue {
    issue: String,
    description: String,
}

/// What became of the money of an order that is completed.
#[derive(Default)]
struct Sums {
    captured: Decimal,
    refunded: Decimal,
    reversed: Decimal,
    /// Taken, but not there yet, such as an eCheck.
    pending: bool,
    /// PayPal's word for why there is no money.
    failed: Option<String>,
}

impl OrderResponse {
    pub(super) fn payment(&self, currency: &str) -> Result<Payment, Error> {
        if self.id.is_empty() {
            return Err(unreadable("an order without an id"));
        }
        let sums = self.sums(currency)?;
        let state = match self.status.as_str() {
            "CREATED" | "SAVED" | "PAYER_ACTION_REQUIRED" => State::Waiting,
            "APPROVED" => State::Approved,
            "VOIDED" => State::Closed,
            "COMPLETED" => sums.state()?,
            _ => return Err(unreadable("an order's status that is not documented")),
        };
        Ok(Payment {
            gateway_id: self.id.clone(),
            charge_id: self.captures().next().map(|capture| capture.id.clone()).filter(|id| !id.is_empty()),
            approve_url: if state == State::Waiting { page(&self.links) } else { None },
            state,
            client_secret: None,
            captured: sums.captured,
            refunded: sums.refunded,
            reversed: sums.reversed,
        })
    }

    /// When it was changed last, as letters and digits.
    pub(super) fn updated_at(&self) -> String {
        self.update_time.chars().filter(char::is_ascii_alphanumeric).take(24).collect()
    }

    pub(super) fn has_captures(&self) -> bool {
        self.captures().next().is_some()
    }

    /// The capture that can be given back.
    pub(super) fn refundable(&self) -> Option<&str> {
        let held = |capture: &&Capture| capture.is_taken();
        self.captures().find(held).map(|capture| capture.id.as_str())
    }

    pub(super) fn refund(&self, reference: &str) -> Option<&RefundResponse> {
        self.refunds().find(|refund| refund.invoice_id == reference)
    }

    fn captures(&self) -> impl Iterator<Item = &Capture> {
        self.purchase_units.iter().flat_map(|unit| &unit.payments.captures)
    }

    fn refunds(&self) -> impl Iterator<Item = &RefundResponse> {
        self.purchase_units.iter().flat_map(|unit| &unit.payments.refunds)
    }

    fn sums(&self, currency: &str) -> Result<Sums, Error> {
        let mut sums = Sums::default();
        let mut given_back_whole = false;
        let mut taken_back = Decimal::ZERO;
        for capture in self.captures() {
            if capture.is_taken() {
                let amount = capture.amount.read(currency)?;
                add(&mut sums.captured, amount)?;
                given_back_whole |= capture.status == "REFUNDED";
                if capture.is_taken_back() {
                    add(&mut taken_back, amount)?;
                }
            } else if capture.status == "PENDING" {
                sums.pending = true;
            } else {
                let words = [&capture.status_details.reason, &capture.status];
                sums.failed = words.into_iter().find(|word| !word.is_empty()).map(|word| short(word));
            }
        }
        for refund in self.refunds().filter(|refund| refund.status == "COMPLETED") {
            add(&mut sums.refunded, refund.amount.read(currency)?)?;
        }
        if given_back_whole && sums.refunded.is_zero() {
            sums.refunded = sums.captured;
        }
        // What had been refunded before could not be taken back, too.
        sums.reversed = taken_back.min(sums.captured - sums.refunded.min(sums.captured));
        Ok(sums)
    }
}

impl Capture {
    /// Whether the money was with the merchant, be it only for a while.
    fn is_taken(&self) -> bool {
        matches!(self.status.as_str(), "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED") || self.is_taken_back()
    }

    /// Whether the payer's bank, or PayPal for the payer, has the money again, or holds it until a dispute is over.
    fn is_taken_back(&self) -> bool {
        let disputed = matches!(self.status_details.reason.as_str(), "CHARGEBACK" | "BUYER_COMPLAINT");
        self.status == "REVERSED" || (self.status == "PENDING" && disputed)
    }
}

impl Sums {
    fn state(&self) -> Result<State, Error> {
        if self.captured > Decimal::ZERO {
            return Ok(State::Captured);
        }
        if self.pending {
            return Ok(State::Approved);
        }
        let code = self.failed.clone().ok_or_else(|| unreadable("a completed order without captures"))?;
        Ok(State::Failed { code, message: "PayPal did not take the money".to_owned() })
    }
}

impl RefundResponse {
    pub(super) fn refunded(&self) -> Result<Refunded, Error> {
        let state = match self.status.as_str() {
            "COMPLETED" => State::Captured,
            "PENDING" => State::Waiting,
            "FAILED" | "CANCELLED" => {
                let words = [&self.status_details.reason, &self.status];
                let code = words.into_iter().find(|word| !word.is_empty()).map(|word| short(word)).unwrap_or_default();
                State::Failed { code, message: "PayPal did not give the money back".to_owned() }
            }
            _ => return Err(unreadable("a refund's status that is not documented")),
        };
        Ok(Refunded { gateway_id: self.id.clone(), state })
    }
}

impl Refusal {
    /// What exactly is wrong, in PayPal's word.
    pub(super) fn issue(&self) -> Option<&str> {
        self.details.first().map(|detail| detail.issue.as_str())
    }

    /// Where the payer is sent to, for refusals that the payer can do something about.
    pub(super) fn page(&self) -> Option<Url> {
        page(&self.links)
    }

    pub(super) fn into_error(self, status: u16) -> Error {
        let (issue, description) =
            self.details.into_iter().next().map(|detail| (detail.issue, detail.description)).unwrap_or_default();
        let or = |first: String, second: String| if first.is_empty() { second } else { first };
        let code = or(or(issue, self.name), format!("http_{status}"));
        let message = or(or(description, self.message), "PayPal refused without a reason".to_owned());
        Error::Declined { code: short(&code), message: short(&message) }
    }
}

impl Amount {
    fn read(&self, currency: &str) -> Result<Decimal, Error> {
        if self.currency_code != currency {
            return Err(unreadable("an amount in another currency than was asked for"));
        }
        let amount = Decimal::from_str_exact(&self.value).map_err(|_| unreadable("an amount that is no number"))?;
        if amount.is_sign_negative() { Err(unreadable("a negative amount")) } else { Ok(amount) }
    }
}

fn add(sum: &mut Decimal, amount: Decimal) -> Result<(), Error> {
    *sum = sum.checked_add(amount).ok_or_else(|| unreadable("amounts beyond all bounds"))?;
    Ok(())
}

/// The page on which the payer approves.
fn page(links: &[Link]) -> Option<Url> {
    let leads = |link: &&Link| matches!(link.rel.as_str(), "payer-action" | "approve" | "redirect");
    let url = Url::parse(&links.iter().find(leads)?.href).ok()?;
    matches!(url.scheme(), "https" | "http").then_some(url)
}

fn unreadable(what: &str) -> Error {
    Error::Unknown(format!("PayPal tells of {what}"))
}
