//! Connections and routes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::Options;
use super::behaviour::{Behaviour, Endpoint};
use super::chat::{Said, stream};
use super::embedding::vector;
use super::record::{Ending, Record};
use super::validate::{self, Refusal};

type Body = UnsyncBoxBody<Bytes, io::Error>;
type Answer = Result<Response<Body>, io::Error>;

/// The largest request.
const MAX_BODY: usize = 32 * 1024 * 1024;
/// What open answers get when the server stops.
const GRACE: Duration = Duration::from_secs(1);

/// Serves until `stopped`.
pub(super) async fn run(
    listener: TcpListener,
    options: Arc<Options>,
    record: Arc<Record>,
    mut stopped: oneshot::Receiver<()>,
) {
    let graceful = GracefulShutdown::new();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = &mut stopped => break,
        };
        let Ok((socket, _)) = accepted else {
            // Out of file handles: others have to end first.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Without it small frames wait for the acknowledgement of the ones before.
        let _ = socket.set_nodelay(true);
        let open = OpenConnection::new(Arc::clone(&record));
        let (options, record) = (Arc::clone(&options), Arc::clone(&record));
        let service = service_fn(move |request| route(request, Arc::clone(&options), Arc::clone(&record)));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(socket), service);
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            let _open = open;
            // Clients that go away and answers that are cut off on purpose end here.
            let _ = connection.await;
        });
    }
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

struct OpenConnection(Arc<Record>);

impl OpenConnection {
    fn new(record: Arc<Record>) -> Self {
        record.count(|counts| {
            counts.connections = counts.connections.saturating_add(1);
            counts.open_connections = counts.open_connections.saturating_add(1);
        });
        Self(record)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.count(|counts| counts.open_connections = counts.open_connections.saturating_sub(1));
    }
}

async fn route(request: Request<Incoming>, options: Arc<Options>, record: Arc<Record>) -> Answer {
    let (head, body) = request.into_parts();
    if options.strict && head.method == Method::POST && !head.headers.contains_key(CONTENT_LENGTH) {
        return refuse(&Refusal::new(StatusCode::LENGTH_REQUIRED, "The request states no Content-Length."));
    }
    let bytes = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return refuse(&Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the request is over 32 MiB")),
    };
    let body = || serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
    let path = head.uri.path();
    match (&head.method, path) {
        (&Method::GET, "/v1/models") => {
            let models: Vec<Value> = options
                .models
                .iter()
                .map(|id| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "frontdesk"}))
                .collect();
            json_answer(StatusCode::OK, &json!({"object": "list", "data": models}))
        }
        (&Method::POST, "/v1/chat/completions" | "/v1/embeddings") => {
            let body = body();
            let key = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            let n = record.asked(path, key.is_some(), body.clone());
            let demanded = options.api_key.as_ref().map(|key| format!("Bearer {key}"));
            let answer = if demanded.is_some() && demanded.as_deref() != key {
                let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "Incorrect API key provided.");
                refuse(&refusal.code("invalid_api_key"))
            } else if path == "/v1/embeddings" {
                embeddings(&body, &options, &record).await
            } else {
                chat(&body, &options, &record, n).await
            };
            if let Ok(response) = &answer
                && response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != "text/event-stream")
            {
                record.answered(n, response.status().as_u16(), Ending::Sent);
            } else if answer.is_err() {
                record.answered(n, 0, Ending::Cut);
            }
            answer
        }
        (&Method::POST, "/control/script") => match script(body()) {
            Ok(behaviours) => {
                let added = behaviours.len();
                record.script(behaviours);
                json_answer(StatusCode::OK, &json!({"added": added}))
            }
            Err(message) => refuse(&Refusal::new(StatusCode::BAD_REQUEST, message)),
        },
        (&Method::POST, "/control/behaviour") => match Behaviour::from_json(body()) {
            Ok(behaviour) => {
                record.behave(behaviour);
                json_answer(StatusCode::OK, &json!({}))
            }
            Err(message) => refuse(&Refusal::new(StatusCode::BAD_REQUEST, message)),
        },
        (&Method::POST, "/control/release") => {
            let answers = body().get("answers").and_then(Value::as_u64).unwrap_or(1);
            record.release(usize::try_from(answers).unwrap_or(usize::MAX));
            json_answer(StatusCode::OK, &json!({}))
        }
        (&Method::GET, "/control/counts") => json_answer(StatusCode::OK, &json!(record.counts())),
        (&Method::GET, "/control/requests") => {
            json_answer(StatusCode::OK, &json!({"requests": record.requests(), "counts": record.counts()}))
        }
        (&Method::POST, "/control/reset") => {
            record.reset();
            json_answer(StatusCode::OK, &json!({}))
        }
        (method, path) => {
            let message = format!("Invalid URL ({method} {path})");
            refuse(&Refusal::new(StatusCode::NOT_FOUND, message).code("unknown_url"))
        }
    }
}

