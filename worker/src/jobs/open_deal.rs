//! Asks the chain for the deals of new payments.

use std::{collections::HashMap, time::Duration};

use alloy::primitives::{Address, U256};
use anyhow::Context as _;
use chain::{DealTerms, Kind, Request};
use entities::{
    CurrencyId, DiamondStatus, NetworkId, PaymentId, PaymentStatus, WalletId, currency, diamond, payment, wallet,
};
use payments::{Actor, Observation, Observed, jobs, money};
use queue::{Delivery, Foresight, Job, JobError, JobResult};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, prelude::*};

use super::{BatchProgress, foresee_payments, foresee_request, read_payments, results};
use crate::Context;

/// How long a payment waits before it polls again for its wallet's diamond.
const DIAMOND_WAIT: Duration = Duration::from_secs(2);

/// Statuses in which the job takes a payment up.
const TAKES: &[PaymentStatus] = &[PaymentStatus::Pending];

/// Its guard is the chain's: a payment has one operation of a kind, and asking for it again is harmless
/// while it is under way. So a payment that waits for its deal may always be handed over once more, which is how a
/// resend and an operator's verdict arm an opening anew that was given up.
pub struct OpenDeal;

impl Job<Context> for OpenDeal {
    type Payload = jobs::OpenDeal;

    async fn run_batch(
        context: &Context,
        deliveries: Vec<Delivery<Self::Payload>>,
    ) -> Result<Vec<JobResult>, JobError> {
        let taken = open(context, deliveries.iter().map(|delivery| delivery.payload.payment_id)).await?;
        Ok(results(&deliveries, |payload| payload.payment_id, taken.waiting))
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        let ids = || deliveries.iter().map(|delivery| delivery.payload.payment_id);
        let payments = read_payments(context, ids()).await?;
        let places = places(&*context.db, payments.values()).await?;
        let statuses = chain::operation_statuses(&*context.db, ids().map(|id| id.0), Kind::Open).await?;
        Ok(foresee_payments(ids(), &payments, TAKES, |payment| match places.step(payment) {
            Step::Request(_) => {
                foresee_request(statuses.get(&payment.id.0), "the deal was never asked for and would be")
            }
            Step::Leave => Foresight::already_done("the deal is handed over; the chain tells what becomes of it"),
            Step::Wait => Foresight::would_resume("it would wait for the wallet's diamond"),
            Step::NeverSent { code, .. } => {
                Foresight::would_resume(format!("the payment would be recorded as failed: {code}"))
            }
        }))
    }
}

/// What is to be done about a pending payment.
enum Step {
    Request(Box<Request>),
    /// Once handed over, only the chain tells what becomes of it.
    Leave,
    Wait,
    NeverSent {
        code: &'static str,
        message: String,
    },
}

/// What a deal needs besides its payment.
struct Places {
    wallets: HashMap<WalletId, Address>,
    diamonds: HashMap<(WalletId, NetworkId), Address>,
    currencies: HashMap<CurrencyId, currency::Model>,
}

/// Hands the payments over; those wait whose wallet has no diamond yet.
pub(crate) async fn open(context: &Context, ids: impl Iterator<Item = PaymentId>) -> anyhow::Result<BatchProgress> {
    let mut tx = context.db.begin().await?;
    let payments = payments::lock_payments(&tx, ids, TAKES).await?;
    let places = places(&*tx, &payments).await?;
    let (mut requests, mut observed, mut waiting) = (Vec::new(), Vec::new(), HashMap::new());
    for payment in &payments {
        let what = match places.step(payment) {
            Step::Request(request) => {
                let diamond_address = request.diamond.map(|diamond| diamond.to_checksum(None)).unwrap_or_default();
                requests.push(*request);
                if payment.sending_since.is_some() {
                    continue;
                }
                Observation::SendingStarted { diamond_address }
            }
            Step::Leave => continue,
            Step::Wait => {
                waiting.insert(payment.id, JobError::Snooze(DIAMOND_WAIT));
                continue;
            }
            Step::NeverSent { code, message } => {
                Observation::SendFailed { code: code.to_owned(), message, retryable: false }
            }
        };
        observed.push(Observed::new(payment.id, what, Actor::worker("open_deal")));
    }
    let networks: Vec<NetworkId> = payments.iter().map(|payment| payment.network_id).collect();
    if !requests.is_empty() {
        chain::request(&tx, &requests).await?;
    }
    fail::fail_point!("open_deal.requested");
    let written = observed.len();
    payments::record(&mut tx, observed).await?;
    tx.commit().await?;
    context.wake(networks);
    Ok(BatchProgress { waiting, written })
}

