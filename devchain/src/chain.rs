//! The handle of a development chain.

use std::{
    fmt::Write as _,
    fs,
    future::Future,
    path::Path,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use alloy::primitives::{Address, U256};
use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::{
    Account, BlockTime, Config, Dropped, Faults, NoAnswer,
    accounts::{derive, random, seed},
    block::Credit,
    clock::Clock,
    http,
    journal::Journal,
    ledger::Ledger,
    miner::{Miner, Take, mine_each},
    node::Node,
    pool::Pool,
    restore::{PREFUND_WEI, restore},
    rpc::{self, Filters},
    snapshot::Snapshots,
    state::{Info, State},
};

/// A running development chain. Clones share it; it stops with the last one.
#[derive(Clone, Debug)]
pub struct DevChain {
    node: Arc<Node>,
    /// Dropping the sender ends the thread that mines at intervals.
    ticking: Arc<Mutex<Option<mpsc::Sender<()>>>>,
}

impl DevChain {
    /// Starts a chain, going on from its data folder when there is one.
    pub fn start(config: Config) -> anyhow::Result<Self> {
        let (seed, journal, snapshots, state) = match &config.data_dir {
            Some(data_dir) => open(data_dir, &config)?,
            None => (config.seed.unwrap_or_else(random), Journal::in_memory(), None, State::default()),
        };
        let journal = Arc::new(journal);
        let accounts = derive(seed, config.accounts);
        let offset = snapshots.as_ref().map_or(0, Snapshots::offset);
        let ledger = restore(&journal, config.chain_id, (state, offset), &accounts)?;
        let miner = Miner { clock: Clock::default(), credits: missing(&accounts, &ledger), snapshots, closed: false };
        let node = Arc::new(Node {
            chain_id: config.chain_id,
            block_time: config.block_time,
            accounts,
            faults: Faults::default(),
            filters: Filters::default(),
            miner: Mutex::new(miner),
            pool: Mutex::new(Pool::default()),
            ledger: ledger.into(),
        });
        let ticking = match config.block_time {
            BlockTime::Interval(interval) => {
                let (sender, receiver) = mpsc::channel();
                let weak = Arc::downgrade(&node);
                thread::Builder::new()
                    .name("devchain-miner".to_owned())
                    .spawn(move || mine_each(interval, &weak, &receiver))
                    .context("cannot start the mining thread")?;
                Some(sender)
            }
            BlockTime::Instant | BlockTime::Manual => None,
        };
        Ok(Self { node, ticking: Arc::new(Mutex::new(ticking)) })
    }

    /// Serves JSON-RPC over HTTP until shutdown.
    pub fn serve(
        &self,
        listener: tokio::net::TcpListener,
        shutdown: CancellationToken,
    ) -> impl Future<Output = std::io::Result<()>> + use<> {
        http::serve(self.clone(), listener, shutdown)
    }

    /// Answers one JSON-RPC request or batch, as over HTTP.
    pub async fn rpc(&self, request: Vec<u8>) -> Result<Vec<u8>, NoAnswer> {
        rpc::answer(&self.node, request).await
    }

    /// Mines so many blocks at once; the first take what is in the pool.
    pub fn mine(&self, blocks: u64) -> anyhow::Result<()> {
        let mut miner = self.node.miner();
        for _ in 0..blocks {
            self.node.mine(&mut miner, Take::Pool)?;
        }
        Ok(())
    }

    /// Begins or ends a time in which blocks only follow each other and leave the wall clock alone: whoever mines many
    /// at once to set something up does not push the chain into the future.
    pub fn set_up(&self, setting_up: bool) {
        self.node.miner().clock.set_up(setting_up);
    }

    /// Replaces the last blocks by as many others, with other hashes and no transactions. What becomes of those that
    /// were in them is up to the caller; ether given with [`Self::fund`] stays.
    pub fn reorg(&self, depth: u64, dropped: Dropped) -> anyhow::Result<()> {
        self.node.reorg(depth, dropped)
    }

    /// The accounts that had ether from the start.
    pub fn accounts(&self) -> Vec<Account> {
        self.node.accounts.clone()
    }

    /// Gives an account ether, in a block of its own that is mined at once.
    pub fn fund(&self, address: Address, wei: U256) -> anyhow::Result<()> {
        let mut miner = self.node.miner();
        miner.credits.push(Credit { address, wei });
        self.node.mine(&mut miner, Take::Nothing)?;
        Ok(())
    }

    /// The chain's id.
    pub fn chain_id(&self) -> u64 {
        self.node.chain_id
    }

    /// The number of the last block.
    pub fn block_number(&self) -> u64 {
        self.node.ledger().history.head().number
    }

    /// The hooks that make the next calls misbehave.
    pub fn faults(&self) -> &Faults {
        &self.node.faults
    }

    /// Brings everything to the disk, with a snapshot of the state. Not needed for surviving a kill.
    pub fn flush(&self) -> anyhow::Result<()> {
        let mut miner = self.node.miner();
        match &mut miner.snapshots {
            Some(snapshots) => snapshots.take(&self.node.ledger()),
            None => Ok(()),
        }
    }

    /// Ends mining, waits for the block that is being made, and flushes. Reading goes on. A snapshot that cannot be
    /// taken, as on a full disk, costs the next start its time and nothing else: the log has everything.
    pub fn shutdown(&self) -> anyhow::Result<()> {
        drop(self.ticking.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        self.node.miner().closed = true;
        if let Err(error) = self.flush() {
            tracing::warn!(%error, "no snapshot of the state at the end");
        }
        Ok(())
    }

    /// The accounts with their keys, for a person who has just started the chain.
    pub fn banner(&self) -> String {
        let mut text = format!("Development chain {} (never for production)\n", self.node.chain_id);
        for (index, account) in self.node.accounts.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  account {index}: {}  key {}", account.address, account.private_key);
        }
        text
    }
}

/// Ether for accounts that were not there when the chain began, as fewer were asked for.
fn missing(accounts: &[Account], ledger: &Ledger) -> Vec<Credit> {
    let absent = accounts.iter().filter(|account| ledger.state.info(&account.address) == Info::default());
    absent.map(|account| Credit { address: account.address, wei: PREFUND_WEI }).collect()
}

type Opened = (alloy::primitives::B256, Journal, Option<Snapshots>, State);

fn open(data_dir: &Path, config: &Config) -> anyhow::Result<Opened> {
    fs::create_dir_all(data_dir).with_context(|| format!("cannot create {}", data_dir.display()))?;
    let journal = Journal::open(&data_dir.join("blocks"))?;
    let seed = seed(data_dir, config.seed)?;
    let (snapshots, state) = Snapshots::load(data_dir, journal.end());
    Ok((seed, journal, Some(snapshots), state))
}
