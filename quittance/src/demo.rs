//! `quittance demo`: a merchant and a payer against a running instance, each step with its time.

mod checkout;
mod marketplace;
mod merchant;
mod receipts;
mod till;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, U256};
use anyhow::{Context, bail, ensure};
use chain::{Account, Deal, DealTerms};
use clap::{Args, ValueEnum};
use serde_json::Value;

use self::merchant::Merchant;
use crate::{
    bootstrap::{self, Bootstrap, Playground},
    output::print_line,
    settings::Settings,
};

/// A contract that can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    /// On-chain deals
    Deals,
    /// Bank transfers with receipts
    Receipts,
    /// A till, with a Lightning invoice
    Till,
    /// Hosted checkouts, against the sandbox
    Checkout,
    /// A seller with a connected account, against the sandbox
    Marketplace,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What is played [default: all]
    #[arg(value_enum)]
    section: Option<Section>,
    /// What `quittance bootstrap --json` printed [default: bootstrap.json in the data folder]
    #[arg(long, value_name = "FILE")]
    bootstrap: Option<PathBuf>,
    /// Where the instance is [default: as the bootstrap says]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// How long one step may take, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
}

/// A play with a merchant, a payer and a stopwatch.
struct Stage {
    merchant: Merchant,
    payer: Account,
    patience: Duration,
    started: Instant,
    last: Instant,
}

pub(crate) async fn run(settings: &Settings, options: &Options) -> anyhow::Result<()> {
    let mut first: Bootstrap = match &options.bootstrap {
        Some(file) => {
            let text = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
            serde_json::from_slice(&text).with_context(|| format!("{} is no bootstrap", file.display()))?
        }
        None => bootstrap::read(settings)?,
    };
    if let Some(base_url) = &options.base_url {
        first.base_url.clone_from(base_url);
    }
    let started = Instant::now();
    let wanted = |section| options.section.is_none_or(|wanted| wanted == section);
    if wanted(Section::Deals) {
        deals(&first, options).await?;
    }
    if wanted(Section::Receipts) {
        receipts::play(&first).await?;
    }
    if wanted(Section::Till) {
        till::play(&first, Duration::from_secs(options.patience)).await?;
    }
    if wanted(Section::Checkout) {
        checkout::play(&first, Duration::from_secs(options.patience)).await?;
    }
    if wanted(Section::Marketplace) {
        marketplace::play(&first, Duration::from_secs(options.patience)).await?;
    }
    print_line(&format!("\nAll as it should be, in {:.1} s.", started.elapsed().as_secs_f32()));
    Ok(())
}

async fn deals(first: &Bootstrap, options: &Options) -> anyhow::Result<()> {
    let playground = first.devchain.clone().or(first.testnet.clone()).context(
        "the bootstrap names no payer: the demo needs the embedded default, or a bootstrap on a development node",
    )?;
    let mut stage = Stage::open(first.clone(), &playground, options).await?;
    stage.pay_and_release().await?;
    stage.cancel().await?;
    stage.pay_and_cancel().await
}

impl Stage {
    async fn open(first: Bootstrap, playground: &Playground, options: &Options) -> anyhow::Result<Self> {
        let key = playground.payer.private_key.parse().context("the payer's private key")?;
        let payer = Account::connect(playground.rpc_url.clone().into(), key).await.context("the payer's node")?;
        let now = Instant::now();
        let merchant = Merchant::sign_in(first, &playground.payer.address).await?;
        let patience = Duration::from_secs(options.patience);
        let mut stage = Self { merchant, payer, patience, started: now, last: now };
        stage.step("signed in");
        Ok(stage)
    }

    async fn pay_and_release(&mut self) -> anyhow::Result<()> {
        print_line("\nA payment that is paid and released");
        let payment = self.create_and_open().await?;
        self.deposit(&payment).await?;
        self.reach(&payment, "paid").await?;
        self.merchant.post(&payment, "release").await?;
        self.step("release accepted");
        self.reach(&payment, "completed").await?;
        self.check_life(&payment, &["created", "open", "submitted", "paid", "completed"]).await
    }