async fn places(
    connection: &impl ConnectionTrait,
    payments: impl IntoIterator<Item = &payment::Model>,
) -> anyhow::Result<Places> {
    let ids = payments.into_iter().map(|payment| (payment.wallet_id, payment.currency_id));
    let (wallet_ids, currency_ids): (Vec<Option<WalletId>>, Vec<CurrencyId>) = ids.unzip();
    let wallet_ids: Vec<WalletId> = wallet_ids.into_iter().flatten().collect();
    let wallets =
        wallet::Entity::find().filter(wallet::Column::Id.is_in(wallet_ids.iter().copied())).all(connection).await?;
    let diamonds = diamond::Entity::find()
        .filter(diamond::Column::WalletId.is_in(wallet_ids))
        .filter(diamond::Column::Status.eq(DiamondStatus::Deployed))
        .all(connection)
        .await?;
    let currencies = currency::Entity::find().filter(currency::Column::Id.is_in(currency_ids)).all(connection).await?;
    let mut places = Places {
        wallets: HashMap::new(),
        diamonds: HashMap::new(),
        currencies: currencies.into_iter().map(|currency| (currency.id, currency)).collect(),
    };
    for wallet in wallets {
        places.wallets.insert(wallet.id, address(&wallet.address)?);
    }
    for diamond in diamonds {
        let at = diamond.address.as_deref().context("a deployed diamond has an address")?;
        places.diamonds.insert((diamond.wallet_id, diamond.network_id), address(at)?);
    }
    Ok(places)
}

impl Places {
    /// Decides what is to be done with a payment, without doing it.
    fn step(&self, payment: &payment::Model) -> Step {
        match self.request(payment) {
            Ok(Some(request)) => Step::Request(Box::new(request)),
            Ok(None) | Err(_) if payment.sending_since.is_some() => Step::Leave,
            Ok(None) if payment.expires_at > entities::now() => Step::Wait,
            Ok(None) => {
                let message = "The wallet had no diamond on this network in time".to_owned();
                Step::NeverSent { code: "diamond_missing", message }
            }
            Err(error) => Step::NeverSent { code: "terms_invalid", message: format!("{error:#}") },
        }
    }

    /// The request for the payment's deal; none while its wallet has no diamond there.
    fn request(&self, payment: &payment::Model) -> anyhow::Result<Option<Request>> {
        let wallet_id = payment.wallet_id.context("the payment has no wallet")?;
        let signer = *self.wallets.get(&wallet_id).context("the payment's wallet is gone")?;
        let currency = self.currencies.get(&payment.currency_id).context("the payment's currency is gone")?;
        let Some(diamond) = self.diamonds.get(&(wallet_id, payment.network_id)) else { return Ok(None) };
        let units = money::base_units(payment.paid_price.0, u32::try_from(currency.decimals)?)?;
        let terms = DealTerms {
            payee: address(&payment.payment_address)?,
            token: currency.address.as_deref().map_or(Ok(Address::ZERO), address)?,
            amount: units.parse::<U256>().context("the amount does not fit")?,
            expires_at: u64::try_from(payment.expires_at.timestamp())?,
        };
        Ok(Some(Request {
            subject_id: payment.id.0,
            kind: Kind::Open,
            network_id: payment.network_id.0,
            signer,
            diamond: Some(*diamond),
            terms: Some(terms),
            owner: None,
        }))
    }
}

fn address(text: &str) -> anyhow::Result<Address> {
    text.parse().with_context(|| format!("{text:?} is no address"))
}