fn script(body: Value) -> Result<Vec<Behaviour>, String> {
    match body {
        Value::Array(list) => list.into_iter().map(Behaviour::from_json).collect(),
        Value::Null => Err("the script is no JSON".to_owned()),
        one => Behaviour::from_json(one).map(|behaviour| vec![behaviour]),
    }
}

/// Waits, and answers with the error, if the behaviour is one; `None` goes on.
async fn interrupt(behaviour: &Behaviour, record: &Record) -> Option<Answer> {
    let refuses = behaviour.hang_up || behaviour.html || behaviour.status.is_some();
    if refuses && behaviour.hold.is_some() {
        record.held().await;
    }
    if behaviour.slow_head > 0 {
        tokio::time::sleep(Duration::from_millis(behaviour.slow_head)).await;
    }
    if behaviour.hang_up {
        return Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted)));
    }
    if behaviour.html {
        let page = Full::from("<!doctype html><title>Sign in</title>")
            .map_err(|never| match never {})
            .boxed_unsync();
        return Some(Ok(with_type(Response::new(page), "text/html")));
    }
    let status = StatusCode::from_u16(behaviour.status?).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut refusal = Refusal::new(status, "An error that was asked for.");
    refusal.code.clone_from(&behaviour.code);
    Some(refuse(&refusal).map(|mut response| {
        let seconds = behaviour.retry_after.and_then(|seconds| seconds.to_string().parse().ok());
        if let Some(seconds) = seconds {
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }))
}

async fn chat(body: &Value, options: &Options, record: &Arc<Record>, n: u64) -> Answer {
    let asked = match validate::chat(body, options) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(&refusal),
    };
    let last = asked.messages.iter().rfind(|(role, _)| role == "user").map_or("", |(_, text)| text.as_str());
    let behaviour = match (record.next(Endpoint::Chat), Behaviour::in_message(last)) {
        (Some(scripted), _) => scripted,
        (None, Ok(marked)) => {
            marked.or_else(|| record.behaviour()).unwrap_or_else(|| options.behaviour.clone())
        }
        (None, Err(message)) => return refuse(&Refusal::new(StatusCode::BAD_REQUEST, message)),
    };
    if let Some(answer) = interrupt(&behaviour, record).await {
        return answer;
    }
    let said = Said::new(&asked, &behaviour, options);
    if !asked.stream || behaviour.no_stream {
        tokio::time::sleep(behaviour.first_token.map_or(options.first_token, Duration::from_millis)).await;
        return json_answer(StatusCode::OK, &said.whole());
    }
    let frames = stream(&said, &asked, &behaviour, options, Arc::clone(record), n);
    let body = StreamBody::new(frames.map_ok(Frame::data).boxed());
    Ok(with_type(Response::new(http_body_util::BodyExt::boxed_unsync(body)), "text/event-stream"))
}

async fn embeddings(body: &Value, options: &Options, record: &Record) -> Answer {
    let asked = match validate::embeddings(body, options) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(&refusal),
    };
    let behaviour = record.next(Endpoint::Embeddings).unwrap_or_default();
    if let Some(answer) = interrupt(&behaviour, record).await {
        return answer;
    }
    let tokens = asked.texts.iter().map(|text| validate::count(text)).sum::<usize>();
    let data: Vec<Value> = asked
        .texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, asked.dimensions);
            let embedding = if asked.base64 {
                let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                json!(base64::engine::general_purpose::STANDARD.encode(bytes))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    json_answer(
        StatusCode::OK,
        &json!({"object": "list", "data": data, "model": asked.model, "usage": usage}),
    )
}

fn refuse(refusal: &Refusal) -> Answer {
    json_answer(refusal.status, &refusal.body())
}

fn json_answer(status: StatusCode, value: &Value) -> Answer {
    let body = Full::from(value.to_string()).map_err(|never| match never {}).boxed_unsync();
    let mut response = with_type(Response::new(body), "application/json");
    *response.status_mut() = status;
    Ok(response)
}

fn with_type(mut response: Response<Body>, kind: &'static str) -> Response<Body> {
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
