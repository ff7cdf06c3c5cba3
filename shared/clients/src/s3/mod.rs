//! A bucket of an S3-compatible server as [`Blobs`], over HTTP.
//!
//! An object's key is the [`BlobKey`]. Requests are signed in their address (Signature Version 4), for a minute; TLS keeps
//! their bodies whole.
//!
//! ```text
//! server  where the bucket is, signed requests        error   what goes wrong
//! ```

mod error;
mod server;

use std::rc::Weak;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_ports::{BlobError, BlobKey, Blobs, Ctx, Egress, FetchLimits, Ports};

use crate::retry::{Attempts, judge, within};
use crate::{body, breaker};

use error::S3Error;
use server::ObjectCall;
pub use server::{AccessKey, Addressing, S3Server, S3ServerError};

/// The service's name in metrics, logs and errors.
const SERVICE: &str = "blobs";
/// The largest file, in bytes: the largest that a setting of an organisation allows.
const MAX_FILE: u64 = 100 * 1024 * 1024;
/// A call with all its attempts.
const WHOLE: Duration = Duration::from_secs(60);
const LIMITS: FetchLimits = FetchLimits {
    connect: Duration::from_secs(3),
    // It comes after the body of the request.
    head: WHOLE,
    gap: Duration::from_secs(20),
    total: WHOLE,
    max_bytes: MAX_FILE,
    egress: Egress::Configured,
};

/// Files in a bucket.
pub struct S3Blobs {
    ports: Weak<Ports>,
    server: S3Server,
}

impl S3Blobs {
    /// In this bucket, called through these ports.
    #[must_use]
    pub const fn new(ports: Weak<Ports>, server: S3Server) -> Self {
        Self { ports, server }
    }

    async fn call(&self, ask: ObjectCall, key: &BlobKey) -> Result<Option<Bytes>, BlobError> {
        let object = key.checked()?;
        let ports =
            self.ports.upgrade().ok_or_else(|| BlobError::Failed("the host has stopped".to_owned()))?;
        let ctx = Ctx::new(ports);
        let mut attempts = Attempts::new(&ctx, SERVICE, WHOLE);
        let mut deadline = ctx.clock.sleep(WHOLE);
        let work = async {
            loop {
                match self.attempt(&ctx, ask.clone(), object).await {
                    Ok(answer) => return Ok(Some(answer)),
                    Err(S3Error::NoObject) => return Ok(None),
                    Err(error) => attempts.again(error).await?,
                }
            }
        };
        Ok(within(&mut deadline, work).await.unwrap_or(Err(S3Error::Timeout))?)
    }

    async fn attempt(&self, ctx: &Ctx, ask: ObjectCall, object: &str) -> Result<Bytes, S3Error> {
        let request = self.server.request(ask, object, ctx.clock.now())?;
        let mut guarded = breaker::enter(ctx, SERVICE, self.server.address()).ok_or(S3Error::CircuitOpen)?;
        let result = async {
            let (head, body) = ctx.http.send(request, LIMITS).await?.into_parts();
            if !head.status.is_success() {
                let said = body::of_error(body).await;
                return Err(S3Error::from_status(head.status, &head.headers, &said));
            }
            Ok(Bytes::from(body::whole(body).await?))
        }
        .await;
        match &result {
            Ok(_) => guarded.success(),
            Err(error) => judge(&mut guarded, error),
        }
        result
    }
}

#[async_trait(?Send)]
impl Blobs for S3Blobs {
    fn max_bytes(&self) -> u64 {
        MAX_FILE
    }

    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), BlobError> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(BlobError::TooLarge { limit: MAX_FILE, remedy: "larger ones are not kept" });
        }
        match self.call(ObjectCall::Put(bytes), key).await? {
            Some(_) => Ok(()),
            None => Err(S3Error::NoObject.into()),
        }
    }

    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, BlobError> {
        self.call(ObjectCall::Get, key).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        self.call(ObjectCall::Delete, key).await?;
        Ok(())
    }
}
