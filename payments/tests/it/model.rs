//! The state machine against a second one, written from the design and not from its table: whatever comes in whatever
//! order, twice and late, both end in the same state.

use entities::{
    GatewaySessionKind,
    PaymentStatus::{self, *},
};
use fixtures::{TestDatabase, on_both};
use payments::{AtGateway, Closing, Observation, Outcome, RefundUpdate, rail::Lost};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use sea_orm::DatabaseBackend;
use serde_json::json;

use super::{observe, read, transitions};

/// What a payment remembers beside its state, as far as that decides where it goes.
#[derive(Clone, Copy, Debug)]
struct Model {
    status: PaymentStatus,
    handed_over: bool,
    has_deal: bool,
    resends: u32,
}

/// The resends that `Merchant::payment` grants.
const RESENDS_MAX: u32 = 8;

impl Model {
    /// Where it is after this.
    #[expect(clippy::too_many_lines, reason = "an arm for each observation there is")]
    fn after(mut self, observation: &Observation) -> Self {
        let was = self.status;
        match observation {
            Observation::SendingStarted { .. } => self.handed_over = true,
            Observation::DealOpened { .. } => self.opened(),
            Observation::SendFailed { retryable, .. } => match was {
                Pending if *retryable && self.resends < RESENDS_MAX => {
                    self.resends += 1;
                    self.handed_over = false;
                }
                Pending => self.status = Failed,
                Canceling => self.status = Canceled,
                _ => {}
            },
            Observation::CancelFailed { .. } => {
                if [Canceling, Expired].contains(&was) {
                    self.resends += 1;
                }
            }
            Observation::DepositSeen { .. } => self.go(&[Open, Rejected], Submitted),
            Observation::DepositGone { .. } => self.go(&[Submitted], Open),
            Observation::DepositFinal { .. } => {
                self.go(&[Open, Submitted], Paid);
                self.go(&[Failed, Canceled, Expired], NeedsReview);
            }
            Observation::Released { .. } => self.go(&[Paid, Canceling], Completed),
            Observation::DealCanceled { deposit: Closing::Nothing, .. } => {
                self.go(&[Open, Submitted, Canceling], Canceled);
            }
            Observation::DealCanceled { deposit: Closing::Returned, .. } => {
                self.go(&[Submitted, Paid, Canceling, Completed], Refunded);
            }
            Observation::DealCanceled { deposit: Closing::Held { .. }, .. } => {
                self.go(&[Submitted, Paid, Canceling, Completed], Canceled);
            }
            Observation::FinalityBroken { lost, .. } => {
                self.go(&[Open, Submitted, Paid, Completed, Canceling, Canceled, Expired, Refunded], NeedsReview);
                self.has_deal &= !(self.status == NeedsReview && *lost == Lost::DealCreated);
            }
            Observation::OutcomeUnknown { .. } => self.go(&[Pending, Canceling], NeedsReview),
            Observation::CancelRequested if self.handed_over || self.has_deal => {
                self.go(&[Pending, Open, Submitted, Paid], Canceling);
            }
            Observation::CancelRequested => self.go(&[Pending, Open, Submitted], Canceled),
            Observation::OrderPaid { .. } if self.handed_over || self.has_deal => {
                self.go(&[Pending, Open, Submitted], Canceling);
            }
            Observation::OrderPaid { .. } => self.go(&[Pending, Open, Submitted], Canceled),
            Observation::NothingSent if !self.has_deal => self.go(&[Canceling], Canceled),
            Observation::RetryRequested if was == Failed && !self.has_deal => {
                (self.status, self.handed_over, self.resends) = (Pending, false, 0);
            }
            Observation::Expired => self.go(&[Open], Expired),
            Observation::NeverSent => self.go(&[Pending], Expired),
            Observation::InvoiceRefused { .. } => self.go(&[Open, Submitted, Canceling], Canceled),
            Observation::InvoiceSettled { .. } => {
                self.go(&[Failed, Canceled, Expired], NeedsReview);
                self.go(&[Open, Submitted, Paid], Completed);
            }
            Observation::TransferAccepted | Observation::InvoiceWanted { .. } => {
                self.go(&[Failed, Canceled, Expired], NeedsReview);
                self.go(&[Pending], Open);
            }
            Observation::ReceiptReported { .. } => self.go(&[Open, Rejected], Submitted),
            Observation::ReceiptConfirmed { .. } => {
                self.go(&[Failed, Canceled, Expired], NeedsReview);
                self.go(&[Open, Submitted, Rejected], Paid);
            }
            Observation::ReceiptRejected { .. } => self.go(&[Submitted], Rejected),
            Observation::TransferLost { .. } => self.go(&[Paid], Rejected),
            Observation::Gateway(observation) => self.at_gateway(observation),
            Observation::TakenAtTill => self.go(&[Pending], Completed),
            Observation::Voided { .. } => self.go(&[Completed], Canceled),
            Observation::Refund(RefundUpdate::Succeeded { all: true, .. }) => {
                self.go(&[Submitted, Paid, Canceling, Completed], Refunded);
            }
            Observation::Refund(RefundUpdate::Failed { .. }) => self.go(&[Canceling], NeedsReview),
            Observation::Refund(_)
            | Observation::Corrected { .. }
            | Observation::NothingSent
            | Observation::ReturnWithdrawn { .. }
            | Observation::RetryRequested
            | Observation::ReleaseRequested
            | Observation::ReleaseFailed { .. }
            | Observation::Trace { .. } => {}
            Observation::Resolved(_) => unreachable!("verdicts have tests of their own"),
        }
        self
    }

