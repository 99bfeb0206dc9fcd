//! Asks the chain for the deals of new payments.

use std::{collections::HashMap, time::Duration};

use alloy::primitives::{Address, U256};
use anyhow::Context as _;
use chain::{DealTerms, Kind, Request};
use entities::{
    CurrencyId, DiamondStatus, NetworkId, PaymentId, PaymentStatus, WalletId, currency, diamond, payment, wallet,
};
use payments::{Actor, Observation, Observed, jobs, money};
use queue::{Delivery, Job, JobError, JobResult, Transaction};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};

use super::{alone, answers, lock_payments};
use crate::Context;

/// How long a payment waits before it looks again for its wallet's diamond.
const DIAMOND_WAIT: Duration = Duration::from_secs(2);

/// See the module. Its guard is `sending_since`: a payment that was handed over is left alone.
pub struct OpenDeal;

impl Job<Context> for OpenDeal {
    type Payload = jobs::OpenDeal;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        alone(Self::run_batch(context, vec![delivery]).await)
    }

    async fn run_batch(
        context: &Context,
        deliveries: Vec<Delivery<Self::Payload>>,
    ) -> Result<Vec<JobResult>, JobError> {
        let waiting = open(context, deliveries.iter().map(|delivery| delivery.payload.payment_id)).await?;
        Ok(answers(&deliveries, |payload| payload.payment_id, waiting))
    }
}

/// What a deal needs besides its payment.
struct Places {
    wallets: HashMap<WalletId, Address>,
    diamonds: HashMap<(WalletId, NetworkId), Address>,
    currencies: HashMap<CurrencyId, currency::Model>,
}

/// Hands the payments over and returns those that have to wait for a diamond.
async fn open(context: &Context, ids: impl Iterator<Item = PaymentId>) -> anyhow::Result<HashMap<PaymentId, JobError>> {
    let mut tx = context.db.begin().await?;
    let mut payments = lock_payments(&tx, ids, &[PaymentStatus::Pending]).await?;
    payments.retain(|payment| payment.sending_since.is_none());
    let places = places(&tx, &payments).await?;
    let (mut requests, mut observed, mut waiting) = (Vec::new(), Vec::new(), HashMap::new());
    for payment in &payments {
        let what = match places.request(payment) {
            Ok(Some(request)) => {
                let diamond_address = request.diamond.map(|diamond| diamond.to_checksum(None)).unwrap_or_default();
                requests.push(request);
                Observation::SendingStarted { diamond_address }
            }
            Ok(None) if payment.expires_at > entities::now() => {
                waiting.insert(payment.id, JobError::Snooze(DIAMOND_WAIT));
                continue;
            }
            Ok(None) => never_sent("diamond_missing", "The wallet had no diamond on this network in time".to_owned()),
            Err(error) => never_sent("terms_invalid", format!("{error:#}")),
        };
        observed.push(Observed::new(payment.id, what, Actor::worker("open_deal")));
    }
    let networks: Vec<NetworkId> = payments.iter().map(|payment| payment.network_id).collect();
    if !requests.is_empty() {
        chain::request(&tx, &requests).await?;
    }
    payments::record(&mut tx, observed).await?;
    tx.commit().await?;
    context.wake(networks);
    Ok(waiting)
}

fn never_sent(code: &str, message: String) -> Observation {
    Observation::SendFailed { code: code.to_owned(), message, retryable: false }
}

async fn places(tx: &Transaction, payments: &[payment::Model]) -> anyhow::Result<Places> {
    let wallet_ids: Vec<WalletId> = payments.iter().filter_map(|payment| payment.wallet_id).collect();
    let currency_ids = payments.iter().map(|payment| payment.currency_id);
    let wallets =
        wallet::Entity::find().filter(wallet::Column::Id.is_in(wallet_ids.iter().copied())).all(&**tx).await?;
    let diamonds = diamond::Entity::find()
        .filter(diamond::Column::WalletId.is_in(wallet_ids))
        .filter(diamond::Column::Status.eq(DiamondStatus::Deployed))
        .all(&**tx)
        .await?;
    let currencies = currency::Entity::find().filter(currency::Column::Id.is_in(currency_ids)).all(&**tx).await?;
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
        }))
    }
}

fn address(text: &str) -> anyhow::Result<Address> {
    text.parse().with_context(|| format!("{text:?} is no address"))
}
