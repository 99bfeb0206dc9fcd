//! The bodies of the messages that drive payments. What each does stands in `worker/src/jobs`, in a file of its name.
//!
//! A body names its subject besides the row that its job works on. What is optional in a body was not in those of earlier
//! versions, which may still be in a queue, or dead; [`crate::subjects`] finds it out for them.

use std::time::Duration;

use entities::{DiamondId, GatewaySessionId, NodeId, PaymentId, PaymentLogId, PayoutId, RefundId, WebhookRecoveryId};
use queue::{Payload, RetryPolicy, Subject};
use serde::{Deserialize, Serialize};

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $id:ident: $id_type:ty $(, of $of:ident: $of_type:ty)? } = $kind:literal,
        prefetch $prefetch:literal, batch $batch:literal, about $about:expr, discarded $discarded:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {
            /// What its job works on.
            pub $id: $id_type,
            $(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $of: Option<$of_type>,
            )?
        }

        $(impl $name {
            /// About this row, and whose that is.
            #[must_use]
            pub fn new($id: $id_type, $of: impl Into<Option<$of_type>>) -> Self {
                Self { $id, $of: $of.into() }
            }

            /// Whose it is, or which of it, where it says so.
            #[must_use]
            pub fn $of(&self) -> Option<&$of_type> {
                self.$of.as_ref()
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

            fn subject(&self) -> Subject {
                let about: fn(&Self) -> Subject = $about;
                about(self)
            }
        }
    )+

        /// Queues of every payload, for the test that compares them with the worker's jobs.
        pub const QUEUES: &[&str] = &[$(<$name as Payload>::QUEUE),+];

        /// What a body of this kind says that it is about; nothing where it cannot be read.
        #[must_use]
        pub fn subject(kind: &str, body: &str) -> Subject {
            match kind {
                $($kind => serde_json::from_str::<$name>(body).map(|payload| payload.subject()).unwrap_or_default(),)+
                _ => Subject::default(),
            }
        }

        /// What goes on by itself, and what does not, once a letter of this kind is discarded: a sentence for operators.
        #[must_use]
        pub fn once_discarded(kind: &str) -> Option<&'static str> {
            match kind {
                $($kind => Some($discarded),)+
                _ => None,
            }
        }
    };
}

payloads! {
    /// Ask the chain for the payment's deal.
    OpenDeal { payment_id: PaymentId } = "open_deal", prefetch 400, batch 100, about |it| of_payment(it.payment_id),
        discarded "The deal is not opened, and the safety net leaves the payment pending until something new happens to \
            it; cancel the payment to end it.";
    /// Ask the chain to close the payment's deal, whose deposit then goes back.
    CancelDeal { payment_id: PaymentId } = "cancel_deal", prefetch 400, batch 100, about |it| of_payment(it.payment_id),
        discarded "The deal is not closed and a deposit does not go back, and the safety net leaves the payment as it is \
            until something new happens to it.";
    /// Ask the chain to hand the deposit to the payee.
    ReleaseDeal { payment_id: PaymentId } = "release_deal", prefetch 400, batch 100, about |it| of_payment(it.payment_id),
        discarded "The deposit is not handed to the payee, and the safety net leaves the payment paid until something new \
            happens to it.";
    /// Expire the payment when nobody has paid.
    ExpirePayment { payment_id: PaymentId } = "expire_payment", prefetch 100, batch 100,
        about |it| of_payment(it.payment_id),
        discarded "The payment does not expire, and the safety net leaves it open until something new happens to it; \
            its deal takes no deposit after its time.";
    /// Have the Lightning node make the payment's invoice, or else see whether it is paid.
    AskInvoice { payment_id: PaymentId } = "ask_invoice", prefetch 20, batch 1, about |it| of_payment(it.payment_id),
        discarded "The safety net does not ask the Lightning node either, until something new happens to the invoice; the \
            node's own callbacks are taken all the same.";
    /// Look at the payment's Lightning invoice again and again until it is paid or over.
    WatchInvoice { payment_id: PaymentId } = "watch_invoice", prefetch 20, batch 1, about |it| of_payment(it.payment_id),
        discarded "The safety net does not look at the invoice either, until something new happens to it; the Lightning \
            node's own callbacks are taken all the same.";
    /// Open a payment at its gateway, and look at it there until it is concluded.
    OpenSession { session_id: GatewaySessionId, of payment_id: PaymentId } = "open_session", prefetch 50, batch 1,
        about |it| Subject::row(it.session_id.0).of_payment(it.payment_id.map(|id| id.0)),
        discarded "The safety net does not look at the payment at its gateway either, until something new happens to it \
            there; callbacks and the payer's return have it looked at all the same.";
    /// Look at a payment at its gateway, because something may have happened to it there: at the session that is named, else
    /// at the newest.
    CheckSession { payment_id: PaymentId, of session_id: GatewaySessionId } = "check_session", prefetch 50, batch 1,
        about |it| of_payment(it.payment_id),
        discarded "This one look is not made; the payment is looked at by its own schedule all the same.";
    /// Deploy a wallet's diamond.
    DeployDiamond { diamond_id: DiamondId, of node_id: NodeId } = "deploy_diamond", prefetch 10, batch 1,
        about |it| Subject::row(it.diamond_id.0).of_node(it.node_id.map(|id| id.0)),
        discarded "The diamond is not deployed until somebody asks for it again.";
    /// Give money back to the payer through the payment's gateway, or look what became of that.
    SendRefund { refund_id: RefundId, of payment_id: PaymentId } = "send_refund", prefetch 20, batch 1,
        about |it| Subject::row(it.refund_id.0).of_payment(it.payment_id.map(|id| id.0)),
        discarded "The safety net does not send the refund, or look what became of it, until something new happens to it; \
            its amount stays set aside.";
    /// Send money of a seller's balance to the seller's bank, or look what became of that.
    SendPayout { payout_id: PayoutId, of node_id: NodeId } = "send_payout", prefetch 20, batch 1,
        about |it| Subject::row(it.payout_id.0).of_node(it.node_id.map(|id| id.0)),
        discarded "The safety net does not send the payout, or look what became of it, until something new happens to it; \
            its amount stays set aside.";
    /// Hand a seller's details to the card processor, or look at the account there.
    SyncAccount { node_id: NodeId } = "sync_account", prefetch 20, batch 1,
        about |it| Subject::row(it.node_id.0).of_node(it.node_id.0),
        discarded "The safety net does not hand the details over until the seller tells new ones or the processor calls.";
    /// Tell these transitions, rows of payments' logs, to whoever listens. About one payment only where all of them are.
    AnnounceEvents { log_ids: Vec<PaymentLogId>, of payment_id: PaymentId } = "announce_events", prefetch 100, batch 20,
        about |it| Subject::default().of_payment(it.payment_id.map(|id| id.0)),
        discarded "The safety net tells these transitions all the same, within some ten minutes: events are owed to whoever \
            listens. Disable the endpoints that are not to hear of them.";
    /// Take a recovery of a webhook endpoint one step further.
    RecoverWebhooks { recovery_id: WebhookRecoveryId, of node_id: NodeId } = "recover_webhooks", prefetch 4, batch 1,
        about |it| Subject::row(it.recovery_id.0).of_node(it.node_id.map(|id| id.0)),
        discarded "The recovery stands still, and the safety net leaves it alone until something new happens to it.";
}

fn of_payment(id: PaymentId) -> Subject {
    Subject::row(id.0).of_payment(id.0)
}
