//! The closed sets of words that tables, JSON, logs and queues share.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
        )]
        #[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$word_doc])* $word),+
        }

        impl $name {
            /// Every word, in order.
            pub const ALL: &[Self] = &[$(Self::$word),+];

            /// The word as it is written in tables, JSON and logs.
            #[must_use]
            pub fn word(self) -> String {
                self.to_value()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.to_value())
            }
        }
    )+};
}

words! {
    /// Where a payment is on its way; `payments::transition` holds the moves between them.
    PaymentStatus {
        /// Accepted, not yet on its rail.
        Pending,
        /// On its rail: the payer may pay.
        Open,
        /// A payment by the payer is seen but not yet final.
        Submitted,
        /// Final on its rail.
        Paid,
        /// Released to the payee.
        Completed,
        /// A cancel was accepted and is being carried out on the rail.
        Canceling,
        /// Ended without the payer's money.
        Canceled,
        /// Ended because nobody paid in time.
        Expired,
        /// Definitely not on its rail.
        Failed,
        /// The payer's evidence was rejected.
        Rejected,
        /// The payer has the money back.
        Refunded,
        /// The outcome is unknown and an operator must look.
        NeedsReview,
    }
    /// How the payer pays.
    PaymentMethod {
        /// A deposit into a deal on chain.
        Web3,
        /// A card, through a gateway.
        CreditCard,
        /// A bank transfer with a receipt.
        BankTransfer,
        /// Coins and notes, at a till.
        Cash,
        /// A debit card, at a till.
        DebitCard,
        /// An invoice of the Lightning network.
        Lightning,
        /// From phone to phone, through an operator.
        MobileMoney,
    }
    /// What is paid for.
    PaymentGroup {
        /// Goods or services.
        Product,
        /// A listing fee or a subscription.
        ListingOrSubscription,
    }
    /// Who did what a log row records.
    ActorType {
        /// A program of a merchant.
        Integration,
        /// A person of a merchant.
        User,
        /// A job of ours.
        Worker,
        /// Something that happened on chain.
        Chain,
        /// A payment gateway.
        Gateway,
        /// A person who runs this system.
        Operator,
        /// This system by itself.
        System,
        /// Whoever pays, or somebody for them, without having signed in.
        Payer,
    }
    /// How a customer transferred money.
    ReceiptMethod {
        /// From phone to phone.
        PagoMovil,
        /// From account to account.
        Transferencia,
    }
    /// What became of a receipt.
    ReceiptStatus {
        /// Nobody has decided yet.
        Reported,
        /// The money is there.
        Confirmed,
        /// The money is not there.
        Rejected,
    }
    /// How far a diamond's deployment is.
    DiamondStatus {
        /// Asked for.
        Started,
        /// Final on chain.
        Deployed,
        /// Definitely not deployed.
        Failed,
    }
    /// Whose tokens a family holds.
    SubjectKind {
        /// An integration's.
        Integration,
        /// A user's.
        User,
    }
    /// Whether events are sent to an endpoint.
    WebhookStatus {
        /// Events are sent.
        Enabled,
        /// They are held until it is enabled and recovered.
        Disabled,
    }
    /// What an endpoint's bodies and headers look like.
    WebhookFormat {
        /// `{id, type, occurred_at, sequence, data}`, signed as Standard Webhooks say.
        Standard,
        /// `{topic, data}` of payments that a checkout has taken, in that contract's words and with its signature, too.
        #[sea_orm(string_value = "checkout.v1")]
        #[serde(rename = "checkout.v1")]
        CheckoutV1,
    }
    /// How far a delivery is.
    DeliveryStatus {
        /// It is tried at its time.
        Pending,
        /// Answered with a status of 200 to 299.
        Delivered,
        /// Given up after all attempts.
        Failed,
        /// The endpoint is disabled.
        Held,
    }
    /// How a payer's browser comes to the checkout's pages.
    RedirectMode {
        /// From the shop's pages, and back to them.
        Embedded,
        /// On its own; our pages are the last ones where the shop names none.
        Hosted,
    }
    /// How a payer pays at a gateway.
    GatewaySessionKind {
        /// On a page of the gateway's, or on the phone.
        Checkout,
        /// In a storefront that shows the processor's widget.
        Intent,
    }
    /// How far a payment at a gateway is. The first three are live: at most one of a payment's is.
    GatewaySessionStatus {
        /// Wanted; the gateway was never asked.
        Asked,
        /// The gateway may have been asked: it is looked for before it is asked again.
        Sent,
        /// The gateway has it; the payer may pay.
        Ready,
        /// The money was taken.
        Captured,
        /// Definitely not paid.
        Failed,
        /// Nobody can pay it any more, and nobody has.
        Closed,
    }
    /// What a node pays the platform of its card sales.
    Plan {
        /// 2.0 %.
        Starter,
        /// 1.5 %.
        Business,
        /// 1.0 %.
        Professional,
        /// 0.5 %.
        Enterprise,
    }
    /// How far a seller's account at the processor is.
    ConnectedAccountStatus {
        /// Details are to be handed to the processor.
        Asked,
        /// The processor may have them: an account that is not known yet is looked for before one is opened.
        Sent,
        /// The processor has them.
        Synced,
        /// The processor has refused them.
        Declined,
    }
    /// How far a refund is.
    RefundStatus {
        /// Wanted; the gateway was never asked.
        Asked,
        /// The gateway may have been asked: it is looked for before it is asked again.
        Sent,
        /// The money is on its way back to the payer.
        Succeeded,
        /// Definitely not given back.
        Failed,
    }
    /// How far a payout is.
    PayoutStatus {
        /// Wanted; the processor was never asked.
        Asked,
        /// The processor may have been asked: it is looked for before it is asked again.
        Sent,
        /// At the bank.
        Paid,
        /// It came back, or never went.
        Failed,
    }
    /// How far an invoice of the Lightning network is. The first three are live.
    InvoiceStatus {
        /// Wanted; the node was never asked.
        Asked,
        /// The node may have been asked: it is looked for there before it is asked again.
        Sent,
        /// The node has made it; the payer may pay.
        Open,
        /// The node has the money.
        Settled,
        /// Nobody paid in time. The node is believed all the same if it says otherwise later.
        Expired,
        /// The node will not make it.
        Refused,
    }
    /// How far a recovery is.
    RecoveryStatus {
        /// The recovery goes on.
        Running,
        /// The recovery has sent all that it selects.
        Done,
        /// Given up; its error says why.
        Failed,
    }
}