    async fn cancel(&mut self) -> anyhow::Result<()> {
        print_line("\nA payment that is canceled");
        let payment = self.create_and_open().await?;
        self.merchant.post(&payment, "cancel").await?;
        self.step("cancel accepted");
        self.reach(&payment, "canceled").await?;
        self.check_life(&payment, &["created", "open", "canceling", "canceled"]).await
    }

    async fn pay_and_cancel(&mut self) -> anyhow::Result<()> {
        print_line("\nA payment that is paid, canceled and given back");
        let payment = self.create_and_open().await?;
        let before = self.balance(&payment).await?;
        self.deposit(&payment).await?;
        self.merchant.post(&payment, "cancel").await?;
        self.step("cancel accepted");
        self.reach(&payment, "refunded").await?;
        ensure!(self.balance(&payment).await? == before, "the payer does not have the deposit back");
        self.step("the payer has the deposit back");
        Ok(())
    }

    async fn create_and_open(&mut self) -> anyhow::Result<Value> {
        let payment = self.merchant.create().await?;
        self.step(&format!("created {}", text(&payment, "id")));
        self.reach(&payment, "open").await?;
        Ok(payment)
    }

    /// Does what the widget tells a wallet to do.
    async fn deposit(&mut self, payment: &Value) -> anyhow::Result<()> {
        let widget = self.merchant.widget(payment).await?;
        let diamond: Address = text(&widget, "diamond_address").parse().context("the widget's diamond")?;
        let token: Address = text(&widget, "token_address").parse().context("the widget's token")?;
        let decimals = widget["price_decimals"].as_u64().context("the widget's decimals")?;
        let price = widget["price"].to_string().parse().context("the widget's price")?;
        let units = payments::money::base_units(price, u32::try_from(decimals)?)?;
        let arguments = widget["contract"]["arguments"].as_array().context("the widget's arguments")?;
        let arguments: Vec<&str> = arguments.iter().filter_map(Value::as_str).collect();
        match arguments[..] {
            [deal_id] => self.payer.deposit_in_first(diamond, token, deal_id.parse()?, units.parse()?).await?,
            [deal_id, reference, payee, _, _, expires_at] => {
                let (amount, expires_at) = (units.parse()?, expires_at.parse()?);
                let terms = DealTerms { payee: payee.parse()?, token, amount, expires_at };
                let deal = Deal { id: deal_id.parse()?, reference: reference.parse()?, terms };
                self.payer.deposit(diamond, &deal).await?
            }
            _ => bail!("the widget tells {} arguments", arguments.len()),
        };
        self.step("deposited");
        Ok(())
    }

    async fn balance(&self, payment: &Value) -> anyhow::Result<U256> {
        let widget = self.merchant.widget(payment).await?;
        let token = text(&widget, "token_address").parse().context("the widget's token")?;
        Ok(self.payer.balance(token, self.payer.address()).await?)
    }

    async fn reach(&mut self, payment: &Value, wanted: &str) -> anyhow::Result<()> {
        let until = Instant::now() + self.patience;
        loop {
            let now = self.merchant.get(payment).await?;
            let status = text(&now, "status");
            if status == wanted {
                self.step(wanted);
                return Ok(());
            }
            let lost = ["failed", "expired", "needs_review"].contains(&status);
            if lost || Instant::now() >= until {
                bail!("payment {} is {status} and not {wanted}: {}", text(payment, "id"), now["failure"]);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether the log tells the payment's life in order and without gaps.
    async fn check_life(&mut self, payment: &Value, wanted: &[&str]) -> anyhow::Result<()> {
        let announced = self.merchant.transitions(payment).await?;
        let wanted: Vec<String> = wanted.iter().map(|event| format!("payment.{event}")).collect();
        ensure!(announced == wanted, "the log tells {announced:?} and not {wanted:?}");
        self.step("its log tells it in order");
        Ok(())
    }

    fn step(&mut self, what: &str) {
        let now = Instant::now();
        let (step, all) = (now - self.last, now - self.started);
        self.last = now;
        print_line(&format!("  {:>7.2} s  (+{:>5.2} s)  {what}", all.as_secs_f32(), step.as_secs_f32()));
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
