//! Settings that the command line has options for.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

/// Settings that are wanted often enough to have an option; all others come from the file and the environment.
#[derive(Debug, Default, Args)]
pub(crate) struct Overrides {
    /// Folder for everything that is kept in files [default: ./quittance-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address to serve on [default: 127.0.0.1:9154]
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Configuration file (TOML); `quittance.sample.toml` explains every setting
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}
