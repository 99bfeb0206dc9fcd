//! The bodies of the messages that drive payments. What each does stands in `worker/src/jobs`, in a file of its name.

use std::time::Duration;

use entities::{DiamondId, GatewaySessionId, NodeId, PaymentId, PaymentLogId, PayoutId, RefundId, WebhookRecoveryId};
use queue::{Payload, RetryPolicy};
use serde::{Deserialize, Serialize};

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $field:ident: $id:ty $(, of $of:ident: $of_type:ty)? } = $kind:literal, prefetch $prefetch:literal, batch $batch:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {
            /// What it is about.
            pub $field: $id,
            $(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub(crate) $of: Option<$of_type>,
            )?
        }

        $(impl $name {
            /// About this row, and whose that is.
            #[must_use]
            pub fn new($field: $id, $of: impl Into<Option<$of_type>>) -> Self {
                Self { $field, $of: $of.into() }
            }

            /// Whose it is, where it says so.
            #[must_use]
            pub fn $of(&self) -> Option<$of_type> {
                self.$of
            }
        })?

        impl Payload for $name {
            const TYPE: &'static str = $kind;
            const QUEUE: &'static str = concat!($kind, ".v1");
            const RETRY: RetryPolicy = RetryPolicy {
                attempts_max: 15,
                first_delay: Duration::from_millis(500),
                delay_max: Duration::from_secs(300),
            };
            const PREFETCH: u16 = $prefetch;
            const BATCH: usize = $batch;
        }
    )+

        /// Queues of every payload, for the test that compares them with the worker's jobs.
        pub const QUEUES: &[&str] = &[$(<$name as Payload>::QUEUE),+];
    };
}

payloads! {
    /// Ask the chain for the payment's deal.
    OpenDeal { payment_id: PaymentId } = "open_deal", prefetch 400, batch 100;
    /// Ask the chain to close the payment's deal, whose deposit then goes back.
    CancelDeal { payment_id: PaymentId } = "cancel_deal", prefetch 400, batch 100;
    /// Ask the chain to hand the deposit to the payee.
    ReleaseDeal { payment_id: PaymentId } = "release_deal", prefetch 400, batch 100;
    /// Expire the payment when nobody has paid.
    ExpirePayment { payment_id: PaymentId } = "expire_payment", prefetch 100, batch 100;
    /// Have the Lightning node make the payment's invoice, or else see whether it is paid.
    AskInvoice { payment_id: PaymentId } = "ask_invoice", prefetch 20, batch 1;
    /// Look at the payment's Lightning invoice again and again until it is paid or over.
    WatchInvoice { payment_id: PaymentId } = "watch_invoice", prefetch 20, batch 1;
    /// Open a payment at its gateway, and look at it there until it is concluded.
    OpenSession { session_id: GatewaySessionId } = "open_session", prefetch 50, batch 1;
    /// Look at a payment at its gateway, because something may have happened to it there: at the session that is named, else
    /// at the newest.
    CheckSession { payment_id: PaymentId, of session_id: GatewaySessionId } = "check_session", prefetch 50, batch 1;
    /// Deploy a wallet's diamond.
    DeployDiamond { diamond_id: DiamondId } = "deploy_diamond", prefetch 10, batch 1;
    /// Give money back to the payer through the payment's gateway, or look what became of that.
    SendRefund { refund_id: RefundId } = "send_refund", prefetch 20, batch 1;
    /// Send money of a seller's balance to the seller's bank, or look what became of that.
    SendPayout { payout_id: PayoutId } = "send_payout", prefetch 20, batch 1;
    /// Hand a seller's details to the card processor, or look at the account there.
    SyncAccount { node_id: NodeId } = "sync_account", prefetch 20, batch 1;
    /// Tell these transitions, rows of payments' logs, to whoever listens.
    AnnounceEvents { log_ids: Vec<PaymentLogId> } = "announce_events", prefetch 100, batch 20;
    /// Take a recovery of a webhook endpoint one step further.
    RecoverWebhooks { recovery_id: WebhookRecoveryId } = "recover_webhooks", prefetch 4, batch 1;
}
