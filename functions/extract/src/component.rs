//! The reader as a component: a request's body is what `wire` says, the answer's body, too. It is not for the public; the
//! manifest gives it a private route.

use bytes::Bytes;
use frontdesk_extract::wire;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{IncomingRequestBody, http_from_wasi_request, http_into_wasi_response};

wasip3::http::service::export!(Component);

/// What the host calls.
struct Component;

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        http_into_wasi_response(answer(http_from_wasi_request(request)?).await)
    }
}

/// The longest request, in bytes: the largest file that the host lets in, and the line before it.
const MAX_REQUEST: usize = (24 << 20) + (64 << 10);

/// Reads the file of one request.
async fn answer(request: Request<IncomingRequestBody>) -> Response<Full<Bytes>> {
    if request.method() != Method::POST {
        return status(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Ok(body) = Limited::new(request.into_body(), MAX_REQUEST).collect().await else {
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    };
    match wire::answer(&body.to_bytes()) {
        Ok(answer) => Response::new(Full::from(answer)),
        Err(_) => status(StatusCode::BAD_REQUEST),
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
