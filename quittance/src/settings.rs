//! Configuration: defaults, then the file, then the environment (`QUITTANCE_…`, `__` for nesting), then options.

mod environment;
mod known;
mod layers;
mod overrides;
mod tree;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::{Context, bail};
use ipnet::IpNet;
use payments::deal::DepositCall;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

pub(crate) use self::{layers::Origin, overrides::Overrides};
use crate::{files, safety, secrets};

/// Everything that can be configured. `quittance.sample.toml` shows and explains all of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    /// How clients reach us, where a proxy stands in between.
    pub(crate) base_url: Option<String>,
    /// Bring the schema up to date when a process starts.
    pub(crate) migrate_on_start: bool,
    pub(crate) database: queue::DatabaseConfig,
    pub(crate) broker: queue::BrokerConfig,
    pub(crate) auth: api::AuthConfig,
    pub(crate) http: api::HttpConfig,
    pub(crate) strangers: api::StrangersConfig,
    pub(crate) operations: api::OperationsConfig,
    pub(crate) disk: api::DiskConfig,
    pub(crate) deals: api::DealsConfig,
    pub(crate) receipts: api::ReceiptsConfig,
    pub(crate) till: api::TillConfig,
    pub(crate) gateways: gateways::Config,
    pub(crate) chain: chain::Config,
    pub(crate) webhooks: webhooks::Config,
    pub(crate) keystore: KeystoreSettings,
    pub(crate) devchain: DevchainSettings,
    pub(crate) log: LogSettings,
    /// Where the settings come from.
    #[serde(skip)]
    pub(crate) origin: Origin,
}

/// Where the signers' keys are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KeystoreSettings {
    /// Folder of encrypted key files; `keystore` in the data folder by default.
    pub(crate) dir: Option<PathBuf>,
    pub(crate) password: SecretString,
}

/// The development chain of the embedded default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DevchainSettings {
    /// On by default without an own database; never for production.
    pub(crate) enabled: Option<bool>,
    /// Where its JSON-RPC listens; the port above ours by default, or any free one.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) chain_id: u64,
    pub(crate) block_time_ms: u64,
}

impl Default for DevchainSettings {
    fn default() -> Self {
        Self { enabled: None, listen: None, chain_id: 31_337, block_time_ms: 1_000 }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogSettings {
    pub(crate) format: LogFormat,
    /// As `RUST_LOG`: `info`, or `info,chain=debug`.
    pub(crate) filter: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Pretty, filter: "info,sea_orm_migration=warn,sqlx=warn,poem=warn".to_owned() }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    Pretty,
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("quittance-data"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9154)),
            base_url: None,
            migrate_on_start: true,
            database: queue::DatabaseConfig::default(),
            broker: queue::BrokerConfig::default(),
            auth: api::AuthConfig::default(),
            http: api::HttpConfig::default(),
            strangers: api::StrangersConfig::default(),
            operations: api::OperationsConfig::default(),
            disk: api::DiskConfig::default(),
            deals: api::DealsConfig::default(),
            receipts: api::ReceiptsConfig::default(),
            till: api::TillConfig::default(),
            gateways: gateways::Config::default(),
            chain: chain::Config::default(),
            webhooks: webhooks::Config::default(),
            keystore: KeystoreSettings::default(),
            devchain: DevchainSettings::default(),
            log: LogSettings::default(),
            origin: Origin::default(),
        }
    }
}

/// What signs requests to the sandbox, where nothing else was configured.
fn sandbox_secret(secret: &SecretString) -> SecretString {
    let digest = Sha256::digest(format!("sandbox v1 {}", secret.expose_secret()));
    SecretString::from(alloy::hex::encode(digest))
}

/// What browsers know us by: scheme, host and port as they write them. None for an address with anything else in it: our
/// paths, cookies and signed links begin at the top of a host.
fn origin(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let is_top = is_bare && url.fragment().is_none() && url.path() == "/";
    (["http", "https"].contains(&url.scheme()) && is_top).then(|| url.origin().ascii_serialization())
}

/// The addresses of this host itself.
fn loopback() -> [IpNet; 2] {
    [IpNet::from(IpAddr::from(Ipv4Addr::LOCALHOST)), IpNet::from(IpAddr::from(Ipv6Addr::LOCALHOST))]
}

impl Settings {
    /// Whether database, broker and chain are our own.
    pub(crate) fn is_embedded(&self) -> bool {
        self.database.url.expose_secret().is_empty()
    }

    /// Fills in what was not configured: the database file and the secrets, made once and kept in the data folder.
    pub(crate) fn complete(mut self) -> anyhow::Result<Self> {
        let folder = files::private_folder(&self.data_dir)?;
        if self.is_embedded() {
            if self.runs_sandbox() || self.runs_devchain() {
                // Somebody tries it out on one host: what listens there is theirs.
                self.webhooks.allowed_networks.extend(loopback());
            }
            self.database.url = files::sqlite_url(&folder.join("quittance.db"))?.into();
        }
        let kept = secrets::load_or_create(&folder)?;
        for (setting, kept) in [
            (&mut self.auth.jwt_secret, kept.jwt_secret),
            (&mut self.auth.access_token_secret, kept.access_token_secret),
        ] {
            if setting.expose_secret().is_empty() {
                *setting = kept;
            }
        }
        if self.webhooks.secret.expose_secret().is_empty() {
            self.webhooks.secret = webhooks::derived_secret(&self.auth.access_token_secret);
        }
        if self.gateways.sandbox.secret.expose_secret().is_empty() {
            self.gateways.sandbox.secret = sandbox_secret(&self.auth.access_token_secret);
        }
        self.receipts.uploads_dir.get_or_insert_with(|| folder.join("uploads"));
        self.keystore.dir.get_or_insert_with(|| folder.join("keystore"));
        self.data_dir = folder;
        Ok(self)
    }

