//! The stand-in itself, where `FRONTDESK_FAKE_QDRANT` names its program: what it keeps, and how it fails when it is told to.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use frontdesk_tests::client::http;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

struct StandIn {
    child: Child,
    address: String,
}

impl StandIn {
    async fn start(program: &OsString, data: &Path) -> Self {
        let mut child = Command::new(program)
            .args(["--port", "0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.next_line().await.unwrap().unwrap();
        Self { child, address }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let request = http().unwrap().request(method, format!("{}{path}", self.address)).json(&body);
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }
}

#[tokio::test]
async fn what_it_stored_is_there_after_it_was_killed() {
    let Some(program) = std::env::var_os("FRONTDESK_FAKE_QDRANT") else { return };
    let data = tempfile::tempdir().unwrap();
    let mut server = StandIn::start(&program, data.path()).await;
    for (method, path, body) in [
        (Method::PUT, "/collections/c.1", json!({"vectors": {"size": 2, "distance": "Cosine"}})),
        (
            Method::POST,
            "/collections/aliases",
            json!({"actions": [{"create_alias": {"collection_name": "c.1", "alias_name": "c"}}]}),
        ),
        (Method::PUT, "/collections/c/points?wait=true", json!({"points": [{"id": 7, "vector": [3, 4]}]})),
    ] {
        assert_eq!(server.ask(method, path, body).await.0, StatusCode::OK, "{path}");
    }
    server.child.kill().await.unwrap();

    let server = StandIn::start(&program, data.path()).await;
    let (_, found) = server.ask(Method::POST, "/collections/c/points/query", json!({"query": [6, 8]})).await;
    assert_eq!(found["result"]["points"][0]["id"], 7, "{found}");
}

#[tokio::test]
async fn it_fails_and_is_late_when_it_is_told_to() {
    let Some(program) = std::env::var_os("FRONTDESK_FAKE_QDRANT") else { return };
    let data = tempfile::tempdir().unwrap();
    let server = StandIn::start(&program, data.path()).await;
    let tell = async |trouble: Value| {
        assert_eq!(server.ask(Method::PUT, "/control", trouble).await.0, StatusCode::OK);
    };
    tell(json!({"status": 503})).await;
    let (status, said) = server.ask(Method::GET, "/collections", Value::Null).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(said["status"]["error"].is_string(), "{said}");

    tell(json!({"delay_ms": 60_000})).await;
    let hasty = http().unwrap().get(format!("{}/collections", server.address));
    let error = hasty.timeout(Duration::from_millis(50)).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");

    tell(json!({})).await;
    assert_eq!(server.ask(Method::GET, "/collections", Value::Null).await.0, StatusCode::OK);
}
