//! Files in the database, for hosts that have neither a disk nor a bucket of their own.

use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_ports::{BlobError, BlobKey, Blobs, Database, DbError};

use crate::ingest::content_hash;
use crate::store;
use crate::store::blobs::Part;

/// Bytes of a part.
const PART: usize = 1024 * 1024;
/// The largest file, in bytes: it is written in one call.
const MAX_FILE: u64 = 20 * 1024 * 1024;
/// Parts that are read at once: a libSQL server answers 10 MB of rows at most.
const AT_ONCE: usize = 4;
/// How often a file is read that others replace meanwhile.
const READS: u32 = 3;
/// What to do about larger files.
const REMEDY: &str = "for larger ones set S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY";

/// Small files in `blob_parts`. A file is written in one batch, so it is whole or not there.
pub struct DatabaseBlobs {
    db: Rc<dyn Database>,
}

impl DatabaseBlobs {
    /// Over this database.
    #[must_use]
    pub fn new(db: Rc<dyn Database>) -> Self {
        Self { db }
    }

    /// Reads a file once.
    async fn read(&self, key: &BlobKey) -> Result<Read, DbError> {
        let mut hash = None;
        let mut file = Vec::new();
        for from in (0_u32..).step_by(AT_ONCE) {
            let results = self.db.query(vec![store::blobs::select(key, from, AT_ONCE)]).await?;
            let rows = results.first().map_or(&[][..], |rows| &rows.rows);
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let part = store::blobs::part(row)?;
                if *hash.get_or_insert_with(|| part.hash.clone()) != part.hash {
                    return Ok(Read::Replaced);
                }
                file.extend_from_slice(&part.bytes);
                if length(&file) >= part.size {
                    return Ok(Read::Whole(file.into()));
                }
            }
        }
        Ok(if hash.is_none() { Read::Nothing } else { Read::Replaced })
    }
}

/// What reading a file gave.
enum Read {
    Whole(Bytes),
    Nothing,
    /// It became another one, or went, while it was read.
    Replaced,
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn failure(error: DbError) -> BlobError {
    match error {
        DbError::Retryable(detail) => BlobError::Failed(format!("database: {detail}")),
        DbError::Conflict(detail) | DbError::Schema(detail) | DbError::Other(detail) => {
            BlobError::Refused(format!("database: {detail}"))
        }
    }
}

#[async_trait(?Send)]
impl Blobs for DatabaseBlobs {
    fn max_bytes(&self) -> u64 {
        MAX_FILE
    }

    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), BlobError> {
        let size = length(&bytes);
        if size > MAX_FILE {
            return Err(BlobError::TooLarge { limit: MAX_FILE, remedy: REMEDY });
        }
        let hash = content_hash(&bytes);
        let mut batch = vec![store::blobs::delete(key)];
        let mut rest = bytes;
        // An empty file has one part, too.
        for number in 0_u32.. {
            let bytes = rest.split_to(rest.len().min(PART));
            batch.push(store::blobs::insert(key, number, Part { size, hash: hash.clone(), bytes }));
            if rest.is_empty() {
                break;
            }
        }
        self.db.batch(batch).await.map_err(failure)?;
        Ok(())
    }

    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, BlobError> {
        for _ in 0..READS {
            match self.read(key).await.map_err(failure)? {
                Read::Whole(file) => return Ok(Some(file)),
                Read::Nothing => return Ok(None),
                Read::Replaced => {}
            }
        }
        Err(BlobError::Failed("a file was replaced each time while it was read".to_owned()))
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        self.db.batch(vec![store::blobs::delete(key)]).await.map_err(failure)?;
        Ok(())
    }
}
