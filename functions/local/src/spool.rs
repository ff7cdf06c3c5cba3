//! Bodies wait on the disk until they are whole, and only whole ones are in memory, as many as there is room for.
//!
//! A file here has no name: it is gone with its descriptor, whatever ends the process.

use std::cell::Cell;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_ports::{Spool, SpoolError, Spooled};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What stays in memory of one body, in bytes.
const IN_MEMORY: usize = 64 * 1024;
/// What waits on the disk at most, of all together.
const ON_DISK: u64 = 2 << 30;
/// Whole bodies in memory at most, in KiB; more than the largest file that a setting allows.
const WHOLE_KIB: usize = 160 * 1024;
/// How long a whole body waits for room in memory.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory for bodies that are not whole.
pub struct DiskSpool {
    directory: PathBuf,
    on_disk: Rc<Cell<u64>>,
    whole: Arc<Semaphore>,
    patience: Duration,
}

impl DiskSpool {
    /// In `directory`, which is made when the first large body comes.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        let whole = Arc::new(Semaphore::new(WHOLE_KIB));
        Self { directory, on_disk: Rc::default(), whole, patience: PATIENCE }
    }
}

#[async_trait(?Send)]
impl Spool for DiskSpool {
    async fn begin(&self) -> Result<Box<dyn Spooled>, SpoolError> {
        Ok(Box::new(Waiting {
            directory: self.directory.clone(),
            all: Rc::clone(&self.on_disk),
            whole: Arc::clone(&self.whole),
            patience: self.patience,
            first: Vec::new(),
            file: None,
            written: 0,
        }))
    }
}

struct Waiting {
    directory: PathBuf,
    /// What all bodies together have on the disk.
    all: Rc<Cell<u64>>,
    whole: Arc<Semaphore>,
    patience: Duration,
    /// The body, as long as it is short.
    first: Vec<u8>,
    file: Option<File>,
    written: u64,
}

impl Waiting {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let all = self.all.get().saturating_add(length);
        if all > ON_DISK {
            return Err(SpoolError::Full);
        }
        self.all.set(all);
        self.written = self.written.saturating_add(length);
        if self.file.is_none() {
            let directory = self.directory.clone();
            let made = tokio::task::spawn_blocking(move || nameless(&directory)).await;
            let file = made.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
            self.file = Some(File::from_std(file));
        }
        let Some(file) = self.file.as_mut() else { return Err(SpoolError::Full) };
        file.write_all(bytes).await.map_err(|error| failed(&error))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.set(self.all.get().saturating_sub(self.written));
    }
}

fn nameless(directory: &Path) -> std::io::Result<std::fs::File> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    tempfile::tempfile_in(directory)
}

fn failed(error: &dyn std::fmt::Display) -> SpoolError {
    SpoolError::Failed(format!("a body that comes cannot be kept: {error}"))
}

#[async_trait(?Send)]
impl Spooled for Waiting {
    async fn add(&mut self, piece: Bytes) -> Result<(), SpoolError> {
        if self.file.is_none() && self.first.len().saturating_add(piece.len()) <= IN_MEMORY {
            self.first.extend_from_slice(&piece);
            return Ok(());
        }
        let first = std::mem::take(&mut self.first);
        if !first.is_empty() {
            self.write(&first).await?;
        }
        self.write(&piece).await
    }

    async fn whole(mut self: Box<Self>) -> Result<Bytes, SpoolError> {
        let Some(mut file) = self.file.take() else { return Ok(std::mem::take(&mut self.first).into()) };
        let kib = u32::try_from(self.written.div_ceil(1024)).unwrap_or(u32::MAX);
        let room = tokio::time::timeout(self.patience, Arc::clone(&self.whole).acquire_many_owned(kib)).await;
        let room = room.map_err(|_| SpoolError::Full)?.map_err(|error| failed(&error))?;
        let mut bytes = Vec::with_capacity(usize::try_from(self.written).unwrap_or(0));
        file.flush().await.map_err(|error| failed(&error))?;
        file.rewind().await.map_err(|error| failed(&error))?;
        file.read_to_end(&mut bytes).await.map_err(|error| failed(&error))?;
        Ok(Bytes::from_owner(Whole { bytes, _room: room }))
    }
}

/// A whole body, with its room in memory.
struct Whole {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    async fn kept(spool: &DiskSpool, length: usize) -> Box<dyn Spooled> {
        let mut body = spool.begin().await.unwrap();
        let all: Vec<u8> = (0..=250_u8).cycle().take(length).collect();
        for piece in all.chunks(10_000) {
            body.add(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        body
    }

    #[tokio::test]
    async fn a_body_comes_out_as_it_went_in_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let spool = DiskSpool::new(directory.path().join("spool"));
        for length in [0, 1, IN_MEMORY, IN_MEMORY + 1, 1_000_000] {
            let whole = kept(&spool, length).await.whole().await.unwrap();
            assert!(whole.iter().copied().eq((0..=250_u8).cycle().take(length)), "{length}");
        }
        drop(kept(&spool, 1_000_000).await);
        assert_eq!(std::fs::read_dir(directory.path().join("spool")).unwrap().count(), 0);
        assert_eq!(spool.on_disk.get(), 0);
    }

    #[tokio::test]
    async fn a_short_body_needs_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let spool = DiskSpool::new(directory.path().join("spool"));
        kept(&spool, IN_MEMORY).await.whole().await.unwrap();
        assert!(!directory.path().join("spool").exists());
    }

    #[tokio::test]
    async fn whole_bodies_wait_until_there_is_room_and_are_refused_when_there_is_none_for_long() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = DiskSpool::new(directory.path().join("spool"));
        spool.whole = Arc::new(Semaphore::new(1000));
        let first = kept(&spool, 900_000).await.whole().await.unwrap();
        let mut second = Box::pin(kept(&spool, 900_000).await.whole());
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let held = second.await.unwrap();
        spool.patience = Duration::from_millis(20);
        assert_eq!(kept(&spool, 900_000).await.whole().await, Err(SpoolError::Full));
        drop(held);
    }
}
