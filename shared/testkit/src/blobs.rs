//! What every store of files keeps, and files that fail.

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{BlobError, BlobKey, Blobs};

/// Runs the contract against `blobs`; `scope_a` and `scope_b` are of two organisations. Everything it stores it deletes.
///
/// # Panics
/// When the store breaks the contract.
pub async fn blobs_contract(blobs: &dyn Blobs, scope_a: &TenantScope, scope_b: &TenantScope) {
    let key = BlobKey::new(scope_a, "contract", "one");
    let foreign = BlobKey::new(scope_b, "contract", "one");
    let large = Bytes::from((0..=u8::MAX).cycle().take(3_000_001).collect::<Vec<u8>>());

    assert_eq!(blobs.get(&key).await, Ok(None), "nothing is there at first");
    assert_eq!(blobs.delete(&key).await, Ok(()), "deleting nothing is no error");

    assert_eq!(blobs.put(&key, large.clone()).await, Ok(()));
    assert_eq!(blobs.get(&key).await, Ok(Some(large)), "what was stored comes back byte for byte");
    assert_eq!(blobs.get(&foreign).await, Ok(None), "another organisation has its own keys");

    assert_eq!(blobs.put(&foreign, Bytes::from_static(b"theirs")).await, Ok(()));
    assert_eq!(blobs.put(&key, Bytes::from_static(b"second")).await, Ok(()));
    assert_eq!(blobs.get(&key).await, Ok(Some(Bytes::from_static(b"second"))), "a second put replaces");
    assert_eq!(blobs.put(&key, Bytes::new()).await, Ok(()));
    assert_eq!(blobs.get(&key).await, Ok(Some(Bytes::new())), "an empty file is a file");

    assert_eq!(blobs.delete(&key).await, Ok(()));
    assert_eq!(blobs.get(&key).await, Ok(None), "what was deleted is gone");
    assert_eq!(blobs.get(&foreign).await, Ok(Some(Bytes::from_static(b"theirs"))), "and nothing else is");
    assert_eq!(
        blobs.put(&key, Bytes::from_static(b"again")).await,
        Ok(()),
        "a deleted key can be used again"
    );
    assert_eq!(blobs.delete(&key).await, Ok(()));
    assert_eq!(blobs.delete(&foreign).await, Ok(()));
}

/// Files that fail by plan: so many of the next calls of each kind.
pub struct FaultyBlobs {
    inner: Rc<dyn Blobs>,
    puts: Cell<u32>,
    deletes: Cell<u32>,
}

impl FaultyBlobs {
    /// Wraps `inner`; without a plan nothing fails.
    #[must_use]
    pub fn new(inner: Rc<dyn Blobs>) -> Self {
        Self { inner, puts: Cell::default(), deletes: Cell::default() }
    }

    /// The next `count` files are not stored.
    pub fn fail_puts(&self, count: u32) {
        self.puts.set(count);
    }

    /// The next `count` files are not deleted.
    pub fn fail_deletes(&self, count: u32) {
        self.deletes.set(count);
    }
}

fn planned(left: &Cell<u32>) -> Result<(), BlobError> {
    match left.get().checked_sub(1) {
        None => Ok(()),
        Some(rest) => {
            left.set(rest);
            Err(BlobError::Failed("the store does not answer (planned)".to_owned()))
        }
    }
}

#[async_trait(?Send)]
impl Blobs for FaultyBlobs {
    fn max_bytes(&self) -> u64 {
        self.inner.max_bytes()
    }

    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), BlobError> {
        planned(&self.puts)?;
        self.inner.put(key, bytes).await
    }

    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, BlobError> {
        self.inner.get(key).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        planned(&self.deletes)?;
        self.inner.delete(key).await
    }
}
