//! HTTP to a service that fails.

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_ports::{ByteStream, FetchError, FetchLimits, HttpClient};

/// How calls to the service go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpFault {
    /// As they should.
    None,
    /// There is no connection.
    Down,
    /// It does what it is asked, and the connection breaks before it says so.
    AnswerLost,
    /// It takes the request and never answers.
    Silent,
}

/// HTTP in which one service fails as long as it is told to; others are reached.
pub struct FaultyHttp {
    inner: Rc<dyn HttpClient>,
    service: String,
    fault: Cell<HttpFault>,
}

impl FaultyHttp {
    /// Wraps `inner`; the service is whatever is at addresses that begin with `service`. Nothing fails at first.
    #[must_use]
    pub fn new(inner: Rc<dyn HttpClient>, service: &str) -> Self {
        Self { inner, service: service.to_owned(), fault: Cell::new(HttpFault::None) }
    }

    /// From now on.
    pub fn set(&self, fault: HttpFault) {
        self.fault.set(fault);
    }
}

#[async_trait(?Send)]
impl HttpClient for FaultyHttp {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        if !request.uri().to_string().starts_with(&self.service) {
            return self.inner.send(request, limits).await;
        }
        match self.fault.get() {
            HttpFault::None => self.inner.send(request, limits).await,
            HttpFault::Down => Err(FetchError::Connect("refused (planned)".to_owned())),
            HttpFault::AnswerLost => {
                self.inner.send(request, limits).await?;
                Err(FetchError::Lost("the connection broke (planned)".to_owned()))
            }
            HttpFault::Silent => std::future::pending().await,
        }
    }
}
