//! Taking a payment in.

use std::net::Ipv4Addr;

use chrono::{DateTime, TimeDelta};
use entities::{ChainId, CurrencyId, MemberId, NetworkId, NodeId, OrderId, PaymentMethod, WalletId, now};
use payments::{
    AcceptError, Accepted, Caller, Capabilities,
    accept::{Answer, MemberRef, Misfit, Reference},
    evm_address,
};
use poem_openapi::{
    Enum, Object,
    types::{Example, ToJSON},
};
use uuid::Uuid;

use super::{
    item::NewItem,
    response::{Group, Payment},
};
use crate::{
    config::DealsConfig,
    edge::RequestId,
    idempotent::{Claimed, Once},
    money::{ExactInput, MoneyInput},
    problem::{Code, Counted, Format, Problem, Wrong},
    resources::members::NewMember,
    state::State,
    time::Time,
};

/// Largest `metadata`, bytes.
const METADATA_MAX: usize = 16 << 10;

/// A payment to be created.
#[derive(Object)]
#[oai(example)]
pub(crate) struct NewPayment {
    /// The merchant's own id of the payment, unique for the node.
    #[oai(validator(min_length = 1, max_length = 255))]
    external_id: String,
    /// The node it belongs to, within the caller's reach.
    node_id: Uuid,
    /// The chain; when given, it must be the network's.
    chain_id: Option<Uuid>,
    /// The network.
    network_id: Uuid,
    /// The wallet whose diamond holds the deal; when left out, that of the nearest node upwards that has one.
    wallet_id: Option<Uuid>,
    /// A member that exists. Not together with `member`.
    member_id: Option<Uuid>,
    /// A member, created with the payment, or updated if the node has one with its external id.
    member: Option<NewMember>,
    /// An order of the same node that this is one more way to pay, such as the `id` of a payment by bank transfer. The first of
    /// its payments whose money comes settles it and closes the others. Not for bank transfers.
    order_id: Option<Uuid>,
    /// The currency; for `web3` a token of the network.
    currency_id: Uuid,
    /// The merchant's price, in the currency's main unit.
    price: MoneyInput,
    /// What the payer is charged, in the currency's main unit.
    paid_price: MoneyInput,
    /// How the payer pays.
    payment_method: NewMethod,
    /// What is paid for.
    payment_group: Group,
    /// Whom it pays out to; for `web3` an EVM address, lower case or with its checksum.
    #[oai(validator(min_length = 10, max_length = 255))]
    payment_address: String,
    /// What it pays for.
    #[oai(validator(max_items = 1000))]
    items: Option<Vec<NewItem>>,
    /// Anything of the merchant's, at most 16 KiB.
    #[oai(validator(max_length = 16384))]
    metadata: Option<String>,
    /// When the payer can no longer pay; in the future.
    expires_at: Time,
    /// Whether to send again automatically when sending fails.
    #[oai(default = "yes")]
    retry: bool,
    /// How often to send again automatically.
    #[oai(default = "eight", validator(minimum(value = "0"), maximum(value = "32")))]
    retry_count: i32,
    /// The payer's address.
    client_ip: Option<Ipv4Addr>,
}

fn yes() -> bool {
    true
}

fn eight() -> i32 {
    8
}

/// How the payer of a new payment pays; what a till has taken is written down there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "NewPaymentMethod", rename_all = "snake_case")]
pub(crate) enum NewMethod {
    /// A deposit into a deal on chain.
    Web3,
    /// A card, through a gateway.
    CreditCard,
    /// A bank transfer with a receipt.
    BankTransfer,
}

impl From<NewMethod> for PaymentMethod {
    fn from(method: NewMethod) -> Self {
        match method {
            NewMethod::Web3 => Self::Web3,
            NewMethod::CreditCard => Self::CreditCard,
            NewMethod::BankTransfer => Self::BankTransfer,
        }
    }
}

impl Example for NewPayment {
    fn example() -> Self {
        Self {
            external_id: "order-1042".to_owned(),
            node_id: Uuid::nil(),
            chain_id: None,
            network_id: Uuid::nil(),
            wallet_id: None,
            member_id: None,
            member: None,
            order_id: None,
            currency_id: Uuid::nil(),
            price: ExactInput(12.into()),
            paid_price: ExactInput(12.into()),
            payment_method: NewMethod::Web3,
            payment_group: Group::Product,
            payment_address: "0x70997970c51812dc3a010c7d01b50e0d17dc79c8".to_owned(),
            items: Some(vec![NewItem::example()]),
            metadata: None,
            expires_at: Time(DateTime::UNIX_EPOCH + TimeDelta::days(365 * 65)),
            retry: true,
            retry_count: 8,
            client_ip: None,
        }
    }
}

