//! One call: its key, its deadline, its further attempts, the breaker.

use std::time::Duration;

use bytes::Bytes;
use frontdesk_ports::{Ctx, Egress, FetchLimits};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::QdrantError;
use super::wire::{QdrantAnswer, Written};
use super::{QdrantServer, SERVICE};
use crate::retry::{Attempts, judge, within};
use crate::{body, breaker};

/// A read: a caller waits for it.
pub(super) const READ: Duration = Duration::from_secs(2);
/// A write, done when it can be searched.
pub(super) const WRITE: Duration = Duration::from_secs(30);
/// Until a connection is there.
const CONNECT: Duration = Duration::from_secs(2);
/// Bytes of one answer: 500 passages are about 60 kB, 10,000 collections about 1 MB.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

/// Calls to one server.
pub(super) struct Caller<'a> {
    pub ctx: &'a Ctx,
    pub server: &'a QdrantServer,
}

impl Caller<'_> {
    /// Reads.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, QdrantError> {
        self.call(Method::GET, path, Bytes::new(), READ).await
    }

    /// Asks with a body.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, QdrantError> {
        self.call(Method::POST, path, json(body)?, READ).await
    }

    /// Changes collections or aliases.
    pub(super) async fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<(), QdrantError> {
        let body = body.map(json).transpose()?.unwrap_or_default();
        self.call::<bool>(method, path, body, WRITE).await.map(|_| ())
    }

    /// Changes points or their indexes, and waits until that is done.
    pub(super) async fn write(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(), QdrantError> {
        let written: Written = self.call(method, &format!("{path}?wait=true"), json(body)?, WRITE).await?;
        if written.status == "completed" {
            return Ok(());
        }
        Err(QdrantError::Overloaded("the write was accepted and not finished in time".to_owned()))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        whole: Duration,
    ) -> Result<T, QdrantError> {
        let mut attempts = Attempts::new(self.ctx, SERVICE, whole);
        let mut deadline = self.ctx.clock.sleep(whole);
        let work = async {
            loop {
                let request = self.request(&method, path, body.clone())?;
                match self.attempt(request, whole).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => attempts.again(error).await?,
                }
            }
        };
        within(&mut deadline, work).await.unwrap_or(Err(QdrantError::Timeout))
    }

    fn request(&self, method: &Method, path: &str, body: Bytes) -> Result<Request<Bytes>, QdrantError> {
        let mut builder = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server.base_url.trim_end_matches('/')))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &self.server.api_key {
            let mut value = HeaderValue::from_str(key.expose_secret()).map_err(|_| {
                QdrantError::Refused("the key holds a line break or other control character".to_owned())
            })?;
            value.set_sensitive(true);
            builder = builder.header(HeaderName::from_static("api-key"), value);
        }
        builder.body(body).map_err(|_| QdrantError::Refused("the address is no URL".to_owned()))
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        request: Request<Bytes>,
        whole: Duration,
    ) -> Result<T, QdrantError> {
        let mut guarded =
            breaker::enter(self.ctx, SERVICE, &self.server.base_url).ok_or(QdrantError::CircuitOpen)?;
        let limits = FetchLimits {
            connect: CONNECT,
            head: whole,
            gap: whole,
            total: whole,
            max_bytes: MAX_ANSWER,
            egress: Egress::Configured,
        };
        let result = async {
            let (head, body) = self.ctx.http.send(request, limits).await?.into_parts();
            if !head.status.is_success() {
                let said = body::of_error(body).await;
                return Err(QdrantError::from_status(head.status, &head.headers, &said));
            }
            let answer: QdrantAnswer<T> = serde_json::from_slice(&body::whole(body).await?)
                .map_err(|_| QdrantError::BadResponse("not the answer that was asked for".to_owned()))?;
            Ok(answer.result)
        }
        .await;
        match &result {
            Ok(_) => guarded.success(),
            Err(error) => judge(&mut guarded, error),
        }
        result
    }
}

fn json(body: &impl Serialize) -> Result<Bytes, QdrantError> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|_| QdrantError::NotTaken("the request is no JSON".to_owned()))
}
