//! Putting the layers together: the file, then the environment, then the options of the command line.

use std::{collections::BTreeSet, ffi::OsString, fs, path::Path, path::PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;

use super::{Overrides, Settings, environment, known::Known, tree::Node};

/// Where the settings of a process come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The configuration file, where there is one.
    pub(crate) file: Option<PathBuf>,
    /// The paths of what was set anywhere, such as `http.trusted_proxies`.
    given: BTreeSet<String>,
    /// Variables that look like ours and are none.
    pub(crate) unknown: Vec<String>,
}

impl Origin {
    /// Everything that somebody has decided about.
    pub(crate) fn given(&self) -> impl Iterator<Item = &str> {
        self.given.iter().map(String::as_str)
    }

    /// Whether somebody has decided about this setting.
    pub(crate) fn is_given(&self, path: &str) -> bool {
        self.given.contains(path)
    }
}

impl Settings {
    /// Reads and checks everything; all mistakes are told at once.
    pub(crate) fn load(overrides: &Overrides) -> anyhow::Result<Self> {
        Self::read(overrides, std::env::vars_os())
    }

    /// The same with an environment of the caller's.
    pub(crate) fn read(
        overrides: &Overrides,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> anyhow::Result<Self> {
        let mut tree = overrides.config.as_deref().map_or_else(|| Ok(Node::default()), file)?;
        let environment = environment::apply(variables, &Known::of::<Self>(), &mut tree);
        let mut given: BTreeSet<String> = tree.paths().into_iter().collect();
        if !environment.mistakes.is_empty() {
            bail!("configuration:\n  - {}", environment.mistakes.join("\n  - "));
        }
        let mut settings = Self::deserialize(tree).context("configuration")?;
        if let Some(data_dir) = &overrides.data_dir {
            settings.data_dir.clone_from(data_dir);
            given.insert("data_dir".to_owned());
        }
        if let Some(listen) = overrides.listen {
            settings.listen = listen;
            given.insert("listen".to_owned());
        }
        settings.origin = Origin { file: overrides.config.clone(), given, unknown: environment.unknown };
        settings.check()?;
        settings.base_url = settings.base_url.as_deref().and_then(super::origin);
        Ok(settings)
    }
}

/// Reads the file. What it cannot make sense of is told by its place: the line itself may hold a secret.
fn file(path: &Path) -> anyhow::Result<Node> {
    if !path.is_file() {
        bail!("there is no configuration file {}", path.display());
    }
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        anyhow!("{}, line {line}: {}", path.display(), error.message())
    })?;
    Ok(Node::from(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> anyhow::Result<Settings> {
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Settings::read(&Overrides::default(), variables)
    }

    fn complaint(variables: &[(&str, &str)]) -> String {
        format!("{:#}", read(variables).expect_err("it is refused"))
    }

    #[test]
    fn a_base_url_is_an_origin_however_it_is_written() {
        for (written, kept) in [
            ("https://pay.example", "https://pay.example"),
            ("HTTPS://Pay.Example:443/", "https://pay.example"),
            ("http://127.0.0.1:9154/", "http://127.0.0.1:9154"),
            ("https://b\u{fc}cher.example", "https://xn--bcher-kva.example"),
        ] {
            let settings = read(&[("QUITTANCE_BASE_URL", written), ("QUITTANCE_HTTP__TRUSTED_PROXIES", "0")]).unwrap();
            assert_eq!(settings.base_url.as_deref(), Some(kept));
        }
        for wrong in ["https://pay.example/shop", "https://pay.example/?a", "https://ada@pay.example", "pay.example"] {
            assert!(complaint(&[("QUITTANCE_BASE_URL", wrong)]).contains("without a path"), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_data_folder_is_a_path_and_no_url() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a?b=%41#c d");
        let settings = read(&[("QUITTANCE_DATA_DIR", folder.to_str().unwrap())]).unwrap().complete().unwrap();
        let _opened = queue::Database::connect(&settings.database).await.unwrap();
        assert!(folder.join("quittance.db").is_file());
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing beside it");
    }

    #[test]
    fn the_type_of_a_setting_decides_what_its_text_means() {
        use secrecy::ExposeSecret;

        for password in ["20261129", "true", "[secret]", "0343500003", "1e3", "{a=1}", "\"quoted\"", " spaced ", "ключ"]
        {
            let settings = read(&[("QUITTANCE_KEYSTORE__PASSWORD", password)]).unwrap();
            assert_eq!(settings.keystore.password.expose_secret(), password);
        }
        let operator = "QUITTANCE_GATEWAYS__MOBILE_MONEY__MVOLA_MG";
        let texts = [
            ("BASE_URL", "https://api.mvola.mg"),
            ("CLIENT_ID", "12"),
            ("CLIENT_SECRET", "34"),
            ("MERCHANT", "0343500003"),
            ("PARTNER_NAME", "007"),
            ("CALLBACK_SECRET", "1234567890123456"),
            ("TIMEOUT_MS", "900"),
        ];
        let names = texts.map(|(name, text)| (format!("{operator}__{name}"), text));
        let settings = read(&names.each_ref().map(|(name, text)| (name.as_str(), *text))).unwrap();
        let mvola = settings.gateways.mobile_money.mvola_mg.unwrap();
        assert_eq!((mvola.merchant.as_str(), mvola.timeout_ms), ("0343500003", 900));
        let lists = [
            ("QUITTANCE_WEBHOOKS__ALLOWED_NETWORKS", r#"["10.1.0.0/16"]"#),
            ("QUITTANCE_WEBHOOKS__SCHEDULE_S", "1, 2"),
            ("QUITTANCE_BASE_URL", ""),
        ];
        let settings = read(&lists).unwrap();
        assert_eq!((settings.webhooks.allowed_networks.len(), settings.webhooks.schedule_s), (1, vec![1, 2]));
        assert_eq!(settings.base_url, None, "an empty variable is one that was not set");
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_shown() {
        for (name, value, path) in [
            ("QUITTANCE_DATABASE__CONNECTIONS_MAX", "s3cret", "database.connections_max"),
            ("QUITTANCE_RECEIPTS__NODE_ID", "s3cret", "receipts.node_id"),
            ("QUITTANCE_LISTEN", "s3cret", "listen"),
            ("QUITTANCE_WEBHOOKS__ALLOWED_NETWORKS", "s3cret", "webhooks.allowed_networks.1"),
            ("QUITTANCE_CHAIN__SIGNERS", "s3cret", "chain.signers.1"),
            ("QUITTANCE_LOG__FORMAT", "s3cret", "log.format"),
            ("QUITTANCE_GATEWAYS__SANDBOX__ENABLED", "s3cret", "gateways.sandbox.enabled"),
        ] {
            let complaint = complaint(&[(name, value)]);
            assert!(complaint.contains(path) && !complaint.contains("s3cret"), "{complaint}");
        }
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("quittance.toml");
        for (text, place) in [
            ("[keystore]\npassword = 20261129", "keystore.password must be text"),
            ("[keystore]\npassword = 020261129", "line 2"),
            ("[keystore]\npasswort = \"20261129\"", "keystore.passwort is no setting"),
        ] {
            fs::write(&config, text).unwrap();
            let overrides = Overrides { config: Some(config.clone()), ..Overrides::default() };
            let complaint = format!("{:#}", Settings::read(&overrides, std::iter::empty()).unwrap_err());
            assert!(complaint.contains(place) && !complaint.contains("20261129"), "{complaint}");
        }
    }

    #[test]
    fn what_others_write_into_the_environment_is_left_alone() {
        let service = [
            ("QUITTANCE_PORT", "tcp://10.0.0.1:9154"),
            ("QUITTANCE_SERVICE_HOST", "10.0.0.1"),
            ("QUITTANCE_SERVICE_PORT", "9154"),
            ("QUITTANCE_SERVICE_PORT_HTTP", "9154"),
            ("QUITTANCE_PORT_9154_TCP", "tcp://10.0.0.1:9154"),
            ("QUITTANCE_PORT_9154_TCP_ADDR", "10.0.0.1"),
            ("QUITTANCE_PORT_9154_TCP_PORT", "9154"),
            ("QUITTANCE_PORT_9154_TCP_PROTO", "tcp"),
            ("QUITTANCE_API_SERVICE_HOST", "10.0.0.2"),
            ("QUITTANCE_DATABASE_PORT", "tcp://10.0.0.3:5432"),
            ("QUITTANCE_DATABASE_PORT_5432_TCP", "tcp://10.0.0.3:5432"),
            ("QUITTANCE_URL", "http://127.0.0.1:9154"),
            ("QUITTANCE_WEBHOOK_SECRET", "whsec_1"),
        ];
        assert_eq!(read(&service).unwrap().origin.unknown, Vec::<String>::new());
        let settings = read(&[("QUITTANCE_PORT", "9154"), ("QUITTANCE_COLOUR", "blue")]).unwrap();
        assert_eq!(settings.origin.unknown, ["QUITTANCE_PORT", "QUITTANCE_COLOUR"]);
    }

    #[test]
    fn a_misspelled_setting_is_refused_with_what_was_meant() {
        for (wrong, right) in [
            ("QUITTANCE_DATABASE_URL", "QUITTANCE_DATABASE__URL"),
            ("QUITTANCE_KEYSTORE__PASWORD", "QUITTANCE_KEYSTORE__PASSWORD"),
            ("QUITTANCE_BROKER__ULR", "QUITTANCE_BROKER__URL"),
            ("QUITTANCE_DATADIR", "QUITTANCE_DATA_DIR"),
            ("QUITTANCE_GATEWAYS__STRIPE__SECRETKEY", "QUITTANCE_GATEWAYS__STRIPE__SECRET_KEY"),
        ] {
            let complaint = complaint(&[(wrong, "s3cret")]);
            assert!(complaint.contains(&format!("{wrong} is no setting; {right} is")), "{complaint}");
            assert!(!complaint.contains("s3cret"), "{complaint}");
        }
        let section = complaint(&[("QUITTANCE_GATEWAYS__STRIPE", "{secret_key=\"s3cret\"}")]);
        assert!(section.contains("is a section") && !section.contains("s3cret"), "{section}");
    }

    #[test]
    fn what_was_decided_is_known() {
        let settings = read(&[("QUITTANCE_HTTP__TRUSTED_PROXIES", "0")]).unwrap();
        assert!(settings.origin.is_given("http.trusted_proxies"));
        assert!(!read(&[]).unwrap().origin.is_given("http.trusted_proxies"));
    }
}
