//! Bodies wait on the disk until they are whole, and only whole ones are in memory, as many as there is room for.
//!
//! A file here has no name: it is gone with its descriptor, whatever ends the process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// After how long a body that makes no progress gives way when there is no room for another.
const GIVES_WAY: Duration = Duration::from_secs(2);
/// How much has to come for it to count as progress, in bytes: what trickles makes none for a minute.
const PROGRESS: u64 = 64 * 1024;

/// A directory for bodies that are not whole.
pub struct DiskSpool {
    directory: PathBuf,
    room: u64,
    waiting: Rc<RefCell<Places>>,
    whole: Arc<Semaphore>,
    patience: Duration,
}

impl DiskSpool {
    /// In `directory`, which is made when the first large body comes.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        let whole = Arc::new(Semaphore::new(WHOLE_KIB));
        Self { directory, room: ON_DISK, waiting: Rc::default(), whole, patience: PATIENCE }
    }
}

#[async_trait(?Send)]
impl Spool for DiskSpool {
    async fn begin(&self) -> Result<Box<dyn Spooled>, SpoolError> {
        let place =
            Place { file: None, written: 0, progressed: (Instant::now(), 0), gave_way: false, whole: false };
        Ok(Box::new(Waiting {
            directory: self.directory.clone(),
            room: self.room,
            number: self.waiting.borrow_mut().take(place),
            all: Rc::clone(&self.waiting),
            whole: Arc::clone(&self.whole),
            patience: self.patience,
            first: Vec::new(),
            file: None,
        }))
    }
}

/// What every body has on the disk.
#[derive(Default)]
struct Places {
    next: u64,
    by_number: BTreeMap<u64, Place>,
}

struct Place {
    /// The body's file once more: it can be emptied while its client sends nothing.
    file: Option<std::fs::File>,
    written: u64,
    /// When it last made progress, and how much it had then.
    progressed: (Instant, u64),
    gave_way: bool,
    /// It waits for room in memory, and gives way to no other.
    whole: bool,
}

impl Places {
    fn take(&mut self, place: Place) -> u64 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.by_number.insert(number, place);
        number
    }

    fn written(&self) -> u64 {
        self.by_number.values().map(|place| place.written).sum()
    }

    /// Notes that `length` bytes more are written to a body's file. Where there is no room for them, those that made no
    /// progress for longest give way.
    fn grow(&mut self, number: u64, length: u64, room: u64) -> Result<(), SpoolError> {
        while self.written().saturating_add(length) > room {
            self.make_room(number)?;
        }
        let place = self.by_number.get_mut(&number).ok_or(SpoolError::GaveWay)?;
        if place.gave_way {
            return Err(SpoolError::GaveWay);
        }
        place.written = place.written.saturating_add(length);
        if place.written.saturating_sub(place.progressed.1) >= PROGRESS {
            place.progressed = (Instant::now(), place.written);
        }
        Ok(())
    }

    /// Notes that a body is whole, and gives its length.
    fn whole(&mut self, number: u64) -> Result<u64, SpoolError> {
        let place = self.by_number.get_mut(&number).filter(|place| !place.gave_way);
        let place = place.ok_or(SpoolError::GaveWay)?;
        place.whole = true;
        Ok(place.written)
    }

    fn make_room(&mut self, for_number: u64) -> Result<(), SpoolError> {
        let others = self
            .by_number
            .iter_mut()
            .filter(|(number, place)| **number != for_number && place.written > 0 && !place.whole);
        let (_, slowest) = others.min_by_key(|(_, place)| place.progressed.0).ok_or(SpoolError::Full)?;
        if slowest.progressed.0.elapsed() < GIVES_WAY {
            return Err(SpoolError::Full);
        }
        tracing::warn!(
            bytes = slowest.written,
            "a body that came too slowly gave way to another: there is no more room"
        );
        if let Some(Err(error)) = slowest.file.take().map(|file| file.set_len(0)) {
            tracing::warn!(%error, "a body's file could not be emptied; its room is free when its client goes");
        }
        slowest.written = 0;
        slowest.gave_way = true;
        Ok(())
    }
}

struct Waiting {
    directory: PathBuf,
    room: u64,
    number: u64,
    all: Rc<RefCell<Places>>,
    whole: Arc<Semaphore>,
    patience: Duration,
    /// The body, as long as it is short.
    first: Vec<u8>,
    file: Option<File>,
}

impl Waiting {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.all.borrow_mut().grow(self.number, length, self.room)?;
        if self.file.is_none() {
            let directory = self.directory.clone();
            let made = tokio::task::spawn_blocking(move || {
                let file = nameless(&directory)?;
                Ok::<_, std::io::Error>((file.try_clone()?, file))
            });
            let (twin, file) = made.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
            if let Some(place) = self.all.borrow_mut().by_number.get_mut(&self.number) {
                place.file = Some(twin);
            }
            self.file = Some(File::from_std(file));
        }
        let Some(file) = self.file.as_mut() else { return Err(SpoolError::Full) };
        file.write_all(bytes).await.map_err(|error| failed(&error))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.borrow_mut().by_number.remove(&self.number);
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
        let written = self.all.borrow_mut().whole(self.number)?;
        let kib = u32::try_from(written.div_ceil(1024)).unwrap_or(u32::MAX);
        let room = tokio::time::timeout(self.patience, Arc::clone(&self.whole).acquire_many_owned(kib)).await;
        let room = room.map_err(|_| SpoolError::Full)?.map_err(|error| failed(&error))?;
        let mut bytes = Vec::with_capacity(usize::try_from(written).unwrap_or(0));
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
        assert_eq!(spool.waiting.borrow().written(), 0);
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

    #[tokio::test]
    async fn what_trickles_gives_way_to_what_comes_and_a_whole_body_to_none() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = DiskSpool::new(directory.path().join("spool"));
        spool.room = 1_000_000;
        let mut whole = kept(&spool, 300_000).await;
        let mut trickling = kept(&spool, 400_000).await;
        let mut coming = kept(&spool, 200_000).await;
        let more = || Bytes::from(vec![7; 150_000]);
        assert_eq!(coming.add(more()).await, Err(SpoolError::Full), "none was slow yet");
        for (_, place) in spool.waiting.borrow_mut().by_number.iter_mut().take(2) {
            place.progressed.0 = place.progressed.0.checked_sub(GIVES_WAY).unwrap();
        }
        trickling.add(Bytes::from_static(&[7; 1000])).await.unwrap();
        // As if its client had sent all of it.
        let number = spool.waiting.borrow().by_number.keys().next().copied().unwrap();
        spool.waiting.borrow_mut().whole(number).unwrap();
        coming.add(more()).await.unwrap();
        assert_eq!(spool.waiting.borrow().written(), 650_000, "the room is free at once");
        assert_eq!(trickling.add(Bytes::from_static(b"x")).await, Err(SpoolError::GaveWay));
        assert_eq!(trickling.whole().await, Err(SpoolError::GaveWay));
        assert_eq!(coming.whole().await.unwrap().len(), 350_000);
        whole.add(Bytes::new()).await.unwrap();
        assert_eq!(whole.whole().await.unwrap().len(), 300_000);
    }
}
