//! What a use case may ask of the outside world: small object-safe traits, and [`Ctx`] that bundles them.
//!
//! The traits are not `Send`: both edge runtimes are single-threaded, and the local host runs the core on one thread.
//! Nothing shared may be held across an await.

mod at_once;
mod backoff;
mod blobs;
mod breakers;
mod caches;
mod clock;
mod config;
mod ctx;
mod database;
mod dialects;
mod extractor;
mod http_client;
mod limiter;
mod metrics;
mod outcomes;
mod rooms;
mod spool;
mod supervision;
pub mod unconfigured;
mod vectors;

pub use at_once::{AtOnce, Place};
pub use backoff::backoff;
pub use blobs::{BlobError, BlobKey, Blobs};
pub use breakers::{Breakers, Permit};
pub use caches::{
    CachedProbe, CachedSchema, CachedSettings, Caches, KeyCache, KnownKey, QueueDepth, Revoked, SchemaState,
    SettingsCache,
};
pub use clock::{Clock, Compute, Random, Tasks};
pub use config::{Config, ModelEndpoint, OwnOrigin, RegistrationMode};
pub use ctx::{Ctx, Ports};
pub use database::{Database, DbError, Row, Rows, Statement, Value};
pub use dialects::{Dialect, Dialects};
pub use extractor::{
    ExtractFailure, ExtractRequest, Extracted, Extractor, NotRead, Resume, SplitRequest, UnreadPart,
};
pub use http_client::{Egress, FetchError, FetchLimits, HttpClient};
pub use limiter::{LimitKey, Limiter, Rule, Verdict};
pub use metrics::{Buckets, MethodLabel, Metrics, RequestLabels};
pub use outcomes::{CallOutcome, Outcomes};
pub use rooms::{Appended, Replay, Rooms, Subscription};
pub use spool::{MemorySpool, Spool, SpoolError, Spooled};
pub use supervision::{Supervision, Trouble, caught, cause, supervise};
pub use vectors::{VectorHit, VectorIndex, VectorRecord, unit_vector, wrong_vector_length};

use bytes::Bytes;
use futures_core::future::LocalBoxFuture;
use futures_core::stream::LocalBoxStream;

/// A boxed future that stays on its thread.
pub type BoxFuture<'a, T> = LocalBoxFuture<'a, T>;

/// A boxed stream that stays on its thread.
pub type BoxStream<'a, T> = LocalBoxStream<'a, T>;

/// A body that arrives in pieces.
pub type ByteStream = BoxStream<'static, Result<Bytes, FetchError>>;