    fn at_gateway(&mut self, observation: &AtGateway) {
        use GatewaySessionKind::{Checkout, Intent};
        match observation {
            AtGateway::Payable => {
                self.go(&[Failed, Canceled, Expired], NeedsReview);
                self.go(&[Pending], Open);
            }
            AtGateway::Chosen { kind, .. } => {
                self.handed_over = true;
                if *kind == Checkout {
                    self.go(&[Open, Rejected], Submitted);
                }
            }
            AtGateway::Approved { .. } => self.go(&[Open], Submitted),
            AtGateway::Captured { kind, .. } => {
                self.go(&[Failed, Canceled, Expired, Refunded], NeedsReview);
                self.go(&[Open, Submitted], Paid);
                match kind {
                    Checkout => self.go(&[Paid, Canceling], Completed),
                    Intent => self.go(&[Canceling], Completed),
                }
            }
            AtGateway::CapturedOtherwise { .. } if self.status == Failed => self.status = NeedsReview,
            AtGateway::CapturedOtherwise { .. } | AtGateway::Reversed { .. } => {
                self.go(&[Open, Submitted, Paid, Completed, Canceling, Canceled, Expired, Refunded], NeedsReview);
            }
            AtGateway::Failed { .. } => {
                self.handed_over = false;
                self.go(&[Submitted], Failed);
                self.go(&[Canceling], Canceled);
            }
            AtGateway::Closed { .. } => {
                self.handed_over = false;
                self.go(&[Submitted], Open);
                self.go(&[Canceling], Canceled);
            }
            AtGateway::Returned { .. } => self.go(&[Submitted, Paid, Canceling, Completed], Refunded),
        }
    }

    fn go(&mut self, from: &[PaymentStatus], to: PaymentStatus) {
        if from.contains(&self.status) {
            self.status = to;
        }
    }

    fn opened(&mut self) {
        if !self.has_deal {
            self.has_deal = true;
            self.go(&[Failed, Canceled, Expired], NeedsReview);
            self.go(&[Pending], Open);
        }
    }
}

fn held() -> Closing {
    Closing::Held { payer: "0xb".to_owned(), token: None, amount_base_units: "7".to_owned() }
}

