//! What the payer's browser may see of one payment, with the payment's own access token.

mod qr;

use std::sync::LazyLock;

use entities::{PaymentId, Shared as _, Unscoped as _, announcement, currency, network, payment};
use payments::{
    deal::{self, DepositCall},
    money::base_units,
};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Any,
};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::Value;
use uuid::Uuid;

use self::qr::Svg;
use super::{
    Tag,
    payment_token::PaymentToken,
    payments::{Method, Status},
};
use crate::{
    config::{Config, ContractDeposit},
    money::Money,
    problem::{Problem, Refused},
    state::State,
    time::Time,
    web_url::QueryUrl,
};

/// What the page that takes the payment needs.
#[derive(Object)]
pub(crate) struct WidgetPayment {
    external_id: String,
    node_id: Uuid,
    /// The chain's own number, such as 1 or 137.
    network_id: i64,
    /// The deal on chain, a number that counts up; null until it is known, and for a deal of a diamond of the first
    /// edition, whose ids are hashes.
    deal_id: Option<i64>,
    /// What the payer is charged, in the currency's main unit: the payment's `paid_price`.
    price: Money,
    /// The same as text.
    price_text: String,
    /// The same once more.
    paid_price: Money,
    /// The same as text.
    paid_price_text: String,
    /// Fraction digits of the currency.
    price_decimals: i32,
    /// What the payer is charged, in the currency's smallest unit, as decimal digits.
    amount: String,
    /// Whom it pays out to.
    payment_address: String,
    /// The contract that takes the deposit, and the spender to approve; null until it is known.
    diamond_address: Option<String>,
    /// The currency's symbol.
    currency: String,
    /// The token's contract; null for the network's own coin.
    token_address: Option<String>,
    /// The call that pays; null while the payer cannot pay.
    contract: Option<ContractCall>,
    status: Status,
    /// How it is paid; only `web3` is paid through `contract`.
    payment_method: Method,
    /// When the payer can no longer pay.
    expires_at: Time,
    /// Where people look transactions up; null if nowhere.
    explorer_url: Option<String>,
    /// The transaction that opened the deal; null until it is known.
    transaction_hash: Option<String>,
    /// What the contract's owner has announced and may do while the contract holds the deposit; empty where that is nothing.
    announced: Vec<AnnouncedChange>,
    /// Whether this is a playground, where no money is real; a page that shows the payment says so.
    development: bool,
}

/// What the owner of a contract has announced.
#[derive(Object)]
pub(crate) struct AnnouncedChange {
    kind: AnnouncedKind,
    /// Whom the contract was offered to, or the hash that the contract knows its coming functions by.
    what: String,
    /// From when it may happen.
    from: Time,
}

/// What would change.
#[derive(Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum AnnouncedKind {
    /// Whom it belongs to.
    Owner,
    /// What it can do; an EIP-2535 cut.
    Functions,
}

/// A call of a contract.
#[derive(Object)]
pub(crate) struct ContractCall {
    /// The contract's ABI, as far as it is needed.
    abi: Vec<Any<Value>>,
    /// The function to call.
    function_name: String,
    /// What its call begins with, for callers without an ABI library: the arguments follow, each as 32 bytes.
    selector: String,
    /// Its arguments, ready to pass.
    arguments: Vec<String>,
}

/// What pays a deal of the second edition, and one of the first.
static DEPOSIT: LazyLock<Option<DepositCall>> = LazyLock::new(|| deposit_of(contracts::DIAMOND_ABI));
static FIRST_DEPOSIT: LazyLock<Option<DepositCall>> = LazyLock::new(|| deposit_of(contracts::FIRST_DIAMOND_ABI));

fn deposit_of(abi: &str) -> Option<DepositCall> {
    DepositCall::of_abi(serde_json::from_str(abi).unwrap_or_default(), "deposit")
}

/// The call of the payment's own contract, where the configuration describes that, or of a diamond of ours.
fn deposit_call<'a>(
    configured: &'a [ContractDeposit],
    payment: &payment::Model,
    chain_id: i64,
) -> Option<&'a DepositCall> {
    let is_it = |deposit: &&ContractDeposit| {
        let diamond = payment.diamond_address.as_deref().unwrap_or_default();
        deposit.chain_id == chain_id && deposit.diamond.eq_ignore_ascii_case(diamond)
    };
    if let Some(deposit) = configured.iter().find(is_it) {
        return Some(&deposit.call);
    }
    let counts_up = payment.deal_id.as_deref().and_then(deal::number).is_some();
    if counts_up { DEPOSIT.as_ref() } else { FIRST_DEPOSIT.as_ref() }
}

pub(crate) struct Widget(pub(crate) State);

