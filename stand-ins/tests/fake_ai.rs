//! The fake model over a real socket, without any HTTP client in between.

use frontdesk_stand_ins::fake_ai::{FakeAi, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn call(ai: &FakeAi, method: &str, path: &str, body: &str) -> (u16, String) {
    let host = ai.base_url.strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap();
    let mut socket = TcpStream::connect(host).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

fn question(text: &str, stream: bool) -> String {
    json!({"model": "fake-chat", "stream": stream, "messages": [{"role": "user", "content": text}]})
        .to_string()
}

#[tokio::test]
async fn the_same_context_gives_the_same_bytes() {
    let ai = FakeAi::start(Options::default()).await.unwrap();
    let body = question("[1] Hours\nWe open at nine.\n\nQuestion: When do you open?", true);
    let first = call(&ai, "POST", "/v1/chat/completions", &body).await;
    assert_eq!(first, call(&ai, "POST", "/v1/chat/completions", &body).await);
    assert!(first.1.contains("data: [DONE]"), "{}", first.1);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let ai = FakeAi::start(Options::default()).await.unwrap();
    for (path, body, status) in [
        ("/v1/chat/completions", "{nonsense", 400),
        ("/v1/chat/completions", "{}", 400),
        ("/v1/embeddings", "{\"model\":\"fake-embedding\",\"input\":[\"\"]}", 400),
        ("/v1/embeddings", "{\"model\":\"fake-embedding\",\"input\":\"x\"}", 200),
        ("/control/script", "[{\"cut-atfer\":1}]", 400),
        ("/v1/audio", "", 404),
    ] {
        assert_eq!(call(&ai, "POST", path, body).await.0, status, "{path} {body}");
    }
    let marked = question("Hi !fault:nonsense", false);
    assert_eq!(call(&ai, "POST", "/v1/chat/completions", &marked).await.0, 400);
}

#[tokio::test]
async fn script_and_record_are_reached_over_http() {
    let ai = FakeAi::start(Options::default()).await.unwrap();
    let script = r#"["status=503,on=chat", {"on": "embeddings", "status": 429, "retry-after": 2}]"#;
    assert_eq!(call(&ai, "POST", "/control/script", script).await, (200, r#"{"added":2}"#.to_owned()));
    let embed = r#"{"model":"fake-embedding","input":"x"}"#;
    assert_eq!(call(&ai, "POST", "/v1/embeddings", embed).await.0, 429);
    assert_eq!(call(&ai, "POST", "/v1/chat/completions", &question("Hi", false)).await.0, 503);
    assert_eq!(
        call(&ai, "POST", "/v1/chat/completions", &question("Hi !fault:status=418", false)).await.0,
        418
    );
    let record: Value = serde_json::from_str(&call(&ai, "GET", "/control/requests", "").await.1).unwrap();
    assert_eq!(record["counts"]["requests"], 3);
    assert_eq!(record["requests"][1]["body"]["messages"][0]["content"], "Hi");
    call(&ai, "POST", "/control/reset", "").await;
    assert_eq!(ai.requests(), []);
}

#[tokio::test]
async fn a_length_is_kept_to_the_token() {
    let ai = FakeAi::start(Options { tokens: Some(400), ..Options::default() }).await.unwrap();
    let body = call(&ai, "POST", "/v1/chat/completions", &question("Hi", false)).await.1;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["usage"]["completion_tokens"], 400);
}

#[tokio::test]
async fn an_answer_that_is_held_goes_on_when_it_is_released() {
    let ai = FakeAi::start(Options::default()).await.unwrap();
    let script = r#"["hold=2,text=one two three", "hold=0,status=503"]"#;
    assert_eq!(call(&ai, "POST", "/control/script", script).await.0, 200);
    let ask = question("Hi", true);
    let held = call(&ai, "POST", "/v1/chat/completions", &ask);
    let release = async {
        ai.until(|counts| counts.in_flight == 1).await;
        call(&ai, "POST", "/control/release", "").await
    };
    let (held, released) = tokio::join!(held, release);
    assert_eq!(released.0, 200);
    assert!(held.1.contains(" three") && held.1.contains("[DONE]"), "{}", held.1);
    assert_eq!(ai.counts().in_flight, 0);

    // A release may come first.
    call(&ai, "POST", "/control/release", r#"{"answers": 1}"#).await;
    assert_eq!(call(&ai, "POST", "/v1/chat/completions", &ask).await.0, 503);
}

#[tokio::test]
async fn the_behaviour_of_all_other_requests_can_be_changed() {
    let ai = FakeAi::start(Options::default()).await.unwrap();
    assert_eq!(call(&ai, "POST", "/control/behaviour", r#""tokens=7""#).await.0, 200);
    assert_eq!(call(&ai, "POST", "/control/behaviour", r#""tokesn=7""#).await.0, 400);
    let length = async |text| {
        let body = call(&ai, "POST", "/v1/chat/completions", &question(text, false)).await.1;
        serde_json::from_str::<Value>(&body).unwrap()["usage"]["completion_tokens"].clone()
    };
    assert_eq!(length("Hi").await, 7);
    assert_eq!(length("Hi !fault:tokens=9").await, 9);
    call(&ai, "POST", "/control/reset", "").await;
    assert_ne!(length("Hi").await, 7);
    let counts: Value = serde_json::from_str(&call(&ai, "GET", "/control/counts", "").await.1).unwrap();
    assert_eq!(counts["requests"], 1);
}

/// What the server answers to bytes as they are.
async fn raw(ai: &FakeAi, request: &str) -> String {
    let host = ai.base_url.strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap();
    let mut socket = TcpStream::connect(host).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_in_chunks_is_refused_by_a_strict_server_alone() {
    let body = question("Hi", false);
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         {length:x}\r\n{body}\r\n0\r\n\r\n"
    );
    for (strict, status) in [(true, "HTTP/1.1 411"), (false, "HTTP/1.1 200")] {
        let ai = FakeAi::start(Options { strict, ..Options::default() }).await.unwrap();
        let answer = raw(&ai, &request).await;
        assert!(answer.starts_with(status), "{strict}: {answer}");
    }
}
