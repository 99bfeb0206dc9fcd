//! What an observation is announced with: the headers of its messages and the type of its event.

use entities::{PaymentStatus, payment};
use queue::NewMessage;

/// Headers by which a message can be found again in logs and dead letters.
pub(crate) fn with_context(message: NewMessage, payment: &payment::Model, request_id: Option<&str>) -> NewMessage {
    let message = message.header("payment_id", payment.id.to_string()).header("node_id", payment.node_id.to_string());
    match request_id {
        Some(request_id) => message.header("request_id", request_id),
        None => message,
    }
}

/// The type of the event of a move into this state.
#[must_use]
pub const fn event_type(status: PaymentStatus) -> &'static str {
    match status {
        PaymentStatus::Pending => "payment.pending",
        PaymentStatus::Open => "payment.open",
        PaymentStatus::Submitted => "payment.submitted",
        PaymentStatus::Paid => "payment.paid",
        PaymentStatus::Completed => "payment.completed",
        PaymentStatus::Canceling => "payment.canceling",
        PaymentStatus::Canceled => "payment.canceled",
        PaymentStatus::Expired => "payment.expired",
        PaymentStatus::Failed => "payment.failed",
        PaymentStatus::Rejected => "payment.rejected",
        PaymentStatus::Refunded => "payment.refunded",
        PaymentStatus::NeedsReview => "payment.needs_review",
    }
}
