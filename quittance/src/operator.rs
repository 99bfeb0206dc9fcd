//! What all operators' commands share: they talk to a running instance over its API.

mod client;
pub(crate) mod terminal;

use clap::Args;

pub(crate) use self::client::{Client, NoResponse};

/// Where the instance is and who asks.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// Where the instance is [default: as bootstrap.json in the data folder says]
    #[arg(long, global = true, value_name = "URL", env = "QUITTANCE_URL", hide_env_values = true)]
    url: Option<String>,
    /// API key of an integration with the permission `operations` [default: that of bootstrap.json]
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        env = "QUITTANCE_API_KEY",
        hide_env_values = true,
        requires = "api_secret"
    )]
    api_key: Option<String>,
    /// Its secret; better in the environment, where other users of this machine do not see it
    #[arg(long, global = true, value_name = "SECRET", env = "QUITTANCE_API_SECRET", hide_env_values = true)]
    api_secret: Option<String>,
}

impl Access {
    /// Whether another instance was named than that of the data folder.
    pub(crate) fn names_an_instance(&self) -> bool {
        self.url.is_some()
    }
}