    /// The signers' keys, for processes that sign; the others never hold what opens them.
    pub(crate) fn keystore(&self) -> anyhow::Result<chain::Keystore> {
        let folder = self.keystore.dir.clone().unwrap_or_else(|| self.data_dir.join("keystore"));
        // Keys that only a development chain knows need no expensive hashing, and a first start should not wait for it.
        let scrypt_log_n = if self.runs_devchain() { 12 } else { 17 };
        let mut password = self.keystore.password.clone();
        if password.expose_secret().is_empty() {
            password = secrets::load_or_create(&self.data_dir)?.keystore_password;
        }
        chain::Keystore::open(&folder, password, scrypt_log_n)
            .with_context(|| format!("the keystore's folder {}", folder.display()))
    }

    /// Whether everything is in files of ours, as it is where somebody tries it out.
    fn is_in_files(&self) -> bool {
        self.is_embedded() || self.database.url.expose_secret().starts_with("sqlite")
    }

    /// Whether this process has a development chain of its own.
    pub(crate) fn runs_devchain(&self) -> bool {
        self.devchain.enabled.unwrap_or_else(|| self.is_in_files())
    }

    /// Whether the built-in gateway stands for those that are not configured.
    pub(crate) fn runs_sandbox(&self) -> bool {
        self.gateways.sandbox.enabled.unwrap_or_else(|| self.is_in_files())
    }

    pub(crate) fn api(&self) -> api::Config {
        let (mut auth, http, strangers) = (self.auth.clone(), self.http.clone(), self.strangers.clone());
        let is_https = self.base_url.as_deref().is_some_and(|url| url.starts_with("https://"));
        auth.cookie_secure.get_or_insert(is_https);
        let (operations, deals) = (self.operations.clone(), self.deals.clone());
        let (receipts, till) = (self.receipts.clone(), self.till.clone());
        let disk = api::DiskConfig { folders: self.folders(), ..self.disk.clone() };
        let is_development = safety::assess(self).mode == safety::Mode::Development;
        let lightning = self.gateways.lightning.clone();
        let diamond_owner = self.chain.diamond_owner.map(|owner| owner.to_checksum(None));
        api::Config {
            auth,
            http,
            strangers,
            disk,
            operations,
            deals,
            receipts,
            till,
            lightning,
            diamond_owner,
            deposits: self.deposits(),
            is_development,
        }
    }

    /// What payers call at the diamonds that somebody else has written.
    fn deposits(&self) -> Vec<api::ContractDeposit> {
        let of_dialect = |dialect: &chain::DialectConfig| {
            let (name, abi) = dialect.deposit_abi()?;
            let (call, chain_id) = (DepositCall::of_abi(abi, &name)?, i64::try_from(dialect.chain_id).ok()?);
            let at = |diamond: &alloy::primitives::Address| api::ContractDeposit {
                chain_id,
                diamond: diamond.to_checksum(None),
                call: call.clone(),
            };
            Some(dialect.diamonds.iter().map(at).collect::<Vec<_>>())
        };
        self.chain.dialects.iter().filter_map(of_dialect).flatten().collect()
    }

    /// Folders that grow with what is sent: of the database, where it is a file, and of uploaded files.
    fn folders(&self) -> Vec<PathBuf> {
        let database = self.database.url.expose_secret().starts_with("sqlite").then(|| self.data_dir.clone());
        let bucket = !self.receipts.object_store.bucket.is_empty();
        database.into_iter().chain(self.receipts.uploads_dir.clone().filter(|_| !bucket)).collect()
    }

    /// Fails with every mistake at once.
    fn check(&self) -> anyhow::Result<()> {
        let mut mistakes = Vec::new();
        let url = self.database.url.expose_secret();
        if !["", "sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| match *scheme {
            "" => url.is_empty(),
            scheme => url.starts_with(scheme),
        }) {
            mistakes.push("database.url must start with postgres: or sqlite:".to_owned());
        }
        let broker = self.broker.url.expose_secret();
        if broker != "embedded" && !broker.starts_with("amqp://") && !broker.starts_with("amqps://") {
            mistakes.push("broker.url must be `embedded` or start with amqp:// or amqps://".to_owned());
        }
        if self.base_url.as_deref().is_some_and(|url| origin(url).is_none()) {
            mistakes.push(
                "base_url must be an http or https address without a path, such as https://pay.example".to_owned(),
            );
        }
        if self.database.connections_max < 2 {
            mistakes.push("database.connections_max must be at least 2".to_owned());
        }
        if self.devchain.block_time_ms == 0 {
            mistakes.push("devchain.block_time_ms must be above 0".to_owned());
        }
        mistakes.extend(self.chain.mistakes());
        mistakes.extend(self.webhooks.mistakes());
        mistakes.extend(self.gateways.mistakes());
        let http = self.api();
        // Secrets may still be empty: those are made by `complete`.
        let unset = |mistake: &String| {
            (mistake.starts_with("auth.jwt_secret") && self.auth.jwt_secret.expose_secret().is_empty())
                || (mistake.starts_with("auth.access_token")
                    && self.auth.access_token_secret.expose_secret().is_empty())
        };
        mistakes.extend(http.mistakes().into_iter().filter(|mistake| !unset(mistake)));
        if mistakes.is_empty() {
            return Ok(());
        }
        bail!("configuration:\n  - {}", mistakes.join("\n  - "))
    }
}
