//! Files in R2.

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_ports::{BlobError, BlobKey, Blobs};
use worker::Bucket;

/// The files of a bucket.
pub struct BucketBlobs(pub Bucket);

#[async_trait(?Send)]
impl Blobs for BucketBlobs {
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), BlobError> {
        self.0.put(key.as_str(), Vec::from(bytes)).execute().await.map_err(|error| failure(&error))?;
        Ok(())
    }

    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, BlobError> {
        let Some(object) = self.0.get(key.as_str()).execute().await.map_err(|error| failure(&error))? else {
            return Ok(None);
        };
        let Some(body) = object.body() else { return Ok(None) };
        Ok(Some(body.bytes().await.map_err(|error| failure(&error))?.into()))
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        self.0.delete(key.as_str()).await.map_err(|error| failure(&error))
    }
}

fn failure(error: &worker::Error) -> BlobError {
    BlobError::Failed(error.to_string())
}
