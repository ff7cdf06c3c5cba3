//! The program that is measured: the release build of `frontdesk`, as a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::connection::{Connection, empty, json as body};
use crate::process::{self, Memory};

/// The demo documents are read on the first start.
const START: Duration = Duration::from_secs(60);
/// The server drains for up to 10 s.
const STOP: Duration = Duration::from_secs(12);

/// A running server. Dropping it ends it.
pub struct Server {
    child: Child,
    ready: Ready,
}

#[derive(Deserialize)]
struct Ready {
    base_url: String,
    #[serde(flatten)]
    site: Site,
}

/// A seeded site, as `frontdesk seed --json` tells it.
#[derive(Default, Deserialize)]
pub struct Site {
    site_key: String,
    admin_email: String,
    admin_password: String,
}

impl Site {
    /// A new visitor.
    pub async fn visitor(&self, connection: &mut Connection) -> Result<Visitor> {
        let request = json!({ "site_key": self.site_key, "locale": "en" });
        let session = connection.post("/api/v1/widget/sessions", "", &request, StatusCode::CREATED).await?;
        Ok(Visitor { token: text(&session, "/visitor_token")? })
    }

    /// A token of the administrator.
    pub async fn login(&self, connection: &mut Connection) -> Result<String> {
        let request = json!({ "email": self.admin_email, "password": self.admin_password });
        text(&connection.post("/api/v1/auth/login", "", &request, StatusCode::OK).await?, "/access_token")
    }
}

/// A visitor with a session.
pub struct Visitor {
    /// The visitor's token.
    pub token: String,
}

/// The program, found beside this one.
pub fn program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("the path of this program")?;
    let path = own.with_file_name("frontdesk");
    if !path.is_file() {
        bail!("{} is missing: `cargo build --release -p frontdesk-local` makes it", path.display());
    }
    Ok(path)
}

/// What a person has set up for the own installation is not what is measured; nor is a proxy.
pub fn own_settings_aside(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_uppercase();
        let own = ["OPENAI_", "QDRANT_", "DATABASE_", "ADMIN_", "FRONTDESK_"];
        if own.iter().any(|start| upper.starts_with(start))
            || upper.ends_with("_PROXY")
            || upper == "LOG_LEVEL"
        {
            command.env_remove(name);
        }
    }
}

impl Server {
    /// Starts on a free port with `directory/data` as its data; it answers when this returns. Without a model answers
    /// are quoted; without documents there is nothing to answer from.
    pub async fn start(directory: &Path, model: Option<&str>, documents: bool) -> Result<Self> {
        let (ready_file, log) = (directory.join("ready.json"), directory.join("server.log"));
        // Of an earlier start in the same directory.
        let _ = std::fs::remove_file(&ready_file);
        let errors = std::fs::File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(program()?);
        own_settings_aside(&mut command);
        command.args(["dev", "--no-limits", "--port", "0", "--data"]).arg(directory.join("data"));
        command.arg("--ready").arg(&ready_file);
        if !documents {
            command.arg("--empty");
        }
        if let Some(base_url) = model {
            command
                .env("OPENAI_BASE_URL", base_url)
                .env("OPENAI_API_KEY", "bench")
                .env("OPENAI_MODEL", "fake-chat");
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn()?;
        // Held from now on, so that it ends with every error.
        let ready = Ready { base_url: String::new(), site: Site::default() };
        let mut server = Self { child, ready };
        let began = Instant::now();
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(&ready_file) {
                break text;
            }
            let ended = server.child.try_wait()?;
            if ended.is_some() || began.elapsed() > START {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                bail!(
                    "the server is not ready after {} s (ended: {ended:?}): {said}",
                    began.elapsed().as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        server.ready = serde_json::from_str(&text).context("what the server wrote when it was ready")?;
        Ok(server)
    }

    /// Where it answers.
    pub fn base_url(&self) -> &str {
        &self.ready.base_url
    }

    /// A new connection.
    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(self.base_url()).await
    }

    /// Its memory.
    pub fn memory(&self) -> Result<Memory> {
        process::memory(self.child.id())
    }

    /// Its processor time so far.
    pub fn processor_time(&self) -> Result<Duration> {
        process::processor_time(self.child.id())
    }

    /// A new visitor.
    pub async fn visitor(&self, connection: &mut Connection) -> Result<Visitor> {
        self.ready.site.visitor(connection).await
    }

    /// A token of the administrator.
    pub async fn login(&self, connection: &mut Connection) -> Result<String> {
        self.ready.site.login(connection).await
    }

    /// Ends it as an operating system would, and waits.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        // It may have ended in this moment.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < STOP {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "waits for another program, which follows the real clock"
            )]
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!("the server did not end within {} s of SIGTERM", STOP.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error here has nobody left to hear it; the kill in it was tried.
        let _ = self.end();
    }
}

/// A new conversation of a visitor: its id.
pub async fn conversation(connection: &mut Connection, visitor: &Visitor) -> Result<String> {
    text(
        &connection.post("/api/v1/conversations", &visitor.token, &json!({}), StatusCode::CREATED).await?,
        "/id",
    )
}

/// Puts a conversation into an operator's hands: no turn begins any more.
pub async fn take_over(connection: &mut Connection, operator: &str, conversation: &str) -> Result<()> {
    let path = format!("/api/v1/conversations/{conversation}");
    let seen =
        connection.request(Method::GET, &format!("{path}/events?limit=1"), operator, "application/json");
    let log = connection.json(seen.body(empty())?, StatusCode::OK).await?;
    let epoch = number(&log, "/epoch")?;
    let change = connection.request(Method::PATCH, &path, operator, "application/json");
    let change =
        change.header("if-match", format!("\"{epoch}\"")).body(body(&json!({ "mode": "operator" })))?;
    connection.json(change, StatusCode::OK).await?;
    Ok(())
}

/// A text in an answer.
pub fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("no text at {pointer} in {value}"))
}

/// A number in an answer.
pub fn number(value: &Value, pointer: &str) -> Result<u64> {
    value
        .pointer(pointer)
        .and_then(Value::as_u64)
        .with_context(|| format!("no number at {pointer} in {value}"))
}
