//! Calls to other services through the runtime's `fetch`.

use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_clients::bounded;
use frontdesk_ports::{ByteStream, Clock, FetchError, FetchLimits, HttpClient};
use futures_util::StreamExt;
use http::{Request, Response};
use worker::js_sys::Uint8Array;
use worker::{AbortController, Fetch, Headers, Method, RequestInit, RequestRedirect};

use crate::convert;

/// HTTP by `fetch`. A call ends when it is dropped. What a name resolves to is the platform's matter: Workers reach public
/// addresses only, and under the flag `global_fetch_strictly_public` (wrangler.toml) as any client on the Internet does.
pub struct FetchClient {
    clock: Rc<dyn Clock>,
}

impl FetchClient {
    /// A client that measures its limits on `clock`.
    pub fn new(clock: Rc<dyn Clock>) -> Self {
        Self { clock }
    }
}

/// Ends the call when dropped; for one that is over this does nothing.
struct Cancel(Option<AbortController>);

impl Drop for Cancel {
    fn drop(&mut self) {
        if let Some(controller) = self.0.take() {
            controller.abort();
        }
    }
}

#[async_trait(?Send)]
impl HttpClient for FetchClient {
    async fn send(
        &self,
        request: Request<Bytes>,
        limits: FetchLimits,
    ) -> Result<Response<ByteStream>, FetchError> {
        let started = self.clock.now();
        let outgoing = outgoing(&request).map_err(|error| FetchError::Refused(error.to_string()))?;
        let controller = AbortController::default();
        let signal = controller.signal();
        let cancel = Cancel(Some(controller));

        let fetch = Fetch::Request(outgoing);
        // Connecting and waiting for the head are one step to `fetch`.
        let response = bounded::head(&*self.clock, limits, fetch.send_with_signal(&signal))
            .await?
            .map_err(|error| FetchError::Connect(error.to_string()))?;

        let response = worker::web_sys::Response::from(response);
        let mut answer = Response::builder()
            .status(response.status())
            .body(())
            .map_err(|error| FetchError::Lost(error.to_string()))?;
        *answer.headers_mut() = convert::headers(&response.headers());
        let body = convert::response_body(&response, answer.headers());
        let body = body.map(move |piece| {
            // Moved in so that the call lives exactly as long as its body is read.
            let _call = &cancel;
            piece.map_err(FetchError::Lost)
        });
        let body = bounded::body(self.clock.clone(), limits, started, body.boxed_local());
        Ok(answer.map(|()| body))
    }
}

/// The runtime's request.
fn outgoing(request: &Request<Bytes>) -> worker::Result<worker::Request> {
    let headers = Headers::new();
    for (name, value) in request.headers() {
        headers.append(name.as_str(), value.to_str().map_err(|error| error.to_string())?)?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::from(request.method().to_string()))
        .with_headers(headers)
        .with_redirect(RequestRedirect::Manual);
    if !request.body().is_empty() {
        init.with_body(Some(Uint8Array::from(request.body().as_ref()).into()));
    }
    worker::Request::new_with_init(&request.uri().to_string(), &init)
}