#[OpenApi(prefix_path = "/api/v1/widget/payments", tag = "Tag::Widget")]
impl Widget {
    /// Get what a payment page needs
    ///
    /// The bearer token is the payment's own `access_token`; any other is 401, and what cannot be the token of a payment is
    /// so before the payment is looked up. Scripts of any site may read it.
    #[oai(path = "/:id", method = "get", operation_id = "get_widget_payment")]
    async fn get(
        &self,
        token: PaymentToken,
        /// The payment.
        id: Path<Uuid>,
    ) -> Result<Json<WidgetPayment>, Refused<404>> {
        let payment = self.find(&token, id.0).await?;
        let db = &**self.0.db();
        let currency = currency::Entity::find_shared(payment.currency_id).one(db).await?;
        let network = network::Entity::find_shared(payment.network_id).one(db).await?;
        match (currency, network) {
            (Some(currency), Some(network)) => {
                let announced = announced(db, &payment).await?;
                let widget = WidgetPayment::new(payment, currency, network, self.0.config());
                Ok(Json(WidgetPayment { announced, ..widget }))
            }
            _ => Err(Problem::not_found("Payment").into()),
        }
    }

    /// Get a QR code of the payment page
    ///
    /// An SVG image of the payment page's address, its token included, to go on paying on a phone.
    #[oai(path = "/:id/qr", method = "get", operation_id = "get_widget_qr")]
    async fn qr(
        &self,
        token: PaymentToken,
        /// The payment.
        id: Path<Uuid>,
        /// Scheme, host and port under which the payer reaches this server.
        origin: Query<QueryUrl>,
    ) -> Result<Svg, Refused<404>> {
        let payment = self.find(&token, id.0).await?;
        let token = self.0.access_tokens().derive(payment.id, payment.expires_at);
        Ok(qr::svg(&format!("{}/pay/{}#{token}", origin.0.0.trim_end_matches('/'), payment.id))?)
    }
}

impl Widget {
    async fn find(&self, token: &PaymentToken, id: Uuid) -> Result<payment::Model, Problem> {
        // The token, not a caller's reach, decides about this one payment.
        let payment = payment::Entity::find_unscoped(PaymentId(id)).one(&**self.0.db()).await?;
        let payment = payment.ok_or_else(|| Problem::not_found("Payment"))?;
        token.require(&self.0, &payment)?;
        Ok(payment)
    }
}

/// What the owner of the payment's diamond has announced.
async fn announced(db: &impl ConnectionTrait, payment: &payment::Model) -> Result<Vec<AnnouncedChange>, DbErr> {
    let Some(diamond) = &payment.diamond_address else { return Ok(Vec::new()) };
    let key = (payment.network_id, diamond.to_ascii_lowercase());
    let row = announcement::Entity::find_shared(key).one(db).await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let owner = row.pending_owner.zip(row.pending_owner_from);
    let functions = row.pending_cut.zip(row.pending_cut_from);
    let changes = [(AnnouncedKind::Owner, owner), (AnnouncedKind::Functions, functions)];
    let changes = changes
        .into_iter()
        .filter_map(|(kind, change)| change.map(|(what, from)| AnnouncedChange { kind, what, from: from.into() }));
    Ok(changes.collect())
}

impl WidgetPayment {
    fn new(payment: payment::Model, currency: currency::Model, network: network::Model, config: &Config) -> Self {
        let decimals = u32::try_from(currency.decimals).unwrap_or(0);
        let amount = base_units(payment.paid_price.0, decimals).unwrap_or_default();
        let deposit = deposit_call(&config.deposits, &payment, network.network_id);
        let call = |(deal_id, deposit): (&str, &DepositCall)| ContractCall {
            abi: deposit.abi.iter().cloned().map(Any).collect(),
            function_name: deposit.function_name.clone(),
            selector: deposit.selector.clone(),
            arguments: deposit.arguments(&payment, deal_id, currency.address.as_deref(), &amount),
        };
        Self {
            contract: payment.deal_id.as_deref().zip(deposit).map(call),
            external_id: payment.external_id,
            node_id: payment.node_id.0,
            network_id: network.network_id,
            deal_id: payment.deal_id.as_deref().and_then(deal::number),
            // Whoever approves it and calls the contract has paid.
            price: payment.paid_price.into(),
            price_text: Money::from(payment.paid_price).text(),
            paid_price: payment.paid_price.into(),
            paid_price_text: Money::from(payment.paid_price).text(),
            price_decimals: currency.decimals,
            amount,
            payment_address: payment.payment_address,
            diamond_address: payment.diamond_address,
            currency: currency.symbol,
            token_address: currency.address,
            status: payment.status.into(),
            payment_method: payment.payment_method.into(),
            expires_at: payment.expires_at.into(),
            explorer_url: network.explorer_url,
            transaction_hash: payment.transaction_hash,
            announced: Vec::new(),
            development: config.is_development,
        }
    }
}
