//! The program under test, as a process.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use frontdesk_tests::client::Ready;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running program with a data directory of its own.
pub struct Program {
    child: Child,
    directory: tempfile::TempDir,
    port: u16,
    vars: Vec<(String, String)>,
    flags: Vec<String>,
    pub ready: Ready,
}

/// How the program is started.
#[derive(Default)]
pub struct Options {
    pub vars: Vec<(String, String)>,
    pub flags: Vec<String>,
}

impl Options {
    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }
}

fn binary() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(|deps| deps.parent()).context("the build folder")?;
    let path = folder.join("frontdesk");
    if !path.exists() {
        bail!("{} is missing: `cargo build -p frontdesk-local` makes it", path.display());
    }
    Ok(path)
}

impl Program {
    /// Starts it on a free port with a new data directory; it answers when this returns.
    pub async fn start(options: Options) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (child, ready) = spawn(&directory, port, &options.vars, &options.flags).await?;
        Ok(Self { child, directory, port, vars: options.vars, flags: options.flags, ready })
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// SIGKILL: nothing in memory survives.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }

    /// SIGTERM, and waits for the end. Gives whether it ended well.
    pub async fn terminate(&mut self) -> Result<bool> {
        let pid = self.child.id().context("it has ended already")?;
        let sent = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
        anyhow::ensure!(sent.success(), "kill failed");
        Ok(self.child.wait().await?.success())
    }

    /// Starts it again on the same port and data.
    pub async fn start_again(&mut self) -> Result<()> {
        let (child, ready) = spawn(&self.directory, self.port, &self.vars, &self.flags).await?;
        self.child = child;
        self.ready = ready;
        Ok(())
    }
}

async fn spawn(
    directory: &tempfile::TempDir,
    port: u16,
    vars: &[(String, String)],
    flags: &[String],
) -> Result<(Child, Ready)> {
    let ready_file = directory.path().join("ready.json");
    let _ = std::fs::remove_file(&ready_file);
    let mut command = Command::new(binary()?);
    for (name, _) in std::env::vars() {
        if ["OPENAI_", "ADMIN_", "QDRANT_"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    let mut child = command
        .arg("dev")
        .args(["--port", &port.to_string()])
        .arg("--data")
        .arg(directory.path().join("data"))
        .arg("--ready")
        .arg(&ready_file)
        .args(flags)
        .env("LOG_LEVEL", "warn")
        .envs(vars.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    loop {
        match lines.next_line().await? {
            Some(line) if line.contains("Stop with Ctrl-C") => break,
            Some(_) => {}
            None => bail!("it ended before it was ready: {:?}", child.wait().await?),
        }
    }
    // Read on, so that it never waits for a full pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let ready = serde_json::from_str(&std::fs::read_to_string(&ready_file)?)?;
    Ok((child, ready))
}
