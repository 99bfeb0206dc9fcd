//! A payment as its clients see it.

use std::collections::{BTreeSet, HashMap};

use entities::{MemberId, PaymentGroup, PaymentId, PaymentMethod, PaymentStatus, member, now, payment};
use payments::{AccessTokens, deal};
use poem_openapi::{Enum, Object};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, prelude::*};
use uuid::Uuid;

use super::item::Item;
use crate::time::Time;
use crate::{money::Money, resources::members::Member};

/// How the payer pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "PaymentMethod", rename_all = "snake_case", remote = "PaymentMethod")]
pub(crate) enum Method {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "PaymentGroup", rename_all = "snake_case", remote = "PaymentGroup")]
pub(crate) enum Group {
    /// Goods or services.
    Product,
    /// A listing fee or a subscription.
    ListingOrSubscription,
}

/// Where a payment is on its way: `pending` (accepted) → `open` (the payer may pay) → `submitted` (seen, not yet final)
/// → `paid` → `completed` (the payee has it); or it ends `canceled`, `expired`, `failed`, `rejected` or `refunded`, or
/// waits in `needs_review` because its outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "PaymentStatus", rename_all = "snake_case", remote = "PaymentStatus")]
pub(crate) enum Status {
    Pending,
    Open,
    Submitted,
    Paid,
    Completed,
    Canceling,
    Canceled,
    Expired,
    Failed,
    Rejected,
    Refunded,
    NeedsReview,
}

/// A deposit that did not go back to its payer, whose account refused it: the contract keeps it until the payer calls
/// `withdraw`.
#[derive(Clone, Debug, Object)]
pub(crate) struct ReturnHeld {
    /// Whom it is kept for: the account that has to call `withdraw(token, to)`.
    payer: String,
    /// The token's contract; null for the network's own coin, whose place in the call is the zero address.
    token_address: Option<String>,
    /// How much, in the currency's main unit.
    amount: Money,
    /// The same as text.
    amount_text: String,
    /// When the payer took it; null before.
    withdrawn_at: Option<Time>,
}

/// Why a payment failed.
#[derive(Clone, Debug, Object)]
pub(crate) struct Failure {
    /// For programs.
    code: String,
    /// For people.
    message: String,
    /// Whether sending it again may help.
    retryable: bool,
}

/// A payment.
#[derive(Clone, Debug, Object)]
pub(crate) struct Payment {
    pub(crate) id: Uuid,
    /// The merchant's own id of the payment.
    external_id: String,
    node_id: Uuid,
    chain_id: Uuid,
    network_id: Uuid,
    wallet_id: Option<Uuid>,
    member_id: Option<Uuid>,
    member: Option<Member>,
    /// The order that it is one way to pay; null unless it is.
    order_id: Option<Uuid>,
    /// The payment that had settled the debt when this one's money came all the same; null unless it did.
    duplicate_of: Option<Uuid>,
    currency_id: Uuid,
    /// The merchant's price, in the currency's main unit.
    price: Money,
    /// The same as text.
    price_text: String,
    /// What the payer is charged, in the currency's main unit.
    paid_price: Money,
    /// The same as text.
    paid_price_text: String,
    payment_method: Method,
    payment_group: Group,
    /// Whom it pays out to.
    payment_address: String,
    items: Vec<Item>,
    metadata: Option<String>,
    /// When the payer can no longer pay.
    expires_at: Time,
    /// Whether it is sent again automatically when sending fails.
    retry: bool,
    /// How often at most.
    retry_count: i32,
    client_ip: Option<String>,
    status: Status,
    /// Lets the payer's browser see this payment until it expires. Null in lists and for operators,
    /// and after that.
    access_token: Option<String>,
    /// The deal on chain, a number that counts up; null until it is known, and for a deal of a diamond of the first
    /// edition, whose ids are hashes.
    deal_id: Option<i64>,
    /// The contract that holds the deal; null until it is known.
    diamond_address: Option<String>,
    /// The transaction that opened the deal; null until it is known.
    transaction_hash: Option<String>,
    /// The transaction that closed the deal; null unless there was one.
    cancel_transaction_hash: Option<String>,
    /// What the contract keeps for the payer, whose account refused the returned deposit; null unless it does.
    return_held: Option<ReturnHeld>,
    /// Why it failed; null unless it did.
    failure: Option<Failure>,
    created_at: Time,
    updated_at: Time,
}

impl Payment {
    pub(crate) fn new(payment: payment::Model, member: Option<member::Model>) -> Self {
        let failure = payment.failure_code.map(|code| Failure {
            code,
            message: payment.failure_message.unwrap_or_default(),
            retryable: payment.failure_retryable.unwrap_or(false),
        });
        let return_held = payment.return_held_for.map(|payer| ReturnHeld {
            payer,
            token_address: payment.return_held_token,
            amount: payment.paid_price.into(),
            amount_text: Money::from(payment.paid_price).text(),
            withdrawn_at: payment.return_withdrawn_at.map(Time),
        });
        Self {
            id: payment.id.0,
            external_id: payment.external_id,
            node_id: payment.node_id.0,
            chain_id: payment.chain_id.0,
            network_id: payment.network_id.0,
            wallet_id: payment.wallet_id.map(|id| id.0),
            member_id: payment.member_id.map(|id| id.0),
            member: member.map(Member::from),
            order_id: payment.order_id.map(|id| id.0),
            duplicate_of: payment.duplicate_of.map(|id| id.0),
            currency_id: payment.currency_id.0,
            price: payment.price.into(),
            price_text: Money::from(payment.price).text(),
            paid_price: payment.paid_price.into(),
            paid_price_text: Money::from(payment.paid_price).text(),
            payment_method: payment.payment_method.into(),
            payment_group: payment.payment_group.into(),
            payment_address: payment.payment_address,
            items: Item::stored(payment.items),
            metadata: payment.metadata,
            expires_at: payment.expires_at.into(),
            retry: payment.retry,
            retry_count: payment.retry_count,
            client_ip: payment.client_ip,
            status: payment.status.into(),
            access_token: None,
            deal_id: payment.deal_id.as_deref().and_then(deal::number),
            diamond_address: payment.diamond_address,
            transaction_hash: payment.transaction_hash,
            cancel_transaction_hash: payment.cancel_transaction_hash,
            return_held,
            failure,
            created_at: payment.created_at.into(),
            updated_at: payment.updated_at.into(),
        }
    }

    /// With its access token, while that is valid.
    pub(crate) fn with_token(mut self, tokens: &AccessTokens) -> Self {
        if *self.expires_at > now() {
            self.access_token = Some(tokens.derive(PaymentId(self.id), *self.expires_at));
        }
        self
    }
}

/// The payments' members, with one query.
pub(super) async fn members(
    db: &impl ConnectionTrait,
    payments: &[payment::Model],
) -> Result<HashMap<MemberId, member::Model>, DbErr> {
    let ids: BTreeSet<MemberId> = payments.iter().filter_map(|payment| payment.member_id).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let members = member::Entity::find().filter(member::Column::Id.is_in(ids)).all(db).await?;
    Ok(members.into_iter().map(|member| (member.id, member)).collect())
}
