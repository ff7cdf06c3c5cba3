//! Connections, the key, and what `/control` asked for.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::rest::{self, Refusal};
use crate::store::Store;

/// The largest request, as with the real server.
const MAX_BODY: usize = 32 * 1024 * 1024;

struct Shared {
    store: Mutex<Store>,
    api_key: Option<String>,
    trouble: Mutex<Trouble>,
}

/// How answers go wrong.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trouble {
    /// The status of every answer.
    status: Option<u16>,
    /// How late every answer is.
    #[serde(default)]
    delay_ms: u64,
}

/// Serves until SIGTERM or Ctrl-C.
pub async fn run(listener: TcpListener, store: Store, api_key: Option<String>) -> anyhow::Result<()> {
    let shared = Arc::new(Shared { store: Mutex::new(store), api_key, trouble: Mutex::default() });
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        let (socket, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        };
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
        tokio::spawn(async move {
            // Clients that go away end here.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Ok(refuse(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "JSON payload is larger than allowed",
        )));
    };
    let body = body.to_bytes();
    if (&head.method, head.uri.path()) == (&Method::PUT, "/control") {
        return Ok(match serde_json::from_slice(&body) {
            Ok(trouble) => {
                *shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
                json(StatusCode::OK, &serde_json::json!({}))
            }
            Err(error) => refuse(Refusal::new(StatusCode::BAD_REQUEST, error.to_string())),
        });
    }
    let trouble = *shared.trouble.lock().unwrap_or_else(PoisonError::into_inner);
    tokio::time::sleep(Duration::from_millis(trouble.delay_ms)).await;
    if let Some(status) = trouble.status.and_then(|status| StatusCode::from_u16(status).ok()) {
        return Ok(refuse(Refusal::new(status, "an error that was asked for")));
    }
    if let Some(said) = locked(&shared.api_key, &head.headers, head.uri.path()) {
        let mut response = Response::new(Full::from(said));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(response);
    }
    // The engine blocks.
    let work = tokio::task::spawn_blocking(move || {
        let mut store = shared.store.lock().unwrap_or_else(PoisonError::into_inner);
        rest::handle(&mut store, &head.method, &head.uri, &body)
    });
    Ok(match work.await {
        Ok(Ok(result)) => {
            json(StatusCode::OK, &serde_json::json!({"result": result, "status": "ok", "time": 0.0}))
        }
        Ok(Err(refusal)) => refuse(refusal),
        Err(_) => refuse(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the engine panicked")),
    })
}

/// What is said to a caller without the right key.
fn locked(api_key: &Option<String>, headers: &HeaderMap, path: &str) -> Option<&'static str> {
    let expected = api_key.as_deref()?;
    if matches!(path, "/" | "/healthz" | "/livez" | "/readyz") {
        return None;
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let key = header("api-key").or_else(|| header("authorization")?.strip_prefix("Bearer "));
    match key {
        None => Some("Must provide an API key or an Authorization bearer token"),
        Some(key) if key == expected => None,
        Some(_) => Some("Invalid API key or JWT"),
    }
}

fn refuse(refusal: Refusal) -> Response<Full<Bytes>> {
    json(refusal.status, &serde_json::json!({"status": {"error": refusal.error}, "time": 0.0}))
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
