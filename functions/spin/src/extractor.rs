//! Untrusted files are read by another component (`functions/extract`), whose instances have memory of their own: a parser
//! that dies or never ends takes no visitor's answer with it.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_domain::text::Split;
use frontdesk_extract::{Limits, wire};
use frontdesk_ports::{
    Egress, ExtractFailure, ExtractRequest, Extracted, Extractor, FetchError, FetchLimits, HttpClient,
    SplitRequest,
};
use futures_util::TryStreamExt;
use http::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

/// How long the type of a file may take.
const KIND: Duration = Duration::from_secs(15);
/// Until the reader has a connection for us.
const CONNECT: Duration = Duration::from_secs(5);

/// What a file may unpack to, and a pdf in small parts: components of one process do not yield to each other while they compute,
/// so that a part holds up others for as long as it takes.
const LIMITS: fn() -> Limits =
    || Limits { max_bytes: 24 << 20, max_unpacked: 64 << 20, pages_at_once: 20, ..Limits::default() };

/// Has files read by the component at an address.
pub struct RemoteExtractor {
    http: Rc<dyn HttpClient>,
    url: Url,
}

impl RemoteExtractor {
    /// The component at `url`.
    pub fn new(http: Rc<dyn HttpClient>, url: Url) -> Self {
        Self { http, url }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        header: serde_json::Result<Vec<u8>>,
        file: &[u8],
        deadline: Duration,
    ) -> Result<T, ExtractFailure> {
        let limit = LIMITS().max_bytes;
        if u64::try_from(file.len()).unwrap_or(u64::MAX) > limit {
            // Another host of this deployment may have taken it.
            return Err(ExtractFailure::OverLimit { what: "bytes".to_owned(), limit });
        }
        let body = wire::request(&header.map_err(|_| ExtractFailure::broken())?, file);
        let limits = FetchLimits {
            connect: CONNECT,
            head: deadline,
            gap: deadline,
            total: deadline,
            max_bytes: LIMITS().max_text.saturating_mul(2),
            egress: Egress::Configured,
        };
        let request = Request::builder().method(Method::POST).uri(self.url.as_str()).body(Bytes::from(body));
        let request = request.map_err(|_| ExtractFailure::Unavailable)?;
        let answer = match self.http.send(request, limits).await {
            Ok(answer) => answer,
            Err(error) => return Err(unanswered(&error, deadline)),
        };
        let status = answer.status();
        let whole = answer.into_body().try_fold(Vec::new(), async |mut whole, piece| {
            whole.extend_from_slice(&piece);
            Ok(whole)
        });
        let whole = whole.await.map_err(|error| unanswered(&error, deadline))?;
        if status == StatusCode::OK
            && let Some(outcome) = wire::outcome(&whole)
        {
            return outcome;
        }
        // An instance that died is answered for by its host.
        tracing::warn!(%status, "a file's reader died");
        Err(if status == StatusCode::INTERNAL_SERVER_ERROR {
            ExtractFailure::broken()
        } else {
            ExtractFailure::Unavailable
        })
    }
}

fn unanswered(error: &FetchError, deadline: Duration) -> ExtractFailure {
    tracing::warn!(%error, "the reader of files did not answer");
    match error {
        // It may have waited behind others.
        FetchError::Timeout(name) if *name != "connect" => {
            ExtractFailure::Silent { seconds: deadline.as_secs() }
        }
        FetchError::Lost(_) => ExtractFailure::Lost,
        _ => ExtractFailure::Unavailable,
    }
}

#[async_trait(?Send)]
impl Extractor for RemoteExtractor {
    fn max_bytes(&self) -> u64 {
        LIMITS().max_bytes
    }

    async fn media_type(&self, bytes: &Bytes) -> Result<String, ExtractFailure> {
        self.ask(wire::media_type_header(&LIMITS()), bytes, KIND).await
    }

    async fn extract(&self, request: ExtractRequest) -> Result<Extracted, ExtractFailure> {
        self.ask(wire::text_header(&request, &LIMITS()), &request.bytes, request.deadline).await
    }

    async fn split(&self, request: &SplitRequest) -> Result<Split, ExtractFailure> {
        let header = wire::split_header(request, &LIMITS());
        self.ask(header, request.text.as_bytes(), request.deadline).await
    }
}
