//! Id newtypes: an id of one table cannot be passed for another's.

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The smallest id of this millisecond: every id made at or after `time` is greater, every earlier one smaller.
#[must_use]
pub fn id_bound(time: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or(0).min((1 << 48) - 1);
    Uuid::from_u128(u128::from(millis) << 80)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, DeriveValueType)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, later than all before it.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "each call gives another id")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    )+};
}

ids! {
    /// The id of a node, a place in the tree of tenants.
    NodeId,
    /// The id of a user, a person who signs in.
    UserId,
    RoleId,
    /// The id of an integration, a program that signs in.
    IntegrationId,
    /// The id of all tokens that descend from one sign-in.
    TokenFamilyId,
    RefreshTokenId,
    /// The id of a chain, a family of networks such as `evm`.
    ChainId,
    /// The id of a network; not the chain's own number.
    NetworkId,
    CurrencyId,
    /// The id of a wallet, a signer of a node.
    WalletId,
    /// The id of a signer, a key of a node.
    SignerId,
    /// The id of a wallet's diamond on a network.
    DiamondId,
    /// The id of a member, a merchant's customer.
    MemberId,
    PaymentId,
    PaymentLogId,
    /// The id of an event; a payment's event has that of its log row.
    EventId,
    WebhookEndpointId,
    /// The id of an event that is owed to an endpoint.
    WebhookDeliveryId,
    /// The id of a try to deliver.
    WebhookAttemptId,
    /// The id of a run that sends again what was missed.
    WebhookRecoveryId,
    /// The id of an audited act.
    AuditId,
    /// The id of a customer's order; not its number.
    OrderId,
    /// The id of a receipt that a payer reported.
    SubmissionId,
    /// The id of a bank account that customers transfer to.
    BankAccountId,
    /// The id of a ticket, what a till sells.
    TicketId,
    /// Of the till's name for how a payer pays.
    PaymentMethodId,
    /// The id of a payment at a gateway; also our reference there.
    GatewaySessionId,
    /// The id of a refund; also the gateway's idempotency key.
    RefundId,
    /// The id of a payout; also the processor's idempotency key.
    PayoutId,
    LedgerEntryId,
}

impl NetworkId {
    /// What payments name whose rail is no chain. It is out of use from the start: nobody lists, changes or works it.
    pub const OFF_CHAIN: Self = Self(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_000e));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_behind_the_bound_of_their_time() {
        let before = crate::now();
        let id = PaymentLogId::new();
        let after = crate::now() + chrono::TimeDelta::milliseconds(1);
        assert!(id_bound(before) < id.0 && id.0 < id_bound(after));
        assert!(id_bound(DateTime::<Utc>::MIN_UTC).is_nil());
        assert!(id.0 < id_bound(DateTime::<Utc>::MAX_UTC));
    }
}