impl NewPayment {
    /// Checks what no schema can say and needs no look-up.
    fn check(&self, config: &DealsConfig) -> Result<(), Problem> {
        if self.member.is_some() && self.member_id.is_some() {
            return Err(Problem::invalid("/member_id", Wrong::Rule("must not be given together with member")));
        }
        if self.metadata.as_ref().is_some_and(|metadata| metadata.len() > METADATA_MAX) {
            return Err(Problem::invalid("/metadata", Wrong::TooMany { max: METADATA_MAX, of: Counted::Bytes }));
        }
        let ahead = config.expires_in_min_s;
        if *self.expires_at <= now() + TimeDelta::seconds(ahead.into()) {
            return Err(Problem::invalid("/expires_at", Wrong::TooSoon(ahead)));
        }
        if Capabilities::of(PaymentMethod::from(self.payment_method)).on_chain
            && !evm_address::is_valid(&self.payment_address)
        {
            return Err(Problem::invalid("/payment_address", Format::EvmAddress));
        }
        Ok(())
    }

    /// As the core takes it.
    pub(super) fn into_core(
        self,
        config: &DealsConfig,
        request_id: &RequestId,
    ) -> Result<payments::NewPayment, Problem> {
        self.check(config)?;
        let inline = self.member.map(|member| MemberRef::Inline(Box::new(member.into())));
        Ok(payments::NewPayment {
            external_id: self.external_id,
            node_id: NodeId(self.node_id),
            chain_id: self.chain_id.map(ChainId),
            network_id: NetworkId(self.network_id),
            wallet_id: self.wallet_id.map(WalletId),
            member: inline.or(self.member_id.map(|id| MemberRef::Known(MemberId(id)))),
            order_id: self.order_id.map(OrderId),
            currency_id: CurrencyId(self.currency_id),
            price: self.price.0,
            paid_price: self.paid_price.0,
            payment_method: self.payment_method.into(),
            payment_group: self.payment_group.into(),
            payment_address: self.payment_address,
            items: self.items.unwrap_or_default().to_json().unwrap_or_default(),
            metadata: self.metadata,
            expires_at: self.expires_at.0,
            retry: self.retry,
            retry_count: self.retry_count,
            client_ip: self.client_ip.map(|address| address.to_string()),
            request_id: Some(request_id.to_string()),
            answer: None,
        })
    }
}

/// Hands the payment to the core, whose transaction also keeps the answer to the idempotency key.
pub(super) async fn accept(
    state: &State,
    once: &Once,
    caller: &Caller,
    body: &str,
    mut new: payments::NewPayment,
) -> Result<Payment, Problem> {
    let key = match once.claim(caller, body).await? {
        Claimed::Answered(payment) => return Ok(payment),
        Claimed::Fresh(key) => key,
    };
    new.answer = key.clone().map(|key| Answer { key, status: 201, render });
    let accepted = state.acceptor().accept(caller, new).await;
    let payment = accepted.map(|accepted| Payment::new(accepted.payment, accepted.member)).map_err(Problem::from);
    once.settle(key, payment).await
}

/// What is kept: the answer without its access token, which can be derived again.
fn render(accepted: &Accepted) -> String {
    Payment::new(accepted.payment.clone(), accepted.member.clone()).to_json_string()
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::NotFound(what) => Self::not_found(match what {
                Reference::Node => "Node",
                Reference::Network => "Network",
                Reference::Wallet => "Wallet",
                Reference::Member => "Member",
                Reference::Currency => "Currency",
                Reference::Order => "Order",
            }),
            AcceptError::OutOfReach => Self::out_of_reach(),
            AcceptError::ExternalIdTaken(id) => {
                let detail = format!("external_id already exists for this node: it is payment {id}");
                Self::new(Code::ExternalIdTaken).detail(detail).payment(id.0)
            }
            AcceptError::OrderClosed(closed) => Self::conflict(closed.to_string()),
            AcceptError::Misfit(misfit) => Self::invalid(&misfit.pointer(), wrong(misfit)),
            AcceptError::Unavailable => Self::new(Code::Unavailable).retry_after(1),
        }
    }
}

fn wrong(misfit: Misfit) -> Wrong {
    match misfit {
        Misfit::Chain => Wrong::Rule("is not the chain of the network"),
        Misfit::Currency => Wrong::Rule("is not a currency of the network"),
        Misfit::PaymentAddress => Format::EvmAddress.into(),
        Misfit::OrderOfTransfer => {
            Wrong::Rule("must not be given for a bank transfer: report a receipt of the order instead")
        }
        Misfit::OrderTotal => Wrong::Rule("must be the order's total"),
        Misfit::Price(error) | Misfit::PaidPrice(error) | Misfit::ItemPrice(_, error) => error.into(),
    }
}
