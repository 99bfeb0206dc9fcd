//! Everything in one process: the default that needs nothing but a folder.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use clap::Args;
use devchain::{BlockTime, DevChain};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    banner, bootstrap,
    output::print_line,
    process::{self, Roles, WorkerOptions},
    settings::Settings,
};

#[derive(Debug, Args)]
pub(crate) struct DevchainOptions {
    /// Mine as soon as a transaction arrives, instead of one block a second
    #[arg(long)]
    instant: bool,
    /// Forget everything at the end, instead of keeping the chain in the data folder
    #[arg(long)]
    ephemeral: bool,
}

/// A development chain that serves JSON-RPC.
pub(crate) struct Devnet {
    pub(crate) chain: DevChain,
    pub(crate) rpc_url: String,
    stop: CancellationToken,
    server: AbortOnDropHandle<std::io::Result<()>>,
}

/// `quittance` without a command.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let listener = process::listen(&settings).await?;
    let base_url = settings.base_url.clone().unwrap_or(format!("http://{}", listener.local_addr()?));
    let base = process::open(settings).await?;
    let node = if base.settings.runs_devchain() { Some(start_node(&base.settings, &listener).await?) } else { None };
    let is_first = match &node {
        Some(node) => bootstrap::embedded(&base.settings, &base.db, node, &base_url).await?,
        None => false,
    };
    banner::print(&base.settings, &base_url, node.as_ref(), is_first)?;
    let result = process::run(base, Roles { api: Some(listener), worker: Some(&WorkerOptions::default()) }).await;
    if let Some(node) = node {
        node.stop().await?;
    }
    result
}

async fn start_node(settings: &Settings, ours: &TcpListener) -> anyhow::Result<Devnet> {
    let wanted = settings.devchain.listen;
    let listener = match wanted {
        Some(address) => TcpListener::bind(address).await.with_context(|| format!("devchain.listen {address}"))?,
        None => next_to(ours.local_addr()?).await?,
    };
    let config = devchain::Config {
        chain_id: settings.devchain.chain_id,
        block_time: BlockTime::Interval(Duration::from_millis(settings.devchain.block_time_ms)),
        data_dir: Some(settings.data_dir.join("devchain")),
        ..Default::default()
    };
    serve(config, listener).await
}

/// The port above ours, which stays the same from start to start, or any free one when that is taken.
async fn next_to(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let next = SocketAddr::new(address.ip(), address.port().saturating_add(1));
    match TcpListener::bind(next).await {
        Ok(listener) => Ok(listener),
        Err(_) => Ok(TcpListener::bind(SocketAddr::new(address.ip(), 0)).await?),
    }
}

async fn serve(config: devchain::Config, listener: TcpListener) -> anyhow::Result<Devnet> {
    let rpc_url = format!("http://{}", listener.local_addr()?);
    let chain = tokio::task::spawn_blocking(|| DevChain::start(config)).await?.context("development chain")?;
    let stop = CancellationToken::new();
    let server = AbortOnDropHandle::new(tokio::spawn(chain.serve(listener, stop.clone())));
    Ok(Devnet { chain, rpc_url, stop, server })
}

impl Devnet {
    async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        let _ = self.server.await;
        tokio::task::spawn_blocking(move || self.chain.shutdown()).await?
    }
}

/// `quittance devchain`.
pub(crate) async fn devchain(settings: &Settings, options: DevchainOptions) -> anyhow::Result<()> {
    let listener = TcpListener::bind(settings.devchain.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8545))));
    let interval = BlockTime::Interval(Duration::from_millis(settings.devchain.block_time_ms));
    let data_dir =
        if options.ephemeral { None } else { Some(crate::files::private_folder(&settings.data_dir)?.join("devchain")) };
    let config = devchain::Config {
        chain_id: settings.devchain.chain_id,
        block_time: if options.instant { BlockTime::Instant } else { interval },
        data_dir,
        ..Default::default()
    };
    let node = serve(config, listener.await.context("devchain.listen")?).await?;
    print_line(&format!("{}\nJSON-RPC at {}", node.chain.banner(), node.rpc_url));
    tokio::signal::ctrl_c().await?;
    node.stop().await
}
