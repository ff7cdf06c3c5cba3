//! Ports that a deployment has not configured: every call says so at once.

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_domain::conversation::{Channel, Conversation, Seq};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::{ConversationId, DocumentId, VisitorId};
use frontdesk_domain::room::Command;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::text::Split;

use crate::{
    Appended, BlobError, BlobKey, Blobs, ByteStream, Database, DbError, ExtractFailure, ExtractRequest,
    Extracted, Extractor, FetchError, FetchLimits, HttpClient, LimitKey, Limiter, Replay, Rooms, Rows, Rule,
    SplitRequest, Statement, Subscription, VectorHit, VectorIndex, VectorRecord, Verdict,
};

/// Stands in for any port that is not configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unconfigured;

const DETAIL: &str = "not configured";

fn absent(service: &'static str) -> Error {
    Error::Upstream { service, retryable: false, detail: DETAIL.to_owned() }
}

#[async_trait(?Send)]
impl Database for Unconfigured {
    async fn query(&self, _: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        Err(DbError::Retryable(DETAIL.to_owned()))
    }
    async fn batch(&self, _: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        Err(DbError::Retryable(DETAIL.to_owned()))
    }
}

#[async_trait(?Send)]
impl Rooms for Unconfigured {
    async fn create(&self, _: &TenantScope, _: ConversationId, _: Channel) -> Result<Conversation> {
        Err(absent("rooms"))
    }
    async fn latest(&self, _: &TenantScope, _: VisitorId) -> Result<Option<Conversation>> {
        Err(absent("rooms"))
    }
    async fn append(&self, _: &TenantScope, _: ConversationId, _: Command) -> Result<Appended> {
        Err(absent("rooms"))
    }
    async fn replay(&self, _: &TenantScope, _: ConversationId, _: Seq, _: u32) -> Result<Replay> {
        Err(absent("rooms"))
    }
    async fn subscribe(&self, _: &TenantScope, _: ConversationId, _: Seq) -> Result<Subscription> {
        Err(absent("rooms"))
    }
    async fn typing(&self, _: &TenantScope, _: ConversationId, _: bool) -> Result<()> {
        Err(absent("rooms"))
    }
}

#[async_trait(?Send)]
impl VectorIndex for Unconfigured {
    async fn upsert(&self, _: &TenantScope, _: &str, _: Vec<VectorRecord>) -> Result<Vec<Statement>> {
        Err(absent("vectors"))
    }
    async fn delete(&self, _: &TenantScope, _: DocumentId, _: Option<u32>) -> Result<()> {
        Err(absent("vectors"))
    }
    async fn search(&self, _: &TenantScope, _: &str, _: &[f32], _: u32) -> Result<Vec<VectorHit>> {
        Err(absent("vectors"))
    }
    async fn probe(&self) -> Result<()> {
        Err(absent("vectors"))
    }
    fn colocated(&self, _: &TenantScope, _: &str, _: &[f32], _: u32) -> Option<Statement> {
        None
    }
}

#[async_trait(?Send)]
impl HttpClient for Unconfigured {
    async fn send(
        &self,
        _: http::Request<Bytes>,
        _: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        Err(FetchError::Refused(DETAIL.to_owned()))
    }
}

#[async_trait(?Send)]
impl Blobs for Unconfigured {
    async fn put(&self, _: &BlobKey, _: Bytes) -> Result<(), BlobError> {
        Err(BlobError::Refused(DETAIL.to_owned()))
    }
    async fn get(&self, _: &BlobKey) -> Result<Option<Bytes>, BlobError> {
        Err(BlobError::Refused(DETAIL.to_owned()))
    }
    async fn delete(&self, _: &BlobKey) -> Result<(), BlobError> {
        Err(BlobError::Refused(DETAIL.to_owned()))
    }
}

#[async_trait(?Send)]
impl Extractor for Unconfigured {
    async fn media_type(&self, _: &Bytes) -> Result<String, ExtractFailure> {
        Err(ExtractFailure::Unreadable { reason: DETAIL.to_owned() })
    }
    async fn extract(&self, _: ExtractRequest) -> Result<Extracted, ExtractFailure> {
        Err(ExtractFailure::Unreadable { reason: DETAIL.to_owned() })
    }
    async fn split(&self, _: &SplitRequest) -> Result<Split, ExtractFailure> {
        Err(ExtractFailure::Unreadable { reason: DETAIL.to_owned() })
    }
}

#[async_trait(?Send)]
impl Limiter for Unconfigured {
    async fn take(&self, _: LimitKey, _: u32, _: Rule) -> Result<Verdict> {
        Err(absent("limiter"))
    }
}
