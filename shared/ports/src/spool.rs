//! Where a body waits until it is whole.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_domain::error::{CallerError, Error};

/// Why a body cannot wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// So many wait already that there is no room; there will be.
    #[error("no room for another body")]
    Full,
    /// There was no room for another body, and this one came more slowly than all others.
    #[error("it gave way to another body")]
    GaveWay,
    /// The place failed.
    #[error("{0}")]
    Failed(String),
}

impl From<SpoolError> for Error {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::Full => CallerError::Unavailable {
                reason: "too many files are being sent at the moment; please try again",
                retry_after: Duration::from_secs(10),
            }
            .into(),
            SpoolError::GaveWay => CallerError::TooSlow(
                "too many files are being sent at the moment, and this one came the most slowly; please try again",
            )
            .into(),
            SpoolError::Failed(detail) => Self::Upstream { service: "spool", retryable: true, detail },
        }
    }
}

/// Places for bodies that take long to come. What a slow client has sent so far must not fill the memory.
#[async_trait(?Send)]
pub trait Spool {
    /// A place for one body. It is given back when this is dropped.
    ///
    /// # Errors
    /// [`SpoolError`] when there is none.
    async fn begin(&self) -> Result<Box<dyn Spooled>, SpoolError>;
}

/// A body that is not whole yet.
#[async_trait(?Send)]
pub trait Spooled {
    /// Adds what came.
    ///
    /// # Errors
    /// [`SpoolError`] when it has no room or fails.
    async fn add(&mut self, piece: Bytes) -> Result<(), SpoolError>;

    /// All that came, in memory; waits until there is room there.
    ///
    /// # Errors
    /// [`SpoolError`] when there is none for long, or the place fails.
    async fn whole(self: Box<Self>) -> Result<Bytes, SpoolError>;
}

/// Bodies wait in memory: on a host that has no other place, and whose platform bounds what it takes.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemorySpool;

#[async_trait(?Send)]
impl Spool for MemorySpool {
    async fn begin(&self) -> Result<Box<dyn Spooled>, SpoolError> {
        Ok(Box::<InMemory>::default())
    }
}

#[derive(Default)]
struct InMemory(Vec<u8>);

#[async_trait(?Send)]
impl Spooled for InMemory {
    async fn add(&mut self, piece: Bytes) -> Result<(), SpoolError> {
        self.0.extend_from_slice(&piece);
        Ok(())
    }

    async fn whole(self: Box<Self>) -> Result<Bytes, SpoolError> {
        Ok(self.0.into())
    }
}
