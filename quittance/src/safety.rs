//! Development and production are two things: which of them a configuration is, and what is unsafe about it. One place, so
//! that the start, which refuses, and `quittance doctor`, which tells, cannot disagree.

mod credentials;
mod host;
mod networks;
mod reachability;
mod secrecy_of;

use std::fmt::{self, Display};

use anyhow::{Context, bail};
use entities::network;
use queue::Database;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use secrecy::ExposeSecret;

use crate::{files, settings::Settings};

/// What an installation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The playground: a sandbox stands for gateways, or a development chain runs. No money is real.
    Development,
    /// Everything else.
    Production,
}

impl Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development: no real money moves here",
            Self::Production => "production",
        })
    }
}

/// What a danger leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// No process starts.
    Refused,
    /// The danger is logged at the start and shown by `quittance doctor`.
    Warned,
}

/// Something unsafe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Danger {
    pub(crate) severity: Severity,
    /// The setting, or whatever else it is about.
    pub(crate) what: String,
    pub(crate) why: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Danger {
    pub(crate) fn refused(what: &str, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Refused, what: what.to_owned(), why: why.into(), remedy: remedy.into() }
    }

    pub(crate) fn warned(what: &str, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Warned, ..Self::refused(what, why, remedy) }
    }
}

impl Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.what, self.why, self.remedy)
    }
}

/// What a configuration is, and what is unsafe about it.
#[derive(Clone, Debug)]
pub(crate) struct Assessment {
    pub(crate) mode: Mode,
    pub(crate) dangers: Vec<Danger>,
}

/// Looks at the settings alone: no file is read and nobody is asked.
pub(crate) fn assess(settings: &Settings) -> Assessment {
    let parts = playground(settings);
    let mode = if parts.is_empty() { Mode::Production } else { Mode::Development };
    let mut dangers = beside_real_money(settings, &parts);
    dangers.extend(reachability::dangers(settings, mode));
    dangers.extend(secrecy_of::dangers(settings, mode));
    if mode == Mode::Production {
        dangers.extend(careless(settings));
    }
    Assessment { mode, dangers }
}

/// The parts of the playground that run, each with the setting that switches it.
fn playground(settings: &Settings) -> Vec<(&'static str, &'static str)> {
    let sandbox = ("the sandbox", "gateways.sandbox.enabled");
    let devchain = ("the development chain", "devchain.enabled");
    let parts = [(settings.runs_sandbox(), sandbox), (settings.runs_devchain(), devchain)];
    parts.into_iter().filter(|(runs, _)| *runs).map(|(_, part)| part).collect()
}

/// Where a sandbox stands beside a gateway that moves money, whoever pays chooses the sandbox.
fn beside_real_money(settings: &Settings, parts: &[(&'static str, &'static str)]) -> Vec<Danger> {
    let mut signs = credentials::live(&settings.gateways);
    signs.extend(reachability::public(settings));
    let beside = |(part, setting): &(&str, &str)| {
        let signs = signs.join(" and ");
        Danger::refused(
            setting,
            format!("{part}, where no money is real, would run beside {signs}: orders could be paid for nothing"),
            format!("set {setting} = false for production, or use test credentials and loopback addresses alone"),
        )
    };
    if signs.is_empty() { Vec::new() } else { parts.iter().map(beside).collect() }
}

/// What is a matter of taste in development, and costs money or sleep in production.
fn careless(settings: &Settings) -> Vec<Danger> {
    let mut dangers = Vec::new();
    if settings.operations.edit_dead_letters {
        dangers.push(Danger::warned(
            "operations.edit_dead_letters",
            "operators may change the body of a message, and with it what is paid to whom",
            "leave it false, and set it for the hour in which it is needed",
        ));
    }
    if settings.chain.fee_cap_wei.is_none() {
        dangers.push(Danger::warned(
            "chain.fee_cap_wei",
            "any price is paid for gas",
            "set the highest fee per gas that a deal is worth",
        ));
    }
    if !settings.webhooks.allowed_networks.is_empty() {
        let networks: Vec<String> = settings.webhooks.allowed_networks.iter().map(ToString::to_string).collect();
        dangers.push(Danger::warned(
            "webhooks.allowed_networks",
            format!("whoever may create a webhook reaches {} from inside", networks.join(", ")),
            "leave it empty, or name single hosts (/32, /128) that expect events",
        ));
    }
    dangers
}

/// What others can read of what is kept in files. The data folder itself is made private at the start, or refused.
pub(crate) fn of_files(settings: &Settings) -> Vec<Danger> {
    let mut dangers = Vec::new();
    if let Some(keystore) = settings.keystore.dir.as_deref().filter(|folder| files::is_exposed(folder)) {
        let remedy = format!("run `chmod 700 {}`", keystore.display());
        dangers.push(Danger::warned("keystore.dir", "others can read the signers' key files", remedy));
    }
    if let Some(file) =
        settings.origin.file.as_deref().filter(|file| holds_secrets(settings) && files::is_exposed(file))
    {
        let what = format!("configuration file {}", file.display());
        let remedy = format!("run `chmod 600 {}`", file.display());
        dangers.push(Danger::warned(&what, "it holds secrets, and others can read it", remedy));
    }
    dangers
}

/// Whether any secret was set, be it in the file or in the environment.
fn holds_secrets(settings: &Settings) -> bool {
    let words = ["secret", "password", "secret_key", "secret_access_key"];
    let named = |path: &str| words.iter().any(|word| path.ends_with(word));
    let in_url =
        |url: &secrecy::SecretString| url::Url::parse(url.expose_secret()).is_ok_and(|url| url.password().is_some());
    settings.origin.given().any(named) || in_url(&settings.database.url) || in_url(&settings.broker.url)
}

/// What is unsafe about the networks of an installation.
pub(crate) async fn of_networks(mode: Mode, db: &Database) -> anyhow::Result<Vec<Danger>> {
    let live = network::Column::DeletedAt.is_null();
    let networks = network::Entity::find().filter(live).all(&**db).await.context("networks")?;
    let found = networks.into_iter().flat_map(|network| {
        let urls: Vec<String> = serde_json::from_value(network.rpc_urls).unwrap_or_default();
        networks::dangers(&network.name, network.network_id, &urls, mode)
    });
    Ok(found.collect())
}

impl Assessment {
    /// Fails with everything for which no process may start.
    pub(crate) fn require_startable(&self) -> anyhow::Result<()> {
        refuse(self.dangers.iter().filter(|danger| danger.severity == Severity::Refused))
    }
}

/// Fails with all of these, if there are any.
pub(crate) fn refuse<'a>(dangers: impl Iterator<Item = &'a Danger>) -> anyhow::Result<()> {
    let sentences: Vec<String> = dangers.map(|danger| format!("\n  - {danger}")).collect();
    if sentences.is_empty() {
        return Ok(());
    }
    bail!("this would not be safe:{}\n`quittance doctor` tells more", sentences.concat())
}

#[cfg(test)]
mod tests;