fn facts() -> Vec<Observation> {
    let (hash, data) = (|| Some("0xa".to_owned()), || json!({ "block_number": 7 }));
    let (code, message) = (|| "x".to_owned(), || "y".to_owned());
    let lost = |lost| Observation::FinalityBroken { lost, data: data() };
    vec![
        Observation::SendingStarted { diamond_address: "0xd".to_owned() },
        Observation::DealOpened { deal_id: "7".to_owned(), transaction_hash: hash() },
        Observation::SendFailed { code: code(), message: message(), retryable: true },
        Observation::SendFailed { code: code(), message: message(), retryable: false },
        Observation::OutcomeUnknown { data: data() },
        Observation::DepositSeen { data: data() },
        Observation::DepositGone { data: data() },
        Observation::DepositFinal { data: data() },
        Observation::ReleaseRequested,
        Observation::ReleaseFailed { code: code(), message: message() },
        Observation::Released { transaction_hash: hash() },
        Observation::CancelRequested,
        Observation::OrderPaid { by: entities::PaymentId::new() },
        Observation::NothingSent,
        Observation::CancelFailed { code: code(), message: message() },
        Observation::DealCanceled { deposit: Closing::Nothing, transaction_hash: hash() },
        Observation::DealCanceled { deposit: Closing::Returned, transaction_hash: hash() },
        Observation::DealCanceled { deposit: held(), transaction_hash: hash() },
        Observation::ReturnWithdrawn { at: chrono::Utc::now(), data: data() },
        Observation::RetryRequested,
        Observation::Expired,
        Observation::NeverSent,
        lost(Lost::DealCreated),
        lost(Lost::DealDeposited),
        lost(Lost::DealReleased),
        Observation::Gateway(AtGateway::Payable),
        Observation::Gateway(AtGateway::Chosen { kind: GatewaySessionKind::Checkout, data: data() }),
        Observation::Gateway(AtGateway::Chosen { kind: GatewaySessionKind::Intent, data: data() }),
        Observation::Gateway(AtGateway::Approved { data: data() }),
        Observation::Gateway(AtGateway::Captured { kind: GatewaySessionKind::Checkout, data: data() }),
        Observation::Gateway(AtGateway::Captured { kind: GatewaySessionKind::Intent, data: data() }),
        Observation::Gateway(AtGateway::CapturedOtherwise { data: data() }),
        Observation::Gateway(AtGateway::Failed { code: code(), message: message(), data: data() }),
        Observation::Gateway(AtGateway::Closed { data: data() }),
        Observation::Gateway(AtGateway::Reversed { data: data() }),
        Observation::Gateway(AtGateway::Returned { data: data() }),
        Observation::TransferAccepted,
        Observation::ReceiptReported { data: data() },
        Observation::ReceiptConfirmed { data: data() },
        Observation::ReceiptRejected { data: data() },
        Observation::TransferLost { data: data() },
        Observation::InvoiceWanted { data: data() },
        Observation::InvoiceRefused { code: code(), message: message() },
        Observation::InvoiceSettled { data: data() },
        Observation::TakenAtTill,
        Observation::Corrected { data: data() },
        Observation::Voided { data: data() },
        Observation::Refund(RefundUpdate::Created { data: data() }),
        Observation::Refund(RefundUpdate::Succeeded { data: data(), all: false }),
        Observation::Refund(RefundUpdate::Succeeded { data: data(), all: true }),
        Observation::Refund(RefundUpdate::Failed { data: data() }),
    ]
}

/// A life that gets somewhere, into which anything falls: pure chance rarely comes farther than `open`.
fn lives() -> impl Strategy<Value = Vec<(Observation, bool)>> {
    let all = facts();
    let path = [0, 1, 5, 7, 8, 10].map(|index| all[index].clone()).to_vec();
    let anything = proptest::collection::vec((proptest::sample::select(all), proptest::bool::ANY), 0..4);
    let between = proptest::collection::vec(anything, path.len() + 1);
    (between, 0..=path.len(), 0..=1_usize).prop_map(move |(between, length, skipped)| {
        let steps =
            path.iter().skip(skipped).take(length).map(|observation| Some((observation.clone(), false))).chain([None]);
        let life = between.into_iter().zip(steps).flat_map(|(fallen, step)| fallen.into_iter().chain(step));
        life.collect()
    })
}

on_both!(whatever_comes_the_machine_goes_where_the_design_says, async |database: TestDatabase| {
    let db = &database.db;
    let merchant = fixtures::Merchant::insert(db, 1).await;
    let acceptor = payments::Acceptor::start(db.clone());
    let mut runner = TestRunner::deterministic();
    let cases = if db.get_database_backend() == DatabaseBackend::Sqlite { 300 } else { 16 };
    let mut reached = std::collections::BTreeSet::new();
    for case in 0..cases {
        let life = lives().new_tree(&mut runner).unwrap().current();
        let new = merchant.payment(&format!("case-{case}"));
        let id = acceptor.accept(&merchant.caller(), new).await.unwrap().payment.id;
        let mut model = Model { status: Pending, handed_over: false, has_deal: false, resends: 0 };
        for (observation, twice) in &life {
            for _ in 0..=u8::from(*twice) {
                let before = model;
                model = model.after(observation);
                let outcome = observe(db, id, observation.clone()).await;
                let stored = read(db, id).await;
                assert_eq!(stored.status, model.status, "{observation:?} at {before:?} in {life:#?}");
                assert_eq!(
                    matches!(outcome, Outcome::Moved(_)),
                    before.status != model.status,
                    "{observation:?} at {before:?}"
                );
                assert_eq!(stored.deal_id.is_some(), model.has_deal, "{observation:?} at {before:?}");
                let went_well = [Open, Submitted, Completed, Refunded].contains(&stored.status);
                assert!(
                    !went_well || stored.failure_code.is_none(),
                    "{observation:?} left a failure at {:?}",
                    stored.status
                );
                reached.insert(stored.status);
            }
        }
        let announced = transitions(db, id).await;
        assert_eq!(i32::try_from(announced.len()).unwrap(), read(db, id).await.sequence);
    }
    let missed: Vec<_> = PaymentStatus::ALL.iter().filter(|status| !reached.contains(status)).collect();
    assert!(missed.is_empty() || cases < 100, "the lives are too tame: {missed:?} were not reached");
});
