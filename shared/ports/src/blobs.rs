//! Files.

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_domain::scope::TenantScope;

/// The place of a file. It begins with the organisation, so no key can name another's file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobKey(String);

impl BlobKey {
    /// `org_…/kind/id`.
    #[must_use]
    pub fn new(scope: &TenantScope, kind: &'static str, id: impl std::fmt::Display) -> Self {
        Self(format!("{}/{kind}/{id}", scope.org()))
    }

    /// The key as text: relative, of `[a-z0-9_/]` only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a file was not stored or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BlobError(pub String);

impl From<BlobError> for frontdesk_domain::error::Error {
    fn from(error: BlobError) -> Self {
        Self::Upstream { service: "blobs", retryable: true, detail: error.0 }
    }
}

/// Files by key.
#[async_trait(?Send)]
pub trait Blobs {
    /// Stores or replaces a file; it is whole or not there.
    ///
    /// # Errors
    /// [`BlobError`] when the store refuses or is out of reach.
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), BlobError>;

    /// The file, `None` when there is none.
    ///
    /// # Errors
    /// [`BlobError`] when the store is out of reach.
    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, BlobError>;

    /// Deletes the file; no error when there is none.
    ///
    /// # Errors
    /// [`BlobError`] when the store is out of reach.
    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError>;
}
