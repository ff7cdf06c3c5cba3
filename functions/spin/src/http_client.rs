//! Calls to other services through `wasi:http`.

use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_clients::bounded;
use frontdesk_ports::{ByteStream, Clock, Egress, FetchError, FetchLimits, HttpClient};
use futures_util::StreamExt;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyDataStream, Full};
use wasip3::http_compat::{http_from_wasi_response, http_into_wasi_request};

/// HTTP by the host. Dropping a call closes its connection. Which hosts it may reach, the manifest says.
pub struct OutboundClient {
    clock: Rc<dyn Clock>,
}

impl OutboundClient {
    /// A client that measures its limits on `clock`.
    pub fn new(clock: Rc<dyn Clock>) -> Self {
        Self { clock }
    }
}

#[async_trait(?Send)]
impl HttpClient for OutboundClient {
    async fn send(
        &self,
        request: Request<Bytes>,
        limits: FetchLimits,
    ) -> Result<Response<ByteStream>, FetchError> {
        if limits.egress == Egress::Public {
            // The host resolves names and gives no say about what they resolve to.
            return Err(FetchError::Refused("addresses from others are not fetched on this host".to_owned()));
        }
        let started = self.clock.now();
        // Connecting and waiting for the head are one step here.
        let outgoing = http_into_wasi_request(with_length(request).map(Full::new))
            .map_err(|error| FetchError::Refused(error.to_string()))?;
        let response = bounded::head(&*self.clock, limits, wasip3::http::client::send(outgoing))
            .await?
            .map_err(|error| FetchError::Connect(error.to_string()))?;
        let mut response =
            http_from_wasi_response(response).map_err(|error| FetchError::Lost(error.to_string()))?;
        // Of the connection, not of the answer.
        response.headers_mut().remove(header::CONNECTION);
        response.headers_mut().remove(header::TRANSFER_ENCODING);
        Ok(response.map(|body| {
            let pieces = BodyDataStream::new(body)
                .map(|piece| piece.map_err(|error| FetchError::Lost(error.to_string())))
                .boxed_local();
            bounded::body(self.clock.clone(), limits, started, pieces)
        }))
    }
}

/// The host sends a body in chunks unless its length is stated, which many servers do not take.
fn with_length(mut request: Request<Bytes>) -> Request<Bytes> {
    if !request.body().is_empty() {
        let length = HeaderValue::from(request.body().len());
        request.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    request
}
