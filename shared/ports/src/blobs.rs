//! Files.

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_domain::error::{CallerError, Error};
use frontdesk_domain::id::OrgId;
use frontdesk_domain::scope::TenantScope;

/// The longest key, in bytes.
const MAX_KEY: usize = 200;

/// The place of a file. It begins with the organisation, so no key can name another's file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobKey {
    org: OrgId,
    /// With the organisation.
    path: String,
}

impl BlobKey {
    /// `org_…/kind/id`.
    #[must_use]
    pub fn new(scope: &TenantScope, kind: &'static str, id: impl std::fmt::Display) -> Self {
        Self { org: scope.org(), path: format!("{}/{kind}/{id}", scope.org()) }
    }

    /// The organisation.
    #[must_use]
    pub const fn org(&self) -> OrgId {
        self.org
    }

    /// The key without the organisation: `kind/id`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.split_once('/').map_or("", |(_, name)| name)
    }

    /// The key as text: relative, of `[a-z0-9_/]` only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The same for a store that makes a path of it: nothing in it can climb out of a directory or a bucket.
    ///
    /// # Errors
    /// [`BlobError::Refused`] when it has other characters than letters, digits, `_` and `/`.
    pub fn checked(&self) -> Result<&str, BlobError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/');
        let whole = self.path.split('/').all(|part| !part.is_empty());
        if self.path.len() <= MAX_KEY && whole && self.path.chars().all(allowed) {
            Ok(&self.path)
        } else {
            Err(BlobError::Refused("a key has other characters than letters, digits, _ and /".to_owned()))
        }
    }
}

/// Why a file was not stored or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The store failed; the same call may succeed later.
    #[error("{0}")]
    Failed(String),
    /// The store refuses, until an operator changes something.
    #[error("{0}")]
    Refused(String),
    /// The file is larger than the store takes.
    #[error("a file of more than {limit} bytes; {remedy}")]
    TooLarge {
        /// The largest that it takes, in bytes.
        limit: u64,
        /// What to change for larger ones.
        remedy: &'static str,
    },
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        let (retryable, detail) = match error {
            BlobError::Failed(detail) => (true, detail),
            BlobError::Refused(detail) => (false, detail),
            BlobError::TooLarge { limit, .. } => {
                return CallerError::TooLarge { field: "file", limit }.into();
            }
        };
        Self::Upstream { service: "blobs", retryable, detail }
    }
}

/// Files by key.
#[async_trait(?Send)]
pub trait Blobs {
    /// The largest file that is taken, in bytes.
    fn max_bytes(&self) -> u64 {
        u64::MAX
    }

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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests stand in for authentication")]
mod tests {
    use super::*;
    use frontdesk_domain::scope::Actor;
    use frontdesk_domain::time::Timestamp;

    fn key(id: &str) -> BlobKey {
        let org = OrgId::new(Timestamp::from_millis(1), [1; 10]);
        BlobKey::new(&TenantScope::authenticated(org, Actor::System), "document", id)
    }

    #[test]
    fn a_key_is_its_organisation_and_a_name() {
        let key = key("doc_01h455vb4pex5vsknk084sn02q");
        assert_eq!(key.name(), "document/doc_01h455vb4pex5vsknk084sn02q");
        assert_eq!(key.as_str(), format!("{}/{}", key.org(), key.name()));
    }

    #[test]
    fn keys_cannot_climb() {
        let whole = key("doc_01h455vb4pex5vsknk084sn02q");
        assert_eq!(whole.checked(), Ok(whole.as_str()));
        for id in [
            "",
            "/etc/passwd",
            "a//b",
            "a/",
            "../a",
            "a/../b",
            "a.b",
            "a\\b",
            "a\0b",
            "а/б",
            &"a".repeat(201),
        ] {
            assert!(matches!(key(id).checked(), Err(BlobError::Refused(_))), "{id:?}");
        }
    }
}
