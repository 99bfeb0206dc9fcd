//! The append-only log that holds the chain: checked frames in a file, or in memory when there is no data folder.
//!
//! A block is visible only after its frame was handed to the operating system, so a killed process loses none. (A
//! power cut may take the last ones, as a reorg would.) A frame is its length, its checksum and its bytes.

use std::{
    fs::{File, TryLockError},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};

const FRAME_HEAD: usize = 8;
/// Larger than any block can become; a length beyond it is damage.
const FRAME_MAX: usize = 1 << 30;
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Where a frame's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    offset: u64,
    length: usize,
}

impl Place {
    /// The offset right behind the frame.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.length as u64
    }
}

/// The log.
#[derive(Debug)]
pub(crate) struct Journal {
    path: Option<PathBuf>,
    inner: Mutex<Inner>,
    /// Held until the log is closed.
    _lock: Option<File>,
}

#[derive(Debug)]
struct Inner {
    end: u64,
    backing: Backing,
    /// Bytes of a frame that could not be written may stand behind the end. They go before anything else is written:
    /// else a start would take what is left of them for a frame.
    torn: bool,
}

#[derive(Debug)]
enum Backing {
    File(File),
    Memory(Vec<u8>),
}

impl Journal {
    /// A log that is gone with the process.
    pub(crate) fn in_memory() -> Self {
        let inner = Mutex::new(Inner { end: 0, backing: Backing::Memory(Vec::new()), torn: false });
        Self { path: None, inner, _lock: None }
    }

    /// Opens or creates a log file. One process may hold it at a time.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let lock = lock(&path.with_extension("lock"))?;
        let file = fs_err::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let file = file.into_parts().0;
        let end = file.metadata()?.len();
        let inner = Mutex::new(Inner { end, backing: Backing::File(file), torn: false });
        Ok(Self { path: Some(path.to_owned()), inner, _lock: Some(lock) })
    }

    /// Appends a frame. When this fails, nothing is left behind, or it is taken away before the next one.
    pub(crate) fn append(&self, payload: &[u8]) -> io::Result<Place> {
        let frame = frame(payload);
        let mut inner = self.lock();
        let Inner { end, backing, torn } = &mut *inner;
        let offset = *end;
        match backing {
            Backing::Memory(bytes) => bytes.extend_from_slice(&frame),
            Backing::File(file) => {
                if *torn {
                    file.set_len(offset)?;
                    *torn = false;
                }
                file.seek(SeekFrom::Start(offset))?;
                if let Err(error) = file.write_all(&frame) {
                    *torn = file.set_len(offset).is_err();
                    return Err(error);
                }
            }
        }
        *end += frame.len() as u64;
        Ok(Place { offset: offset + FRAME_HEAD as u64, length: payload.len() })
    }

    /// Reads a frame's bytes.
    pub(crate) fn read(&self, place: Place) -> io::Result<Vec<u8>> {
        let mut inner = self.lock();
        match &mut inner.backing {
            Backing::Memory(bytes) => usize::try_from(place.offset)
                .ok()
                .and_then(|start| bytes.get(start..start + place.length))
                .map(<[u8]>::to_vec)
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into()),
            Backing::File(file) => {
                let mut bytes = vec![0; place.length];
                file.seek(SeekFrom::Start(place.offset))?;
                file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
        }
    }

    /// Waits until everything appended so far is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match &self.lock().backing {
            Backing::Memory(_) => Ok(()),
            Backing::File(file) => file.sync_data(),
        }
    }

    /// The log's length.
    pub(crate) fn end(&self) -> u64 {
        self.lock().end
    }

    /// Visits every frame, and cuts off a torn last one. What stands before `trusted` was checked and synced when the
    /// snapshot was taken, so its checksums are not computed again.
    pub(crate) fn replay(
        &self,
        trusted: u64,
        mut visit: impl FnMut(Place, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut frames = Frames::new(fs_err::File::open(path)?.into_parts().0, self.end(), trusted);
        while let Some((place, payload)) = frames.next().with_context(|| format!("{} is damaged", path.display()))? {
            visit(place, payload).with_context(|| format!("in the frame at byte {} of the block log", place.offset))?;
        }
        if frames.offset < self.end() {
            let mut inner = self.lock();
            tracing::warn!(bytes = inner.end - frames.offset, "cutting off a block that was not written completely");
            if let Backing::File(file) = &inner.backing {
                file.set_len(frames.offset)?;
            }
            inner.end = frames.offset;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a lock that ends with the process. A predecessor may be about to close its log, so it is given a moment.
fn lock(path: &Path) -> anyhow::Result<File> {
    let file = fs_err::OpenOptions::new().write(true).create(true).truncate(false).open(path)?.into_parts().0;
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the block log"),
        }
    }
    bail!("{} is in use by another process", path.display())
}

/// A payload as it stands in a file.
pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_HEAD + payload.len());
    frame.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend_from_slice(&crc32fast::hash(payload).to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Reads frames one after another.
pub(crate) struct Frames {
    reader: BufReader<File>,
    end: u64,
    trusted: u64,
    /// Right behind the last complete frame.
    pub(crate) offset: u64,
    payload: Vec<u8>,
}

impl Frames {
    pub(crate) fn new(file: File, end: u64, trusted: u64) -> Self {
        Self { reader: BufReader::with_capacity(1 << 18, file), end, trusted, offset: 0, payload: Vec::new() }
    }

    /// The next frame; none at the end of the file and before an incomplete one. A complete frame with a wrong
    /// checksum is an error unless it is the last: then a write was cut short while the file had already grown.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<(Place, &[u8])>> {
        let rest = self.end - self.offset;
        if rest < FRAME_HEAD as u64 {
            return Ok(None);
        }
        let mut head = [0; FRAME_HEAD];
        self.reader.read_exact(&mut head)?;
        let [a, b, c, d, check @ ..] = head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length as u64 > rest - FRAME_HEAD as u64 {
            return Ok(None);
        }
        if length == 0 || length > FRAME_MAX {
            bail!("impossible frame of {length} bytes at byte {}", self.offset);
        }
        self.payload.resize(length, 0);
        self.reader.read_exact(&mut self.payload)?;
        let place = Place { offset: self.offset + FRAME_HEAD as u64, length };
        if self.offset >= self.trusted && crc32fast::hash(&self.payload) != u32::from_be_bytes(check) {
            if place.end() == self.end {
                return Ok(None);
            }
            bail!("wrong checksum at byte {}", self.offset);
        }
        self.offset = place.end();
        Ok(Some((place, &self.payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_frame_that_could_not_be_written_is_no_frame() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blocks");
        let journal = Journal::open(&path).unwrap();
        journal.append(b"one").unwrap();
        // The disk was full in the middle of a frame, and failed when its beginning was to be taken away.
        let mut file = fs_err::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&frame(&[0; 64])[..50]).unwrap();
        journal.lock().torn = true;
        journal.append(b"two").unwrap();
        drop(journal);
        let mut found = Vec::new();
        let reopened = Journal::open(&path).unwrap();
        reopened
            .replay(0, |_, payload| {
                found.push(payload.to_vec());
                Ok(())
            })
            .unwrap();
        assert_eq!(found, [b"one", b"two"]);
    }
}
