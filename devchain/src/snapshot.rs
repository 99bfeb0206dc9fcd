//! Copies of the state beside the log, so that a start need not replay all of it. Losing one costs time only.

use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, Bytes, U256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use anyhow::{Context, ensure};
// Its errors name the path.
use fs_err as fs;

use crate::{
    journal::{Frames, frame},
    ledger::Ledger,
    record::VERSION,
    state::{Contents, Info, State},
};

/// A snapshot is taken when the log has grown by so much, and by at least the last snapshot's size: then writing
/// snapshots never costs more than writing the log.
const GROWTH_MIN: u64 = 4 << 20;

/// Takes snapshots.
#[derive(Debug)]
pub(crate) struct Snapshots {
    path: PathBuf,
    taken_at: u64,
    size: u64,
}

#[derive(Debug, RlpEncodable, RlpDecodable)]
struct Head {
    version: u32,
    /// The log's length when the state was this.
    offset: u64,
    accounts: u64,
    codes: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Entry {
    address: Address,
    info: Info,
    slots: Vec<Slot>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Slot {
    key: U256,
    value: U256,
}

impl Snapshots {
    /// Loads the snapshot of a data folder; answers the state and up to where in the log it reaches.
    pub(crate) fn load(data_dir: &Path, log_end: u64) -> (Self, State) {
        let mut this = Self { path: data_dir.join("state"), taken_at: 0, size: 0 };
        if !this.path.exists() {
            return (this, State::default());
        }
        match read(&this.path, log_end) {
            Ok((state, offset, size)) => {
                (this.taken_at, this.size) = (offset, size);
                (this, state)
            }
            Err(error) => {
                tracing::warn!(%error, "replaying the whole block log, as the snapshot of the state is unusable");
                (this, State::default())
            }
        }
    }

    /// Up to where in the log the snapshot reaches.
    pub(crate) fn offset(&self) -> u64 {
        self.taken_at
    }

    /// Takes a snapshot when the log has grown enough. A failure is no reason to stop: the log has everything.
    pub(crate) fn take_when_due(&mut self, ledger: &Ledger) {
        let journal = &ledger.history.journal;
        if journal.end().saturating_sub(self.taken_at) < self.size.max(GROWTH_MIN) {
            return;
        }
        if let Err(error) = self.take(ledger) {
            tracing::warn!(%error, "no snapshot of the state");
            self.taken_at = journal.end();
        }
    }

    /// Takes a snapshot. The log is synced first, so that it is never behind.
    pub(crate) fn take(&mut self, ledger: &Ledger) -> anyhow::Result<()> {
        let journal = &ledger.history.journal;
        journal.sync()?;
        let offset = journal.end();
        let draft = self.path.with_extension("new");
        let size = draw_up(&draft, &ledger.state, offset).inspect_err(|_| {
            // A disk may be full; what nobody will read takes room from what somebody has to write.
            let _ = fs::remove_file(&draft);
        })?;
        fs::rename(draft, &self.path)?;
        (self.taken_at, self.size) = (offset, size);
        Ok(())
    }
}

fn draw_up(draft: &Path, state: &State, offset: u64) -> std::io::Result<u64> {
    let mut file = BufWriter::new(fs::File::create(draft)?);
    let size = write(&mut file, state, offset)?;
    file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(size)
}

fn write(out: &mut impl Write, state: &State, offset: u64) -> std::io::Result<u64> {
    let mut size = 0;
    let mut put = |fields: &dyn Encodable| {
        let mut payload = Vec::new();
        fields.encode(&mut payload);
        let frame = frame(&payload);
        size += frame.len() as u64;
        out.write_all(&frame)
    };
    let (accounts, codes) = (state.accounts.len() as u64, state.codes.len() as u64);
    put(&Head { version: VERSION, offset, accounts, codes })?;
    for (address, contents) in &state.accounts {
        let slots = contents.storage.iter().map(|(key, value)| Slot { key: *key, value: *value }).collect();
        put(&Entry { address: *address, info: contents.info, slots })?;
    }
    for code in state.codes.values() {
        put(&code.original_bytes())?;
    }
    Ok(size)
}

fn read(path: &Path, log_end: u64) -> anyhow::Result<(State, u64, u64)> {
    let file = fs::File::open(path)?.into_parts().0;
    let size = file.metadata()?.len();
    let mut frames = Frames::new(file, size, 0);
    let head: Head = decode(&mut frames)?;
    ensure!(head.version == VERSION, "version {} of the snapshot is unknown", head.version);
    ensure!(head.offset <= log_end, "the snapshot is ahead of the log");
    let mut state = State::default();
    for _ in 0..head.accounts {
        let entry: Entry = decode(&mut frames)?;
        let storage = entry.slots.into_iter().map(|slot| (slot.key, slot.value)).collect();
        state.accounts.insert(entry.address, Contents { info: entry.info, storage });
    }
    for _ in 0..head.codes {
        let code: Bytes = decode(&mut frames)?;
        state.insert_code(code);
    }
    Ok((state, head.offset, size))
}

fn decode<T: Decodable>(frames: &mut Frames) -> anyhow::Result<T> {
    let (_, payload) = frames.next()?.context("the snapshot is cut off")?;
    Ok(T::decode(&mut &payload[..])?)
}
